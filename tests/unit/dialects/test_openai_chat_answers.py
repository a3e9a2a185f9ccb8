"""Whole answers and errors: usage is sane or absent, and every provider's way to say no is understood."""

import json
from typing import Any

import pytest

from sekisho.core.dialects import openai_chat
from sekisho.core.dialects.openai_chat import error_words, read_answer, render_error, render_stream_error
from sekisho.core.model.chat import Outcome, Usage, UsageSource
from sekisho.core.model.errors import Kind, Refusal

CHOICE = {"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": "stop"}


def answer(usage: Any) -> bytes:
    return json.dumps({"id": "x", "choices": [CHOICE], "usage": usage}).encode()


def words(outcome: Outcome | None) -> tuple[Usage | None, str]:
    assert outcome is not None
    return outcome.usage, outcome.finish_reason


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        ({"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}, (7, 3, 0, 0)),
        ({"prompt_tokens": 7, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0}}, (7, 3, 4, 0)),
        ({"prompt_tokens": 7, "completion_tokens": 3, "completion_tokens_details": {"reasoning_tokens": 2}}, (7, 3, 0, 2)),
        ({"prompt_tokens": 7, "completion_tokens": 3, "prompt_tokens_details": None, "completion_tokens_details": None}, (7, 3, 0, 0)),
        ({"prompt_tokens": 7, "prompt_tokens_details": {"cached_tokens": None}}, (7, 0, 0, 0)),
        ({"prompt_tokens": 0, "completion_tokens": 0}, (0, 0, 0, 0)),
    ],
)
def test_usage_is_read(usage: dict[str, Any], counted: tuple[int, int, int, int]) -> None:
    assert words(read_answer(answer(usage))) == (Usage(*counted, UsageSource.PROVIDER), "stop")


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {"prompt_tokens": -1, "completion_tokens": 3},
        {"prompt_tokens": 7, "completion_tokens": -3},
        {"prompt_tokens": 7, "completion_tokens": openai_chat.PLAUSIBLE_TOKENS + 1},
        {"prompt_tokens": openai_chat.PLAUSIBLE_TOKENS + 1, "completion_tokens": 3},
        {"prompt_tokens": 7, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 8}},
        {"prompt_tokens": 7, "completion_tokens": 3, "completion_tokens_details": {"reasoning_tokens": -1}},
    ],
)
def test_usage_that_makes_no_sense_is_left_out(usage: dict[str, Any] | None) -> None:
    assert words(read_answer(answer(usage))) == (None, "stop")


@pytest.mark.parametrize("body", [b'{"usage":7}', b'{"choices":{}}', b'{"usage":{"prompt_tokens":"7"}}'])
def test_another_shape_is_an_answer_without_words(body: bytes) -> None:
    assert words(read_answer(body)) == (None, "")


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"7", b"<html>", b"{", b'{"a":"\xff"}', b'{"usage":' + b"[" * 5000])
def test_what_is_no_object_is_no_answer(body: bytes) -> None:
    assert read_answer(body) is None


def test_a_finish_reason_is_bounded_and_may_be_absent() -> None:
    assert words(read_answer(b'{"choices":[{"finish_reason":"%b"}]}' % (b"x" * 100))) == (None, "x" * 64)
    assert words(read_answer(b'{"choices":[{"finish_reason":null}]}')) == (None, "")
    assert words(read_answer(b'{"choices":[]}')) == (None, "")


ERRORS: list[tuple[str, dict[str, Any] | list[Any], tuple[str, str]]] = [
    (
        "openai",
        {"error": {"message": "m", "type": "invalid_request_error", "param": None, "code": "context_length_exceeded"}},
        ("context_length_exceeded", "m"),
    ),
    ("openai without a code", {"error": {"message": "m", "type": "server_error", "param": None, "code": None}}, ("server_error", "m")),
    (
        "llama.cpp",
        {"error": {"code": 400, "message": "m", "type": "exceed_context_size_error", "n_ctx": 512}},
        ("exceed_context_size_error", "m"),
    ),
    ("vllm", {"object": "error", "message": "m", "type": "BadRequestError", "param": None, "code": 400}, ("BadRequestError", "m")),
    ("newer vllm", {"error": {"message": "m", "type": "BadRequestError", "param": None, "code": 400}}, ("BadRequestError", "m")),
    ("ollama", {"error": "m"}, ("", "m")),
    ("fastapi", {"detail": "m"}, ("", "m")),
    ("fastapi's validation", {"detail": [{"loc": ["body"], "msg": "m"}]}, ("", "")),
    ("words that are none", {"error": {"message": ["m"], "type": 7, "code": 7}}, ("", "")),
    ("an empty object", {}, ("", "")),
    ("a list", [{"error": {"message": "m"}}], ("", "")),
]


@pytest.mark.parametrize(("body", "words"), [row[1:] for row in ERRORS], ids=[row[0] for row in ERRORS])
def test_each_providers_error_is_understood(body: Any, words: tuple[str, str]) -> None:
    code, message, members = error_words(json.dumps(body).encode())
    assert (code, message) == words
    wrapped = body["error"] if isinstance(body, dict) and isinstance(body.get("error"), dict) else None
    assert members == (body if isinstance(body, dict) and body.get("object") == "error" else wrapped)


@pytest.mark.parametrize("body", [b"", b"Bad Gateway", b"<html>", b"\xff", b'{"error":"' + b"x" * openai_chat.MOST_ERROR + b'"}'])
def test_what_is_no_json_or_too_large_has_no_words(body: bytes) -> None:
    assert error_words(body) == ("", "", None)


def test_long_words_are_cut() -> None:
    code, message, _ = error_words(json.dumps({"error": {"code": "c" * 500, "message": "m" * 5000}}).encode())
    assert (len(code), len(message)) == (100, openai_chat.MOST_MESSAGE)


@pytest.mark.parametrize("kind", list(Kind))
def test_our_own_error_has_openais_members(kind: Kind) -> None:
    error = json.loads(render_error(Refusal(400, kind, "some_code", "a message", "model"), "req_1"))
    assert list(error) == ["error"]
    assert list(error["error"]) == ["message", "type", "param", "code", "request_id"]
    assert {**error["error"], "type": ""} == {
        "message": "a message",
        "type": "",
        "param": "model",
        "code": "some_code",
        "request_id": "req_1",
    }


def test_a_providers_error_keeps_its_members_but_not_our_words() -> None:
    theirs = {"message": "their key", "type": "exceed_context_size_error", "code": 400, "n_ctx": 512, "request_id": "theirs"}
    refusal = Refusal(400, Kind.INVALID, "exceed_context_size_error", "too long", details=theirs)
    assert json.loads(render_error(refusal, "req_1"))["error"] == {
        "message": "too long",
        "type": "exceed_context_size_error",
        "param": None,
        "code": "exceed_context_size_error",
        "n_ctx": 512,
        "request_id": "req_1",
    }


def test_a_streams_error_is_one_event() -> None:
    refusal = Refusal(502, Kind.UPSTREAM, "upstream_cut", "line\nbreak")
    event = render_stream_error(refusal, "req_1")
    assert event == b"data: " + render_error(refusal, "req_1") + b"\n\n"
    assert event.count(b"\n") == 2
