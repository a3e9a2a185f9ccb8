"""A client that sends exactly what it is told and lets h11 judge every byte that comes back."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import h11

PATIENCE: Final = 25.0
"""Seconds after which an answer, or the end of a connection, counts as not coming; beyond every deadline of the product."""


@dataclass(frozen=True)
class Answer:
    """One response as h11 read it."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    interim: tuple[int, ...] = ()

    def header(self, name: bytes) -> bytes | None:
        """The value of a header that may come once; fails where it comes twice."""
        values = [value for each, value in self.headers if each == name]
        assert len(values) <= 1, f"{name!r} came {len(values)} times"
        return values[0] if values else None

    @property
    def says_close(self) -> bool:
        """Whether the answer announces the connection's end."""
        return b"close" in (self.header(b"connection") or b"").lower()


@dataclass
class Received:
    """All that came over one connection so far."""

    data: bytearray = field(default_factory=bytearray)
    ended: bool = False
    reset: bool = False
    news: asyncio.Event = field(default_factory=asyncio.Event)


class NotHttpError(Exception):
    """What came back is no HTTP/1.1."""


def answers(data: bytes, methods: Sequence[str], *, ended: bool) -> tuple[list[Answer], bytes]:
    """The whole answers in what came back, and what is left over. `methods` frame them; the last one repeats."""
    found: list[Answer] = []
    while data:
        method = methods[min(len(found), len(methods) - 1)]
        connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
        connection.send(h11.Request(method=method, target="/", headers=[("host", "x")]))
        connection.send(h11.EndOfMessage())
        connection.receive_data(data)
        answer, rest = _one(connection, ended)
        if answer is None:
            break
        found.append(answer)
        data = rest
    return found, data


def _one(connection: h11.Connection, ended: bool) -> tuple[Answer | None, bytes]:
    interim: list[int] = []
    status, headers, body = 0, (), b""
    told_end = False
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError as error:
            if told_end:
                return None, b""
            raise NotHttpError(str(error)) from error
        if isinstance(event, h11.InformationalResponse):
            interim.append(event.status_code)
        elif isinstance(event, h11.Response):
            status, headers = event.status_code, tuple(event.headers)  # type: ignore[assignment]
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            return Answer(status, headers, body, tuple(interim)), connection.trailing_data[0]
        elif event is h11.NEED_DATA:
            if not ended or told_end:
                return None, b""
            told_end = True
            connection.receive_data(b"")
        else:
            return None, b""


class Conversation:
    """One connection to the door."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, methods: Sequence[str]) -> None:
        self._reader = reader
        self._writer = writer
        self._methods = methods
        self.received = Received()
        self._listener = asyncio.get_running_loop().create_task(self._listen())

    @classmethod
    async def open(
        cls, port: int, methods: Sequence[str] = ("POST",), source: str | None = None, trust: ssl.SSLContext | None = None
    ) -> "Conversation":
        """Connect to a port of this host, from another loopback address where `source` names one; by TLS with `trust`."""
        local = (source, 0) if source else None
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=local, ssl=trust)
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return cls(reader, writer, methods)

    async def _listen(self) -> None:
        received = self.received
        try:
            while data := await self._reader.read(65_536):
                received.data += data
                received.news.set()
        except ConnectionError:
            received.reset = True
        received.ended = True
        received.news.set()

    async def send(self, pieces: Iterable[bytes], *, singly: bool = False) -> int:
        """Send until all is sent or the other side is gone; returns the bytes sent. `singly` lets each piece leave by itself."""
        sent = 0
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                if self.received.ended:
                    break
                self._writer.write(piece)
                sent += len(piece)
                await self._writer.drain()
                if singly:
                    await asyncio.sleep(0)
        return sent

    @property
    def answers(self) -> list[Answer]:
        """The answers that are whole."""
        return answers(bytes(self.received.data), self._methods, ended=self.received.ended)[0]

    @property
    def rest(self) -> bytes:
        """What came and is no whole answer."""
        return answers(bytes(self.received.data), self._methods, ended=self.received.ended)[1]

    async def wait(self, count: int, patience: float = PATIENCE) -> list[Answer]:
        """Return when so many whole answers are here, or the connection has ended, or patience has."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while len(self.answers) < count and not self.received.ended:
                    self.received.news.clear()
                    await self.received.news.wait()
        return self.answers

    async def wait_end(self, patience: float = PATIENCE) -> bool:
        """Whether the other side ends the connection in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await asyncio.shield(self._listener)
        return self.received.ended

    def finish(self) -> None:
        """Say that nothing more will be sent."""
        with contextlib.suppress(OSError):
            self._writer.write_eof()

    async def close(self) -> None:
        """Leave."""
        self._listener.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._listener
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()

    async def __aenter__(self) -> "Conversation":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
