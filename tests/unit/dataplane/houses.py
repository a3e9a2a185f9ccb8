"""One worker's plane with a journal in a folder of the test's, and client connections over a wire that writes down what passes."""

import asyncio
import hashlib
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sekisho.core.model.records import CallBegan, CallEnded, Frame
from sekisho.core.model.snapshot import Catalog, Credential, Key, Model, Provider, Rate
from sekisho.core.policy.access import Keys
from sekisho.dataplane import exchange
from sekisho.dataplane.connection import Connection
from sekisho.dataplane.journal import SMALLEST, Journal
from sekisho.dataplane.settings import Bounds
from sekisho.dataplane.stages import Plane
from sekisho.dataplane.upstream.pool import Pool
from sekisho.kit.tasks import Tasks
from sekisho.kit.turn import Turn
from tests.support.messages import Message, Reader
from tests.unit.dataplane.segments import records_of

OPEN, NARROW, SPENT = "sk-sek-open", "sk-sek-narrow", "sk-sek-spent"
"""A key for everything; one for a single model; one whose only request of the minute is spent by its first call."""
HELLO = {"model": "sandbox/echo", "messages": [{"role": "user", "content": "say this"}]}


def key(plain: str, **more: Any) -> Key:
    return Key(hashlib.sha256(plain.encode()).digest(), plain, plain, "default", **more)


class House:
    """A worker without sockets. Its loop is the running one."""

    def __init__(self, directory: Path, base_url: str = "http://127.0.0.1:1/v1") -> None:
        self.directory = directory
        loop = asyncio.get_running_loop()
        self.crashes: list[BaseException] = []
        self.tasks = Tasks(lambda name, error: self.crashes.append(error))
        turn = Turn(loop.call_soon)
        self.plane = Plane(
            boot="boot",
            worker=1,
            bounds=Bounds(),
            proxies=None,
            journal=Journal(directory, 1, "boot", SMALLEST),
            drop_when_full=False,
            pool=Pool(self.tasks, turn, loop.time, 10, 30.0),
            loop=loop,
            tasks=self.tasks,
            turn=turn,
        )
        names = ("echo", "lorem", "slow", "cut", "error-429", "error-500", "error-none")
        models = [Model(f"sandbox/{name}", "sandbox", name, rate=Rate(1500, 6000)) for name in names]
        models.append(Model("up/m", "up", "m"))
        models.append(Model("sandbox/dumb", "sandbox", "echo", capabilities=("embeddings",)))
        up = Provider("up", "custom", base_url, (Credential("c1", "secret-1"), Credential("c2", "secret-2")))
        catalog = Catalog(1, "house", (Provider("sandbox", "sandbox"), up), tuple(models))
        self.plane.install(catalog, Keys([key(OPEN), key(NARROW, models=("sandbox/lorem",)), key(SPENT, rpm=1)]))

    @property
    def records(self) -> list[Frame]:
        return records_of(self.directory)

    @property
    def call(self) -> tuple[CallBegan, CallEnded]:
        """The one call there was: exactly one beginning and one end, joined by their number."""
        began, ended = self.records
        assert isinstance(began, CallBegan)
        assert isinstance(ended, CallEnded)
        assert began.seq == ended.seq
        return began, ended

    async def __aenter__(self) -> "House":
        return self

    async def __aexit__(self, *_: object) -> None:
        self.plane.pool.close()
        await self.tasks.stop()
        self.plane.journal.close(0)
        assert self.crashes == []
        assert self.plane.counters.in_flight == 0
        assert self.plane.counters.buffered == 0


class Wire(asyncio.Transport):
    """The client's side: what was written, piece by piece, each with the records that were in the journal by then."""

    def __init__(self, house: House) -> None:
        super().__init__()
        self._house = house
        self._socket = socket.socket()
        self.pieces: list[tuple[bytes, list[Frame]]] = []
        self.closed = False
        self._changed = asyncio.Event()
        self.connection = Connection(house.plane, exchange.run, lambda connection: True, lambda connection: None)
        self.connection.connection_made(self)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("192.0.2.7", 5), "socket": self._socket}.get(name, default)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """There is no buffer: what is written has arrived."""

    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, data: "bytes | bytearray | memoryview[int]") -> None:
        assert not self.closed
        self.pieces.append((bytes(data), self._house.records))
        self._changed.set()

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self._changed.set()

    def pause_reading(self) -> None:
        """Nobody reads here; the test hands over what it likes."""

    def resume_reading(self) -> None:
        """Likewise."""

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._changed.set()
            self._socket.close()
            asyncio.get_running_loop().call_soon(self.connection.connection_lost, None)

    abort = close

    # For the test.

    def feed(self, data: bytes) -> None:
        self.connection.data_received(data)

    @property
    def messages(self) -> list[Message]:
        """The answers so far."""
        reader = Reader(responses=True)
        for data, _ in self.pieces:
            reader.feed(data)
        return reader.messages

    async def until(self, happened: Callable[["Wire"], Any]) -> None:
        while not happened(self):
            self._changed.clear()
            await self._changed.wait()

    async def answer(self) -> Message:
        """The next whole answer."""
        await self.until(lambda wire: wire.messages and wire.messages[-1].complete)
        return self.messages[-1]


def request(
    body: Any = None, *, plain_key: str = OPEN, path: str = "/v1/chat/completions", method: str = "POST", headers: tuple[str, ...] = ()
) -> bytes:
    """One request's bytes. A body of bytes goes as it is, anything else as JSON."""
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "host: a", *headers, f"content-length: {len(data)}"]
    if plain_key:
        lines.append(f"authorization: Bearer {plain_key}")
    return "\r\n".join([*lines, "", ""]).encode() + data
