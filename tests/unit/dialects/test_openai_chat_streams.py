"""A stream on its way to the client, fed to splitter and scanner whole, byte by byte, and with trailing bytes: the same must come out."""

import json
from typing import Any

import pytest

from sekisho.core.dialects.openai_chat import Scanner
from sekisho.core.model.chat import Usage, UsageSource
from sekisho.core.wire import sse


def event(value: Any) -> bytes:
    return sse.encode(json.dumps(value, separators=(",", ":")).encode() if not isinstance(value, bytes) else value)


def piece(text: str, reason: str | None = None, **more: Any) -> bytes:
    return event({"id": "c", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": reason}], **more})


USAGE = event(
    {"id": "c", "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 2}}}
)
COUNTED = Usage(7, 3, 2, 0, UsageSource.PROVIDER)
DONE = event(b"[DONE]")
CHAT = piece("a") + piece('say "usage" and [DONE]') + piece("", "stop")


class Relayed:
    """What came of a stream."""

    def __init__(self, pieces: list[bytes], *, include_usage: bool) -> None:
        splitter = sse.Splitter(4096)
        self.scanner = Scanner(include_usage)
        self.out = b""
        for each in pieces:
            whole = splitter.feed(each)
            # After the end nobody looks any more: the client has it all.
            if whole and not self.scanner.finished:
                self.out += self.scanner.scan(whole)
        self.rest = splitter.rest
        self.scanner.close()

    @property
    def essence(self) -> tuple[object, ...]:
        scanner = self.scanner
        outcome = scanner.outcome
        return self.out, self.rest, outcome.usage, outcome.finish_reason, scanner.finished, scanner.failed, scanner.events


def replay(stream: bytes, *, include_usage: bool = False) -> Relayed:
    """Whole, byte by byte, event by event and with the start of another event behind it; all must agree."""
    whole = Relayed([stream], include_usage=include_usage)
    for pieces in ([stream[at : at + 1] for at in range(len(stream))], sse.split(stream), [stream[:17], stream[17:]]):
        assert Relayed(pieces, include_usage=include_usage).essence == whole.essence
    trailing = Relayed([stream + b"data: {"], include_usage=include_usage)
    assert trailing.rest == b"data: {"
    assert trailing.essence[2:] == whole.essence[2:]
    assert trailing.out == whole.out
    return whole


def test_usage_that_was_not_asked_for_is_taken_out() -> None:
    relayed = replay(CHAT + USAGE + DONE)
    assert relayed.out == CHAT + DONE
    assert relayed.scanner.outcome.usage == COUNTED
    assert relayed.scanner.outcome.finish_reason == "stop"
    assert relayed.scanner.finished


def test_usage_that_was_asked_for_passes() -> None:
    relayed = replay(CHAT + USAGE + DONE, include_usage=True)
    assert relayed.out == CHAT + USAGE + DONE
    assert relayed.scanner.outcome.usage == COUNTED


def test_usage_beside_a_choice_is_read_and_passes() -> None:
    """Some providers count in the last piece of text: it is the client's."""
    stream = piece("a") + piece("", "length", usage={"prompt_tokens": 7, "completion_tokens": 3}) + DONE
    relayed = replay(stream)
    assert relayed.out == stream
    assert relayed.scanner.outcome.usage == Usage(7, 3, 0, 0, UsageSource.PROVIDER)
    assert relayed.scanner.outcome.finish_reason == "length"


def test_the_last_usage_counts() -> None:
    running = b"".join(piece("a", usage={"prompt_tokens": 7, "completion_tokens": count}) for count in (1, 2, 3))
    assert replay(running + DONE).scanner.outcome.usage == Usage(7, 3, 0, 0, UsageSource.PROVIDER)


def test_null_usage_is_none() -> None:
    stream = piece("a", usage=None) + piece("b", "stop", usage=None) + DONE
    relayed = replay(stream)
    assert relayed.out == stream
    assert relayed.scanner.outcome.usage is None


def test_null_usage_hides_no_other() -> None:
    stream = piece("a", usage=None) + USAGE + DONE
    relayed = replay(stream)
    assert relayed.out == piece("a", usage=None) + DONE
    assert relayed.scanner.outcome.usage == COUNTED


@pytest.mark.parametrize("usage", [{}, {"prompt_tokens": "7"}, {"prompt_tokens": -7, "completion_tokens": 3}, {"prompt_tokens": 1.5}])
def test_usage_that_makes_no_sense_is_not_counted_and_not_passed(usage: dict[str, Any]) -> None:
    relayed = replay(CHAT + event({"choices": [], "usage": usage}) + DONE)
    assert relayed.out == CHAT + DONE
    assert relayed.scanner.outcome.usage is None


@pytest.mark.parametrize("usage", [7, "many", [1]])
def test_usage_that_is_no_object_passes(usage: Any) -> None:
    stream = CHAT + event({"choices": [], "usage": usage}) + DONE
    assert replay(stream).out == stream


def test_an_empty_choice_without_usage_passes() -> None:
    """Azure sends its filter's findings so."""
    stream = event({"choices": [], "prompt_filter_results": []}) + CHAT + DONE
    assert replay(stream).out == stream


def test_nothing_passes_after_the_end() -> None:
    stream = CHAT + DONE + DONE + piece("more") + USAGE
    for pieces in ([stream], sse.split(stream), [stream[at : at + 1] for at in range(len(stream))]):
        relayed = Relayed(pieces, include_usage=False)
        assert relayed.out == CHAT + DONE
        assert relayed.scanner.outcome.usage is None


def test_an_end_inside_a_text_is_none() -> None:
    relayed = replay(piece("[DONE]") + piece("data: [DONE]\n\n"))
    assert relayed.out == piece("[DONE]") + piece("data: [DONE]\n\n")
    assert not relayed.scanner.finished


def test_an_error_is_taken_out_and_told() -> None:
    wrong = event({"error": {"message": "the engine fell", "type": "server_error", "code": None}})
    relayed = replay(piece("a") + wrong)
    assert relayed.out == piece("a")
    assert relayed.scanner.failed == ("server_error", "the engine fell")


def test_an_error_that_is_null_or_a_word_of_the_answer_is_none() -> None:
    stream = piece('an "error" is near') + piece("b", error=None) + DONE
    relayed = replay(stream)
    assert relayed.out == stream
    assert relayed.scanner.failed is None


def test_an_error_does_not_tell_the_credential() -> None:
    scanner = Scanner(include_usage=False)
    scanner.secret = b"sk-secret"
    scanner.scan(event({"error": {"message": "bad key sk-secret", "code": "sk-secret"}}))
    assert scanner.failed == ("...", "bad key ...")


@pytest.mark.parametrize("garbage", [b"{", b'{"usage":', b'[1,"usage"]', b'"usage"', b'"error"', b'{"a":"\xff","usage":{}}'])
def test_what_is_no_object_passes(garbage: bytes) -> None:
    stream = event(garbage) + CHAT + DONE
    assert replay(stream).out == stream


def test_comments_and_other_fields_pass_and_do_not_count() -> None:
    stream = sse.comment(b'ping "usage"') + b"event: message\nid: 1\n" + CHAT + DONE
    relayed = replay(stream)
    assert relayed.out == stream
    assert relayed.scanner.events == 3


@pytest.mark.parametrize("end", [b"\r\n", b"\r"])
def test_other_line_ends(end: bytes) -> None:
    stream = (CHAT + USAGE + DONE).replace(b"\n", end)
    whole = Relayed([stream], include_usage=False)
    assert whole.out == (CHAT + DONE).replace(b"\n", end)
    assert whole.scanner.outcome.usage == COUNTED
    assert Relayed(sse.split(stream), include_usage=False).essence == whole.essence


def test_data_in_several_lines_is_one() -> None:
    relayed = replay(b'data: {"choices":[],\ndata: "usage":{"prompt_tokens":7,\ndata:"completion_tokens":3}}\n\n' + DONE)
    assert relayed.out == DONE
    assert relayed.scanner.outcome.usage == Usage(7, 3, 0, 0, UsageSource.PROVIDER)


def test_the_reason_is_found_behind_the_usage() -> None:
    assert replay(piece("a") + piece("", "tool_calls") + USAGE + DONE).scanner.outcome.finish_reason == "tool_calls"


@pytest.mark.parametrize(
    ("text", "whole"), [(b"data: [DONE]", True), (piece("a").strip(), True), (piece("a")[:-5], False), (b"", False), (b": x", False)]
)
def test_whether_an_unended_event_is_whole(text: bytes, whole: bool) -> None:
    assert Scanner(include_usage=False).is_whole(text) is whole
