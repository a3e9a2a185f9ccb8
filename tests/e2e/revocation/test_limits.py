"""Limits of a key: the burst passes, the next call is told 429 and when to come again, and then it passes."""

import asyncio
import itertools
import re
import time
from collections.abc import Callable

import pytest

from tests.e2e.faults.arena import Arena, Newcomer
from tests.e2e.faults.clients import Answer, Call, ask, chat
from tests.e2e.faults.rows import STEADY
from tests.e2e.faults.scripts import HANG, SSE_HEAD, USAGE, Close, Send, Step, chunk, chunked
from tests.support.patience import within
from tests.support.product import eventually

pytestmark = pytest.mark.e2e

MODEL = f"{STEADY}/m"
RESET = re.compile(r"(?:\d+h)?(?:\d+m)?(?:\d+(?:\.\d+)?s|\d+ms)")
"""A duration as OpenAI writes it: 6m0s, 1s, 120ms."""


def call(client: Newcomer, user: str = "limited", **more: object) -> Answer:
    return asyncio.run(ask(client.arena.port, chat(MODEL, user, client.key, **more)))  # type: ignore[arg-type]


def until_refused(client: Newcomer, most: int, user: str = "limited") -> tuple[list[Answer], Answer, float]:
    """Call as fast as one can until refused: the answers before, the refusal, the seconds it took."""

    async def calls() -> tuple[list[Answer], Answer, float]:
        passed: list[Answer] = []
        started = time.monotonic()
        while len(passed) <= most:
            answer = await ask(client.arena.port, chat(MODEL, user, client.key))
            if answer.status != 200:
                return passed, answer, time.monotonic() - started
            passed.append(answer)
        raise AssertionError(f"{len(passed)} calls passed")

    return asyncio.run(calls())


def check_refused(answer: Answer, limit: str) -> None:
    error = answer.error()
    assert answer.status == 429, answer
    assert error is not None
    assert error["type"] == "rate_limit_error"
    assert error["param"] == limit
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.whole


def test_requests_per_minute(alone: Arena) -> None:
    limit = 120
    client = alone.newcomer("rpm", rpm=limit)
    passed, refused, took = until_refused(client, 2 * limit, "rpm")
    assert limit <= len(passed) <= limit + 1 + took * limit / 60, "the burst, and what came back meanwhile"
    check_refused(refused, "requests")
    for answer in (*passed, refused):
        assert answer.headers["x-ratelimit-limit-requests"] == str(limit)
        assert RESET.fullmatch(answer.headers["x-ratelimit-reset-requests"]), answer.headers
    remaining = [int(answer.headers["x-ratelimit-remaining-requests"]) for answer in passed]
    assert remaining[0] == limit - 1
    assert remaining[-1] == 0
    assert all(after >= before - 1 for before, after in itertools.pairwise(remaining)), remaining
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    assert len(alone.upstream.of("rpm")) == len(passed), "no refused call reaches the upstream"


def test_requests_per_minute_come_back(alone: Arena) -> None:
    client = alone.newcomer("rpm comes back", rpm=60)
    _, refused, _ = until_refused(client, 120)
    since = time.monotonic()
    eventually(lambda: call(client).status == 200, "a further request", 3.0)
    assert time.monotonic() - since <= within(int(refused.headers["retry-after"]) + 0.5)
    check_refused(call(client), "requests")


def test_the_limit_of_one_is_not_that_of_another(alone: Arena) -> None:
    busy, quiet = alone.newcomer("busy", rpm=3), alone.newcomer("quiet", rpm=3)
    until_refused(busy, 10)
    assert call(quiet).status == 200
    assert "x-ratelimit-limit-requests" not in asyncio.run(ask(alone.port, chat(MODEL, "free", alone.key))).headers


def test_tokens_per_minute(alone: Arena) -> None:
    """Tokens are known for sure only after a call: the one that crosses the line may pass, the next may not."""
    limit = 10 * USAGE["total_tokens"]
    client = alone.newcomer("tpm", tpm=limit)
    passed, refused, took = until_refused(client, 40, "tpm")
    spent = len(passed) * USAGE["total_tokens"]
    assert spent <= limit + USAGE["total_tokens"] + took * limit / 60 + 1
    assert len(passed) >= 3
    check_refused(refused, "tokens")
    for answer in (*passed, refused):
        assert answer.headers["x-ratelimit-limit-tokens"] == str(limit)
        assert RESET.fullmatch(answer.headers["x-ratelimit-reset-tokens"])
        assert 0 <= int(answer.headers["x-ratelimit-remaining-tokens"]) <= limit
    assert len(alone.upstream.of("tpm")) == len(passed)


