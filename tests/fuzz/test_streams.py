"""Server-sent events from a provider: relayed to the byte, however they are cut, whatever is in them."""

import json

from hypothesis import given
from hypothesis import strategies as st

from sekisho.core.dialects.openai_chat import Scanner
from sekisho.core.wire import sse
from tests.fuzz.strategies import FUZZ, cuts, mutations

MOST = 4096
PIECE = {"id": "c", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": None}]}
LAST = {**PIECE, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
USAGE = {**PIECE, "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}
NULL = {**PIECE, "usage": None}

ends = st.sampled_from([b"\n", b"\r\n", b"\r"])


@st.composite
def events(draw: st.DrawFn, value: object) -> bytes:
    """One event, spelled in any way that clients understand."""
    end = draw(ends)
    text = value if isinstance(value, str) else json.dumps(value, separators=draw(st.sampled_from([(",", ":"), (", ", ": ")])))
    lead = draw(st.sampled_from([b"", b": hello" + end, b"event: message" + end, b"id: 1" + end]))
    return lead + b"data:" + draw(st.sampled_from([b"", b" "])) + text.encode() + end + end


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """A whole stream of a chat."""
    told = [PIECE, *draw(st.lists(st.sampled_from([PIECE, NULL]), max_size=4)), LAST, *draw(st.sampled_from([[], [USAGE]])), "[DONE]"]
    return b"".join([draw(events(each)) for each in told])


def relayed(pieces: list[bytes], *, include_usage: bool) -> tuple[bytes, Scanner, bytes]:
    """What the client gets, who looked, and what is left unfinished."""
    splitter, scanner = sse.Splitter(MOST), Scanner(include_usage)
    out = b""
    for piece in pieces:
        whole = splitter.feed(piece)
        if whole:
            out += scanner.scan(whole)
    return out, scanner, splitter.rest


@FUZZ
@given(st.data(), streams())
def test_a_stream_passes_to_the_byte(data: st.DataObject, stream: bytes) -> None:
    """Who asked for usage gets every byte, and the end is seen, however the stream is cut."""
    out, scanner, rest = relayed(data.draw(cuts(stream)), include_usage=True)
    assert out + rest == stream
    assert not rest.strip()
    assert scanner.finished
    scanner.close()
    assert scanner.outcome.finish_reason == "stop"
    assert (scanner.outcome.usage is not None) == (b'"completion_tokens"' in stream)


@FUZZ
@given(st.data(), streams())
def test_only_the_usage_event_is_taken_out(data: st.DataObject, stream: bytes) -> None:
    """Who did not ask gets the rest to the byte."""
    out, scanner, rest = relayed(data.draw(cuts(stream)), include_usage=False)
    kept = b"".join(event for event in sse.split(stream) if b'"completion_tokens"' not in event)
    assert (out + rest).replace(b"\r\n", b"\n").replace(b"\r", b"\n").strip() == kept.replace(b"\r\n", b"\n").replace(b"\r", b"\n").strip()
    assert scanner.finished


@FUZZ
@given(st.data(), streams(), st.booleans())
def test_a_mutated_stream_is_no_accident(data: st.DataObject, stream: bytes, include_usage: bool) -> None:
    """Nothing is raised but the bound; nothing is invented; usage is sane."""
    spoilt = data.draw(mutations(stream))
    try:
        out, scanner, rest = relayed(data.draw(cuts(spoilt)), include_usage=include_usage)
    except sse.EventTooLargeError:
        return
    scanner.close()
    assert len(rest) <= MOST
    assert len(out) <= len(spoilt)
    if include_usage and not scanner.finished and scanner.failed is None:
        assert out + rest == spoilt
    if scanner.outcome.usage is not None:
        assert 0 <= scanner.outcome.usage.input <= 1_000_000_000
        assert 0 <= scanner.outcome.usage.output <= 1_000_000_000


@FUZZ
@given(st.data(), st.binary(max_size=300) | st.text('data: []{}":,\r\n', max_size=200).map(str.encode))
def test_noise_passes_or_is_held(data: st.DataObject, noise: bytes) -> None:
    """Every piece that goes out ends where an event ends; joined they are what came."""
    splitter = sse.Splitter(MOST)
    out = b""
    for piece in data.draw(cuts(noise)):
        whole = splitter.feed(piece)
        assert not whole or whole.endswith((b"\n\n", b"\r\r", b"\r\n\r\n"))
        out += whole
    assert out + splitter.rest == noise
    assert b"".join(sse.split(noise)) == noise


def test_an_event_without_end_is_bounded() -> None:
    """Beyond the bound it is refused within one piece."""
    splitter = sse.Splitter(MOST)
    fed = 0
    try:
        while fed < 10 * MOST:
            splitter.feed(b"data: " + b"a" * 506)
            fed += 512
    except sse.EventTooLargeError:
        assert fed <= MOST + 512
        return
    raise AssertionError("it was held")
