"""Life without load: the start, the memory after it, and what idling costs."""

import statistics
import time
from typing import Any, Final

from bench import machine
from bench.processes import BenchError
from bench.results import Budget, Row
from bench.rig import Rig, alternate, reasons, values

MEMORY_BUDGET: Final = Budget(40, 60)
START_BUDGET: Final = Budget(1.0, 2.0)
IDLE_BUDGET: Final = Budget(0.5, 1.0)


def start_and_memory(rig: Rig) -> list[Row]:
    """Start in a home that exists, with both cores; then what the worker holds."""
    rig.product.stop()

    def measure() -> dict[str, Any]:
        if rig.product_error:
            raise BenchError(rig.product_error)
        begun = time.monotonic()
        health = rig.product.start(pinned=False)
        try:
            called = rig.product.first_call("up/gpt-4o-mini", begun)
            rig.product.adopt(pinned=False)
            # The node still imports its management part for a moment; the worker's memory is read when that is over.
            time.sleep(1)
            worker = sum(machine.rss_bytes(pid) for pid in rig.product.workers) / 1e6
            return {"health_s": health, "call_s": called, "worker_mb": worker, "node_mb": machine.rss_bytes(rig.product.node) / 1e6}
        finally:
            rig.product.stop()

    readings, failures = alternate(rig, "start", {"Sekisho": measure})
    found, why = readings["Sekisho"], reasons(failures)
    start_notes = [f"/health answers after {statistics.median(values(found, 'health_s')):.2f} s"] if found else []
    memory_notes = [f"the node has {statistics.median(values(found, 'node_mb')):.0f} MB"] if found else []
    title = "first call answered after `sekisho serve`, home exists"
    return [
        Row("start", title, "s", values(found, "call_s"), budget=START_BUDGET, notes=start_notes, details=readings, missing=why),
        Row("memory", "worker RSS after start", "MB", values(found, "worker_mb"), budget=MEMORY_BUDGET, notes=memory_notes, missing=why),
    ]


def idle(rig: Rig) -> list[Row]:
    """CPU of node and worker when nothing is asked of them."""
    seconds = rig.durations.idle
    rig.report(f"idle · Sekisho · {seconds:.0f} s")
    title = f"idle CPU of node and worker over {seconds:.0f} s"
    try:
        rig.ours("up")
        time.sleep(3)
        node, workers = machine.cpu_seconds([rig.product.node]), machine.cpu_seconds(rig.product.workers)
        time.sleep(seconds)
        node = (machine.cpu_seconds([rig.product.node]) - node) / seconds * 100
        workers = (machine.cpu_seconds(rig.product.workers) - workers) / seconds * 100
    except (BenchError, FileNotFoundError) as error:
        return [Row("idle", title, "% of a core", budget=IDLE_BUDGET, missing=str(error))]
    notes = [f"node {node:.2f} %, worker {workers:.2f} %; the clock of /proc ticks {machine.TICKS} times a second"]
    return [Row("idle", title, "% of a core", [round(node + workers, 4)], budget=IDLE_BUDGET, notes=notes)]
