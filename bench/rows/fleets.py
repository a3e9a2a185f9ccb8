"""Several workers: what a second one adds, and what it costs."""

import statistics
from typing import Any, Final

from bench.processes import BenchError, pin
from bench.results import Row
from bench.rig import CONNECTIONS, Rig, alternate, cpu_under_load, reasons, values

SEVERAL: Final = 2


def workers(rig: Rig) -> list[Row]:
    """Answers per second of two workers on two cores, beside one worker on one; the load has no core to itself where there are only two."""
    title = "throughput of two workers on two cores"
    try:
        twin = rig.twin("workers")
    except BenchError as error:
        return [Row("workers", title, "answers/s", missing=str(error))]
    cores = [rig.processes.measured, rig.processes.second]

    def measure(count: int) -> dict[str, Any]:
        product = rig.product if count == 1 else twin
        if not product.workers:
            product.start(workers=count)
            product.adopt()
            for pid, core in zip(product.workers, cores, strict=False):
                pin([pid], {core})
        return cpu_under_load(
            rig,
            lambda: rig.ours("up", product),
            kind="plain",
            connections=2 * CONNECTIONS,
            seconds=rig.durations.load,
            warm=rig.durations.warm,
        )

    try:
        readings, failures = alternate(rig, "workers", {"one": lambda: measure(1), "two": lambda: measure(SEVERAL)})
    finally:
        twin.stop()
    one, two = readings["one"], readings["two"]
    notes = []
    if one and two:
        cost = statistics.median(values(two, "cpu_us")), statistics.median(values(one, "cpu_us"))
        shares = [min(reading["each_cpu_s"]) / max(1e-9, sum(reading["each_cpu_s"])) for reading in two]
        notes.append(f"CPU per call {cost[0]:.1f} µs with two workers, {cost[1]:.1f} µs with one")
        notes.append(f"the less busy of the two did {statistics.median(shares):.0%} of their work")
        if rig.processes.second == rig.processes.other:
            notes.append("this machine has two cores: the second worker shares its core with load, upstream and node")
    return [
        Row(
            "workers",
            title,
            "answers/s",
            values(two, "rate"),
            values(one, "rate"),
            floor_name="1 worker",
            notes=notes,
            details=readings,
            missing=reasons(failures),
        )
    ]
