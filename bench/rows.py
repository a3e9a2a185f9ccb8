"""The rows: what is loaded, what is counted, and against which budget. One function per scenario, in the order in which they run.

A reading is taken of each subject in turn, round by round (nginx, Sekisho, nginx, Sekisho, ...), so that a machine that slows down
slows both. A subject that fails keeps its reason and is left out of the later rounds; the others are measured all the same.
"""

import http.client
import json
import re
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from bench import machine
from bench.load import nginx, wrk
from bench.processes import BenchError, Processes, free_ports, wait_port
from bench.product import Product
from bench.results import Budget, Row

CHUNKS: Final = 50
CHUNK_GAP_MS: Final = 20
STREAM_CONNECTIONS: Final = 256
CONNECTIONS: Final = 32
BODY_CONNECTIONS: Final = 4

DISTURBED: Final = 0.1
"""Share of the measured core that others may have before a note says so; the kernel's own work for the network is some of it."""

JSON_BUDGET: Final = Budget(2.0, 2.5, ratio=True)
BURST_BUDGET: Final = Budget(25_000, 18_000, more_is_better=True)
SSE_BUDGET: Final = Budget(1.15, 1.5, ratio=True)
TLS_BUDGET: Final = Budget(2.0, 2.5, ratio=True)
BODY_BUDGET: Final = Budget(1.5, 2.0, ratio=True)
P50_BUDGET: Final = Budget(0.2, 0.3)
P99_BUDGET: Final = Budget(0.6, 1.0)
RECORD_BUDGET: Final = Budget(30, 60)
RECORD_RATE_BUDGET: Final = Budget(20_000, 10_000, more_is_better=True)
MEMORY_BUDGET: Final = Budget(40, 60)
START_BUDGET: Final = Budget(1.0, 2.0)
IDLE_BUDGET: Final = Budget(0.5, 1.0)

NOT_BUILT: Final = (
    Row("tls-listener", "JSON chat over a TLS listener, against nginx doing the same", built=False),
    Row("translated", "JSON chat translated to another dialect", built=False),
    Row("sse-translated", "SSE translated to another dialect", built=False),
    Row("many-keys", "JSON chat with 10,000 keys and 1,000 APIs loaded (there are no APIs yet)", built=False),
    Row("many-streams", "10,000 open streams on one worker, and its memory with 5,000", built=False),
    Row("console", "first console page after `sekisho serve`", built=False),
)
"""Budgets of the design that nothing can be measured for yet."""


@dataclass(frozen=True)
class Durations:
    """How long and how often; seconds."""

    rounds: int
    warm: float
    load: float
    burst: float
    stream_warm: float
    stream: float
    latency: float
    idle: float


FULL: Final = Durations(rounds=3, warm=2, load=6, burst=10, stream_warm=2.5, stream=6, latency=4, idle=20)
QUICK: Final = Durations(rounds=1, warm=1, load=2, burst=2, stream_warm=1.5, stream=2, latency=1, idle=3)


@dataclass(frozen=True)
class Subject:
    """Something under load: where it listens, and whose CPU is counted."""

    name: str
    base_url: str
    pids: list[int]
    prefix: str = ""
    """Stands before the model's name in requests to it."""
    key: str = "none"

    def request(self, model: str = "gpt-4o-mini", kind: str = "plain") -> wrk.Request:
        return wrk.Request(f"{self.base_url}/v1/chat/completions", f"{self.prefix}{model}", self.key, kind)


