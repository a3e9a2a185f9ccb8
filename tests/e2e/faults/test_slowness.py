"""Slow on either side: a silent upstream does not let the client's connection fall asleep, a client that does not read is let go."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from tests.e2e.faults.arena import Arena
from tests.e2e.faults.clients import Answer, Call, ask, chat
from tests.e2e.faults.rows import STEADY
from tests.e2e.faults.scripts import LAST_CHUNK, SSE_HEAD, WORDS, Pause, Repeat, Send, chunk, chunked, frames

pytestmark = pytest.mark.e2e

MODEL = f"{STEADY}/m"
WRITE_IDLE_S = 2.0
COMMENT_S = 0.5


@pytest.fixture(scope="module")
def hurried() -> Iterator[Arena]:
    """The product with its patience turned down."""
    with Arena.open(settings=f"[bounds]\nwrite_idle_s = {WRITE_IDLE_S}\ncomment_s = {COMMENT_S}\n") as arena:
        yield arena


def test_a_silent_stream_shows_signs_of_life(hurried: Arena) -> None:
    """Comments in the gap, none of which changes what the stream says; none inside a frame that is on its way."""
    first, *rest = frames()
    halves = chunked(first) + chunked(rest[0][:30])
    hurried.upstream.play(
        "silent", Send(SSE_HEAD + halves), Pause(2.2), Send(chunked(rest[0][30:]) + b"".join(map(chunked, rest[1:])) + LAST_CHUNK)
    )
    answer: Answer = asyncio.run(ask(hurried.port, chat(MODEL, "silent", hurried.key, stream=True, usage=True)))
    assert answer.whole
    assert answer.spoken() == "".join(WORDS)
    assert answer.events()[-1] == "[DONE]"
    comments = [line for line in answer.body.decode().split("\n") if line.startswith(":")]
    assert 2 <= len(comments) <= 5, "about one each half second of two"


def test_a_stream_that_speaks_gets_no_comments(hurried: Arena) -> None:
    hurried.upstream.play(
        "speaks", Send(SSE_HEAD), *(step for frame in frames() for step in (Pause(0.2), Send(chunked(frame)))), Send(LAST_CHUNK)
    )
    answer = asyncio.run(ask(hurried.port, chat(MODEL, "speaks", hurried.key, stream=True, usage=True)))
    assert answer.whole
    assert b"\n:" not in answer.body


def test_a_client_that_does_not_read_is_let_go(hurried: Arena) -> None:
    """Its upstream stands still meanwhile, and is closed with it; the call is recorded as cancelled."""
    client = hurried.newcomer("does not read")
    hurried.upstream.play("unread", Send(SSE_HEAD), Repeat(chunked(chunk({"content": "x" * 60_000})), 0))

    async def scenario() -> tuple[float, int]:
        call = await Call.open(hurried.port, chat(MODEL, "unread", client.key, stream=True))
        call.stop_reading()
        seen = await asyncio.to_thread(hurried.upstream.wait_for, "unread")
        started = time.monotonic()
        gone = await asyncio.to_thread(hurried.upstream.wait_closed, seen.connection)
        call.writer.close()
        return gone - started, seen.connection.sent

    seconds, sent = asyncio.run(scenario())
    assert WRITE_IDLE_S - 0.1 <= seconds <= WRITE_IDLE_S + 2.5
    assert sent < 50_000_000, "what nobody takes is not fetched"
    assert client.record()["status"] == "cancelled"


def test_a_client_that_reads_slowly_is_served(hurried: Arena) -> None:
    """Slow is not idle: as long as it takes something now and then, it gets all of it."""
    pieces = 120
    hurried.upstream.play(
        "slow",
        Send(SSE_HEAD),
        *(Send(chunked(chunk({"content": "x" * 60_000}))) for _ in range(pieces)),
        Send(chunked(frames()[-1]) + LAST_CHUNK),
    )

    async def scenario() -> Answer:
        call = await Call.open(hurried.port, chat(MODEL, "slow", hurried.key, stream=True))
        await call.read_head()
        count = 0
        while not call.answer.whole and not call.answer.closed:
            await call.read_piece()
            count += 1
            if count % 20 == 0:
                await asyncio.sleep(0.5)
        call.writer.close()
        return call.answer

    answer = asyncio.run(scenario())
    assert answer.whole
    assert len(answer.spoken()) == pieces * 60_000
