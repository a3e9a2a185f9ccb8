"""A tap between two that speak HTTP/1.1: bytes pass unchanged, and afterwards the exchanges can be read.

with Tap("127.0.0.1", engine.port) as tap:
    ... use tap.origin in place of the engine's ...
    assert tap.exchanges[0].response.json()["usage"]["total_tokens"] == 40
"""

import asyncio
from dataclasses import dataclass, field

from tests.support.messages import Message, Reader
from tests.support.threads import LoopThread


@dataclass
class Exchange:
    """A request and what came back; None while nothing has."""

    request: Message
    response: Message | None


@dataclass(eq=False)
class Passage:
    """One connection through the tap, with all bytes of both ways."""

    upward: bytearray = field(default_factory=bytearray)
    downward: bytearray = field(default_factory=bytearray)
    requests: Reader = field(default_factory=Reader)
    responses: Reader = field(init=False)
    closed: bool = False

    def __post_init__(self) -> None:
        self.responses = Reader(responses=True, bodiless=lambda place: self.requests.messages[place].method == "HEAD")

    @property
    def exchanges(self) -> list[Exchange]:
        finals = [message for message in self.responses.messages if message.status >= 200]
        padded = [*finals, *([None] * (len(self.requests.messages) - len(finals)))]
        return [Exchange(request, response) for request, response in zip(self.requests.messages, padded, strict=True)]


class Tap(LoopThread):
    """The listener; see the module."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__()
        self._target = (host, port)
        self.passages: list[Passage] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        return self.origin + "/v1"

    @property
    def exchanges(self) -> list[Exchange]:
        """All exchanges, in order of their requests."""
        return sorted((each for passage in self.passages for each in passage.exchanges), key=lambda each: each.request.began_at)

    @property
    def calls(self) -> list[Exchange]:
        """The exchanges without those for the model list."""
        return [each for each in self.exchanges if not each.request.path.endswith("/models")]

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        passage = Passage()
        self.passages.append(passage)
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
            try:
                ways = (
                    self._loop.create_task(self._pump(reader, far_writer, passage.upward, passage.requests)),
                    self._loop.create_task(self._pump(far_reader, writer, passage.downward, passage.responses)),
                )
                try:  # both speak HTTP without half-closed connections: when one way ends, all is over
                    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for way in ways:
                        way.cancel()
                    await asyncio.gather(*ways, return_exceptions=True)
            finally:
                far_writer.close()
        except OSError:
            pass
        finally:
            writer.close()
            passage.requests.eof()
            passage.responses.eof()
            passage.closed = True
            self._tasks.discard(task)
            self.changed()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, kept: bytearray, seen: Reader) -> None:
        while data := await source.read(65536):
            kept += data
            seen.feed(data)
            self.changed()
            sink.write(data)
            await sink.drain()

    def __repr__(self) -> str:
        seen = ", ".join(f"{each.request.start!r} → {each.response.start if each.response else 'nothing'!r}" for each in self.exchanges)
        return f"<Tap {self.origin} → {self._target}: {len(self.passages)} connections; {seen or 'no request'}>"