@dataclass
class Rig:
    """Everything that runs beside the product, and the product."""

    processes: Processes
    folder: Path
    durations: Durations
    programs: dict[str, str]
    report: Callable[[str], None]
    product: Product = field(init=False)
    product_error: str = ""
    """Why the product does not run; empty where it does."""

    def __post_init__(self) -> None:
        self.product = Product(self.processes, self.folder)

    def start(self) -> None:
        """Start the upstreams and nginx as a proxy; fill a home and leave the product stopped."""
        ports = free_ports(7)
        self.json_port, self.tls_port, self.stream_port, plain, streams, tls, self.unbuffered_port = ports
        self.certificates = nginx.make_certificates(self.folder)
        program = self.programs["nginx"]
        self.upstream = self.processes.spawn(
            "upstream",
            [program, *nginx.upstream(self.folder, port=self.json_port, tls_port=self.tls_port, certificates=self.certificates)],
            cores={self.processes.other},
        )
        streaming = [*machine.python_module("bench.load.upstream"), str(self.stream_port), str(CHUNK_GAP_MS), str(CHUNKS)]
        stream = self.processes.spawn("streams", streaming, cores={self.processes.other}, cwd=machine.ROOT)
        proxied = [
            nginx.Proxied(plain, self.json_port),
            nginx.Proxied(streams, self.stream_port),
            nginx.Proxied(tls, self.tls_port, tls=True),
            nginx.Proxied(self.unbuffered_port, self.stream_port, stream_body=True),
        ]
        proxy = self.processes.spawn(
            "proxy", [program, *nginx.proxy(self.folder, proxied, self.certificates)], cores={self.processes.measured}
        )
        for process, port, name in (
            (self.upstream, self.json_port, "upstream"),
            (stream, self.stream_port, "streams"),
            (proxy, plain, "proxy"),
        ):
            wait_port(process, port, name, self.processes)
        self.proxy_pids = machine.children(proxy.pid)
        self.proxy_ports = {"up": plain, "stream": streams, "tls": tls}
        self.report("a home is filled")
        try:
            self.product.start()
            self.product.adopt()
            self.product.fill(
                {
                    "up": f"http://127.0.0.1:{self.json_port}/v1",
                    "stream": f"http://127.0.0.1:{self.stream_port}/v1",
                    "tls": f"https://127.0.0.1:{self.tls_port}/v1",
                },
                self.certificates.authority,
            )
        except BenchError as error:
            self.product_error = str(error)
        self.product.stop()

    def floor(self, upstream: str) -> Subject:
        """nginx in front of one of the upstreams."""
        return Subject("nginx", f"http://127.0.0.1:{self.proxy_ports[upstream]}", self.proxy_pids)

    def ours(self, upstream: str) -> Subject:
        """Sekisho in front of one of the upstreams; started or adopted anew where needed."""
        if self.product_error:
            raise BenchError(self.product_error)
        if not self.product.workers:
            self.product.start()
            self.product.adopt()
            self.product.first_call("up/gpt-4o-mini", time.monotonic())
        elif any(machine.born(pid) is None for pid in self.product.workers):
            self.product.adopt()
        return Subject("Sekisho", f"http://127.0.0.1:{self.product.gateway_port}", self.product.workers, f"{upstream}/", self.product.key)

    def load(self, request: wrk.Request, *, connections: int, seconds: float) -> wrk.Summary:
        return wrk.run(self.processes, self.programs["wrk"], request, connections=connections, seconds=seconds)

    def upstream_seen(self) -> int:
        """Requests that the plain upstream has answered so far, this question included."""
        text = fetch(f"http://127.0.0.1:{self.json_port}/seen").decode()
        return int(re.findall(r"\d+", text.splitlines()[2])[2])

    def stream_counters(self) -> dict[str, int]:
        counters: dict[str, int] = json.loads(fetch(f"http://127.0.0.1:{self.stream_port}/counters"))
        return counters


def fetch(url: str, body: bytes | None = None, key: str = "none") -> bytes:
    """One answer from loopback; raises BenchError unless it is 200."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    try:
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        connection.request("POST" if body else "GET", parts.path, body, headers if body else {})
        answer = connection.getresponse()
        text = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise BenchError(f"{url}: {error or type(error).__name__}") from None
    finally:
        connection.close()
    if answer.status != 200:
        raise BenchError(f"{url} answers {answer.status}: {text[:120].decode(errors='replace')!r}")
    return text


Measure = Callable[[], dict[str, Any]]


def alternate(rig: Rig, name: str, subjects: dict[str, Measure]) -> tuple[dict[str, list[dict[str, Any]]], dict[str, str]]:
    """Measure each subject in turn, `rounds` times; returns the readings and, of those that failed, the reasons."""
    readings: dict[str, list[dict[str, Any]]] = {subject: [] for subject in subjects}
    failures: dict[str, str] = {}
    for number in range(rig.durations.rounds):
        for subject, measure in subjects.items():
            rig.report(f"{name} · {subject} · {number + 1} of {rig.durations.rounds}")
            if subject in failures:
                continue
            try:
                readings[subject].append(measure())
            except BenchError as error:
                failures[subject] = str(error)
            except FileNotFoundError as error:
                failures[subject] = f"a process ended during the measurement ({error.filename})"
    for subject in failures:
        readings[subject] = []
    return readings, failures


def _values(readings: list[dict[str, Any]], field_name: str) -> list[float]:
    return [round(reading[field_name], 4) for reading in readings]


def _disturbances(readings: dict[str, list[dict[str, Any]]]) -> list[str]:
    """A note for each subject that had to share its core with strangers."""
    shares = {subject: max((reading["others"] for reading in found), default=0.0) for subject, found in readings.items()}
    return [
        f"others used up to {share:.0%} of the core while {subject} was measured" for subject, share in shares.items() if share > DISTURBED
    ]


def _reasons(failures: dict[str, str]) -> str:
    return "; ".join(f"{subject}: {reason}" for subject, reason in failures.items())


def _cpu_under_load(
    rig: Rig, subject: Callable[[], Subject], *, kind: str, connections: int, seconds: float, warm: float
) -> dict[str, Any]:
    """Load one subject and count its CPU. For Sekisho the reading ends when every call is recorded, and has the node's part."""
    one = subject()
    ours = one.name == "Sekisho"
    request = one.request(kind=kind)
    recorded = rig.product.count() if ours else 0
    node_before = machine.cpu_seconds([rig.product.node]) if ours else 0.0
    warmed = rig.load(request, connections=connections, seconds=warm)
    watch = machine.Watch(one.pids, rig.processes.measured)
    summary = rig.load(request, connections=connections, seconds=seconds)
    cpu, others = watch.read()
    reading = {
        "cpu_us": cpu / summary.requests * 1e6,
        "rate": summary.rate,
        "core_use": cpu / (summary.duration_us / 1e6),
        "others": others,
        "p50_ms": summary.p50_us / 1000,
        "p99_ms": summary.p99_us / 1000,
        "requests": summary.requests,
    }
    if ours:
        rig.product.check_workers()
        answered = warmed.requests + summary.requests
        at_end = rig.product.count() - recorded
        took = rig.product.wait_recorded(recorded + answered)
        node = machine.cpu_seconds([rig.product.node]) - node_before
        reading |= {"node_us": node / answered * 1e6, "backlog": max(0, answered - at_end), "catch_up_s": took}
    return reading


