"""Open-loop load: calls arrive at a constant rate, whatever becomes of those before them, as they do from a thousand strangers.

Run as `python -m bench.load.arrivals PORT RATE SECONDS CONNECTIONS [PER_S CHUNKS]`: calls for whole answers or, with the last two, for
streams of so many chunks. Key and model come through the environment, as for wrk. Prints `OPEN` when it begins, the summary at the end.

A closed loop slows down with the server and so never overloads it. Here a call that is due is sent on an idle connection; where none is
left, it counts as `unsent`, and the reading is the load's own limit, not the server's. Bare sockets and epoll: each call costs the load
a third of what it costs the gateway.
"""

import contextlib
import gc
import json
import os
import select
import socket
import sys
import time
from array import array
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

BURST: Final = 128
"""Calls sent in one go before answers are looked at."""
CONNECT_BATCH: Final = 100
GOOD_S: Final = 1.0
"""An answer that is whole by so much later than it could be has no use for its client any more; it does not count as good."""
STREAM_END: Final = b"0\r\n\r\n"
WARM_SHARE: Final = 0.3
"""Of the time: calls that are sent in this first part are not judged. What is measured is how a rush is borne, not how it is noticed."""
PATIENCE_S: Final = 5.0
"""How long answers are waited for after the last call."""
REFUSALS: Final = frozenset((429, 503))
QUESTION: Final = "Which river flows through Kyoto, and in which direction? Answer in one short sentence, please."


@dataclass
class Outcome:
    """What came of the calls; times in milliseconds, from the sending of a call to the last byte of its answer."""

    offered_per_s: float
    sent: int
    unsent: int
    good: int
    """200, whole, and no more than `GOOD_S` later than it could be."""
    late: int
    """200 and whole, but later."""
    refused: int
    wrong: int
    """Any other status."""
    broken: int
    """Connections that ended instead of an answer."""
    unanswered: int
    seconds: float
    good_per_s: float
    late_per_s: float
    refused_per_s: float
    good_p50_ms: float
    good_p99_ms: float
    first_p99_ms: float
    """To the first byte of an answer that was good."""
    refused_p50_ms: float
    refused_p99_ms: float
    refused_max_ms: float
    behind_p99_ms: float
    """By how much the load itself was late with its calls."""
    cpu: float
    """Share of a core that the load used."""


def request_of(model: str, key: str, stream: str = "") -> bytes:
    """The call; `stream` tells `bench.load.source` the chunks per second and their number."""
    document: dict[str, object] = {
        "model": model,
        "messages": [
            {"role": "system", "content": "You know rivers well and keep your answers short."},
            {"role": "user", "content": QUESTION},
        ],
        "temperature": 0.7,
    }
    if stream:
        document |= {"stream": True, "user": stream}
    body = json.dumps(document, separators=(",", ":")).encode()
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nAuthorization: Bearer %b\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (key.encode(), len(body), body)
    )


