"""A reload under load: clients that never send a request twice lose none, on kept connections or new ones, nor do streams."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from tests.e2e.faults.arena import Arena
from tests.e2e.faults.clients import Answer, Call, chat
from tests.e2e.faults.scripts import LAST_CHUNK, SSE_HEAD, WORDS, Pause, Send, Step, chunked, frames
from tests.e2e.workers.crowds import MODEL, WORKERS, new_workers, worker_of

pytestmark = pytest.mark.e2e


@dataclass
class Faithful:
    """What clients see that keep their connections and repeat nothing: a closed connection under a request is a failed call."""

    answers: list[Answer] = field(default_factory=list)
    failures: list[object] = field(default_factory=list)

    @property
    def workers(self) -> set[str]:
        return {worker_of(answer) for answer in self.answers}


@contextlib.asynccontextmanager
async def faithful(port: int, key: str, pauses: list[float]) -> AsyncIterator[Faithful]:
    """One client for each pause, which is the time between its calls in seconds."""
    found, stop = Faithful(), asyncio.Event()

    async def client(pause: float) -> None:
        kept: Call | None = None
        count = 0
        while not stop.is_set():
            count += 1
            try:
                if kept is None:
                    kept = await Call.open(port)
                await kept.again(chat(MODEL, "faithful", key, stream=count % 2 == 0, usage=True))
                answer = await kept.read_to_end()
            except ConnectionError as error:
                found.failures.append(error)
                kept = None
                continue
            found.answers.append(answer)
            if answer.status != 200 or not answer.whole:
                found.failures.append(answer)
            if not kept.reusable:
                kept.writer.close()
                kept = None
            await asyncio.sleep(pause)
        if kept is not None:
            kept.writer.close()

    async with asyncio.TaskGroup() as group:
        for number, pause in enumerate(pauses):
            group.create_task(client(pause), name=f"faithful {number}")
        try:
            yield found
        finally:
            stop.set()


def slow_stream(pause: float) -> tuple[Step, ...]:
    """A healthy stream with a pause before each frame."""
    steps: list[Step] = [Send(SSE_HEAD)]
    for frame in frames():
        steps += (Pause(pause), Send(chunked(frame)))
    return (*steps, Send(LAST_CHUNK))


async def finish(call: Call) -> Answer:
    async with asyncio.timeout(30):
        while not call.answer.whole and not call.answer.closed:
            await call.read_piece()
    call.writer.close()
    return call.answer


def test_three_reloads_of_four_workers(four: Arena) -> None:
    four.upstream.play("long", *slow_stream(0.7))

    async def scenario() -> tuple[Faithful, list[Answer]]:
        async with faithful(four.port, four.key, [0.0] * 4 + [0.01] * 4 + [0.2] * 4 + [0.5] * 4) as found:
            streams = []
            for _ in range(3):
                stream = await Call.open(four.port, chat(MODEL, "long", four.key, stream=True, usage=True))
                await stream.read_head()
                streams.append(stream)
                before = four.workers()
                await asyncio.to_thread(four.management.post, "/api/system/reload")
                await asyncio.to_thread(new_workers, four, before)
            ends = await asyncio.gather(*(finish(stream) for stream in streams))
        return found, list(ends)

    found, ends = asyncio.run(scenario())
    print(f"{len(found.answers)} calls by {len(found.workers)} workers, {len(found.failures)} failed")
    assert not found.failures, found.failures[:3]
    assert len(found.workers) > WORKERS, "old and new ones served"
    assert all(answer.whole and answer.spoken() == "".join(WORDS) for answer in ends)
    four.settle()
    assert {record["status"] for record in four.management.all_calls()} == {"completed"}
