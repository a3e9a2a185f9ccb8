"""Whole calls through one worker: CPU per call beside nginx, the burst with the recorder behind it, and what one caller waits."""

import statistics
import time
from collections.abc import Callable
from typing import Any, Final

from bench import machine
from bench.processes import BenchError
from bench.results import Budget, Row
from bench.rig import CONNECTIONS, Measure, Rig, Subject, alternate, disturbances, load_row, reasons, values

BODY_CONNECTIONS: Final = 4
JSON_BUDGET: Final = Budget(2.0, 2.5, ratio=True)
BURST_BUDGET: Final = Budget(25_000, 18_000, more_is_better=True)
TLS_BUDGET: Final = Budget(2.0, 2.5, ratio=True)
BODY_BUDGET: Final = Budget(1.5, 2.0, ratio=True)
P50_BUDGET: Final = Budget(0.2, 0.3)
P99_BUDGET: Final = Budget(0.6, 1.0)
RECORD_BUDGET: Final = Budget(30, 60)
RECORD_RATE_BUDGET: Final = Budget(20_000, 10_000, more_is_better=True)


def json_chat(rig: Rig) -> list[Row]:
    """JSON chat in the same dialect, all policies on."""
    return [load_row(rig, "json", "JSON chat, key and three limits on", JSON_BUDGET, "up")]


def tls_upstream(rig: Rig) -> list[Row]:
    """The same to an upstream behind TLS, with its certificate verified by both."""
    return [load_row(rig, "tls", "JSON chat with a TLS upstream", TLS_BUDGET, "tls")]


def tls_listener(rig: Rig) -> list[Row]:
    """The same from clients that come over TLS, with one certificate for both."""
    title = "JSON chat over a TLS listener"
    try:
        secured = rig.twin("secured")
        secured.secure(rig.certificates)
    except BenchError as error:
        return [Row("tls-listener", title, "CPU µs/request", budget=TLS_BUDGET, missing=str(error))]
    try:
        return [load_row(rig, "tls-listener", title, TLS_BUDGET, "up", port="door", ours=lambda: rig.ours("up", secured))]
    finally:
        secured.stop()


def large_body(rig: Rig) -> list[Row]:
    """A chat call with a picture of 10 MB inside."""
    return [load_row(rig, "body", "10 MB request body", BODY_BUDGET, "stream", kind="image", connections=BODY_CONNECTIONS)]


