"""An API's defaults in a request: each where the caller's body has none, and not a byte besides is changed."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.core.dialects.base import EnvelopeError
from sekisho.core.dialects.openai_chat import add_defaults, decode_request
from sekisho.core.model.ids import recorded_model, split_recorded

MEMBERS = {
    "temperature": 0.25,
    "top_p": 0.5,
    "stop": ["END", "\n"],
    "seed": -7,
    "presence_penalty": -1.0,
    "frequency_penalty": 2.0,
}
DEFAULTS = tuple((name, json.dumps(value).encode()) for name, value in MEMBERS.items())
PROMPT = {"role": "system", "content": "Be brief."}
QUESTION = {"role": "user", "content": "why?"}


def sent(
    body: bytes | dict[str, Any], capability: str = "chat", defaults: tuple[tuple[str, bytes], ...] = DEFAULTS, prompt: bytes = b""
) -> Any:
    """What the provider gets: the members in their order, none twice."""
    envelope = decode_request(body if isinstance(body, bytes) else json.dumps(body).encode(), 1000)
    add_defaults(envelope, capability, defaults, prompt)

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len({name for name, _ in pairs}) == len(pairs)
        return dict(pairs)

    return json.loads(b"".join(envelope.encode(b'"m"')), object_pairs_hook=once)


@given(st.sets(st.sampled_from(sorted(MEMBERS))), st.booleans(), st.booleans())
def test_a_default_stands_where_the_body_has_none(given: set[str], stream: bool, options: bool) -> None:
    body = {"model": "helper", "messages": [QUESTION], **dict.fromkeys(sorted(given), 1)}
    body |= {"stream": True} if stream else {}
    body |= {"stream_options": {"include_obfuscation": False}} if stream and options else {}
    usage = {"stream_options": {"include_usage": True} | ({"include_obfuscation": False} if options else {})} if stream else {}
    assert sent(body) == {**MEMBERS, **body, **usage, "model": "m"}


def test_a_null_is_the_callers_word() -> None:
    body = {"model": "helper", "temperature": None, "messages": []}
    assert sent(body)["temperature"] is None


def test_a_name_in_escapes_or_deeper_down_is_told_from_a_member() -> None:
    escaped = b'{"model":"helper","t\\u0065mperature":1,"messages":[{"top_p":1}]}'
    assert sent(escaped)["temperature"] == 1
    assert sent(escaped)["top_p"] == 0.5


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("asked", ["max_tokens", "max_completion_tokens"])
def test_the_bound_has_two_names(name: str, asked: str) -> None:
    bound = ((name, b"50"),)
    assert sent({"model": "helper", asked: 9}, defaults=bound) == {"model": "m", asked: 9}
    assert sent({"model": "helper"}, defaults=bound) == {"model": "m", name: 50}
    # The older route knows the older name only.
    assert sent({"model": "helper", "prompt": "x"}, "completions", bound) == {"model": "m", "prompt": "x", "max_tokens": 50}


def test_embeddings_take_none() -> None:
    assert sent({"model": "helper", "input": "x"}, "embeddings", prompt=b"{}") == {"model": "m", "input": "x"}


@pytest.mark.parametrize("messages", [[], [QUESTION], [{"role": "assistant", "content": "x"}, QUESTION], [{"content": "system"}]])
def test_the_prompt_goes_before_messages_in_which_no_system_speaks(messages: list[dict[str, Any]]) -> None:
    body = {"model": "helper", "messages": messages}
    assert sent(body, defaults=(), prompt=json.dumps(PROMPT).encode())["messages"] == [PROMPT, *messages]


@pytest.mark.parametrize("role", ["system", "developer"])
@pytest.mark.parametrize("place", [0, 1])
def test_the_prompt_gives_way_to_the_callers(role: str, place: int) -> None:
    messages = [QUESTION, QUESTION]
    messages.insert(place, {"role": role, "content": "mine"})
    assert sent({"model": "helper", "messages": messages}, prompt=json.dumps(PROMPT).encode())["messages"] == messages


@pytest.mark.parametrize("messages", [None, "text", {}, [1], [[]], [{"role": 1}]])
def test_messages_that_are_none_are_the_providers_to_refuse(messages: Any) -> None:
    assert sent({"model": "helper", "messages": messages}, prompt=json.dumps(PROMPT).encode())["messages"] == messages


def test_a_completion_has_no_messages_to_stand_before() -> None:
    assert sent({"model": "helper", "prompt": "x", "messages": []}, "completions", (), b"{}")["messages"] == []


def test_a_large_body_is_not_copied_and_keeps_its_bytes() -> None:
    picture = "é" * 200_000
    body = {"model": "helper", "messages": [{"role": "user", "content": picture}], "stream": True}
    assert sent(body, prompt=json.dumps(PROMPT).encode())["messages"] == [PROMPT, *body["messages"]]  # type: ignore[misc]


def test_a_member_that_comes_twice_is_refused() -> None:
    envelope = decode_request(b'{"model":"helper","seed":1,"seed":2}', 1000)
    with pytest.raises(EnvelopeError) as caught:
        add_defaults(envelope, "chat", DEFAULTS, b"")
    assert (caught.value.refusal.code, caught.value.refusal.param) == ("duplicate_field", "seed")


@pytest.mark.parametrize("model", ["up/gpt", "up/gpt@latest", "up/a@b/c", "", "up/@"])
def test_a_record_tells_the_api_from_the_model(model: str) -> None:
    assert split_recorded(model) == ("", model)
    assert split_recorded(recorded_model("helper", model)) == ("helper", model)
