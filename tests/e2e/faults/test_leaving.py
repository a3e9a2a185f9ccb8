"""The client leaves: the upstream's connection is closed within a second, and the one record says `cancelled`.

At every chunk of a stream, before the first byte, inside a plain answer, while its own body is on its way, and with a further
request waiting behind the first.
"""

import asyncio
import time
from dataclasses import dataclass

import pytest

from tests.e2e.faults.arena import Arena, Record
from tests.e2e.faults.clients import Call, chat
from tests.e2e.faults.rows import STEADY
from tests.e2e.faults.scripts import HANG, SSE_HEAD, USAGE, WORDS, Repeat, Seen, Send, chunk, chunked, completion, frames, json_answer

pytestmark = pytest.mark.e2e

MODEL = f"{STEADY}/m"
WITHIN_S = 1.0
SPOKEN = frames()[:-1]
"""All frames before `[DONE]`: opening, words, finish, usage."""


@dataclass
class Departure:
    """A client that has left, and what its leaving did."""

    left_at: float
    seen: Seen
    request_id: str
    body: bytes


async def leave_after(arena: Arena, user: str, chunks: int, *, key: str = "", stream: bool = True, usage: bool = True) -> Departure:
    """Call, read until so many frames are in, and go."""
    call = await Call.open(arena.port, chat(MODEL, user, key or arena.key, stream=stream, usage=usage))
    seen = await asyncio.to_thread(arena.upstream.wait_for, user)
    if chunks:
        await call.read_head()
        while call.answer.body.count(b"\n\n") < chunks:
            assert await call.read_piece(), call.answer
    left_at = await call.leave()
    await asyncio.to_thread(arena.upstream.wait_left, seen.connection)
    return Departure(left_at, seen, call.answer.request_id, call.answer.body)


def check(departure: Departure, record: Record, http_status: int) -> None:
    gone = departure.seen.connection.left_at
    assert gone is not None
    assert gone - departure.left_at <= WITHIN_S
    assert record["status"] == "cancelled", record
    assert record["http_status"] == http_status


@pytest.mark.parametrize("wants_usage", [True, False])
def test_at_every_chunk_of_a_stream(arena: Arena, wants_usage: bool) -> None:
    async def all_of_them() -> list[Departure]:
        departures = []
        for count in range(1, len(SPOKEN)):
            user = f"leaves-after-{count}-{wants_usage}"
            arena.upstream.play(user, Send(SSE_HEAD + b"".join(map(chunked, SPOKEN[:count]))), HANG)
            departures.append(leave_after(arena, user, count, usage=wants_usage))
        return list(await asyncio.gather(*departures))

    departures = asyncio.run(all_of_them())
    records = arena.records(departure.request_id for departure in departures)
    outputs = []
    for departure in departures:
        [record] = records[departure.request_id]
        check(departure, record, 200)
        assert record["usage_source"] == "estimated"
        assert record["input_tokens"] > 0, "the prompt was sent, so it is counted"
        outputs.append(record["output_tokens"])
    assert outputs == sorted(outputs), "the more was said, the more is counted"
    assert outputs[0] < outputs[-1] <= 4 * len("".join(WORDS).encode())


def test_after_the_usage_was_told(arena: Arena) -> None:
    arena.upstream.play("leaves-after-usage", Send(SSE_HEAD + b"".join(map(chunked, SPOKEN))), HANG)
    departure = asyncio.run(leave_after(arena, "leaves-after-usage", len(SPOKEN)))
    [record] = arena.records([departure.request_id])[departure.request_id]
    check(departure, record, 200)
    assert record["usage_source"] == "provider"
    assert (record["input_tokens"], record["output_tokens"]) == (USAGE["prompt_tokens"], USAGE["completion_tokens"])


@pytest.mark.parametrize("stream", [True, False])
def test_before_the_first_byte(arena: Arena, stream: bool) -> None:
    user = f"leaves-before-the-first-byte-{stream}"
    arena.upstream.play(user, HANG)
    client = arena.newcomer(user)
    departure = asyncio.run(leave_after(arena, user, 0, key=client.key, stream=stream, usage=False))
    record = client.record()
    check(departure, record, 499)
    assert record["usage_source"] == "unknown", "nobody knows whether it had begun, so nothing is charged"
    assert (record["input_tokens"], record["output_tokens"]) == (0, 0)


