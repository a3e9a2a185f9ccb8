"""What a worker has is used up: connections to providers, memory, descriptors. Whoever comes too late is told when to come back, whoever is
there is served, nothing spins, and with what is given back comes service."""

import asyncio
import time
from collections import Counter

import pytest

from tests.e2e.calamities.instruments import close, cpu_seconds, descriptors, few_descriptors
from tests.e2e.faults import loads
from tests.e2e.faults.arena import Arena
from tests.e2e.faults.clients import Answer, Call, ask, chat
from tests.e2e.faults.rows import STEADY
from tests.e2e.faults.scripts import Pause, Send, completion, json_answer
from tests.support.patience import within
from tests.support.product import eventually
from tests.support.upstream import Upstream

pytestmark = pytest.mark.e2e

MODEL = f"{STEADY}/m"
HEALS_S = 2.0
BIG = 700_000
KEPT = 30
KNOCKS = 60
KNOCKING_S = 3.0
MOST_CPU = 0.3
"""Of a processor, while connections come in that cannot be accepted."""


def check_told(answer: Answer, code: str) -> None:
    """A clear 503 that says when to come back."""
    error = answer.error()
    assert error is not None, answer
    assert (answer.status, error["code"]) == (503, code), answer
    assert 0 < int(answer.headers["retry-after"]) <= 60
    assert answer.headers.get("x-should-retry", "true") == "true"


async def served_within(arena: Arena, request: bytes, seconds: float) -> float:
    """Seconds until this request is answered with 200."""
    started = time.monotonic()
    while (answer := await ask(arena.port, request)).status != 200:
        assert time.monotonic() - started < within(seconds), answer
        await asyncio.sleep(0.02)
    return time.monotonic() - started


def test_all_connections_to_providers_are_in_use() -> None:
    with Upstream() as other, Arena.open(settings="[bounds]\nupstream_connections = 2\n") as arena:
        arena.provider("other", other.base_url)
        arena.upstream.play("slow", Pause(2.0), Send(json_answer(completion())))

        async def scenario() -> tuple[list[Answer], list[Answer], float]:
            slow = [await Call.open(arena.port, chat(MODEL, "slow", arena.key)) for _ in range(2)]
            await asyncio.to_thread(arena.upstream.wait, lambda: len(arena.upstream.of("slow")) == 2, "two calls")
            refused = [await ask(arena.port, chat(model, "late", arena.key, stream=True)) for model in (MODEL, "other/m") * 5]
            for answer in refused:
                check_told(answer, "upstream_busy")
            ended = await asyncio.gather(*(call.read_all() for call in slow))
            took = await served_within(arena, chat(MODEL, "then", arena.key), HEALS_S)
            # Both connections lie idle now, and lead elsewhere: the one unused for longest makes room.
            assert (await ask(arena.port, chat("other/m", "elsewhere", arena.key))).status == 200
            return ended, refused, took

        ended, refused, took = asyncio.run(scenario())
        print(f"served {took:.3f} s after a connection was free")
        assert [answer.status for answer in ended] == [200, 200]
        found = arena.records(answer.request_id for answer in refused)
        assert all([record["error"]["code"] for record in records] == ["upstream_busy"] for records in found.values())


def test_the_memory_is_used_up() -> None:
    with Arena.open(settings="[bounds]\nbuffered_bytes = 1048576\n") as arena:
        arena.upstream.play("slow", Pause(1.5), Send(json_answer(completion())))
        big = chat(MODEL, "big", arena.key, padding="x" * BIG)

        async def scenario() -> float:
            slow = await Call.open(arena.port, chat(MODEL, "slow", arena.key, padding="x" * BIG))
            await asyncio.to_thread(arena.upstream.wait_for, "slow")
            for _ in range(5):
                check_told(await ask(arena.port, big), "overloaded")
            assert (await ask(arena.port, chat(MODEL, "small", arena.key))).status == 200, "what needs no room is served"
            assert (await slow.read_all()).status == 200
            took = await served_within(arena, big, HEALS_S)
            for _ in range(5):
                assert (await ask(arena.port, big)).status == 200, "all that was held is given back"
            return took

        print(f"served {asyncio.run(scenario()):.3f} s after there was room")


def test_no_descriptors_are_left() -> None:
    """Who is connected is served on; who knocks is turned away without a word, for none can be said; nothing spins or floods the log."""
    with Arena.open() as arena:
        [worker] = arena.workers()
        request = chat(MODEL, "kept", arena.key)

        async def scenario() -> tuple[Counter[int], float]:
            kept = [await Call.open(arena.port) for _ in range(KEPT)]
            for call in kept:
                await call.again(request)
                assert (await call.read_to_end()).status == 200
            with few_descriptors(worker, descriptors(worker)):
                knocking = asyncio.gather(*(knock(arena, number * KNOCKING_S / KNOCKS) for number in range(KNOCKS)))
                started, used = time.monotonic(), cpu_seconds(worker)
                statuses = Counter(await knocking)
                share = (cpu_seconds(worker) - used) / (time.monotonic() - started)
                for call in kept:
                    await call.again(request)
                    assert (await call.read_to_end()).status == 200, "who is connected is served on"
                for call in kept[:10]:
                    await close(call)
                await served_within(arena, request, HEALS_S)
            for call in kept[10:]:
                await close(call)
            return statuses, share

        statuses, share = asyncio.run(scenario())
        print(f"of {KNOCKS} that knocked: {dict(statuses)}; the worker used {share:.1%} of a processor")
        assert statuses[0] > KNOCKS // 2, "there were no descriptors"
        assert set(statuses) <= {0, 200}
        assert share < MOST_CPU
        assert arena.workers() == [worker], "it did not fall over it"
        assert len(arena.product.stderr.splitlines()) < 100, "the log is not flooded"


async def knock(arena: Arena, after: float) -> int:
    """A new connection with a call, some seconds from now; its status, 0 where it was turned away."""
    await asyncio.sleep(after)
    try:
        async with asyncio.timeout(1.0):
            return (await ask(arena.port, chat(MODEL, "knock", arena.key))).status
    except (ConnectionError, TimeoutError):
        return 0


def test_no_descriptors_under_load() -> None:
    """A worker that may open few: calls come through as far as there are descriptors, and all do once there are more."""
    with Arena.open() as arena:
        [worker] = arena.workers()

        async def scenario() -> loads.Load:
            async with loads.running(arena.port, arena.key, MODEL, clients=4) as load:
                await load.more(50)
                with few_descriptors(worker, descriptors(worker) - 2):
                    await asyncio.sleep(1.0)
                await load.more(20)  # those that were under way
                load.failures.clear()
                await load.more(100)
            return load

        load = asyncio.run(scenario())
        assert not load.failures, load.failures[:3]
        assert arena.workers() == [worker]
        eventually(lambda: arena.management.knows_call(load.request_ids[-1]), "the last record")
