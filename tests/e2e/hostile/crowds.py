"""A crowd of slow clients on bare sockets, held by one loop that does next to nothing: what is measured beside it must not be its own load.

Every socket announces segments as a network card has them (1,400 bytes). Over loopback's 64 KB the kernel would put megabytes into
each connection's own buffers, and the gateway would not notice for long that a client does not read.
"""

import asyncio
import enum
import json
import select
import socket
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

SEGMENT_BYTES: Final = 1400
SMALL_RECEIVE_BYTES: Final = 4096
"""Kernel buffer of a client that does not read."""
TRICKLE_S: Final = 1.0
"""Between two bytes of who trickles."""
PATIENT: Final = "patient"
"""The `user` of the client whose stream is slow."""
AT_ONCE: Final = 25
"""Sockets opened in one go; the loop is free in between."""


class Kind(enum.Enum):
    """How a client is slow."""

    SILENT = "silent"
    HEAD = "head byte by byte"
    BODY = "body byte by byte"
    STALLED = "body that stops"
    UNREAD = "answer not read"


@dataclass(eq=False)
class Stranger:
    """One slow client; times are monotonic seconds."""

    kind: Kind
    socket: socket.socket
    begun_at: float
    """When it was connected and had said what it says at once."""
    said: bytes = b""
    trickled: int = 0
    heard: bytes = b""
    ended_at: float | None = None
    """When the other side ended the connection."""

    @property
    def lasted(self) -> float:
        """Seconds until the end; infinite where there was none."""
        return float("inf") if self.ended_at is None else self.ended_at - self.begun_at

    @property
    def status(self) -> int:
        """The status that came, 0 where none did."""
        return int(self.heard[9:12]) if self.heard[:9] == b"HTTP/1.1 " else 0


@dataclass
class Crowd:
    """All of them. Use as a context manager around the loop's work."""

    port: int
    key: str
    model: str
    strangers: list[Stranger] = field(default_factory=list)
    lost: int = 0
    """Bytes that could not be trickled because the other side had ended."""

    def __enter__(self) -> Self:
        self._epoll = select.epoll()
        self._by_number: dict[int, Stranger] = {}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._epoll.close()
        for stranger in self.strangers:
            stranger.socket.close()

    async def gather(self, counts: dict[Kind, int]) -> None:
        """Open so many of each kind, mixed, a few at a time."""
        left = dict(counts)
        while any(left.values()):
            for kind in left:
                batch = min(AT_ONCE // len(left) + 1, left[kind])
                left[kind] -= batch
                for _ in range(batch):
                    await self._open(kind)
            await asyncio.sleep(0.05)

    async def _open(self, kind: Kind) -> None:
        made = socket.socket()
        made.setblocking(False)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT_BYTES)
        if kind is Kind.UNREAD:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_RECEIVE_BYTES)
        stranger = Stranger(kind, made, time.monotonic())
        self.strangers.append(stranger)
        await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", self.port))
        stranger.said = self._opening(kind)
        if stranger.said:
            made.send(stranger.said)
        stranger.begun_at = time.monotonic()
        self._by_number[made.fileno()] = stranger
        # Errors and hang-ups are told of whatever is asked for; who does not read is not told of what there is to read.
        self._epoll.register(made, 0 if kind is Kind.UNREAD else select.EPOLLIN)

    def _opening(self, kind: Kind) -> bytes:
        """What is sent at once."""
        head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer %b\r\n" % self.key.encode()
        match kind:
            case Kind.SILENT:
                return b""
            case Kind.HEAD:
                return b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nx-slow: "
            case Kind.BODY | Kind.STALLED:
                return head + b'content-length: 100000\r\n\r\n{"model": '
            case Kind.UNREAD:
                body = json.dumps({"model": self.model, "stream": True, "messages": [{"role": "user", "content": "on and on"}]}).encode()
                return head + b"content-length: %d\r\n\r\n%b" % (len(body), body)

    async def hold(self, seconds: float) -> None:
        """Trickle and listen until all are let go, or the time is up."""
        until = time.monotonic() + seconds
        trickling_at = 0.0
        while self._by_number and (now := time.monotonic()) < until:
            if now >= trickling_at:
                trickling_at = now + TRICKLE_S
                self._trickle()
            await asyncio.sleep(0.05)
            self._listen()

    def _trickle(self) -> None:
        for stranger in self._by_number.values():
            if stranger.kind in (Kind.HEAD, Kind.BODY):
                try:
                    stranger.socket.send(b"a" if stranger.kind is Kind.HEAD else b" ")
                    stranger.trickled += 1
                except OSError:
                    self.lost += 1

    def _listen(self) -> None:
        for number, events in self._epoll.poll(0, 4096):
            stranger = self._by_number[number]
            if not events & (select.EPOLLERR | select.EPOLLHUP) and (data := _read(stranger.socket)):
                stranger.heard += data
                continue
            stranger.ended_at = time.monotonic()
            self._epoll.unregister(number)
            del self._by_number[number]

    def of(self, kind: Kind) -> list[Stranger]:
        return [stranger for stranger in self.strangers if stranger.kind is kind]


def _read(source: socket.socket) -> bytes:
    try:
        return source.recv(65536)
    except OSError:
        return b""


@dataclass
class Guest:
    """A client that means well: one request after the other, with a short rest between, a new connection now and then."""

    port: int
    key: str
    model: str
    rest_s: float = 0.01
    per_connection: int = 20
    latencies: list[float] = field(default_factory=list)
    """Seconds from the first byte sent (or the connect, where one was needed) to the last byte of the answer."""
    failures: list[str] = field(default_factory=list)

    async def call(self, until: asyncio.Event) -> None:
        """Ask until the event is set."""
        body = json.dumps({"model": self.model, "messages": [{"role": "user", "content": "Good day"}]}).encode()
        request = b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer %b\r\ncontent-length: %d\r\n\r\n%b" % (
            self.key.encode(),
            len(body),
            body,
        )
        while not until.is_set():
            begun = time.monotonic()
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                for _ in range(self.per_connection):
                    writer.write(request)
                    status, text = await _answer(reader)
                    self.latencies.append(time.monotonic() - begun)
                    if status != 200:
                        self.failures.append(f"{status} {text[:200]!r}")
                    if until.is_set():
                        break
                    await asyncio.sleep(self.rest_s)
                    begun = time.monotonic()
            except (OSError, asyncio.IncompleteReadError) as error:
                self.failures.append(repr(error))
            finally:
                writer.close()

    def p99(self) -> float:
        """Seconds that 99 of 100 calls stayed below."""
        return sorted(self.latencies)[int(len(self.latencies) * 0.99)]


async def listen(port: int, key: str, model: str) -> bytes:
    """A slow stream to its end, or to wherever it ends, by a client that does nothing wrong: all that came."""
    body = json.dumps({"model": model, "stream": True, "user": PATIENT, "messages": [{"role": "user", "content": "Slowly"}]}).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer %b\r\ncontent-length: %d\r\n\r\n%b"
        % (key.encode(), len(body), body)
    )
    received = b""
    try:
        while not received.endswith(b"0\r\n\r\n") and (data := await reader.read(65536)):
            received += data
    except ConnectionError:
        pass
    finally:
        writer.close()
    return received


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Status and body of an answer with a length."""
    head = await reader.readuntil(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
    return int(head[9:12]), await reader.readexactly(int(fields[b"content-length"]))