class Arrivals:
    """One run."""

    def __init__(self, port: int, request: bytes, good_s: float) -> None:
        self._port = port
        self._request = request
        self._good_s = good_s
        self._epoll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._idle: list[int] = []
        self._sent_at: dict[int, float] = {}
        self._parts: dict[int, bytes] = {}
        self._judged_from = 0.0
        self._streaming: dict[int, float] = {}
        """Streams that have begun, each with the time that its first byte took."""
        self.first_s = array("d")
        self.good_s = array("d")
        self.refused_s = array("d")
        self.behind_s = array("d")
        self.late = self.wrong = self.broken = self.unsent = 0

    def connect(self, count: int) -> None:
        """Open the connections, a few at a time, before anything is measured."""
        for number in range(count):
            self._open()
            if number % CONNECT_BATCH == 0:
                time.sleep(0.01)

    def _open(self) -> None:
        made = socket.create_connection(("127.0.0.1", self._port), 10)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.setblocking(False)
        self._sockets[made.fileno()] = made
        self._idle.append(made.fileno())
        self._epoll.register(made, select.EPOLLIN)

    def run(self, rate: float, seconds: float) -> int:
        """Send the calls as they fall due; returns how many were."""
        clock, begun, due = time.perf_counter, time.perf_counter(), 0
        total = int(rate * seconds)
        self._judged_from = begun + seconds * WARM_SHARE
        while due < total:
            now = clock()
            target = min(total, int((now - begun) * rate), due + BURST)
            while due < target:
                self.behind_s.append(clock() - begun - due / rate)
                due += 1
                self._send()
            wait = begun + (due + 1) / rate - clock()
            self._receive(max(0.0, min(wait, 0.001)))
        until = clock() + PATIENCE_S
        while self._sent_at and clock() < until:
            self._receive(0.05)
        return due

    def _send(self) -> None:
        if not self._idle:
            self.unsent += 1
            return
        number = self._idle.pop()
        self._sent_at[number] = time.perf_counter()
        try:
            self._sockets[number].send(self._request)
        except OSError:
            self._lose(number)

    def _receive(self, wait: float) -> None:
        for number, _ in self._epoll.poll(wait, 512):
            try:
                data = self._sockets[number].recv(65536)
            except OSError:
                data = b""
            if not data:
                self._lose(number)
                continue
            if number in self._streaming:
                if data.endswith(STREAM_END):
                    self._answered(number, 200, self._streaming.pop(number))
                continue
            if number in self._parts:
                data = self._parts.pop(number) + data
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._parts[number] = data
                continue
            field = data.find(b"content-length: ", 0, end)
            first = time.perf_counter() - self._sent_at.get(number, 0.0)
            if field < 0 and not data.endswith(STREAM_END):
                self._streaming[number] = first
            elif field >= 0 and len(data) < end + 4 + int(data[field + 16 : data.find(b"\r", field)]):
                self._parts[number] = data
            else:
                self._answered(number, int(data[9:12]), first)

    def _answered(self, number: int, status: int, first: float) -> None:
        begun = self._sent_at.pop(number, None)
        if begun is None:
            self.wrong += 1
            return
        self._idle.append(number)
        if begun < self._judged_from:
            return
        took = time.perf_counter() - begun
        if status == 200 and took <= self._good_s:
            self.good_s.append(took)
            self.first_s.append(first)
        elif status == 200:
            self.late += 1
        elif status in REFUSALS:
            self.refused_s.append(took)
        else:
            self.wrong += 1

    def _lose(self, number: int) -> None:
        """A connection ended; another takes its place."""
        self._epoll.unregister(number)
        self._sockets.pop(number).close()
        self._parts.pop(number, None)
        self._streaming.pop(number, None)
        if self._sent_at.pop(number, None) is not None:
            self.broken += 1
        elif number in self._idle:
            self._idle.remove(number)
        with contextlib.suppress(OSError):
            self._open()

    def unanswered(self) -> int:
        return len(self._sent_at)


def percentile(values: Sequence[float], share: float) -> float:
    """In milliseconds; 0 where there are none."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] * 1000 if values else 0.0


def main(arguments: Sequence[str]) -> int:
    port, rate, seconds, connections = int(arguments[0]), float(arguments[1]), float(arguments[2]), int(arguments[3])
    per_s, chunks = (float(arguments[4]), int(arguments[5])) if len(arguments) > 5 else (0.0, 0)
    stream = f"{per_s:g}:{chunks}" if chunks else ""
    request = request_of(os.environ.get("BENCH_MODEL", "gpt-4o-mini"), os.environ.get("BENCH_KEY", "none"), stream)
    load = Arrivals(port, request, GOOD_S + (chunks / per_s if chunks else 0.0))
    load.connect(connections)
    gc.collect()
    gc.disable()
    print("OPEN", flush=True)
    cpu = time.process_time()
    due = load.run(rate, seconds)
    cpu = (time.process_time() - cpu) / seconds
    good, refused, judged = load.good_s, load.refused_s, seconds * (1 - WARM_SHARE)
    outcome = Outcome(
        offered_per_s=rate,
        sent=due - load.unsent,
        unsent=load.unsent,
        good=len(good),
        late=load.late,
        refused=len(refused),
        wrong=load.wrong,
        broken=load.broken,
        unanswered=load.unanswered(),
        seconds=seconds,
        good_per_s=len(good) / judged,
        late_per_s=load.late / judged,
        refused_per_s=len(refused) / judged,
        good_p50_ms=percentile(good, 0.5),
        good_p99_ms=percentile(good, 0.99),
        first_p99_ms=percentile(load.first_s, 0.99),
        refused_p50_ms=percentile(refused, 0.5),
        refused_p99_ms=percentile(refused, 0.99),
        refused_max_ms=percentile(refused, 1.0),
        behind_p99_ms=percentile(load.behind_s, 0.99),
        cpu=cpu,
    )
    print("BENCH " + json.dumps(asdict(outcome)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
