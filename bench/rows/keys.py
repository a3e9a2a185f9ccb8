"""Very many keys: what they cost each call, how long they take to load, and whether a change among them holds anybody up."""

import http.client
import os
import signal
import statistics
import threading
import time
from typing import Any, Final

from bench import machine
from bench.processes import BenchError
from bench.product import Product
from bench.results import Budget, Row
from bench.rig import CONNECTIONS, Rig, alternate, cpu_under_load, disturbances, reasons, values

MANY: Final = 10_000
MOST: Final = 100_000
MANY_BUDGET: Final = Budget(1.05, 1.10, ratio=True)
LOAD_BUDGET: Final = Budget(2.0, 2.0)
STALL_BUDGET: Final = Budget(20.0, 20.0)
CHANGES: Final = 20
"""Keys that are made and revoked."""
PROBE_S: Final = 0.0005
RELOAD_S: Final = 30.0


def many(rig: Rig) -> list[Row]:
    """The JSON row with 10,000 keys loaded, beside the same with one."""
    title = f"JSON chat with {MANY:,} keys loaded, beside the same with one (no APIs among them)"
    try:
        crowded = rig.twin("crowded", MANY)
    except BenchError as error:
        return [Row("many-keys", title, "CPU µs/request", budget=MANY_BUDGET, missing=str(error))]

    def measure(product: Product) -> dict[str, Any]:
        return cpu_under_load(
            rig,
            lambda: rig.ours("up", product),
            kind="plain",
            connections=CONNECTIONS,
            seconds=rig.durations.load,
            warm=rig.durations.warm,
        )

    try:
        readings, failures = alternate(rig, "many-keys", {"few": lambda: measure(rig.product), "many": lambda: measure(crowded)})
    finally:
        crowded.stop()
    return [
        Row(
            "many-keys",
            title,
            "CPU µs/request",
            values(readings["many"], "cpu_us"),
            values(readings["few"], "cpu_us"),
            floor_name="1 key",
            budget=MANY_BUDGET,
            notes=disturbances(readings),
            details=readings,
            missing=reasons(failures),
        )
    ]


class Probe(threading.Thread):
    """Asks the worker for /health over one connection, again and again, and keeps the longest wait."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._over = threading.Event()
        self.waits_ms: list[float] = []
        self.problem = ""

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        try:
            connection.connect()
            while not self._over.wait(PROBE_S):
                begun = time.perf_counter()
                connection.request("GET", "/health")
                connection.getresponse().read()
                self.waits_ms.append((time.perf_counter() - begun) * 1000)
        except (OSError, http.client.HTTPException) as error:
            self.problem = str(error) or type(error).__name__
        finally:
            connection.close()

    def finish(self) -> float:
        """End it; the longest wait in milliseconds. Raises BenchError where an answer did not come."""
        self._over.set()
        self.join(15)
        if self.problem or not self.waits_ms:
            raise BenchError(f"the probe heard nothing: {self.problem or 'no answer'}")
        return max(self.waits_ms)


def most(rig: Rig) -> list[Row]:
    """100,000 keys: loading them, changing one of them, and the worker's longest pause while either goes on."""
    titles = {
        "keys-load": (f"what {MOST:,} keys add to the first call after `sekisho serve`", "s", LOAD_BUDGET),
        "keys-write": (f"a key made or revoked among {MOST:,}, in force when the answer comes", "ms", None),
        "keys-stall": (f"the worker's longest pause while {MOST:,} keys are changed and loaded anew", "ms", STALL_BUDGET),
    }
    rig.report(f"{MOST:,} keys")
    try:
        found = _most(rig)
    except BenchError as error:
        return [Row(name, title, unit, budget=budget, missing=str(error)) for name, (title, unit, budget) in titles.items()]
    told = {
        "keys-load": (
            [found["load_s"]],
            [
                f"first call after {found['first_call_s']:.2f} s; the worker holds {found['worker_mb']:.0f} MB, "
                f"the node {found['node_mb']:.0f} MB"
            ],
        ),
        "keys-write": ([found["write_ms"]], [f"the slowest of {2 * CHANGES}: {found['write_most_ms']:.0f} ms"]),
        "keys-stall": (
            [max(found["stall_writes_ms"], found["stall_reload_ms"])],
            [
                f"at rest {found['stall_rest_ms']:.1f} ms, while keys were changed {found['stall_writes_ms']:.1f} ms, while a new node "
                f"sent all keys again {found['stall_reload_ms']:.1f} ms; asked by a client on the other core, whose own pauses count too"
            ],
        ),
    }
    return [
        Row(name, title, unit, told[name][0], budget=budget, notes=told[name][1], details={"Sekisho": [found]})
        for name, (title, unit, budget) in titles.items()
    ]


def _most(rig: Rig) -> dict[str, Any]:
    huge = rig.twin("huge", MOST)

    def first_call(product: Product) -> float:
        begun = time.monotonic()
        product.start(pinned=False)
        return product.first_call("up/gpt-4o-mini", begun)

    plain = first_call(rig.product)
    rig.product.stop()
    try:
        with_keys = first_call(huge)
        huge.adopt()
        (worker,) = huge.workers
        found: dict[str, Any] = {"first_call_s": with_keys, "load_s": max(0.0, with_keys - plain)}
        found |= {"worker_mb": machine.rss_bytes(worker) / 1e6, "node_mb": machine.rss_bytes(huge.node) / 1e6}
        rest = Probe(huge.gateway_port)
        rest.start()
        time.sleep(2)
        found["stall_rest_ms"] = rest.finish()
        writes = Probe(huge.gateway_port)
        writes.start()
        times = _change(huge)
        found |= {"stall_writes_ms": writes.finish(), "write_ms": statistics.median(times), "write_most_ms": max(times)}
        reload = Probe(huge.gateway_port)
        reload.start()
        _replace_node(huge)
        found["stall_reload_ms"] = reload.finish()
        return found
    finally:
        huge.stop()


def _change(product: Product) -> list[float]:
    """Make and revoke keys; milliseconds of each. A warning means that the worker did not have it in force."""
    times = []
    for number in range(CHANGES):
        begun = time.perf_counter()
        made = product.manage("POST", "/api/keys", {"label": f"change {number}"})
        between = time.perf_counter()
        revoked = product.manage("POST", f"/api/keys/{made['id']}/revoke")
        times += [(between - begun) * 1000, (time.perf_counter() - between) * 1000]
        if made["warnings"] or revoked["warnings"]:
            raise BenchError(f"a change of a key was not in force on return: {[*made['warnings'], *revoked['warnings']]}")
    return times


def _replace_node(product: Product) -> None:
    """Kill the node and wait until its successor has given the worker all keys: a key made by it works then."""
    before = product.node
    os.kill(before, signal.SIGKILL)
    until = time.monotonic() + RELOAD_S
    while True:
        try:
            product.adopt()
            if product.node != before and not product.manage("POST", "/api/keys", {"label": "after"})["warnings"]:
                return
        except BenchError:
            pass
        if time.monotonic() > until:
            raise BenchError("no new node gave the worker its keys within half a minute")
        time.sleep(0.1)
