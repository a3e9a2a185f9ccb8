"""The request reader under generated and mutated bytes, beside h11."""

import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.core.model.errors import Refusal
from sekisho.core.wire.http1.events import Head
from sekisho.core.wire.http1.readers import RequestReader
from tests.fuzz.strategies import FUZZ, Spelled, cuts, mutations, requests
from tests.unit.wire.oracles import requests_by_h11
from tests.unit.wire.sinks import HEADER_BYTES, HEADER_COUNT, TARGET_BYTES, requests_of


def bare(target: str) -> str:
    """The target without the question mark of an empty query, which our reader does not keep apart."""
    path, _, query = target.partition("?")
    return f"{path}?{query}" if query else path


@FUZZ
@given(st.data(), st.lists(requests(), min_size=1, max_size=3))
def test_valid_requests_are_read_as_h11_reads_them(data: st.DataObject, spelled: list[Spelled]) -> None:
    """Any order, casing, blanks, chunking, pipeline and cut: one meaning."""
    sent = b"".join(each.sent for each in spelled)
    sink = requests_of(*data.draw(cuts(sent)))
    meant = [(each.method, bare(each.target), each.body) for each in spelled]
    assert sink.refusal is None
    assert [each.essence for each in sink.whole] == meant
    by_h11, refused = requests_by_h11(sent)
    assert not refused
    assert [(method, bare(target), body) for method, target, body in by_h11] == meant


@FUZZ
@given(st.data(), st.lists(requests(), min_size=1, max_size=2))
def test_mutated_requests_are_refused_or_read_as_h11_reads_them(data: st.DataObject, spelled: list[Spelled]) -> None:
    """What both readers take, both read alike; where ours reads on, it never sees a request that h11 does not."""
    sent = data.draw(mutations(b"".join(each.sent for each in spelled)))
    sink = requests_of(sent)
    ours = [(method, bare(target), body) for method, target, body in (each.essence for each in sink.whole)]
    theirs, refused = requests_by_h11(sent.lstrip(b"\r\n"))
    theirs = [(method, bare(target), body) for method, target, body in theirs]
    together = min(len(ours), len(theirs))
    assert ours[:together] == theirs[:together]
    if not refused and all(each.head.keep_alive for each in sink.whole) and not any(b"upgrade" in each.head.headers for each in sink.read):
        assert len(ours) <= len(theirs)


@FUZZ
@given(st.data(), requests())
def test_the_meaning_of_mutated_bytes_does_not_hang_on_their_cuts(data: st.DataObject, spelled: Spelled) -> None:
    """Whole, byte by byte or in any pieces: the same messages, the same refusal."""
    sent = data.draw(mutations(spelled.sent)) + b"GET /behind HTTP/1.1\r\nHost: a\r\n\r\n"
    readings = [requests_of(*pieces) for pieces in ([sent], [sent[at : at + 1] for at in range(len(sent))], data.draw(cuts(sent)))]
    meanings = [([each.essence for each in sink.whole], sink.refusal and (sink.refusal.status, sink.refusal.code)) for sink in readings]
    assert meanings[0] == meanings[1] == meanings[2]


@FUZZ
@given(st.data(), st.binary(max_size=400))
def test_noise_is_refused_or_awaited(data: st.DataObject, noise: bytes) -> None:
    """No accident, whatever comes; a refusal has words and never the client's bytes."""
    sink = requests_of(*data.draw(cuts(noise)))
    if sink.refusal is not None:
        assert sink.refusal.message.isprintable()
        assert 400 <= sink.refusal.status <= 505


class _Nobody:
    """A sink that keeps nothing."""

    refusal: Refusal | None = None

    def head_received(self, head: Head) -> None: ...

    def body_received(self, data: bytes) -> None: ...

    def message_completed(self) -> None: ...

    def message_refused(self, refusal: Refusal) -> None:
        self.refusal = refusal


HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
PIECE = 16 * 1024
FLOODS = {
    "method": (b"", b"A" * PIECE),
    "target": (b"GET /", b"a" * PIECE),
    "blank lines": (b"", b"\r\n" * (PIECE // 2)),
    "field name": (b"GET / HTTP/1.1\r\n", b"a" * PIECE),
    "field value": (b"GET / HTTP/1.1\r\nA: ", b"a" * PIECE),
    "fields": (b"GET / HTTP/1.1\r\n", b"A: b\r\n" * (PIECE // 6)),
    "chunk size": (HEAD, b"0" * PIECE),
    "chunk extension": (HEAD + b"1;a=", b"a" * PIECE),
    "small chunks": (HEAD, b"1\r\na\r\n" * (PIECE // 6)),
    "trailer": (HEAD + b"0\r\nA: ", b"a" * PIECE),
    "trailers": (HEAD + b"0\r\n", b"A: b\r\n" * (PIECE // 6)),
    "trailer behind a body": (HEAD + b"400000\r\n" + b"a" * 0x400000 + b"\r\n0\r\nA: ", b"a" * PIECE),
    "extension behind a body": (HEAD + b"400000\r\n" + b"a" * 0x400000 + b"\r\n1;a=", b"a" * PIECE),
    "pipeline": (b"", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 500),
    "body": (HEAD + b"ffffffffff\r\n", b"a" * PIECE),
}
ENDLESS = ("pipeline", "body", "small chunks")
"""What is valid for as long as it lasts; the connection has bounds of its own for it."""


@pytest.mark.parametrize("flood", FLOODS)
def test_floods_are_refused_in_little_memory(flood: str) -> None:
    """Megabytes of one thing: refused within a mebibyte, unless it is valid, and never held."""
    opening, piece = FLOODS[flood]
    sink = _Nobody()
    reader = RequestReader(sink, HEADER_BYTES, HEADER_COUNT, TARGET_BYTES)
    for start in range(0, len(opening), PIECE):
        reader.feed(opening[start : start + PIECE])
    tracemalloc.start()
    try:
        fed = 0
        for each in _repeat(piece, 2 * 1024 * 1024 if flood in ENDLESS else 12 * 1024 * 1024):
            reader.feed(each)
            fed += len(each)
            if sink.refusal is not None:
                break
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * 1024 * 1024
    if flood not in ENDLESS:
        assert sink.refusal is not None
        assert fed <= 1024 * 1024


def _repeat(piece: bytes, total: int) -> Iterator[bytes]:
    for _ in range(0, total, len(piece)):
        yield piece
