"""The rig: everything that runs beside the product, the product itself, and how one subject after the other is measured.

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
CONNECTIONS: Final = 32

DISTURBED: Final = 0.1
"""Share of the measured core that others may have before a note says so; the kernel's own work for the network is some of it."""


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
    hold: float
    """How long very many streams are watched, and how long the gateway is overloaded."""
    stream_share: float
    """Of the numbers of open streams that the budgets name."""


FULL: Final = Durations(rounds=3, warm=1, load=5, burst=10, stream_warm=2.5, stream=6, latency=4, idle=20, hold=8, stream_share=1.0)
QUICK: Final = Durations(rounds=1, warm=1, load=2, burst=2, stream_warm=1.5, stream=2, latency=1, idle=3, hold=3, stream_share=0.1)


@dataclass(frozen=True)
class Subject:
    """Something under load: where it listens, and whose CPU is counted."""

    name: str
    base_url: str
    pids: list[int]
    prefix: str = ""
    """Stands before the model's name in requests to it."""
    key: str = "none"
    product: Product | None = None
    """Where the subject is Sekisho: what records its calls."""

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
        ports = free_ports(9)
        self.json_port, self.tls_port, self.stream_port, self.source_port, plain, streams, tls, self.unbuffered_port, door = ports
        self.certificates = nginx.make_certificates(self.folder)
        program = self.programs["nginx"]
        self.upstream = self.processes.spawn(
            "upstream",
            [program, *nginx.upstream(self.folder, port=self.json_port, tls_port=self.tls_port, certificates=self.certificates)],
            cores={self.processes.other},
        )
        streaming = [*machine.python_module("bench.load.upstream"), str(self.stream_port), str(CHUNK_GAP_MS), str(CHUNKS)]
        stream = self.processes.spawn("streams", streaming, cores={self.processes.other}, cwd=machine.ROOT)
        wheel = [*machine.python_module("bench.load.source"), str(self.source_port)]
        source = self.processes.spawn("source", wheel, cores={self.processes.other}, cwd=machine.ROOT)
        proxied = [
            nginx.Proxied(plain, self.json_port),
            nginx.Proxied(streams, self.stream_port),
            nginx.Proxied(tls, self.tls_port, tls=True),
            nginx.Proxied(self.unbuffered_port, self.stream_port, stream_body=True),
            nginx.Proxied(door, self.json_port, secure=True),
        ]
        proxy = self.processes.spawn(
            "proxy", [program, *nginx.proxy(self.folder, proxied, self.certificates)], cores={self.processes.measured}
        )
        for process, port, name in (
            (self.upstream, self.json_port, "upstream"),
            (stream, self.stream_port, "streams"),
            (source, self.source_port, "source"),
            (proxy, plain, "proxy"),
        ):
            wait_port(process, port, name, self.processes)
        self.proxy_pids = machine.children(proxy.pid)
        self.proxy_ports = {"up": plain, "stream": streams, "tls": tls, "door": door}
        self.report("a home is filled")
        try:
            self.product.start()
            self.product.adopt()
            self.product.fill(
                {
                    "up": f"http://127.0.0.1:{self.json_port}/v1",
                    "stream": f"http://127.0.0.1:{self.stream_port}/v1",
                    "tls": f"https://127.0.0.1:{self.tls_port}/v1",
                    "source": f"http://127.0.0.1:{self.source_port}/v1",
                },
                self.certificates.authority,
            )
        except BenchError as error:
            self.product_error = str(error)
        self.product.stop()

    def floor(self, upstream: str) -> Subject:
        """nginx in front of one of the upstreams; `door` is the plain one behind a TLS listener."""
        scheme = "https" if upstream == "door" else "http"
        return Subject("nginx", f"{scheme}://127.0.0.1:{self.proxy_ports[upstream]}", self.proxy_pids)

    def ours(self, upstream: str, product: Product | None = None) -> Subject:
        """Sekisho in front of one of the upstreams; started or adopted anew where needed. Another product than the usual where given."""
        if self.product_error:
            raise BenchError(self.product_error)
        product = product or self.product
        if not product.workers:
            product.start()
            product.adopt()
            product.first_call("up/gpt-4o-mini", time.monotonic())
        elif any(machine.born(pid) is None for pid in product.workers):
            product.adopt()
        return Subject("Sekisho", product.base_url, product.workers, f"{upstream}/", product.key, product)

    def twin(self, name: str, keys: int = 0) -> Product:
        """A product with a copy of the home, and so many more keys in it. The usual one is stopped for it."""
        if self.product_error:
            raise BenchError(self.product_error)
        self.product.stop()
        twin = self.product.twin(name)
        if keys:
            twin.plant_keys(keys)
        return twin

    def load(self, request: wrk.Request, *, connections: int, seconds: float) -> wrk.Summary:
        return wrk.run(self.processes, self.programs["wrk"], request, connections=connections, seconds=seconds)

    def upstream_seen(self) -> int:
        """Requests that the plain upstream has answered so far, this question included."""
        text = fetch(f"http://127.0.0.1:{self.json_port}/seen").decode()
        return int(re.findall(r"\d+", text.splitlines()[2])[2])

    def stream_counters(self) -> dict[str, int]:
        counters: dict[str, int] = json.loads(fetch(f"http://127.0.0.1:{self.stream_port}/counters"))
        return counters

    def source_counters(self) -> dict[str, int]:
        counters: dict[str, int] = json.loads(fetch(f"http://127.0.0.1:{self.source_port}/counters"))
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


