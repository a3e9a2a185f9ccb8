"""The upstream's connection ends at every single byte of a recorded response: the client always learns of it.

Never a silent cut, never a `[DONE]` that nobody said, never half a frame; and each call has its one record.
"""

import asyncio

import pytest

from tests.e2e.faults.arena import Arena
from tests.e2e.faults.clients import Answer, ask_all, chat
from tests.e2e.faults.rows import CUT, STEADY
from tests.e2e.faults.scripts import (
    DONE,
    RESET,
    SSE_HEAD_TO_CLOSE,
    Close,
    Pause,
    Send,
    Step,
    completion,
    frames,
    json_answer,
    stream,
)

pytestmark = pytest.mark.e2e

MODEL = f"{STEADY}/m"
PLAIN = json_answer(completion())
STREAM = stream()
TO_CLOSE = SSE_HEAD_TO_CLOSE + b"".join(frames())
FRAMES = frames()


def play(arena: Arena, name: str, whole: bytes, places: range, *, streamed: bool, ending: tuple[Step, ...] = (Close(),)) -> list[Answer]:
    """One call per place of the cut."""
    for place in places:
        arena.upstream.play(f"{name}-{place}", *((Send(whole[:place]),) if place else ()), *ending)
    requests = [chat(MODEL, f"{name}-{place}", arena.key, stream=streamed, usage=streamed) for place in places]
    return asyncio.run(ask_all(arena.port, requests))


def check_error(answer: Answer, place: int) -> None:
    assert answer.whole, f"cut at {place}: cut in silence"
    error = answer.error()
    assert error is not None, f"cut at {place}: {answer.status} {answer.body!r}"
    assert error["code"] == CUT, f"cut at {place}: {error}"


def check_records(arena: Arena, answers: list[Answer], finished: set[int], places: range) -> None:
    records = arena.records(answer.request_id for answer in answers)
    for place, answer in zip(places, answers, strict=True):
        found = records.get(answer.request_id, [])
        assert len(found) == 1, f"cut at {place}: {len(found)} records"
        record = found[0]
        assert record["http_status"] == answer.status
        if place in finished:
            assert record["status"] == "completed", f"cut at {place}: {record}"
        else:
            assert record["status"] == "failed", f"cut at {place}: {record}"
            assert record["error"]["code"] == CUT


@pytest.mark.parametrize("ending", [(Close(),), (Pause(0.02), RESET)], ids=["closed", "reset"])
def test_a_plain_answer(arena: Arena, ending: tuple[Step, ...]) -> None:
    places = range(0, len(PLAIN), 1 if ending == (Close(),) else 7)
    answers = play(arena, f"plain-{len(ending)}", PLAIN, places, streamed=False, ending=ending)
    for place, answer in zip(places, answers, strict=True):
        assert answer.status == 502, f"cut at {place}"
        check_error(answer, place)
    check_records(arena, answers, set(), places)


@pytest.mark.parametrize("whole", [STREAM, TO_CLOSE], ids=["chunked", "to the close"])
def test_a_stream(arena: Arena, whole: bytes) -> None:
    """In chunks, a stream is whole from the end of its `[DONE]` on, whatever the framing still lacks.

    To the close, an orderly end and a cut look alike, so there a stream is whole once it has told its finish reason (some engines
    say no `[DONE]`); a frame that is not whole is dropped, and no `[DONE]` is added.
    """
    places = range(len(whole))
    # To the close, the blank line after a frame may be missing: its end is then the end of all.
    slack = 0 if whole is STREAM else 2
    ends = [whole.index(frame) + len(frame) for frame in FRAMES]
    finish = ends[-1] if whole is STREAM else next(end for frame, end in zip(FRAMES, ends, strict=True) if b'"stop"' in frame) - slack
    answers = play(arena, f"stream-{len(whole)}", whole, places, streamed=True)
    for place, answer in zip(places, answers, strict=True):
        if place >= finish:
            assert answer.status == 200, f"cut at {place}"
            assert answer.whole
            assert answer.events() == said(ends, place + slack), f"cut at {place}"
            continue
        check_error(answer, place)
        assert b"[DONE]" not in answer.body, f"cut at {place}: a [DONE] that nobody said"
        if answer.status == 200:
            *passed, _ = answer.events()
            assert passed == said(ends, place), f"cut at {place}"
        else:
            assert answer.status == 502, f"cut at {place}"
            assert not said(ends, place), f"cut at {place}: what was said is passed on"
    check_records(arena, answers, {place for place in places if place >= finish}, places)


def said(ends: list[int], place: int) -> list[str]:
    """The data of the frames that end before this place."""
    return [frame.removeprefix(b"data: ").strip().decode() for frame, end in zip(FRAMES, ends, strict=True) if end <= place]


def test_a_stream_reset(arena: Arena) -> None:
    """A reset may take with it what was sent just before; it still ends in an error that says so."""
    places = range(0, STREAM.index(DONE), 13)
    answers = play(arena, "stream-reset", STREAM, places, streamed=True, ending=(Pause(0.02), RESET))
    for place, answer in zip(places, answers, strict=True):
        check_error(answer, place)
        assert b"[DONE]" not in answer.body
    check_records(arena, answers, set(), places)
