"""A change is in force on all workers when its command returns, or the answer names who has not confirmed it."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Iterator

import pytest

from tests.e2e.faults.arena import Arena
from tests.e2e.faults.clients import Answer, Call, ask, chat
from tests.e2e.workers.crowds import MODEL, WORKERS, to_each_worker
from tests.support.product import eventually

pytestmark = pytest.mark.e2e


@contextlib.contextmanager
def hung(pid: int) -> Iterator[None]:
    """A process that does nothing for as long as the block lasts."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def answers_of(calls: list[Call], request: bytes, within_s: float) -> list[Answer | None]:
    """What each connection answers; None where it has not by then."""

    async def one(call: Call) -> Answer | None:
        await call.again(request)
        try:
            async with asyncio.timeout(within_s):
                return await call.read_to_end()
        except TimeoutError:
            return None

    return list(await asyncio.gather(*(one(call) for call in calls)))


def test_all_workers_have_it_when_the_command_returns(crowd: Arena) -> None:
    client = crowd.newcomer("revoked on all")

    async def scenario() -> list[Answer | None]:
        kept = await to_each_worker(crowd, client.key, "kept")
        revoked = await asyncio.to_thread(crowd.management.post, f"/api/keys/{client.key_id}/revoke")
        assert revoked["warnings"] == []
        found = await answers_of(list(kept.values()), chat(MODEL, "after", client.key), 10.0)
        for call in kept.values():
            call.writer.close()
        return found

    answers = asyncio.run(scenario())
    assert [answer and answer.status for answer in answers] == [401] * WORKERS


def test_a_hung_worker_is_named_and_catches_up(four: Arena) -> None:
    """The others are not held up by it, the command returns after a second, and when it goes on it has the change before it says so."""
    client = four.newcomer("revoked with one hung")
    request = chat(MODEL, "after", client.key)

    async def scenario() -> None:
        kept = list((await to_each_worker(four, client.key, "kept")).values())
        victim = four.workers()[1]
        with hung(victim):
            started = time.monotonic()
            revoked = await asyncio.to_thread(four.management.post, f"/api/keys/{client.key_id}/revoke")
            took = time.monotonic() - started
            [warning] = revoked["warnings"]
            assert f"(pid {victim})" in warning
            assert "has not confirmed revision" in warning
            assert 0.9 <= took <= 2.5, "a second, and what the machine adds"
            found = await answers_of(kept, request, 3.0)
            assert [answer and answer.status for answer in found if answer is not None] == [401] * (WORKERS - 1)
            # And who comes anew is served by the others.
            news = await asyncio.gather(*(ask(four.port, chat(MODEL, "new", four.key)) for _ in range(8)))
            assert {answer.status for answer in news} == {200}
        [late] = [call for call, answer in zip(kept, found, strict=True) if answer is None]

        def confirmed() -> bool:
            return four.management.create_key("after the hang")["warnings"] == []

        await asyncio.to_thread(eventually, confirmed, "the acknowledgement of all", 10.0)
        assert (await late.read_to_end()).whole, "the call that it slept through is answered"
        assert [answer and answer.status for answer in await answers_of([late], request, 10.0)] == [401]
        for call in kept:
            call.writer.close()

    asyncio.run(scenario())


def test_limits_are_right_after_a_hang(four: Arena) -> None:
    """What the others did meanwhile is taken in when it happened, and not all at once: nobody is locked out for having been stopped."""
    client = four.newcomer("limited with one hung", rpm=60)

    async def scenario() -> int:
        kept = list((await to_each_worker(four, four.key, "kept")).values())
        victim = four.workers()[2]
        with hung(victim):
            stop = time.monotonic() + 6.0
            while time.monotonic() < stop:
                assert (await ask(four.port, chat(MODEL, "steady", client.key))).status == 200
                await asyncio.sleep(0.8)
        await asyncio.sleep(0.5)
        found = await answers_of(kept, chat(MODEL, "after", client.key), 10.0)
        left = [int(answer.headers["x-ratelimit-remaining-requests"]) for answer in found if answer is not None]
        assert len(left) == WORKERS
        for each in kept:
            each.writer.close()
            await each.writer.wait_closed()
        return max(left) - min(left)

    assert asyncio.run(scenario()) <= 5, "all workers see about the same"
