"""Deadlines of the client's speaking end with its speaking: an answer may take longer than any of them."""

import asyncio
import json
from collections.abc import Iterator

import pytest

from tests.e2e.faults.arena import Arena
from tests.e2e.faults.clients import Answer, Call, chat, post
from tests.e2e.faults.rows import STEADY
from tests.e2e.faults.scripts import LAST_CHUNK, SSE_HEAD, Pause, Send, Step, chunked, completion, frames, json_answer

pytestmark = pytest.mark.e2e

MODEL = f"{STEADY}/m"
DEADLINE_S = 0.5
"""For the head, inside the body, and between two requests."""
ANSWER_S = 2.0


@pytest.fixture(scope="module")
def hasty() -> Iterator[Arena]:
    """A product that waits for its clients for half a second only."""
    settings = f"[bounds]\nhead_timeout_s = {DEADLINE_S}\nbody_idle_s = {DEADLINE_S}\nkeepalive_s = {DEADLINE_S}\n"
    with Arena.open(settings=settings) as arena:
        arena.upstream.play("late", Pause(ANSWER_S), Send(json_answer(completion())))
        steps: list[Step] = [Send(SSE_HEAD)]
        for frame in frames():
            steps += (Pause(ANSWER_S / len(frames())), Send(chunked(frame)))
        arena.upstream.play("slow", *steps, Send(LAST_CHUNK))
        yield arena


def check(answer: Answer) -> None:
    assert answer.whole, answer
    assert (answer.status, answer.error()) == (200, None)


@pytest.mark.parametrize(("user", "stream"), [("late", False), ("slow", True)])
def test_an_answer_may_take_longer_than_a_request(hasty: Arena, user: str, stream: bool) -> None:
    """On a fresh connection, and on one that was kept."""

    async def scenario() -> list[Answer]:
        call = await Call.open(hasty.port, chat(MODEL, user, hasty.key, stream=stream))
        answers = [await call.read_to_end()]
        await call.again(chat(MODEL, user, hasty.key, stream=stream))
        return [*answers, await call.read_all()]

    for answer in asyncio.run(scenario()):
        check(answer)


def test_an_answer_may_take_longer_than_the_body(hasty: Arena) -> None:
    """Which came in pieces, so that it had a deadline while it did."""
    body = json.dumps({"user": "late", "model": MODEL, "messages": [{"role": "user", "content": "x" * 10_000}]}).encode()
    request = post("/v1/chat/completions", body, hasty.key)

    async def scenario() -> Answer:
        call = await Call.open(hasty.port, request[:5000])
        await asyncio.sleep(DEADLINE_S / 5)
        await call.send(request[5000:])
        return await call.read_all()

    check(asyncio.run(scenario()))


def test_a_silent_client_is_still_let_go(hasty: Arena) -> None:
    """After an answer that took long, the time between two requests is what it was."""

    async def scenario() -> tuple[Answer, bytes]:
        call = await Call.open(hasty.port, chat(MODEL, "late", hasty.key))
        answer = await call.read_to_end()
        async with asyncio.timeout(DEADLINE_S * 10):
            rest = await call.reader.read()
        call.writer.close()
        return answer, rest

    answer, rest = asyncio.run(scenario())
    check(answer)
    assert rest == b""
