"""An upstream on the protocol level: streams chunks on time, and answers a large body only after its last byte.

Run as `python -m bench.load.upstream PORT GAP_MS CHUNKS`. nginx's static answer is cheaper for small JSON but answers before a
large body has arrived, which would let a proxy off half of its work. `GET /counters` tells what was seen and sent so far, so that
a measurement counts chunks within its window instead of whole responses at its edges.
"""

import asyncio
import json
import re
import socket
import sys
from typing import Final, cast

import uvloop

LENGTH: Final = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
HEAD_BYTES: Final = 64 * 1024
BUFFER_BYTES: Final = 1024 * 1024
STREAM_BODY_BYTES: Final = 64 * 1024
"""A body up to this size is kept and looked through for `"stream":true`; a larger one is only counted."""

STREAM_HEAD: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
)
ANSWER: Final = json.dumps(
    {
        "id": "chatcmpl-bench-0001",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "gpt-4o-mini",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "It is a picture."}, "logprobs": None, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": 1105, "completion_tokens": 5, "total_tokens": 1110},
    },
    separators=(",", ":"),
).encode()

counters = {"requests": 0, "chunks": 0, "streams": 0, "bytes_in": 0}


def chunked(payload: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(payload), payload)


def events(count: int) -> list[bytes]:
    """The pieces of one stream, in HTTP chunks: text, then the finish, then usage with `[DONE]` and the last chunk."""

    def event(choices: list[dict[str, object]], usage: dict[str, int] | None = None) -> bytes:
        data = {
            "id": "chatcmpl-bench-0001",
            "object": "chat.completion.chunk",
            "created": 1700000000,
            "model": "gpt-4o-mini",
            "system_fingerprint": "fp_bench",
            "choices": choices,
            "usage": usage,
        }
        return b"data: " + json.dumps(data, separators=(",", ":")).encode() + b"\n\n"

    pieces = [
        chunked(event([{"index": 0, "delta": {"content": f" word{number}"}, "logprobs": None, "finish_reason": None}]))
        for number in range(count - 2)
    ]
    pieces.append(chunked(event([{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}])))
    usage = {"prompt_tokens": 31, "completion_tokens": count - 2, "total_tokens": 29 + count}
    pieces.append(chunked(event([], usage)) + chunked(b"data: [DONE]\n\n") + b"0\r\n\r\n")
    return pieces


class Connection(asyncio.BufferedProtocol):
    """Reads one request at a time into a buffer; answers when its body is whole."""

    def __init__(self, loop: asyncio.AbstractEventLoop, gap: float, pieces: list[bytes]) -> None:
        self._loop = loop
        self._gap = gap
        self._pieces = pieces
        self._buffer = bytearray(BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._filled = 0
        self._missing = 0
        """Bytes of a large body that have not come, which are counted and not kept; a small one is read into the buffer."""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods of asyncio.Transport without being one.
        self._transport = cast("asyncio.Transport", transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connection_lost(self, error: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._view[self._filled :]

    def buffer_updated(self, count: int) -> None:
        counters["bytes_in"] += count
        if self._missing > 0:
            self._missing -= count
            if self._missing < 0:
                self._transport.abort()
            elif self._missing == 0:
                self._complete(stream=False)
            return
        self._filled += count
        end = self._buffer.find(b"\r\n\r\n", 0, self._filled)
        if end < 0:
            if self._filled > HEAD_BYTES:
                self._transport.abort()
            return
        if self._buffer.startswith(b"GET /counters"):
            self._filled = 0
            self._answer(json.dumps(counters).encode())
            return
        length = LENGTH.search(self._buffer, 0, end)
        if length is None:
            # A proxy that was given the length and sends chunks does other work than the one beside it: better to fail loudly.
            self._transport.write(b"HTTP/1.1 411 Length Required\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            self._transport.close()
            return
        size = int(length[1])
        missing = end + 4 + size - self._filled
        if missing > 0 and size > STREAM_BODY_BYTES:
            self._missing = missing
            self._filled = 0
        elif missing == 0:
            self._complete(stream=self._buffer.find(b'"stream":true', end, self._filled) >= 0)
        elif missing < 0:
            self._transport.abort()

    def _complete(self, *, stream: bool) -> None:
        counters["requests"] += 1
        self._filled = self._missing = 0
        if stream:
            self._transport.write(STREAM_HEAD)
            self._send(0, self._loop.time())
        else:
            self._answer(ANSWER)

    def _answer(self, body: bytes) -> None:
        self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))

    def _send(self, number: int, begun: float) -> None:
        """Send one piece at its own time since the stream began: a late one does not delay those after it."""
        if number:
            self._transport.write(self._pieces[number - 1])
            counters["chunks"] += 1
        if number < len(self._pieces):
            self._timer = self._loop.call_at(begun + (number + 1) * self._gap, self._send, number + 1, begun)
        else:
            counters["streams"] += 1


async def serve(port: int, gap: float, chunks: int) -> None:
    loop = asyncio.get_running_loop()
    pieces = events(chunks)
    server = await loop.create_server(lambda: Connection(loop, gap, pieces), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), float(sys.argv[2]) / 1000, int(sys.argv[3])))
