"""The envelope of a request: what is read of it, and that nothing but the model and the usage wish is changed in its bytes."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.core.dialects import openai_chat
from sekisho.core.dialects.base import Envelope, EnvelopeError, locate_members
from sekisho.core.dialects.openai_chat import decode_request
from sekisho.core.model.errors import Refusal

MOST_KEYS = 1000
OURS = b'"theirs"'


def sent(body: bytes) -> bytes:
    """What the provider gets for a body."""
    return b"".join(decode_request(body, MOST_KEYS).encode(OURS))


def refused(body: bytes, most_keys: int = MOST_KEYS) -> Refusal:
    with pytest.raises(EnvelopeError) as caught:
        decode_request(body, most_keys)
    return caught.value.refusal


def test_only_the_model_is_changed() -> None:
    body = b' {\n "temperature" : 1.0e0, "model"\t:\r\n"up/m" ,"x":[1,  2],"messages":[]}\n'
    assert sent(body) == body.replace(b'"up/m"', OURS)


# Both ways to the model's place.

names = st.sampled_from(["messages", "temperature", "metadata", "max_tokens", "stream", "a", "關", "mode", "model_", "\\", '"'])
texts = st.sampled_from(["model", '"model"', '"model":"x"', "stream", "\\", "\n", "é", "關所", "up/m", "", "max_", "{", "}"])
values = st.recursive(
    texts | st.integers(-9, 9) | st.none() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
)
bodies = st.tuples(st.dictionaries(names, values, max_size=5), texts.filter(bool), st.integers(0, 5)).map(lambda parts: _with_model(*parts))


def _with_model(others: dict[str, Any], model: str, place: int) -> dict[str, Any]:
    others = {name: value for name, value in others.items() if name not in ("stream", "max_tokens")}
    members = list(others.items())
    members.insert(place, ("model", model))
    return dict(members)


@given(bodies, st.booleans(), st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t: ")]))
def test_the_plain_way_and_the_walk_find_the_same_place(body: dict[str, Any], ascii_only: bool, blanks: tuple[str, str]) -> None:
    """The walk is exact; the search may only be taken where it gives the same."""
    data = json.dumps(body, ensure_ascii=ascii_only, separators=blanks).encode()
    envelope = decode_request(data, MOST_KEYS)
    assert envelope.model_span == locate_members(data)["model"]
    start, end = envelope.model_span
    assert json.loads(data[start:end]) == envelope.model == body["model"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"messages":[{"content":"\\"model\\":\\"x\\""}],"model":"up/m"}',
        b'{"metadata":{"model":"inner"},"model":"up/m"}',
        b'{"model":"up/m","metadata":{"model":"inner"}}',
        b'{"note":"model","model":"up/m"}',
        b'{"m\\u006fdel":"up/m"}',
        b'{"\\u006dodel":"up/m","metadata":{"model":"inner"}}',
        b'{"m\\u006Fdel":"up/m"}',
    ],
)
def test_a_false_model_misleads_nobody(body: bytes) -> None:
    theirs = json.loads(body)
    assert decode_request(body, MOST_KEYS).model == "up/m"
    assert json.loads(sent(body)) == {**theirs, "model": "theirs"}


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b'{"model":"a","model":"b"}', "model"),
        (b'{"model":"a","m\\u006fdel":"b"}', "model"),
        (b'{"model":"a","model":"a"}', "model"),
        (b'{"model":"a","stream":true,"stream":false}', "stream"),
        (b'{"model":"a","stream":true,"\\u0073tream":false}', "stream"),
        (b'{"model":"a","max_tokens":1,"max_tokens":2}', "max_tokens"),
        (b'{"model":"a","messages":[],"messages":[]}', "messages"),
    ],
)
def test_a_name_that_comes_twice_is_refused_by_name(body: bytes, name: str) -> None:
    refusal = refused(body)
    assert (refusal.status, refusal.code, refusal.param) == (400, "duplicate_field", name)


# The usage wish.

WISH = b'"stream_options":{"include_usage":true},'


def test_without_stream_nothing_is_asked_for() -> None:
    for body in (b'{"model":"m"}', b'{"model":"m","stream":false}', b'{"model":"m","stream":null,"stream_options":null}'):
        assert sent(body) == body.replace(b'"m"', OURS)


@pytest.mark.parametrize("blank", [b"", b"  ", b"\n\t"])
def test_an_absent_wish_is_put_first(blank: bytes) -> None:
    body = b"{" + blank + b'"model":"m","stream":true}'
    assert sent(body) == b"{" + WISH + blank + b'"model":"theirs","stream":true}'
    assert not decode_request(body, MOST_KEYS).include_usage


@pytest.mark.parametrize(
    ("options", "meant"),
    [
        (b"null", {"include_usage": True}),
        (b"{}", {"include_usage": True}),
        (b'{"include_usage":false}', {"include_usage": True}),
        (b'{"include_usage":null}', {"include_usage": True}),
        (b'{ "include_usage" : false , "include_obfuscation":false}', {"include_usage": True, "include_obfuscation": False}),
        (b'{"other":[1,{"a":"\xc3\xa9"}]}', {"include_usage": True, "other": [1, {"a": "é"}]}),
    ],
)
@pytest.mark.parametrize("shape", [b'{"model":"m","stream":true,"stream_options":%b}', b'{"stream_options":%b,"stream":true,"model":"m" }'])
def test_a_wish_that_is_not_there_is_put_in_and_its_neighbours_stay(shape: bytes, options: bytes, meant: dict[str, Any]) -> None:
    body = shape % options
    envelope = decode_request(body, MOST_KEYS)
    assert not envelope.include_usage
    before, after = body.replace(b'"m"', OURS).split(options)
    told = b"".join(envelope.encode(OURS))
    assert told.startswith(before)
    assert told.endswith(after)
    assert json.loads(told[len(before) : len(told) - len(after)]) == meant


def test_a_wish_of_the_clients_own_is_left_as_it_is() -> None:
    body = b'{"model":"m","stream":true,"stream_options":{ "include_usage": true, "x":1 }}'
    assert decode_request(body, MOST_KEYS).include_usage
    assert sent(body) == body.replace(b'"m"', OURS)


# Large bodies.


def pictured(size: int, *, before: bytes = b"", stream: bool = False) -> bytes:
    tail = b',"stream":true' if stream else b""
    return b'{%b"messages":[{"url":"data:,%b"}],"model":"up/m"%b}' % (before, b"A" * size, tail)


@pytest.mark.parametrize("size", [openai_chat.LONG_BODY, openai_chat.HUGE_BODY, 4 * openai_chat.HUGE_BODY])
@pytest.mark.parametrize("stream", [False, True])
def test_a_picture_passes_uncopied_and_unchanged(size: int, stream: bool) -> None:
    body = pictured(size, stream=stream)
    envelope = decode_request(body, MOST_KEYS)
    expected = body.replace(b'"up/m"', OURS)
    assert b"".join(envelope.encode(OURS)) == (b"{" + WISH + expected[1:] if stream else expected)
    if size > openai_chat.HUGE_BODY:
        assert any(isinstance(piece, memoryview) for piece in envelope.encode(OURS))


def test_a_name_twice_around_a_picture_is_refused() -> None:
    assert refused(pictured(2 * openai_chat.HUGE_BODY, before=b'"model":"other",')).code == "duplicate_field"


def test_a_long_conversation_passes() -> None:
    messages = [{"role": "user", "content": f'line {number} says "model"'} for number in range(8000)]
    body = json.dumps({"messages": messages, "model": "up/m"}).encode()
    assert body.count(b'"') > openai_chat.FEW_QUOTES
    assert b"".join(decode_request(body, 100_000).encode(OURS)) == body.replace(b'"up/m"', OURS)


@pytest.mark.parametrize(("count", "fits"), [(1000, True), (1001, False)])
def test_members_are_counted_at_any_depth(count: int, fits: bool) -> None:
    inner = ",".join(f'"k{number}" : {{}}' for number in range(count - 2))
    body = f'{{"model":"m","x":{{{inner}}}}}'.encode()
    assert len(body) > openai_chat.LONG_BODY
    if fits:
        assert decode_request(body, 1000).model == "m"
    else:
        assert refused(body, 1000).code == "body_too_complex"


def test_colons_in_texts_are_no_members() -> None:
    assert decode_request(json.dumps({"model": "m", "x": "a: b " * 2000}).encode(), 1000).model == "m"


@pytest.mark.parametrize("lead", range(0, openai_chat.LONG_BODY, 509))
@pytest.mark.parametrize(("digits", "fits"), [(openai_chat.MOST_DIGITS, True), (openai_chat.MOST_DIGITS + 1, False)])
def test_digits_are_counted_wherever_the_number_stands(lead: int, digits: int, fits: bool) -> None:
    body = b'{"model":"m","x":"%b","n":[%b]}' % (b"-" * lead, b"7" * digits)
    if fits:
        assert sent(body) == body.replace(b'"m"', OURS)
    else:
        assert refused(body).code == "number_too_long"


# Refusals.


@pytest.mark.parametrize(
    ("body", "code", "param", "says"),
    [
        (b"", "body_missing", None, "the body is empty"),
        (b" \n", "body_missing", None, "the body is empty"),
        (b"[]", "invalid_body", None, "must be a JSON object"),
        (b"{", "invalid_json", None, "no valid JSON"),
        (b'{"model":"m"} x', "invalid_json", None, "no valid JSON"),
        (b'\xef\xbb\xbf{"model":"m"}', "invalid_json", None, "no valid JSON"),
        (b'{"model":"m","x":"\xff"}', "invalid_json", None, "not UTF-8"),
        (b'{"model":"m","x":' + b"[" * 5000 + b"]" * 5000 + b"}", "invalid_json", None, "nested too deeply"),
        (b"{}", "model_missing", "model", "model is missing"),
        (b'{"model":""}', "model_missing", "model", "model is empty"),
        (b'{"model":7}', "invalid_type", "model", "model: Expected `str`"),
        (b'{"model":"m","stream":"yes"}', "invalid_type", "stream", "stream: Expected `bool"),
        (b'{"model":"m","stream_options":[]}', "invalid_type", "stream_options", "stream_options: Expected"),
        (b'{"model":"m","stream_options":{"include_usage":1}}', "invalid_type", "stream_options.include_usage", "include_usage: Expected"),
        (b'{"model":"m","max_tokens":"1"}', "invalid_type", "max_tokens", "max_tokens: Expected `int"),
    ],
)
def test_a_refusal_names_the_field_and_what_is_wrong(body: bytes, code: str, param: str | None, says: str) -> None:
    refusal = refused(body)
    assert (refusal.status, refusal.code, refusal.param) == (400, code, param)
    assert says in refusal.message
    assert refusal.should_retry is False


def test_an_envelope_without_splices_is_three_pieces() -> None:
    envelope = Envelope(b'{"model":"m"}', "m", (9, 12), stream=False)
    assert envelope.encode(b'"x"') == [b'{"model":', b'"x"', b"}"]


def test_splices_are_put_in_by_their_places() -> None:
    envelope = Envelope(b'{"a":1,"model":"m","b":2}', "m", (15, 18), stream=False)
    envelope.splices = ((23, 24, b"two"), (5, 6, b"one"))
    assert b"".join(envelope.encode(b'"x"')) == b'{"a":one,"model":"x","b":two}'
