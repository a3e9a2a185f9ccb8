"""More calls than the gateway can serve: how many are served all the same, and how soon the others are told.

Calls arrive at a constant rate, whatever became of those before them. The node is halted meanwhile: its share of the second core goes to
the load, and the workers need nothing of it. What it missed it records afterwards, which is measured as well.
"""

import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import Any, Final

from bench import machine
from bench.processes import BenchError
from bench.results import Budget, Row
from bench.rig import CONNECTIONS, Rig, Subject

SECONDS: Final = 6.0
"""How long calls arrive at each rate."""
GOODPUT_BUDGET: Final = Budget(95, 80, more_is_better=True)
REFUSAL_BUDGET: Final = Budget(50, 50)
OPEN: Final = 6000
"""Connections of the load."""
BEHIND_MS: Final = 20.0
"""A load that is later than this with its calls has found its own limit."""
MODERATE_PER_S: Final = 300
"""Streams per second at which the cost of one is taken."""
STREAM: Final = ("50", "50")
"""Chunks per second, and chunks."""


@dataclass(frozen=True)
class Kind:
    """What arrives."""

    row: str
    what: str
    upstream: str
    stream: tuple[str, ...]
    times: tuple[float, ...]
    """Rates of arrival, in capacities; the last is the one that is judged."""


STREAMS: Final = Kind("overload", "streams of 50 chunks", "source", STREAM, (1.0, 1.5, 3.0))
CALLS: Final = Kind("overload-json", "JSON chat calls", "up", (), (1.0, 2.0, 3.0))


def overload(rig: Rig) -> list[Row]:
    """Calls that were served with thrice as many arriving as the gateway can serve, as a share of the most that it ever served."""
    return [row for kind in (STREAMS, CALLS) for row in _rows(rig, kind)]


def _rows(rig: Rig, kind: Kind) -> list[Row]:
    goodput = (kind.row, f"{kind.what} served while thrice the capacity arrives, of the most ever served", "%")
    refusals = (f"{kind.row}-refusals", "99 of 100 of the others are told within", "ms")
    try:
        capacity, found, catch_up = _measure(rig, kind)
    except BenchError as error:
        return [
            Row(*goodput, budget=GOODPUT_BUDGET, missing=str(error)),
            Row(*refusals, budget=REFUSAL_BUDGET, missing=str(error)),
        ]
    peak = max(reading["good_per_s"] for reading in found)
    last = found[-1]
    notes = [f"capacity {capacity:,.0f}/s; the most served {peak:,.0f}/s"]
    for times, reading in zip(kind.times, found, strict=True):
        notes.append(_told(times, reading))
        if reading["behind_p99_ms"] > BEHIND_MS:
            notes.append(f"at {times:g}× the load itself was up to {reading['behind_p99_ms']:.0f} ms late: more than it can do")
        if reading["late_ticks"]:
            notes.append(f"at {times:g}× the upstream itself was late")
    notes.append(f"the recorder had caught up {catch_up:.1f} s after it was let go")
    lost = last["wrong"] + last["broken"] + last["unanswered"] + last["unsent"]
    if lost:
        notes.append(f"{lost:,} calls at {kind.times[-1]:g}× got neither an answer nor a refusal")
    served = Row(*goodput, [round(last["good_per_s"] / peak * 100, 1)], budget=GOODPUT_BUDGET, notes=notes, details={"Sekisho": found})
    if last["refused"]:
        return [served, Row(*refusals, [round(last["refused_p99_ms"], 1)], budget=REFUSAL_BUDGET)]
    # There are no others: whoever had a connection waited on it and was served. A bound on refusals says nothing of that wait, so none is
    # applied to it; it is shown all the same.
    waited = "nobody was refused: 99 of 100 of the served have their first byte within"
    return [served, Row(f"{kind.row}-refusals", waited, "ms", [round(last["first_p99_ms"], 1)])]


def _told(times: float, reading: dict[str, Any]) -> str:
    """One rate of arrival in one line."""
    lost = reading["wrong"] + reading["broken"]
    return (
        f"{times:g}× ({reading['offered_per_s']:,.0f}/s): {reading['good_per_s']:,.0f}/s served (first byte p99 "
        f"{reading['first_p99_ms']:.0f} ms), {reading['refused_per_s']:,.0f}/s refused (p50 {reading['refused_p50_ms']:.0f}, p99 "
        f"{reading['refused_p99_ms']:.0f} ms), {reading['late_per_s']:,.0f}/s served too late, {lost:,} broken, "
        f"{reading['unanswered']:,} without answer, {reading['unsent']:,} not sent; worker {reading['core_use']:.0%} of its core, "
        f"load {reading['cpu']:.0%}"
    )


def _measure(rig: Rig, kind: Kind) -> tuple[float, list[dict[str, Any]], float]:
    one = rig.ours(kind.upstream)
    recorded, seconds = rig.product.count(), min(SECONDS, rig.durations.hold)
    seen = _seen(rig)
    os.kill(rig.product.node, signal.SIGSTOP)
    try:
        rig.report(f"{kind.row} · capacity")
        if kind.stream:
            # A stream's answer cannot be hurried, so a closed loop finds no capacity: it follows from what one costs.
            moderate = _arrive(rig, one, kind, MODERATE_PER_S, seconds)
            capacity = moderate["sent"] / seconds / max(0.01, moderate["core_use"])
        else:
            capacity = rig.load(one.request(), connections=CONNECTIONS, seconds=3).rate
        found = []
        for times in kind.times:
            rig.report(f"{kind.row} · {times:g}×")
            found.append(_arrive(rig, one, kind, capacity * times, seconds))
            time.sleep(0.5)
    finally:
        os.kill(rig.product.node, signal.SIGCONT)
    rig.product.check_workers()
    # The question itself is a request that the plain upstream counts.
    return capacity, found, rig.product.wait_recorded(recorded + _seen(rig) - seen - 1)


def _seen(rig: Rig) -> int:
    """Calls that the two upstreams have seen."""
    return rig.upstream_seen() + rig.source_counters()["streams"]


def _arrive(rig: Rig, one: Subject, kind: Kind, rate: float, seconds: float) -> dict[str, Any]:
    argv = [*machine.python_module("bench.load.arrivals"), str(rig.product.gateway_port)]
    argv += [f"{rate:.0f}", f"{seconds:g}", str(OPEN), *kind.stream]
    environment = {**os.environ, "BENCH_KEY": one.key, "BENCH_MODEL": f"{one.prefix}gpt-4o-mini"}
    process = rig.processes.spawn("arrivals", argv, cores={rig.processes.other}, env=environment, cwd=machine.ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        if not process.stdout.readline().startswith(b"OPEN"):
            raise BenchError(f"the load did not begin: {rig.processes.tail('arrivals')}")
        late = rig.source_counters()["late_ticks"]
        watch, begun = machine.Watch(one.pids, rig.processes.measured), time.monotonic()
        time.sleep(seconds)
        cpu, _ = watch.read()
        passed = time.monotonic() - begun
        line = process.stdout.readline()
    finally:
        rig.processes.stop(process)
    if not line.startswith(b"BENCH "):
        raise BenchError(f"the load gave no summary: {rig.processes.tail('arrivals')}")
    found: dict[str, Any] = json.loads(line.removeprefix(b"BENCH "))
    return found | {"core_use": cpu / passed, "late_ticks": rig.source_counters()["late_ticks"] - late}
