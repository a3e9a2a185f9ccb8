"""An upstream for very many streams: one clock tick writes to all streams that are due, so that ten thousand cost it one timer.

Run as `python -m bench.load.source PORT`. The request's `user` says how: `5:40` means 5 chunks a second, 40 of them; a count of 0 means
until the client leaves. A request without it gets one chunk. `GET /counters` tells what was seen and sent.
"""

import asyncio
import json
import re
import socket
import sys
from collections import defaultdict
from typing import Final, cast

import uvloop

from bench.load.upstream import STREAM_HEAD, events

TICK_S: Final = 0.005
WANTED: Final = re.compile(rb'"user": ?"([0-9.]+):(\d+)"')
LENGTH: Final = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
MOST_BYTES: Final = 64 * 1024
_PIECES: Final = events(3)
TEXT: Final = _PIECES[0]
"""One chunk of text."""
LAST: Final = _PIECES[1] + _PIECES[2]
"""What ends a stream: finish, usage, the last chunk."""


class Stream(asyncio.Protocol):
    """One connection, and the stream that it carries now."""

    def __init__(self, wheel: "Wheel") -> None:
        self._wheel = wheel
        self._received = b""
        self.transport: asyncio.Transport | None = None
        self.left = 0
        """Chunks to send; negative where there is no end."""
        self.step = 0
        """Ticks between two chunks."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connection_lost(self, error: Exception | None) -> None:
        if self.step:
            self._wheel.counters["left"] += 1
        self.transport, self.step = None, 0

    def data_received(self, data: bytes) -> None:
        received = self._received = self._received + data
        assert self.transport is not None
        end = received.find(b"\r\n\r\n")
        if end < 0 or len(received) > MOST_BYTES:
            if end < 0 and len(received) <= MOST_BYTES:
                return
            self.transport.abort()
            return
        if received.startswith(b"GET /counters"):
            self._received = b""
            body = json.dumps(self._wheel.counters).encode()
            self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
            return
        length = LENGTH.search(received, 0, end + 2)
        if length is None or len(received) < end + 4 + int(length[1]):
            return
        self._received = b""
        wanted = WANTED.search(received, end)
        rate, count = (float(wanted[1]), int(wanted[2])) if wanted else (100.0, 1)
        self.left = count or -1
        self.step = max(1, round(1 / rate / TICK_S))
        self.transport.write(STREAM_HEAD)
        self._wheel.counters["streams"] += 1
        self._wheel.add(self)


class Wheel:
    """All streams by the tick at which their next chunk is due."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._begun = loop.time()
        self._tick = 0
        self._due: defaultdict[int, list[Stream]] = defaultdict(list)
        self.counters = {"streams": 0, "chunks": 0, "left": 0, "ended": 0, "late_ticks": 0}
        loop.call_later(TICK_S, self._turn)

    def add(self, stream: Stream) -> None:
        self._due[self._tick + 1].append(stream)

    def _turn(self) -> None:
        now = int((self._loop.time() - self._begun) / TICK_S)
        # More than a fifth of a second behind: this process is what holds the streams up, and the reading says so.
        if now - self._tick > 0.2 / TICK_S:
            self.counters["late_ticks"] += 1
        sent = 0
        while self._tick < now:
            self._tick += 1
            for stream in self._due.pop(self._tick, ()):
                transport = stream.transport
                if transport is None or not stream.step:
                    continue
                sent += 1
                stream.left -= 1
                if stream.left == 0:
                    transport.write(LAST)
                    stream.step = 0
                    self.counters["ended"] += 1
                else:
                    transport.write(TEXT)
                    self._due[self._tick + stream.step].append(stream)
        self.counters["chunks"] += sent
        self._loop.call_at(self._begun + (self._tick + 1) * TICK_S, self._turn)


async def serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    wheel = Wheel(loop)
    server = await loop.create_server(lambda: Stream(wheel), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