def _load_row(
    rig: Rig, name: str, title: str, budget: Budget, upstream: str, *, kind: str = "plain", connections: int = CONNECTIONS
) -> Row:
    """CPU per request of Sekisho beside nginx before the same upstream."""
    durations = rig.durations

    def measure(subject: Callable[[], Subject]) -> Measure:
        return lambda: _cpu_under_load(rig, subject, kind=kind, connections=connections, seconds=durations.load, warm=durations.warm)

    subjects = {"nginx": measure(lambda: rig.floor(upstream)), "Sekisho": measure(lambda: rig.ours(upstream))}
    if kind == "image":
        unbuffered = f"http://127.0.0.1:{rig.unbuffered_port}"
        subjects["nginx-unbuffered"] = measure(lambda: Subject("nginx-unbuffered", unbuffered, rig.proxy_pids))
    readings, failures = alternate(rig, name, subjects)
    ours, floor = _values(readings["Sekisho"], "cpu_us"), _values(readings["nginx"], "cpu_us")
    notes = _disturbances(readings)
    if ours:
        rates = {subject: statistics.median(_values(found, "rate")) for subject, found in readings.items() if found}
        notes.append("answers/s while measured: " + ", ".join(f"{subject} {rate:,.0f}" for subject, rate in rates.items()))
    if ours and kind == "plain":
        notes.append(f"the node's CPU per call, recording included: {statistics.median(_values(readings['Sekisho'], 'node_us')):.1f} µs")
    if ours and readings.get("nginx-unbuffered"):
        unbuffered_us = statistics.median(_values(readings["nginx-unbuffered"], "cpu_us"))
        times = statistics.median(ours) / unbuffered_us
        notes.append(
            f"nginx that passes the body on as it comes (proxy_request_buffering off): {unbuffered_us:,.0f} µs, ours is {times:.2f}× that"
        )
    return Row(name, title, "CPU µs/request", ours, floor, budget=budget, notes=notes, details=readings, missing=_reasons(failures))


def json_chat(rig: Rig) -> list[Row]:
    """JSON chat in the same dialect, all policies on."""
    return [_load_row(rig, "json", "JSON chat, key and three limits on", JSON_BUDGET, "up")]


def tls_upstream(rig: Rig) -> list[Row]:
    """The same to an upstream behind TLS, with its certificate verified by both."""
    return [_load_row(rig, "tls", "JSON chat with a TLS upstream", TLS_BUDGET, "tls")]


