"""One answer on its way: what the client gets, in what order, and how each way to end it is told."""

from collections.abc import Coroutine
from typing import Any

import pytest

from sekisho.core.dialects.openai_chat import Scanner
from sekisho.core.model.errors import Fault
from sekisho.core.wire import sse
from sekisho.core.wire.http1.writers import LAST_CHUNK, chunk
from sekisho.dataplane.relay import SMALL, Answer, Client
from sekisho.kit.drive import Drive

TEXT = b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}\n\n'
STOP = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
ERROR = b'data: {"error":{"message":"the engine fell","code":"engine_died"}}\n\n'
DONE = b"data: [DONE]\n\n"
MOST, MOST_EVENT = 2 * SMALL, 500


class Scene(Client):
    """A fake client and a fake upstream around a real answer; `log` has what was done to both, in order."""

    def __init__(self, *, chunked: bool = True) -> None:
        super().__init__()
        self.log: list[str | bytes] = []
        self.held = 0
        self.now = 100.0
        self.room = True
        self.chunked = chunked
        self.answer = Answer(self, self, MOST, lambda: self.now, self, lambda amount: self.room)
        self.ends = 0

    # The client.

    def write(self, data: bytes) -> None:
        self.log.append(data)

    # The upstream.

    def pause(self) -> None:
        self.log.append("pause")

    def resume(self) -> None:
        self.log.append("resume")

    def abort(self) -> None:
        self.log.append("abort")

    # The exchange.

    def drive(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        async def wait() -> None:
            await coroutine
            self.ends += 1

        def crash(error: BaseException) -> None:
            raise AssertionError from error

        Drive(wait(), crash).step()

    def stream(self) -> "Scene":
        """The head has come and the client has its own; pieces may follow."""
        self.answer.response_head(200, {b"content-type": b"text/event-stream"})
        self.begin()
        return self

    def begin(self) -> None:
        self.answer.stream(Scanner(include_usage=False), MOST_EVENT, chunked=self.chunked, on_final=lambda: self.log.append("final"))
        self.drive(self.answer.done())

    def feed(self, *pieces: bytes) -> "Scene":
        for piece in pieces:
            self.answer.response_body(piece)
        return self

    @property
    def fault(self) -> str:
        return self.answer.fault.code if self.answer.fault is not None else ""


def test_a_whole_answer_is_kept_until_it_is_whole() -> None:
    scene = Scene()
    scene.drive(scene.answer.whole())
    scene.answer.response_head(200, {})
    scene.feed(b'{"a":', b"1}")
    assert (scene.ends, scene.held, scene.log) == (0, 0, [])
    scene.answer.response_completed()
    assert scene.ends == 1
    assert scene.answer.take() == b'{"a":1}'
    assert scene.answer.completed
    assert scene.answer.ended


def test_the_head_is_awaited_and_then_the_rest() -> None:
    scene = Scene()
    scene.drive(scene.answer.head())
    assert scene.ends == 0
    scene.answer.response_head(200, {})
    assert scene.ends == 1
    scene.drive(scene.answer.whole())
    scene.feed(b"{}")
    assert scene.ends == 1
    scene.answer.response_completed()
    assert scene.ends == 2


@pytest.mark.parametrize("encoding", [b"gzip", b"br", b"identity, gzip"])
def test_a_compressed_answer_is_given_up(encoding: bytes) -> None:
    scene = Scene()
    scene.drive(scene.answer.head())
    scene.answer.response_head(200, {b"content-encoding": encoding})
    assert (scene.ends, scene.fault, scene.log) == (1, "upstream_invalid_response", ["abort"])


def test_the_identity_is_no_compression() -> None:
    scene = Scene()
    scene.drive(scene.answer.head())
    scene.answer.response_head(200, {b"content-encoding": b"Identity"})
    assert (scene.ends, scene.fault) == (1, "")


@pytest.mark.parametrize("too_large", [True, False])
def test_a_whole_answer_is_bounded_by_itself_and_by_the_house(too_large: bool) -> None:
    scene = Scene()
    scene.drive(scene.answer.whole())
    scene.answer.response_head(200, {})
    scene.feed(b"x" * (MOST if too_large else MOST - 1))
    assert scene.fault == ""
    scene.room = too_large
    scene.feed(b"x")
    assert (scene.ends, scene.fault, scene.log) == (1, "upstream_response_too_large", ["abort"])
    scene.feed(b"y")
    # What is beyond the answer's own bound is not even counted.
    assert scene.held == MOST


def test_the_record_comes_before_the_last_byte() -> None:
    scene = Scene().stream().feed(TEXT, STOP, DONE)
    assert scene.log == [chunk(TEXT), chunk(STOP), "final", chunk(DONE) + LAST_CHUNK]
    assert (scene.ends, scene.answer.completed, scene.answer.ended) == (1, True, False)
    scene.answer.response_completed()
    assert (scene.ends, scene.answer.completed, scene.answer.ended) == (1, True, True)
    assert len(scene.log) == 4


def test_the_last_byte_of_a_stream_that_came_at_once() -> None:
    scene = Scene().stream().feed(TEXT + STOP + DONE)
    assert scene.log == ["final", chunk(TEXT + STOP + DONE) + LAST_CHUNK]


def test_an_old_client_gets_no_chunks() -> None:
    scene = Scene(chunked=False).stream().feed(TEXT, DONE)
    assert scene.log == [TEXT, "final", DONE]


def test_a_piece_of_an_event_waits_for_its_end() -> None:
    scene = Scene().stream().feed(TEXT[:10])
    assert scene.log == []
    scene.feed(TEXT[10:] + STOP[:5])
    assert scene.log == [chunk(TEXT)]


def test_nothing_follows_the_end() -> None:
    scene = Scene().stream().feed(DONE)
    before = list(scene.log)
    scene.feed(TEXT, DONE)
    scene.answer.response_completed()
    scene.answer.response_failed("upstream_cut", "late")
    scene.answer.fail(Fault("idle_timeout", "late"))
    assert scene.log == before
    assert scene.fault == ""
    assert scene.ends == 1


def test_a_slow_client_pauses_its_upstream_once_and_relieved_resumes_it() -> None:
    scene = Scene().stream()
    scene.congested = True
    scene.feed(TEXT, TEXT)
    scene.answer.client_congested()
    waiting = [scene.answer.waiting_for_client]
    assert scene.log == [chunk(TEXT), "pause", chunk(TEXT)]
    scene.congested, scene.now = False, 150.0
    scene.answer.client_relieved()
    scene.answer.client_relieved()
    waiting.append(scene.answer.waiting_for_client)
    assert scene.log[3:] == ["resume"]
    assert waiting == [True, False]
    assert scene.answer.last_at == 150.0  # The client's pause is not the provider's silence.


def test_a_whole_answer_is_not_paused_for_its_client() -> None:
    scene = Scene()
    scene.answer.response_head(200, {})
    scene.answer.client_congested()
    assert scene.log == []


@pytest.mark.parametrize("streaming", [False, True])
def test_a_deadline_ends_it_once(streaming: bool) -> None:
    scene = Scene()
    if streaming:
        scene.stream().feed(TEXT)
    else:
        scene.drive(scene.answer.whole())
    scene.log.clear()
    scene.answer.fail(Fault("idle_timeout", "silence"))
    scene.answer.fail(Fault("total_timeout", "later"))
    scene.feed(TEXT, DONE)
    scene.answer.response_completed()
    scene.answer.response_failed("upstream_cut", "later")
    assert (scene.log, scene.fault, scene.ends) == (["abort"], "idle_timeout", 1)


@pytest.mark.parametrize("pieces", [[], [TEXT], [TEXT, STOP]])
def test_a_cut_is_told(pieces: list[bytes]) -> None:
    """The connection broke: whatever came, it was not the end."""
    scene = Scene().stream().feed(*pieces)
    scene.answer.response_failed("upstream_cut", "closed inside")
    assert (scene.fault, scene.ends) == ("upstream_cut", 1)
    assert "final" not in scene.log


def test_an_end_without_done_is_one_where_the_answer_was_complete() -> None:
    scene = Scene().stream().feed(TEXT, STOP)
    scene.answer.response_completed()
    assert scene.log == [chunk(TEXT), chunk(STOP), "final", LAST_CHUNK]
    assert scene.fault == ""


@pytest.mark.parametrize("pieces", [[], [TEXT], [TEXT, STOP[:-20]]])
def test_an_end_before_the_answer_was_complete_is_a_cut(pieces: list[bytes]) -> None:
    scene = Scene().stream().feed(*pieces)
    scene.answer.response_completed()
    assert (scene.fault, scene.ends) == ("upstream_cut", 1)
    assert "final" not in scene.log


@pytest.mark.parametrize("last", [DONE, STOP])
@pytest.mark.parametrize("missing", [1, 2])
def test_a_last_event_without_its_blank_line_is_passed_on(last: bytes, missing: int) -> None:
    scene = Scene().stream().feed(TEXT, last[:-missing])
    scene.answer.response_completed()
    assert scene.log == [chunk(TEXT), "final", chunk(last) + LAST_CHUNK]


def test_an_error_inside_is_the_exchanges_to_tell() -> None:
    scene = Scene().stream().feed(TEXT + ERROR)
    assert scene.log == [chunk(TEXT), "abort"]
    assert scene.fault == "upstream_error"
    assert scene.answer.fault is not None
    assert scene.answer.fault.message == "the engine fell (engine_died)"


def test_an_error_without_its_blank_line_is_told_as_well() -> None:
    scene = Scene().stream().feed(TEXT, ERROR[:-1])
    scene.answer.response_completed()
    assert scene.fault == "upstream_error"


def test_an_event_without_end_is_given_up() -> None:
    scene = Scene().stream().feed(b"data: " + b"x" * MOST_EVENT)
    assert (scene.log, scene.fault, scene.ends) == (["abort"], "upstream_event_too_large", 1)


@pytest.mark.parametrize("wrong", [ERROR, b"data: " + b"x" * MOST_EVENT])
def test_what_came_before_the_stream_began_is_bound_by_the_same_law(wrong: bytes) -> None:
    """Pieces may lie ready when the exchange turns to them: behind a fault none passes."""
    scene = Scene()
    scene.answer.response_head(200, {})
    scene.feed(TEXT, wrong, b"\n\n" + TEXT, DONE)
    scene.begin()
    assert scene.log == [chunk(TEXT), "abort"]
    assert scene.fault
    assert not scene.answer.completed


def test_silence_is_measured_from_the_last_byte() -> None:
    scene = Scene().stream()
    scene.now = 130.0
    scene.feed(TEXT[:3])
    assert scene.answer.last_at == 130.0


def test_bytes_are_counted_as_they_came() -> None:
    usage = sse.encode(b'{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}')
    scene = Scene().stream().feed(TEXT, usage, DONE)
    assert scene.answer.body_bytes == len(TEXT + usage + DONE)
    assert scene.log == [chunk(TEXT), "final", chunk(DONE) + LAST_CHUNK]