def test_inside_a_plain_answer(arena: Arena) -> None:
    user = "leaves-inside-a-plain-answer"
    arena.upstream.play(user, Send(json_answer(completion("x" * 4000))[:2000]), HANG)
    client = arena.newcomer(user)
    departure = asyncio.run(leave_after(arena, user, 0, key=client.key, stream=False, usage=False))
    record = client.record()
    assert record["http_status"] in (200, 499), "by whether the head had left"
    check(departure, record, record["http_status"])


def test_while_the_stream_is_running_fast(arena: Arena) -> None:
    """No quiet moment in which a close is easy to see: chunks come all the time."""
    user = "leaves-a-fast-stream"
    arena.upstream.play(user, Send(SSE_HEAD), Repeat(chunked(chunk({"content": "word"})), 0.001))
    departure = asyncio.run(leave_after(arena, user, 200, usage=False))
    [record] = arena.records([departure.request_id])[departure.request_id]
    check(departure, record, 200)
    assert record["usage_source"] == "estimated"
    assert record["output_tokens"] >= 100


def test_while_it_does_not_read(arena: Arena) -> None:
    """The product has stopped reading from the upstream, since the client does not take what it has; then the client goes."""
    user = "leaves-without-reading"
    arena.upstream.play(user, Send(SSE_HEAD), *(Send(chunked(chunk({"content": "x" * 60_000}))) for _ in range(400)), HANG)

    client = arena.newcomer(user)

    async def scenario() -> float:
        call = await Call.open(arena.port, chat(MODEL, user, client.key, stream=True))
        seen = await asyncio.to_thread(arena.upstream.wait_for, user)
        call.stop_reading()
        await asyncio.to_thread(arena.upstream.wait_stalled, seen.connection)
        left_at = await call.leave()
        gone = await asyncio.to_thread(arena.upstream.wait_closed, seen.connection)
        return gone - left_at

    assert asyncio.run(scenario()) <= WITHIN_S
    assert client.record()["status"] == "cancelled"


def test_while_its_body_is_on_its_way(arena: Arena) -> None:
    """Nothing whole was asked: the upstream has seen no whole request, and what is recorded is at most one `cancelled`."""
    user = "leaves-while-it-sends"
    client = arena.newcomer(user)

    async def scenario() -> None:
        request = chat(MODEL, user, client.key, padding="x" * 2_000_000)
        for part in (0.2, 0.5, 0.9):
            call = await Call.open(arena.port, request[: int(len(request) * part)])
            await call.leave()

    asyncio.run(scenario())
    arena.settle()
    assert not arena.upstream.of(user)
    assert all(record["status"] == "cancelled" for record in client.records())
    assert len(client.records()) <= 3


def test_with_a_further_request_behind(arena: Arena) -> None:
    first, second = "leaves-the-first-of-two", "never-reached"
    arena.upstream.play(first, HANG)
    client = arena.newcomer(first)

    async def scenario() -> Departure:
        call = await Call.open(arena.port, chat(MODEL, first, client.key) + chat(MODEL, second, client.key))
        seen = await asyncio.to_thread(arena.upstream.wait_for, first)
        left_at = await call.leave()
        await asyncio.to_thread(arena.upstream.wait_left, seen.connection)
        return Departure(left_at, seen, "", b"")

    departure = asyncio.run(scenario())
    check(departure, client.record(), 499)
    assert not arena.upstream.of(second), "nobody waits for its answer any more"


def test_a_hundred_at_once(arena: Arena) -> None:
    """Leaving together is no slower than leaving alone."""

    async def scenario() -> list[Departure]:
        users = [f"leaves-with-others-{number}" for number in range(100)]
        for user in users:
            arena.upstream.play(user, Send(SSE_HEAD + chunked(SPOKEN[0])), HANG)
        return list(await asyncio.gather(*(leave_after(arena, user, 1, usage=False) for user in users)))

    started = time.monotonic()
    departures = asyncio.run(scenario())
    assert time.monotonic() - started < 20
    records = arena.records(departure.request_id for departure in departures)
    for departure in departures:
        [record] = records[departure.request_id]
        check(departure, record, 200)
