"""A steady load of mixed calls, of which every failure counts.

Clients behave as HTTP clients do: they keep connections, and send a request again only where a kept connection was closed before a
byte of the answer came.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from tests.e2e.faults.clients import Answer, Call, chat


@dataclass
class Load:
    """What a load has seen so far."""

    answers: int = 0
    by_status: dict[int, int] = field(default_factory=dict)
    failures: list[Answer] = field(default_factory=list)
    """Answers that are not whole, or not 200."""
    again: int = 0
    """Requests that were sent again since a kept connection had been closed."""
    request_ids: list[str] = field(default_factory=list)
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    async def more(self, count: int, within_s: float = 15.0) -> None:
        """Return when so many further answers are in."""
        reached = self.answers + count
        async with asyncio.timeout(within_s):
            while self.answers < reached:
                self._moved.clear()
                await self._moved.wait()

    def take(self, answer: Answer) -> None:
        self.answers += 1
        self._moved.set()
        self.by_status[answer.status] = self.by_status.get(answer.status, 0) + 1
        self.request_ids.append(answer.request_id)
        if answer.status != 200 or not answer.whole:
            self.failures.append(answer)


@contextlib.asynccontextmanager
async def running(port: int, key: str, model: str, user: str = "load", clients: int = 6, pause: float = 0.002) -> AsyncIterator[Load]:
    """Calls go on for as long as the block does; `pause` seconds between two calls of one client."""
    load, stop = Load(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for number in range(clients):
            group.create_task(_client(load, stop, port, key, model, user, number, pause), name=f"load {number}")
        try:
            yield load
        finally:
            stop.set()


async def _client(load: Load, stop: asyncio.Event, port: int, key: str, model: str, user: str, number: int, pause: float) -> None:
    """Every second client keeps its connection; the others open one for each call."""
    kept: Call | None = None
    count = 0
    while not stop.is_set():
        request = chat(model, user, key, stream=(count + number) % 2 == 0, usage=True)
        answer = await _over_kept(kept, request) if kept is not None else None
        if kept is not None and answer is None:
            load.again += 1
        if answer is None:
            kept = await Call.open(port, request)
            answer = await kept.read_to_end()
        load.take(answer)
        if kept is not None and (number % 2 == 0 or not kept.reusable):
            kept.writer.close()
            kept = None
        count += 1
        await asyncio.sleep(pause)
    if kept is not None:
        kept.writer.close()


async def _over_kept(call: Call, request: bytes) -> Answer | None:
    """The answer over a kept connection; None where it was closed before a byte came."""
    try:
        await call.again(request)
        answer = await call.read_to_end()
    except ConnectionError:
        answer = call.answer
    if answer.status == 0 and not answer.raw:
        call.writer.close()
        return None
    return answer
