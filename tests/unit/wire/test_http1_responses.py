"""The reader of upstream answers: hostile input, one answer at a time, whole or failed, never both."""

import pytest

from sekisho.core.wire.http1.readers import ResponseReader
from tests.unit.wire.sinks import Response, response_of

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def cuts(sent: bytes) -> list[list[bytes]]:
    """Whole, and byte by byte."""
    return [[sent], [sent[at : at + 1] for at in range(len(sent))]]


WHOLE = [
    ("a length", OK + b"Content-Length: 3\r\n\r\nabc", 200, b"abc"),
    ("no body", OK + b"Content-Length: 0\r\n\r\n", 200, b""),
    ("chunks", CHUNKED + b"2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n", 200, b"abc"),
    ("a trailer", CHUNKED + b"1\r\na\r\n0\r\nX-A: b\r\n\r\n", 200, b"a"),
    (
        "an interim answer first",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK + b"Content-Length: 1\r\n\r\na",
        200,
        b"a",
    ),
    ("no content", b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    ("no reason", b"HTTP/1.1 429 \r\nContent-Length: 0\r\n\r\n", 429, b""),
    ("no reason and no space", b"HTTP/1.1 429\r\nContent-Length: 0\r\n\r\n", 429, b""),
]


@pytest.mark.parametrize(("sent", "status", "body"), [case[1:] for case in WHOLE], ids=[case[0] for case in WHOLE])
def test_a_whole_answer_is_read_however_it_is_cut(sent: bytes, status: int, body: bytes) -> None:
    """Status and body, the end seen, and the connection good for another."""
    for pieces in cuts(sent):
        sink, reader = response_of(*pieces)
        assert (sink.status, sink.body, sink.whole, sink.failure) == (status, body, True, "")
        assert reader.reusable


BROKEN = [
    ("no HTTP", b"SSH-2.0-OpenSSH_9.2\r\n"),
    ("HTML", b"<html><body>It works</body></html>\r\n\r\n"),
    ("noise", bytes(range(256))),
    ("a status of letters", b"HTTP/1.1 abc OK\r\n\r\n"),
    ("a status of two digits", b"HTTP/1.1 20 OK\r\n\r\n"),
    ("another version", b"HTTP/3.7 200 OK\r\n\r\n"),
    ("a length and a coding", OK + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("two lengths", OK + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc"),
    ("two equal lengths", OK + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc"),
    ("a negative length", OK + b"Content-Length: -3\r\n\r\nabc"),
    ("a length beyond 64 bits", OK + b"Content-Length: 18446744073709551617\r\n\r\nabc"),
    ("a bad chunk size", CHUNKED + b"zz\r\nab\r\n"),
    ("a chunk without its end", CHUNKED + b"1\r\nabX\r\n"),
    ("a NUL in a header", OK + b"X-A: \x00\r\n\r\n"),
    ("a folded header", OK + b"X-A: b\r\n c\r\nContent-Length: 0\r\n\r\n"),
    ("a header without a colon", OK + b"nonsense\r\n\r\n"),
    ("protocols switched", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
    ("interim answers without end", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    ("a head of 64 KiB", OK + b"X-A: " + b"a" * 65_536 + b"\r\n\r\n"),
    ("a head without end", OK + b"X-A: " + b"a" * 65_536),
    ("a reason without end", b"HTTP/1.1 200 " + b"a" * 65_536),
]


@pytest.mark.parametrize("sent", [case[1] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_a_broken_answer_fails_once_and_its_connection_is_not_used_again(sent: bytes) -> None:
    """The failure is told exactly once, however the bytes are cut, and no answer is told whole."""
    for pieces in cuts(sent):
        sink, reader = response_of(*pieces, ended=True)
        assert sink.failure == "upstream_invalid_response"
        assert not sink.whole
        assert not reader.reusable


@pytest.mark.parametrize("head", [OK, OK + b"X-A: b\r\n", b"HTTP/1.0 200 OK\r\n"])
def test_an_answer_may_end_with_its_connection(head: bytes) -> None:
    """Without a length the end of the connection is the end of the body."""
    sink, reader = response_of(head + b"\r\nab", b"c", ended=True)
    assert (sink.body, sink.whole) == (b"abc", True)
    assert not reader.reusable


@pytest.mark.parametrize("sent", [OK + b"Content-Length: 9\r\n\r\nabc", CHUNKED + b"3\r\nabc\r\n", OK, b"HTTP/1.1 2", b""])
def test_an_answer_that_is_cut_is_not_whole(sent: bytes) -> None:
    """`ended` says that the end came too early."""
    sink = Response()
    reader = ResponseReader(32 * 1024)
    reader.expect(sink)
    reader.feed(sent)
    assert not reader.ended()
    assert not sink.whole


@pytest.mark.parametrize("behind", [b"x", OK + b"Content-Length: 0\r\n\r\n"])
@pytest.mark.parametrize("apart", [False, True])
def test_bytes_that_nobody_asked_for_spoil_the_connection(behind: bytes, apart: bool) -> None:
    """A second answer in advance is nobody's; the next request goes over another connection."""
    first = OK + b"Content-Length: 1\r\n\r\na"
    sink, reader = response_of(*((first, behind) if apart else (first + behind,)))
    assert sink.whole
    assert sink.body == b"a"
    assert not reader.reusable


def test_connection_close_is_heeded() -> None:
    """The upstream says that it will close."""
    sink, reader = response_of(OK + b"Connection: close\r\nContent-Length: 1\r\n\r\na")
    assert sink.whole
    assert not reader.reusable
