"""Very many clients that read one stream each, and notice every silence.

Run as `python -m bench.load.readers PORT STREAMS PER_S SECONDS`; key and model come through the environment, as for wrk. Prints `OPEN`
when every stream has given its first chunk, watches for so many seconds, then prints the summary and leaves.
"""

import gc
import json
import os
import select
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

OPENED_PER_S: Final = 1200
OPEN_PATIENCE_S: Final = 30.0
CHUNK: Final = b"data: "


@dataclass
class Outcome:
    """What the readers saw."""

    streams: int
    per_s: float
    seconds: float
    opened_s: float
    """Until the last stream had given its first chunk."""
    broken: int
    """Streams that ended, were refused, or never began."""
    status: int
    """The first status other than 200, if there was one."""
    chunks: int
    due: int
    """Chunks that the upstream should have sent within the window."""
    silence_s: float
    """The longest time without a chunk on any stream."""
    silence_p99_s: float
    """The longest time, of all but one in a hundred streams."""
    cpu: float
    """Share of a core that the readers used."""


class Readers:
    """All streams."""

    def __init__(self, port: int, request: bytes) -> None:
        self._port = port
        self._request = request
        self._epoll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self.last_at: dict[int, float] = {}
        """When the last chunk came; of streams that have begun."""
        self.silence: dict[int, float] = {}
        self.broken = 0
        self.status = 0
        self.chunks = 0

    def open(self, streams: int) -> float:
        """Open them all, at a steady pace; returns the seconds until each had begun, or the patience was up."""
        begun = time.perf_counter()
        for number in range(streams):
            self._open()
            while time.perf_counter() - begun < number / OPENED_PER_S:
                self.read(0.0005)
        while len(self.last_at) + self.broken < streams and time.perf_counter() - begun < OPEN_PATIENCE_S + streams / OPENED_PER_S:
            self.read(0.01)
        self.broken += streams - len(self.last_at) - self.broken
        return time.perf_counter() - begun

    def _open(self) -> None:
        made = socket.create_connection(("127.0.0.1", self._port), 10)
        made.send(self._request)
        made.setblocking(False)
        self._sockets[made.fileno()] = made
        self._epoll.register(made, select.EPOLLIN)

    def watch(self, seconds: float) -> None:
        """Count silences from now on."""
        begun = time.perf_counter()
        self.chunks = 0
        # A silence that began before counts from its own beginning.
        self.silence = dict.fromkeys(self.last_at, 0.0)
        while time.perf_counter() - begun < seconds:
            self.read(0.02)
        now = time.perf_counter()
        for number, last in self.last_at.items():
            self.silence[number] = max(self.silence.get(number, 0.0), now - last)

    def read(self, wait: float) -> None:
        silence, last_at = self.silence, self.last_at
        for number, _ in self._epoll.poll(wait, 1024):
            try:
                data = self._sockets[number].recv(65536)
            except OSError:
                data = b""
            now = time.perf_counter()
            before = last_at.get(number)
            if before is None and data[:12] != b"HTTP/1.1 200" and CHUNK not in data:
                self._lose(number, int(data[9:12] or b"0") if data[:5] == b"HTTP/" else 0)
                continue
            if not data:
                self._lose(number, 0)
                continue
            count = data.count(CHUNK)
            if not count:
                continue
            self.chunks += count
            if before is not None and now - before > silence.get(number, 0.0):
                silence[number] = now - before
            last_at[number] = now

    def _lose(self, number: int, status: int) -> None:
        self._epoll.unregister(number)
        self._sockets.pop(number).close()
        self.last_at.pop(number, None)
        self.broken += 1
        self.status = self.status or status


def main(arguments: Sequence[str]) -> int:
    port, streams, per_s, seconds = int(arguments[0]), int(arguments[1]), float(arguments[2]), float(arguments[3])
    model, key = os.environ.get("BENCH_MODEL", "gpt-4o-mini"), os.environ.get("BENCH_KEY", "none")
    document = {"model": model, "stream": True, "user": f"{per_s:g}:0", "messages": [{"role": "user", "content": "Hello"}]}
    body = json.dumps(document, separators=(",", ":")).encode()
    request = (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nAuthorization: Bearer %b\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (key.encode(), len(body), body)
    )
    readers = Readers(port, request)
    gc.disable()
    opened = readers.open(streams)
    print("OPEN", flush=True)
    cpu = time.process_time()
    readers.watch(seconds)
    cpu = (time.process_time() - cpu) / seconds
    silences = sorted(readers.silence.values()) or [0.0]
    outcome = Outcome(
        streams=streams,
        per_s=per_s,
        seconds=seconds,
        opened_s=opened,
        broken=readers.broken,
        status=readers.status,
        chunks=readers.chunks,
        due=int(streams * per_s * seconds),
        silence_s=silences[-1],
        silence_p99_s=silences[int(len(silences) * 0.99)],
        cpu=cpu,
    )
    print("BENCH " + json.dumps(asdict(outcome)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
