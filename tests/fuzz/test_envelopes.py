"""Request bodies: the table's JSON cases without a network, and generated ones beside the standard library's reader."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.core.dialects.base import Envelope, EnvelopeError
from sekisho.core.dialects.openai_chat import decode_request, error_words, read_answer, render_error
from sekisho.core.model.errors import Kind, Refusal
from tests.e2e.door.cases import CASES, VALID, Case
from tests.e2e.door.messages import MARKER
from tests.fuzz.strategies import FUZZ, mutations

MOST_KEYS = 200_000
TABLE = [case for case in CASES if case.name.startswith("JSON")]


def read(body: bytes) -> Envelope | int:
    """The envelope, or the status of the refusal. Anything else that is raised is an accident."""
    try:
        return decode_request(body, MOST_KEYS)
    except EnvelopeError as error:
        refusal = error.refusal
    assert refusal.message.isprintable()
    return refusal.status


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.name)
def test_the_table_holds_without_a_network(case: Case) -> None:
    """The same bodies as at the door, read by the function that decides."""
    body = case.bytes().partition(b"\r\n\r\n")[2].replace(MARKER, b"p00000-0-0--")
    envelope = read(body)
    if case.layer == VALID:
        assert isinstance(envelope, Envelope)
        assert envelope.model == "up/echo-model"
        sent = json.loads(b"".join(envelope.encode(b'"echo-model"')))
        assert sent == {**json.loads(body), "model": "echo-model"}
    else:
        assert envelope in case.status


texts = st.text(st.characters(codec="utf-8"), max_size=12)
scalars = st.one_of(st.none(), st.booleans(), st.integers(-(10**12), 10**12), st.floats(allow_nan=False, allow_infinity=False), texts)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=8)
asked = st.fixed_dictionaries(
    {"model": st.sampled_from(["up/m", "a/b/c", 'x"y', "関所/model", "m\\n", "model"]), "messages": values},
    optional={
        "stream": st.sampled_from([True, False, None]),
        "stream_options": st.sampled_from([None, {}, {"include_usage": True}, {"include_usage": False, "other": 1}]),
        "max_tokens": st.sampled_from([None, 1, 100_000]),
        "metadata": st.dictionaries(st.sampled_from(["model", "stream", "a"]), values, max_size=3),
        "x": values,
    },
)


@st.composite
def spelled(draw: st.DrawFn, value: Any) -> str:
    """A value as JSON, with any blanks and escapes."""
    blank = st.sampled_from(["", "", " ", "\n\t", "\r\n"])
    if isinstance(value, dict):
        members = [f"{draw(blank)}{draw(strings(name))}{draw(blank)}:{draw(blank)}{draw(spelled(each))}" for name, each in value.items()]
        return "{" + (draw(blank) + ",").join(draw(st.permutations(members))) + draw(blank) + "}"
    if isinstance(value, list):
        return "[" + ",".join([draw(blank) + draw(spelled(each)) for each in value]) + draw(blank) + "]"
    return draw(strings(value)) if isinstance(value, str) else json.dumps(value)


@st.composite
def strings(draw: st.DrawFn, text: str) -> str:
    """A string as JSON; now and then in escapes that were not needed."""
    if not draw(st.integers(0, 4)):
        return '"' + "".join(f"\\u{unit:04{draw(st.sampled_from('xX'))}}" for unit in _utf16(text)) + '"'
    return json.dumps(text, ensure_ascii=draw(st.booleans()))


def _utf16(text: str) -> list[int]:
    raw = text.encode("utf-16-be")
    return [int.from_bytes(raw[at : at + 2], "big") for at in range(0, len(raw), 2)]


@FUZZ
@given(st.data(), asked)
def test_a_valid_body_keeps_its_meaning_but_for_the_model(data: st.DataObject, wanted: dict[str, Any]) -> None:
    """However it is spelled: the same members reach the provider, with its own name of the model, and usage is asked for in streams."""
    body = data.draw(spelled(wanted)).encode()
    envelope = read(body)
    assert isinstance(envelope, Envelope)
    assert envelope.model == wanted["model"]
    assert envelope.stream == (wanted.get("stream") is True)
    meant = {**wanted, "model": "other"}
    if envelope.stream:
        meant["stream_options"] = {**(wanted.get("stream_options") or {}), "include_usage": True}
        assert envelope.include_usage == ((wanted.get("stream_options") or {}).get("include_usage") is True)
    assert json.loads(b"".join(envelope.encode(b'"other"'))) == meant


@FUZZ
@given(st.data(), asked, st.sampled_from(["model", "stream", "stream_options", "max_tokens"]))
def test_a_name_of_the_envelope_that_comes_twice_is_refused(data: st.DataObject, wanted: dict[str, Any], name: str) -> None:
    """Spelled alike or not, first or last."""
    wanted = {"model": "up/m", "stream": True, "stream_options": None, "max_tokens": 1, **wanted}
    first = data.draw(spelled(wanted))
    again = f"{data.draw(strings(name))}:{data.draw(spelled(wanted[name]))}"
    body = "{" + again + "," + first[1:] if data.draw(st.booleans()) else first[:-1] + "," + again + "}"
    assert read(body.encode()) == 400


@FUZZ
@given(st.data(), asked)
def test_a_mutated_body_is_refused_or_read_as_the_standard_library_reads_it(data: st.DataObject, wanted: dict[str, Any]) -> None:
    """What the gateway decides by is what any provider will read."""
    body = data.draw(mutations(data.draw(spelled(wanted)).encode()))
    envelope = read(body)
    if isinstance(envelope, Envelope):
        theirs = json.loads(body)
        assert envelope.model == theirs["model"]
        assert envelope.stream == (theirs.get("stream") is True)
        sent = json.loads(b"".join(envelope.encode(b'"other"')))
        assert {**sent, "stream_options": None} == {**theirs, "model": "other", "stream_options": None}


@FUZZ
@given(st.binary(max_size=200) | texts.map(str.encode))
def test_noise_is_refused(noise: bytes) -> None:
    """A body that is no object is 400, and nothing else happens."""
    assert read(noise) == 400


ANSWER = json.dumps(
    {
        "id": "x",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 2}},
    }
).encode()


@FUZZ
@given(st.data())
def test_a_mutated_answer_is_no_accident(data: st.DataObject) -> None:
    """Usage is sane or absent, whatever the provider says."""
    outcome = read_answer(data.draw(mutations(ANSWER)))
    if outcome is not None and outcome.usage is not None:
        assert 0 <= outcome.usage.cached <= outcome.usage.input
        assert outcome.usage.output >= 0


@FUZZ
@given(st.data())
def test_a_mutated_error_is_no_accident(data: st.DataObject) -> None:
    """Code and message are texts within bounds."""
    error = json.dumps({"error": {"message": "m" * 20, "type": "t", "code": data.draw(scalars), "param": None}}).encode()
    code, message, members = error_words(data.draw(mutations(error)))
    assert len(code) <= 100
    assert len(message) <= 4000
    refusal = Refusal(502, Kind.UPSTREAM, code or "upstream_error", message, details=members)
    told = json.loads(render_error(refusal, "req_1"))["error"]
    assert told["request_id"] == "req_1"