def burst(rig: Rig) -> list[Row]:
    """One worker on one core for ten seconds, and the recorder behind it."""
    seconds = rig.durations.burst

    def measure(subject: Callable[[], Subject]) -> dict[str, Any]:
        one = subject()
        if one.name != "Sekisho":
            watch = machine.Watch(one.pids, rig.processes.measured)
            summary = rig.load(one.request(), connections=CONNECTIONS, seconds=seconds)
            return {"rate": summary.rate, "others": watch.read()[1]}
        seen, recorded = rig.upstream_seen(), rig.product.count()
        watch, node_before = machine.Watch(one.pids, rig.processes.measured), machine.cpu_seconds([rig.product.node])
        begun = time.monotonic()
        summary = rig.load(one.request(), connections=CONNECTIONS, seconds=seconds)
        ended = time.monotonic()
        cpu, others = watch.read()
        rig.product.check_workers()
        at_end = rig.product.count() - recorded
        drain = rig.product.wait_recorded(recorded + summary.requests)
        node = machine.cpu_seconds([rig.product.node]) - node_before
        backlog = max(0, summary.requests - at_end)
        # The calls that were under way when wrk hung up reach the journal within moments; then records and upstream must agree.
        time.sleep(1)
        return {
            "rate": summary.rate,
            "core_use": cpu / (summary.duration_us / 1e6),
            "others": others,
            "node_us": node / summary.requests * 1e6,
            "backlog": backlog,
            "catch_up_s": drain,
            "recorded_per_s": backlog / drain if drain >= 0.5 else summary.requests / (ended - begun + drain),
            "kept_up": drain < 0.5,
            "recorded": rig.product.count() - recorded,
            "upstream_saw": rig.upstream_seen() - seen - 1,
        }

    readings, failures = alternate(
        rig, "burst", {"nginx": lambda: measure(lambda: rig.floor("up")), "Sekisho": lambda: measure(lambda: rig.ours("up"))}
    )
    ours, why = readings["Sekisho"], reasons(failures)
    notes = disturbances(readings)
    recorder_notes: list[str] = []
    if ours:
        use = statistics.median(values(ours, "core_use"))
        rate = statistics.median(values(ours, "rate"))
        notes.append(
            f"the worker used {use:.0%} of its core" + (f"; a full one would answer about {rate / use:,.0f}/s" if use < 0.95 else "")
        )
        lags = ", ".join(f"{reading['catch_up_s']:.1f} s ({reading['backlog']:,} calls)" for reading in ours)
        notes.append(f"the recorder had caught up after: {lags}")
        for reading in ours:
            recorded, saw = reading["recorded"], reading["upstream_saw"]
            recorder_notes.append(
                f"{recorded:,} calls recorded, {saw:,} seen by the upstream" + ("" if recorded == saw else ": THEY DIFFER")
            )
        if any(reading["kept_up"] for reading in ours):
            recorder_notes.append("it kept up with the burst, so the rate is the burst's: it can do more")
    kept_up = any(reading["kept_up"] for reading in ours)
    return [
        Row(
            "burst",
            f"throughput of one worker, {seconds:.0f} s",
            "answers/s",
            values(ours, "rate"),
            values(readings["nginx"], "rate"),
            budget=BURST_BUDGET,
            notes=notes,
            details=readings,
            missing=why,
        ),
        Row("recorder", "the node's CPU to record one call", "µs", values(ours, "node_us"), budget=RECORD_BUDGET, missing=why),
        Row(
            "recorder-rate",
            "calls recorded with a backlog",
            "calls/s",
            values(ours, "recorded_per_s"),
            budget=RECORD_RATE_BUDGET,
            notes=recorder_notes,
            missing=why,
            at_least=kept_up,
        ),
    ]


def latency(rig: Rig) -> list[Row]:
    """What one connection waits longer than without us."""
    seconds = rig.durations.latency

    def measure(subject: Callable[[], Subject]) -> dict[str, Any]:
        one = subject()
        recorded = rig.product.count() if one.name == "Sekisho" else 0
        rig.load(one.request(), connections=1, seconds=1)
        summary = rig.load(one.request(), connections=1, seconds=seconds)
        if one.name == "Sekisho":
            rig.product.check_workers()
            rig.product.wait_recorded(recorded + summary.requests)
        return {"p50_ms": summary.p50_us / 1000, "p99_ms": summary.p99_us / 1000}

    direct = Subject("direct", f"http://127.0.0.1:{rig.json_port}", [])
    subjects: dict[str, Measure] = {
        "direct": lambda: measure(lambda: direct),
        "nginx": lambda: measure(lambda: rig.floor("up")),
        "Sekisho": lambda: measure(lambda: rig.ours("up")),
    }
    readings, failures = alternate(rig, "latency", subjects)

    def added(subject: str, name: str) -> list[float]:
        pairs = zip(values(readings[subject], name), values(readings["direct"], name), strict=False)
        return [round(through - bare, 4) for through, bare in pairs]

    rows = []
    for name, budget in (("p50", P50_BUDGET), ("p99", P99_BUDGET)):
        bare = values(readings["direct"], f"{name}_ms")
        rows.append(
            Row(
                f"latency-{name}",
                f"added latency at 1 connection, {name}",
                "ms",
                added("Sekisho", f"{name}_ms"),
                added("nginx", f"{name}_ms"),
                budget=budget,
                notes=[f"direct {statistics.median(bare):.3f} ms"] if bare else [],
                details=readings,
                missing=reasons(failures),
            )
        )
    return rows
