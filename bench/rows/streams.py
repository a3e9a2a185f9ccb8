"""Streams: their cost beside nginx, and how many one worker keeps open without holding any of them up."""

import json
import os
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from bench import machine
from bench.load import wrk
from bench.processes import BenchError
from bench.results import Budget, Row
from bench.rig import CHUNK_GAP_MS, CHUNKS, Rig, Subject, alternate, disturbances, fetch, reasons, values

STREAM_CONNECTIONS: Final = 256
SSE_BUDGET: Final = Budget(1.15, 1.5, ratio=True)
SILENCE_BUDGET: Final = Budget(1.0, 1.0)
"""Seconds: no stream may stall for longer, however many there are."""
MEMORY_BUDGET: Final = Budget(300, 400)
MEMORY_STREAMS: Final = 5000
"""The number of streams for which the memory has a budget."""
SPARE_DESCRIPTORS: Final = 256
DELIVERED: Final = 0.97
"""Below this share of the chunks that were due, the row says so."""


def sse(rig: Rig) -> list[Row]:
    """256 streams of 50 chunks at 50 chunks a second, over and over; CPU per whole response."""
    durations = rig.durations
    expected_rate = STREAM_CONNECTIONS * CHUNKS / ((CHUNKS + 1) * CHUNK_GAP_MS / 1000)

    def measure(subject: Callable[[], Subject]) -> dict[str, Any]:
        one = subject()
        request = one.request(kind="stream")
        _check_stream(request, one.key)
        load = wrk.Load(
            rig.processes,
            rig.programs["wrk"],
            request,
            connections=STREAM_CONNECTIONS,
            seconds=durations.stream_warm + durations.stream + 1,
        )
        time.sleep(durations.stream_warm)
        first, watch, begun = rig.stream_counters()["chunks"], machine.Watch(one.pids, rig.processes.measured), time.monotonic()
        time.sleep(durations.stream)
        last, (cpu, others), ended = rig.stream_counters()["chunks"], watch.read(), time.monotonic()
        summary = load.finish()
        if one.name == "Sekisho":
            rig.product.check_workers()
        if last == first:
            raise BenchError(f"{request.url}: no chunk was sent while it was watched")
        return {
            "cpu_us": cpu / ((last - first) / CHUNKS) * 1e6,
            "others": others,
            "chunk_rate": (last - first) / (ended - begun),
            "whole_responses": summary.requests,
            "p50_ms": summary.p50_us / 1000,
            "p99_ms": summary.p99_us / 1000,
        }

    readings, failures = alternate(
        rig, "sse", {"nginx": lambda: measure(lambda: rig.floor("stream")), "Sekisho": lambda: measure(lambda: rig.ours("stream"))}
    )
    notes = disturbances(readings) + [
        f"{subject} relayed only {statistics.median(values(found, 'chunk_rate')) / expected_rate:.0%} of the chunks that are due"
        for subject, found in readings.items()
        if found and statistics.median(values(found, "chunk_rate")) < 0.95 * expected_rate
    ]
    ours, floor = values(readings["Sekisho"], "cpu_us"), values(readings["nginx"], "cpu_us")
    title = f"SSE, {CHUNKS} chunks at {1000 // CHUNK_GAP_MS}/s, {STREAM_CONNECTIONS} connections"
    return [Row("sse", title, "CPU µs/response", ours, floor, budget=SSE_BUDGET, notes=notes, details=readings, missing=reasons(failures))]


def _check_stream(request: wrk.Request, key: str) -> None:
    """Read one stream to its end: a relay that loses chunks would be cheap, and must not pass for fast."""
    body = json.dumps({"model": request.model, "stream": True, "messages": [{"role": "user", "content": "Hello"}]}, separators=(",", ":"))
    text = fetch(request.url, body.encode(), key)
    missing = [f" word{number}" for number in range(CHUNKS - 2) if f'" word{number}"'.encode() not in text]
    if missing or not text.rstrip().endswith(b"data: [DONE]"):
        raise BenchError(f"{request.url}: the stream is not whole ({len(missing)} words missing, ends with {text[-40:]!r})")


