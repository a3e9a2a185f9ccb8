"""Steady mixed work as a gateway has it: answers, streams, mistakes, clients that leave, keys that come and go. Every answer is checked.

Each kind of work has its own pace; a call that is due is made whether or not those before it have been answered.
"""

import asyncio
import contextlib
import itertools
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final

from bench.product import Product

PATIENCE_S: Final = 20.0
PER_CONNECTION: Final = 50
"""Calls after which a connection is closed and another opened."""
MOST_IDLE: Final = 16
"""Connections that are kept for the next call; a busy moment needs more, and they are closed after it."""
PACES: Final = {"json": 200.0, "stream": 15.0, "mistake": 10.0, "unreachable": 2.0, "leave": 5.0, "leave-stream": 5.0, "revoke": 0.5}
"""Calls per second of each kind."""
DEAD: Final = "dead/gpt-4o-mini"
"""A model whose provider does not listen."""


class Load:
    """All kinds at once, until told to end."""

    def __init__(self, product: Product) -> None:
        self._product = product
        self._port = product.gateway_port
        self.done: Counter[str] = Counter()
        self.wrong: Counter[str] = Counter()
        """What came otherwise than it should have, by kind and what it was."""
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter, int]] = []
        self._running: set[asyncio.Task[None]] = set()
        self._mistakes = itertools.cycle((self._bad_key, self._bad_model, self._bad_body, self._bad_route))

    async def run(self, over: asyncio.Event) -> None:
        """Work until the event is set, and wait for what is under way."""
        kinds: dict[str, Callable[[], Awaitable[None]]] = {
            "json": self._json,
            "stream": self._stream,
            "mistake": lambda: next(self._mistakes)(),
            "unreachable": self._unreachable,
            "leave": self._leave,
            "leave-stream": self._leave_stream,
            "revoke": self._revoke,
        }
        async with asyncio.TaskGroup() as group:
            for kind, work in kinds.items():
                group.create_task(self._pace(kind, work, over))
        if self._running:
            await asyncio.wait(self._running)
        for _, writer, _ in self._idle:
            writer.close()

    async def _pace(self, kind: str, work: Callable[[], Awaitable[None]], over: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        begun, made = loop.time(), 0
        while not over.is_set():
            due = int((loop.time() - begun) * PACES[kind])
            while made < due:
                made += 1
                task = loop.create_task(self._one(kind, work))
                self._running.add(task)
                task.add_done_callback(self._running.discard)
            await asyncio.sleep(max(0.005, (made + 1) / PACES[kind] - (loop.time() - begun)))

    async def _one(self, kind: str, work: Callable[[], Awaitable[None]]) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await work()
        except TimeoutError:
            self.wrong[f"{kind}: no answer within {PATIENCE_S:.0f} s"] += 1
        except (OSError, asyncio.IncompleteReadError, ValueError) as error:
            self.wrong[f"{kind}: {type(error).__name__} {error}"] += 1
        except UnexpectedError as error:
            self.wrong[f"{kind}: {error}"] += 1
        self.done[kind] += 1

    # The kinds.

    async def _json(self) -> None:
        status, body = await self._call(self._request("up/gpt-4o-mini"))
        expect(status, 200, body)

    async def _stream(self) -> None:
        reader, writer = await self._open()
        try:
            writer.write(self._request("up/gpt-4o-mini", stream=True))
            text = await reader.readuntil(b"0\r\n\r\n")
            if not text.startswith(b"HTTP/1.1 200") or b"data: [DONE]" not in text:
                raise UnexpectedError(f"the stream is not whole: {text[:60]!r}")
        finally:
            writer.close()

    async def _bad_key(self) -> None:
        status, body = await self._call(self._request("up/gpt-4o-mini", key="sk-sek-unknown"))
        expect(status, 401, body)

    async def _bad_model(self) -> None:
        status, body = await self._call(self._request("up/unknown"))
        expect(status, 404, body)

    async def _bad_body(self) -> None:
        status, body = await self._call(self._framed(b'{"model": "up/gpt-4o-mini", "messages": [', self._product.key))
        expect(status, 400, body)

    async def _bad_route(self) -> None:
        status, body = await self._call(self._framed(b"{}", self._product.key, path="/v1/nothing"))
        expect(status, 404, body)

    async def _unreachable(self) -> None:
        status, body = await self._call(self._request(DEAD))
        expect(status, 502, body)

    async def _leave(self) -> None:
        _, writer = await self._open()
        writer.write(self._request("up/gpt-4o-mini"))
        await writer.drain()
        writer.transport.abort()

    async def _leave_stream(self) -> None:
        reader, writer = await self._open()
        writer.write(self._request("up/gpt-4o-mini", stream=True))
        for _ in range(5):
            await reader.readuntil(b"\n\n")
        writer.transport.abort()

    async def _revoke(self) -> None:
        """A key works as soon as it is made, and no longer than until it is revoked."""
        made = await asyncio.to_thread(self._product.manage, "POST", "/api/keys", {"label": "soak"})
        request = self._request("up/gpt-4o-mini", key=made["plain_key"])
        status, body = await self._call(request)
        expect(status, 200, body)
        await asyncio.to_thread(self._product.manage, "POST", f"/api/keys/{made['id']}/revoke")
        status, body = await self._call(request)
        expect(status, 401, body)

    # The wire.

    def _request(self, model: str, *, stream: bool = False, key: str = "") -> bytes:
        document: dict[str, object] = {"model": model, "messages": [{"role": "user", "content": "Which river flows through Kyoto?"}]}
        if stream:
            document["stream"] = True
        return self._framed(json.dumps(document, separators=(",", ":")).encode(), key or self._product.key)

    def _framed(self, body: bytes, key: str, path: str = "/v1/chat/completions") -> bytes:
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\nContent-Length: {len(body)}\r\n\r\n"
        return head.encode() + body

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self._port)

    def _take(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, int] | None:
        """An idle connection that the gateway has not closed meanwhile, for that it does after 75 s."""
        while self._idle:
            reader, writer, used = self._idle.pop()
            if not reader.at_eof():
                return reader, writer, used
            writer.close()
        return None

    async def _call(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of one call, over a connection that was used before where there is one."""
        reader, writer, used = self._take() or (*await self._open(), 0)
        kept = False
        try:
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            at = head.index(b"content-length: ") + 16
            body = await reader.readexactly(int(head[at : head.index(b"\r", at)]))
            kept = used + 1 < PER_CONNECTION and b"connection: close" not in head
            kept = kept and len(self._idle) < MOST_IDLE
            if kept:
                self._idle.append((reader, writer, used + 1))
            return int(head[9:12]), body
        finally:
            if not kept:
                with contextlib.suppress(OSError):
                    writer.close()


class UnexpectedError(Exception):
    """An answer that is not the one that belongs to its request."""


def expect(status: int, wanted: int, body: bytes) -> None:
    if status != wanted:
        raise UnexpectedError(f"{status} instead of {wanted}: {body[:100].decode(errors='replace')}")