def large_body(rig: Rig) -> list[Row]:
    """A chat call with a picture of 10 MB inside."""
    return [_load_row(rig, "body", "10 MB request body", BODY_BUDGET, "stream", kind="image", connections=BODY_CONNECTIONS)]


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
    ours, why = readings["Sekisho"], _reasons(failures)
    notes = _disturbances(readings)
    recorder_notes: list[str] = []
    if ours:
        use = statistics.median(_values(ours, "core_use"))
        rate = statistics.median(_values(ours, "rate"))
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
            _values(ours, "rate"),
            _values(readings["nginx"], "rate"),
            budget=BURST_BUDGET,
            notes=notes,
            details=readings,
            missing=why,
        ),
        Row("recorder", "the node's CPU to record one call", "µs", _values(ours, "node_us"), budget=RECORD_BUDGET, missing=why),
        Row(
            "recorder-rate",
            "calls recorded with a backlog",
            "calls/s",
            _values(ours, "recorded_per_s"),
            budget=RECORD_RATE_BUDGET,
            notes=recorder_notes,
            missing=why,
            at_least=kept_up,
        ),
    ]


def streams(rig: Rig) -> list[Row]:
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
    notes = _disturbances(readings) + [
        f"{subject} relayed only {statistics.median(_values(found, 'chunk_rate')) / expected_rate:.0%} of the chunks that are due"
        for subject, found in readings.items()
        if found and statistics.median(_values(found, "chunk_rate")) < 0.95 * expected_rate
    ]
    ours, floor = _values(readings["Sekisho"], "cpu_us"), _values(readings["nginx"], "cpu_us")
    title = f"SSE, {CHUNKS} chunks at {1000 // CHUNK_GAP_MS}/s, {STREAM_CONNECTIONS} connections"
    return [Row("sse", title, "CPU µs/response", ours, floor, budget=SSE_BUDGET, notes=notes, details=readings, missing=_reasons(failures))]


def _check_stream(request: wrk.Request, key: str) -> None:
    """Read one stream to its end: a relay that loses chunks would be cheap, and must not pass for fast."""
    body = json.dumps({"model": request.model, "stream": True, "messages": [{"role": "user", "content": "Hello"}]}, separators=(",", ":"))
    text = fetch(request.url, body.encode(), key)
    missing = [f" word{number}" for number in range(CHUNKS - 2) if f'" word{number}"'.encode() not in text]
    if missing or not text.rstrip().endswith(b"data: [DONE]"):
        raise BenchError(f"{request.url}: the stream is not whole ({len(missing)} words missing, ends with {text[-40:]!r})")


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
        pairs = zip(_values(readings[subject], name), _values(readings["direct"], name), strict=False)
        return [round(through - bare, 4) for through, bare in pairs]

    rows = []
    for name, budget in (("p50", P50_BUDGET), ("p99", P99_BUDGET)):
        bare = _values(readings["direct"], f"{name}_ms")
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
                missing=_reasons(failures),
            )
        )
    return rows


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
    found, why = readings["Sekisho"], _reasons(failures)
    start_notes = [f"/health answers after {statistics.median(_values(found, 'health_s')):.2f} s"] if found else []
    memory_notes = [f"the node has {statistics.median(_values(found, 'node_mb')):.0f} MB"] if found else []
    title = "first call answered after `sekisho serve`, home exists"
    return [
        Row("start", title, "s", _values(found, "call_s"), budget=START_BUDGET, notes=start_notes, details=readings, missing=why),
        Row("memory", "worker RSS after start", "MB", _values(found, "worker_mb"), budget=MEMORY_BUDGET, notes=memory_notes, missing=why),
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


@dataclass(frozen=True)
class Scenario:
    """One measurement and the rows it gives; `seconds` estimates one round of it, for the progress bar."""

    rows: tuple[str, ...]
    run: Callable[[Rig], list[Row]]
    seconds: Callable[[Durations], float]


SCENARIOS: Final = (
    Scenario(("start", "memory"), start_and_memory, lambda d: d.rounds * 6),
    Scenario(("idle",), idle, lambda d: d.idle + 6),
    Scenario(("json",), json_chat, lambda d: d.rounds * 2 * (d.warm + d.load + 2)),
    Scenario(("burst", "recorder", "recorder-rate"), burst, lambda d: d.rounds * (2 * d.burst + 10)),
    Scenario(("sse",), streams, lambda d: d.rounds * 2 * (d.stream_warm + d.stream + 4)),
    Scenario(("tls",), tls_upstream, lambda d: d.rounds * 2 * (d.warm + d.load + 2)),
    Scenario(("body",), large_body, lambda d: d.rounds * 3 * (d.warm + d.load + 1)),
    Scenario(("latency-p50", "latency-p99"), latency, lambda d: d.rounds * 3 * (d.latency + 1)),
)
"""In the order in which they run: what wants a fresh process first, what fills the database later."""

ALIASES: Final = {"latency": ("latency-p50", "latency-p99")}
NAMES: Final = tuple(name for scenario in SCENARIOS for name in scenario.rows)