@dataclass(frozen=True)
class Crowd:
    """So many streams at such a pace."""

    streams: int
    per_s: float

    def within(self, descriptors: int) -> int:
        """As many of the streams as a worker with so many descriptors takes: it gives clients half of all but some."""
        return min(self.streams, (descriptors - SPARE_DESCRIPTORS) // 2)


CROWDS: Final = (Crowd(2000, 20), Crowd(5000, 5), Crowd(10_000, 2.5))


def many(rig: Rig) -> list[Row]:
    """Thousands of streams at once on one worker: the longest silence that any of them saw, and what the worker holds."""
    rows: list[Row] = []
    memory = Row(
        "streams-memory", f"worker RSS with {MEMORY_STREAMS:,} streams open", "MB", budget=MEMORY_BUDGET, missing="see streams-5000"
    )
    # A fresh worker: what an earlier load left in its memory is no part of the streams' cost.
    rig.product.stop()
    for crowd in CROWDS:
        name, title = f"streams-{crowd.streams}", f"longest silence of {crowd.streams:,} open streams, {crowd.per_s:g} chunks/s each"
        most = crowd.within(rig.processes.descriptors)
        count = round(most * rig.durations.stream_share)
        rig.report(f"{count:,} streams, {crowd.per_s:g} chunks/s each")
        try:
            found = _hold(rig, crowd, count)
        except BenchError as error:
            rows.append(Row(name, title, "s", budget=SILENCE_BUDGET, missing=str(error)))
            continue
        delivered = found["chunks"] / max(1, found["due"])
        notes = [
            f"the worker used {found['core_use']:.0%} of its core and held {found['rss_mb']:.0f} MB",
            f"{found['chunks'] / found['seconds']:,.0f} chunks/s came, {delivered:.0%} of what was due; 99 of 100 streams saw no silence "
            f"over {found['silence_p99_s']:.2f} s",
        ]
        if most < crowd.streams:
            notes.append(f"only {most:,} streams: a process may have {rig.processes.descriptors:,} descriptors here (ulimit -Hn)")
        if found["late_ticks"]:
            notes.append("the upstream itself was late: the silences are partly its own")
        if found["broken"]:
            notes.append(f"{found['broken']:,} STREAMS BROKE (first other status: {found['status']})")
        elif delivered < DELIVERED:
            notes.append("CHUNKS ARE MISSING")
        missing = f"{found['broken']:,} of {count:,} streams broke" if found["broken"] else ""
        silence = [] if missing else [round(found["silence_s"], 3)]
        rows.append(Row(name, title, "s", silence, budget=SILENCE_BUDGET, notes=notes, details={"Sekisho": [found]}, missing=missing))
        if crowd.streams == MEMORY_STREAMS == most and not missing:
            held = f"{(found['rss_mb'] - found['rss_before_mb']) * 1e3 / count:.1f} KB for each stream"
            memory = Row(memory.name, memory.title, memory.unit, [found["rss_mb"]], budget=MEMORY_BUDGET, notes=[held])
    return [*rows, memory]


def _hold(rig: Rig, crowd: Crowd, count: int) -> dict[str, Any]:
    """Open the streams, watch them, let them go; raises BenchError where they do not even begin."""
    one = rig.ours("source")
    (pid,) = one.pids
    before = machine.rss_bytes(pid) / 1e6
    late = rig.source_counters()["late_ticks"]
    argv = [*machine.python_module("bench.load.readers"), str(rig.product.gateway_port)]
    argv += [str(count), f"{crowd.per_s:g}", f"{rig.durations.hold:g}"]
    environment = {**os.environ, "BENCH_KEY": one.key, "BENCH_MODEL": f"{one.prefix}gpt-4o-mini"}
    process = rig.processes.spawn("readers", argv, cores={rig.processes.other}, env=environment, cwd=machine.ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        if not process.stdout.readline().startswith(b"OPEN"):
            raise BenchError(f"the streams did not open: {rig.processes.tail('readers')}")
        watch, begun = machine.Watch(one.pids, rig.processes.measured), time.monotonic()
        time.sleep(rig.durations.hold * 0.9)
        rss, (cpu, _), passed = machine.rss_bytes(pid) / 1e6, watch.read(), time.monotonic() - begun
        line = process.stdout.readline()
    finally:
        rig.processes.stop(process)
    if not line.startswith(b"BENCH "):
        raise BenchError(f"the readers gave no summary: {rig.processes.tail('readers')}")
    rig.product.check_workers()
    found: dict[str, Any] = json.loads(line.removeprefix(b"BENCH "))
    found |= {"rss_mb": rss, "rss_before_mb": before, "core_use": cpu / passed}
    return found | {"late_ticks": rig.source_counters()["late_ticks"] - late}