def values(readings: list[dict[str, Any]], field_name: str) -> list[float]:
    return [round(reading[field_name], 4) for reading in readings]


def disturbances(readings: dict[str, list[dict[str, Any]]]) -> list[str]:
    """A note for each subject that had to share its core with strangers."""
    shares = {subject: max((reading["others"] for reading in found), default=0.0) for subject, found in readings.items()}
    return [
        f"others used up to {share:.0%} of the core while {subject} was measured" for subject, share in shares.items() if share > DISTURBED
    ]


def reasons(failures: dict[str, str]) -> str:
    return "; ".join(f"{subject}: {reason}" for subject, reason in failures.items())


def cpu_under_load(rig: Rig, subject: Callable[[], Subject], *, kind: str, connections: int, seconds: float, warm: float) -> dict[str, Any]:
    """Load one subject and count its CPU. For Sekisho the reading ends when every call is recorded, and has the node's part."""
    one = subject()
    product = one.product
    request = one.request(kind=kind)
    recorded = product.count() if product else 0
    node_before = machine.cpu_seconds([product.node]) if product else 0.0
    warmed = rig.load(request, connections=connections, seconds=warm)
    watch = machine.Watch(one.pids, rig.processes.measured)
    each = [machine.cpu_seconds([pid]) for pid in one.pids]
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
        "each_cpu_s": [machine.cpu_seconds([pid]) - before for pid, before in zip(one.pids, each, strict=True)],
    }
    if product:
        product.check_workers()
        answered = warmed.requests + summary.requests
        at_end = product.count() - recorded
        took = product.wait_recorded(recorded + answered)
        node = machine.cpu_seconds([product.node]) - node_before
        reading |= {"node_us": node / answered * 1e6, "backlog": max(0, answered - at_end), "catch_up_s": took}
    return reading


def load_row(
    rig: Rig,
    name: str,
    title: str,
    budget: Budget,
    upstream: str,
    *,
    kind: str = "plain",
    connections: int = CONNECTIONS,
    port: str = "",
    ours: Callable[[], Subject] | None = None,
) -> Row:
    """CPU per request of Sekisho (or of `ours`) beside nginx before the same upstream; `port` where nginx's has another name."""
    durations = rig.durations

    def measure(subject: Callable[[], Subject]) -> Measure:
        return lambda: cpu_under_load(rig, subject, kind=kind, connections=connections, seconds=durations.load, warm=durations.warm)

    subjects = {"nginx": measure(lambda: rig.floor(port or upstream)), "Sekisho": measure(ours or (lambda: rig.ours(upstream)))}
    if kind == "image":
        unbuffered = f"http://127.0.0.1:{rig.unbuffered_port}"
        subjects["nginx-unbuffered"] = measure(lambda: Subject("nginx-unbuffered", unbuffered, rig.proxy_pids))
    readings, failures = alternate(rig, name, subjects)
    through, floor = values(readings["Sekisho"], "cpu_us"), values(readings["nginx"], "cpu_us")
    notes = disturbances(readings)
    if through:
        rates = {subject: statistics.median(values(found, "rate")) for subject, found in readings.items() if found}
        notes.append("answers/s while measured: " + ", ".join(f"{subject} {rate:,.0f}" for subject, rate in rates.items()))
    if through and kind == "plain":
        notes.append(f"the node's CPU per call, recording included: {statistics.median(values(readings['Sekisho'], 'node_us')):.1f} µs")
    if through and readings.get("nginx-unbuffered"):
        unbuffered_us = statistics.median(values(readings["nginx-unbuffered"], "cpu_us"))
        times = statistics.median(through) / unbuffered_us
        notes.append(
            f"nginx that passes the body on as it comes (proxy_request_buffering off): {unbuffered_us:,.0f} µs, ours is {times:.2f}× that"
        )
    return Row(name, title, "CPU µs/request", through, floor, budget=budget, notes=notes, details=readings, missing=reasons(failures))
