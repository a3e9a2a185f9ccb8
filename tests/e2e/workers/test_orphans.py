"""A supervisor that is killed leaves no process behind, and the next start finds the home and the ports free."""

import asyncio
import os
import signal
import time

import pytest

from tests.e2e.faults.arena import Arena
from tests.e2e.faults.clients import Answer, Call, ask, chat
from tests.e2e.faults.scripts import LAST_CHUNK, SSE_HEAD, WORDS, Pause, Send, Step, chunked, frames
from tests.e2e.workers.crowds import MODEL, WORKERS
from tests.support.product import alive, descendants, eventually

pytestmark = pytest.mark.e2e


def orphaned(arena: Arena) -> list[int]:
    """The children of a supervisor that is killed now."""
    process = arena.product.process
    assert process is not None
    children = descendants(process.pid)
    assert len(children) >= WORKERS + 1, "the node and its workers"
    process.kill()
    process.wait()
    return children


def test_four_workers_and_the_node_end_themselves(four: Arena) -> None:
    """Calls that run are finished first."""
    steps: list[Step] = [Send(SSE_HEAD)]
    for frame in frames():
        steps += (Pause(0.2), Send(chunked(frame)))
    four.upstream.play("slow", *steps, Send(LAST_CHUNK))

    async def scenario() -> list[Answer]:
        streams = [await Call.open(four.port, chat(MODEL, "slow", four.key, stream=True, usage=True)) for _ in range(8)]
        await asyncio.gather(*(each.read_head() for each in streams))
        children = await asyncio.to_thread(orphaned, four)
        for each in streams:
            while not each.answer.whole and not each.answer.closed:
                await each.read_piece()
            each.writer.close()
        await asyncio.to_thread(eventually, lambda: not any(alive(pid) for pid in children), "the end of the children", 12.0)
        return [each.answer for each in streams]

    answers = asyncio.run(scenario())
    assert all(answer.whole and answer.spoken() == "".join(WORDS) for answer in answers)


@pytest.mark.parametrize("victim", ["worker", "node"])
def test_one_that_was_stopped_ends_when_it_goes_on(four: Arena, victim: str) -> None:
    """A stopped process notices nothing; once it goes on it ends like the others, and does not serve an hour later with old keys."""
    status = four.management.get("/api/status")
    stopped = int(status["workers"][0] if victim == "worker" else status["node"])
    os.kill(stopped, signal.SIGSTOP)
    try:
        children = orphaned(four)
        others = [pid for pid in children if pid != stopped]
        eventually(lambda: not any(alive(pid) for pid in others), "the end of the others", 40.0)
        assert alive(stopped)
    finally:
        os.kill(stopped, signal.SIGCONT)
    eventually(lambda: not alive(stopped), "its end", 12.0)


def test_the_next_start_does_not_wait_for_orphans(four: Arena) -> None:
    former = four.product.process
    assert former is not None
    children = orphaned(four)
    started = time.monotonic()
    four.restart()
    print(f"ready {time.monotonic() - started:.1f} s after the supervisor was killed")
    assert asyncio.run(ask(four.port, chat(MODEL, "again", four.key))).status == 200
    eventually(lambda: not any(alive(pid) for pid in children), "the end of the orphans", 12.0)
    for stream in (former.stdout, former.stderr):
        assert stream is not None
        stream.close()