def test_tokens_per_minute_come_back(alone: Arena) -> None:
    client = alone.newcomer("tpm comes back", tpm=60 * USAGE["total_tokens"])
    _, refused, _ = until_refused(client, 200)
    since = time.monotonic()
    eventually(lambda: call(client).status == 200, "further tokens", 10.0)
    assert time.monotonic() - since <= within(int(refused.headers["retry-after"]) + 0.5)


def test_concurrency(alone: Arena) -> None:
    """Two at once pass, a third does not; it does as soon as one of them has gone."""
    client = alone.newcomer("concurrency", concurrency=2)
    alone.upstream.play("holds", Send(SSE_HEAD + chunked(chunk({"content": "x"}))), HANG)

    async def scenario() -> tuple[Answer, Answer]:
        held = [await Call.open(alone.port, chat(MODEL, "holds", client.key, stream=True)) for _ in range(2)]
        for each in held:
            await each.read_head()
            assert each.answer.status == 200
        third = await ask(alone.port, chat(MODEL, "third", client.key))
        await held[0].leave()
        await asyncio.to_thread(
            alone.upstream.wait, lambda: any(seen.connection.left_at for seen in alone.upstream.of("holds")), "the leaving"
        )
        fourth = await ask(alone.port, chat(MODEL, "fourth", client.key))
        await held[1].leave()
        return third, fourth

    third, fourth = asyncio.run(scenario())
    check_refused(third, "concurrency")
    assert fourth.status == 200
    assert not alone.upstream.of("third")


ENDINGS: dict[str, tuple[Step, ...]] = {
    "a failure": (Close(),),
    "garbage": (Send(b"\0\0\0\0"), Close()),
    "a cut stream": (Send(SSE_HEAD + chunked(chunk({"content": "x"}))), Close()),
    "a refusal": (Send(b"HTTP/1.1 400 No\r\ncontent-length: 2\r\n\r\n{}"),),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_concurrency_is_given_back(alone: Arena, ending: str) -> None:
    """However a call ends, its place is free again: forty such calls leave no trace in a limit of two."""
    client = alone.newcomer(f"gives back after {ending}", concurrency=2)
    alone.upstream.play(ending, *ENDINGS[ending])
    for _ in range(40):
        answer = call(client, ending, stream=True)
        assert answer.status != 429
    assert call(client).status == 200


def test_concurrency_is_given_back_by_those_who_leave(alone: Arena) -> None:
    client = alone.newcomer("gives back", concurrency=2)
    alone.upstream.play("leaves", Send(SSE_HEAD + chunked(chunk({"content": "x"}))), HANG)

    async def leave_often() -> None:
        for number in range(20):
            gone = await Call.open(alone.port, chat(MODEL, "leaves", client.key, stream=True))
            async with asyncio.timeout(5):
                await gone.read_head()
            assert gone.answer.status == 200, f"call {number}"
            await gone.leave()
            await asyncio.to_thread(_wait_left, alone, number + 1)

    asyncio.run(leave_often())
    assert call(client).status == 200


def _wait_left(arena: Arena, count: int) -> None:
    left: Callable[[], bool] = lambda: sum(seen.connection.left_at is not None for seen in arena.upstream.of("leaves")) == count  # noqa: E731
    arena.upstream.wait(left, f"{count} connections left")


def test_a_refused_call_costs_nothing(alone: Arena) -> None:
    """Requests refused for another reason do not eat the limit, and refusals are recorded as such, not as calls."""
    client = alone.newcomer("pays for calls only", rpm=5)
    for _ in range(10):
        answer = asyncio.run(ask(alone.port, chat("no-such/model", "unknown", client.key)))
        assert answer.status == 404
    passed, refused, _ = until_refused(client, 10)
    assert len(passed) == 5
    alone.settle()
    refusals = {each["request_id"]: each for each in alone.management.all_refusals()}
    assert refusals[refused.request_id]["http_status"] == 429
    assert refusals[refused.request_id]["key_id"] == client.key_id
    assert len(client.records()) == 5
