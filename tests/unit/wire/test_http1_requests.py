"""The reader against the door's table: what the listener refuses is refused here, however it is cut, and nothing behind it is read."""

import pytest

from sekisho.core.wire.http1.readers import RequestReader
from tests.e2e.door.cases import CASES, FRAMING, VALID, Case
from tests.e2e.door.messages import BODY, MARKER, fill, get, message, pieces
from tests.unit.wire.oracles import requests_by_h11
from tests.unit.wire.sinks import HEADER_BYTES, HEADER_COUNT, TARGET_BYTES, Requests
from tests.unit.wire.sinks import requests_of as _requests_of

OWN = b"p00000000000"
READ = 64 * 1024
BEHIND = message(body=BODY.replace(MARKER, b"behind-it-is"))
NOT_HERE = ("T33",)
"""Decided by the connection, which knows the bound of the route."""

REFUSED = [case for case in CASES if case.layer == FRAMING and case.threat not in NOT_HERE and 200 not in case.status]
SERVED = [case for case in CASES if case.layer == VALID]


def spelled(sent: bytes) -> bytes:
    return fill(sent, marker=OWN, key=b"sk-sek-x-y", host=b"127.0.0.1:4000")


def filled(case: Case) -> bytes:
    return spelled(case.bytes())


def requests_of(*parts: bytes) -> Requests:
    """What the reader makes of these pieces, none larger than a read from a socket."""
    texts = [spelled(part) for part in parts]
    return _requests_of(*(text[at : at + READ] for text in texts for at in range(0, len(text), READ)))


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
@pytest.mark.parametrize("cut", ["whole", "bytes", "trailing"])
def test_an_ambiguous_message_is_refused_and_nothing_behind_it_is_read(case: Case, cut: str) -> None:
    """A refused message never completes, and neither does what follows it in the same breath or later."""
    sent = filled(case)
    match cut:
        case "whole":
            sink = requests_of(sent, BEHIND)
        case "bytes":
            sink = requests_of(*pieces(sent), BEHIND)
        case _:
            sink = requests_of(sent + BEHIND)
    assert sink.refusal is not None, f"read as {[(each.head.method, each.head.path, each.body) for each in sink.read]}"
    assert sink.refusal.status in case.status
    assert sink.refusal.close
    assert sink.refusal.message
    assert not sink.whole
    assert OWN.decode() not in sink.refusal.message


@pytest.mark.parametrize("case", SERVED, ids=lambda case: case.name)
@pytest.mark.parametrize("cut", ["whole", "bytes", "trailing"])
def test_a_valid_message_is_read_the_same_however_it_is_cut(case: Case, cut: str) -> None:
    """Head and body equal what h11 reads, and what follows is a message of its own unless the connection ends there."""
    sent = filled(case)
    match cut:
        case "whole":
            sink = requests_of(sent)
        case "bytes":
            sink = requests_of(*pieces(sent))
        case _:
            sink = requests_of(sent + get())
    assert sink.refusal is None
    assert all(each.whole for each in sink.read)
    expected, refused = requests_by_h11(sent.removeprefix(b"\r\n"))
    assert not refused
    ours = [each.essence for each in sink.read]
    assert ours[: len(expected)] == expected
    assert sink.read[0].head.keep_alive == (case.connection == "kept")
    if cut == "trailing" and case.connection == "kept":
        assert ours[len(expected) :] == [("GET", "/health", b"")]
    elif case.connection == "kept":
        assert len(ours) == len(expected)


@pytest.mark.parametrize("count", [1, 99, 100, 101])
def test_the_bound_of_fields_is_exact(count: int) -> None:
    """A hundred fields pass, Host included and repeated ones counted; one more is 431."""
    fields = [b"X-A: %d" % number for number in range(count - 1)]
    sink = requests_of(get(b"/health", *fields))
    assert (sink.refusal.status if sink.refusal else 200) == (200 if count <= HEADER_COUNT else 431)


@pytest.mark.parametrize("length", [1, TARGET_BYTES, TARGET_BYTES + 1])
@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_the_bound_of_the_target_is_exact(length: int, step: int) -> None:
    """8,192 bytes pass, one more is 414, in whatever pieces it comes."""
    sent = spelled(get(b"/" + b"a" * (length - 1)))
    sink = requests_of(*(sent[at : at + step] for at in range(0, len(sent), step)))
    assert (sink.refusal.status if sink.refusal else 200) == (200 if length <= TARGET_BYTES else 414)


@pytest.mark.parametrize("before", [b"", get(), message()])
@pytest.mark.parametrize("size", [28 * 1024, 36 * 1024, 90 * 1024])
@pytest.mark.parametrize("split", [None, 10, 20_000])
def test_the_bound_of_the_head_holds_behind_other_messages(before: bytes, size: int, split: int | None) -> None:
    """The bound holds for the first message and for a pipelined one, also when its head comes in two pieces."""
    before = spelled(before)
    sent = before + spelled(get(b"/health", b"X-A: " + b"a" * size))
    cut = len(sent) if split is None else len(before) + split
    sink = requests_of(sent[:cut], sent[cut:])
    assert (sink.refusal.status if sink.refusal else 200) == (200 if size < HEADER_BYTES else 431)
    assert len(sink.whole) == (1 if before else 0) + (1 if size < HEADER_BYTES else 0)


@pytest.mark.parametrize(
    "flood",
    [b"A" * 65_536, b"\r\n" * 32_768, b"GET /" + b"a" * 65_536, b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 11_000],
    ids=["method", "blank lines", "target", "fields"],
)
def test_a_head_without_end_is_refused_within_one_read_beyond_the_bound(flood: bytes) -> None:
    """The reader never asks for more than the bound, and holds nothing after the refusal."""
    sink = Requests()
    reader = RequestReader(sink, HEADER_BYTES, HEADER_COUNT, TARGET_BYTES)
    fed = 0
    for at in range(0, len(flood), 1024):
        reader.feed(flood[at : at + 1024])
        fed += 1024
        if sink.refusal:
            break
    assert sink.refusal is not None
    assert fed <= HEADER_BYTES + 2 * 1024


def test_expectations_are_told_only_where_they_count() -> None:
    """HTTP/1.0 has no interim answers."""
    assert requests_of(message(b"POST / HTTP/1.1", b"Expect: 100-continue")).read[0].head.expects_continue
    assert not requests_of(message(b"POST / HTTP/1.0", b"Expect: 100-continue")).read[0].head.expects_continue
    assert not requests_of(message()).read[0].head.expects_continue


def test_lengths_are_told_as_they_were_said() -> None:
    """The connection decides by them before the body."""
    said = requests_of(message(b"POST / HTTP/1.1", b"Content-Length: 12", framed=False, body=b"")).read[0].head
    assert (said.content_length, said.chunked) == (12, False)
    coded = requests_of(message(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked", framed=False, body=b"")).read[0].head
    assert (coded.content_length, coded.chunked) == (None, True)
