"""Every case of T02, T03, T05, T24 to T28 and T33 to T35 that one message can show, by number; the reference page is made of it.

A case is a message and what becomes of it. `FRAMING` cases are decided by the listener, which both ports share; `GATEWAY` cases
are decided behind it, so the console's port may answer otherwise, but never with success; `VALID` cases are served.
A case has more than one status only where the standard leaves a choice, and then says which.
"""

import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.e2e.door.messages import BODY, CHAT, HOST, KEY, MARKER, chunked, coded, document, get, length, message

FRAMING: Final = "listener"
GATEWAY: Final = "gateway"
VALID: Final = "served"

CLOSED: Final = "closed"
KEPT: Final = "kept"

Bytes = bytes | Callable[[], bytes]


@dataclass(frozen=True)
class Case:
    """One message and its fate."""

    threat: str
    """The row of the threat table, such as `T24`."""
    name: str
    """For people and for the test's id; unique."""
    sent: Bytes
    """What goes over the wire, with places; a function where it is large."""
    status: tuple[int, ...]
    """The status that is answered; more than one only where the table leaves the choice open."""
    connection: str
    """What becomes of the connection after the answer."""
    layer: str
    """Who decides."""
    method: str = "POST"
    """How the answer is framed: a HEAD has no body."""
    body: bytes | None = None
    """Of a served chat: the body that the upstream must have received, before the model's name is changed."""
    console: tuple[int, ...] | None = None
    """Statuses on the console's port where they differ; None means the same ones of a FRAMING case, and any refusal otherwise."""
    allowed: tuple[int, ...] = ()
    """What the standard would allow instead."""
    choice: str = ""
    """Why it does."""
    interim: tuple[int, ...] = ()
    """Interim answers that must come first."""
    answers: int = 1
    """Final answers to what is sent; more than one only for pipelines."""

    @property
    def large(self) -> bool:
        """Whether it is made when it is needed."""
        return callable(self.sent)

    def bytes(self) -> bytes:
        """The message, made now where it is large."""
        return self.sent() if callable(self.sent) else self.sent


def _framing(threat: str, name: str, sent: Bytes, *status: int, connection: str = CLOSED, method: str = "POST", choice: str = "") -> Case:
    """The first status is ours; the others are what the standard would allow instead."""
    mine, *others = status or (400,)
    return Case(threat, name, sent, (mine,), connection, FRAMING, method=method, allowed=tuple(others), choice=choice)


def _gateway(threat: str, name: str, sent: Bytes, *status: int, connection: str = KEPT, method: str = "POST", choice: str = "") -> Case:
    """Likewise."""
    mine, *others = status or (400,)
    return Case(threat, name, sent, (mine,), connection, GATEWAY, method=method, allowed=tuple(others), choice=choice)


def _open(threat: str, name: str, sent: Bytes, choice: str) -> Case:
    """The standard allows to serve it or to refuse it, and so does the table."""
    return Case(threat, name, sent, (200, 400), CLOSED, FRAMING, choice=choice)


def _chat(threat: str, name: str, sent: Bytes, body: bytes = BODY, connection: str = KEPT, interim: tuple[int, ...] = ()) -> Case:
    return Case(threat, name, sent, (200,), connection, VALID, body=body, interim=interim)


def _health(threat: str, name: str, sent: Bytes, connection: str = KEPT, method: str = "GET", answers: int = 1) -> Case:
    return Case(threat, name, sent, (200,), connection, VALID, method=method, console=(200,), answers=answers)


TE: Final = b"Transfer-Encoding: chunked"
CODED: Final = chunked(BODY)
LIMIT: Final = 10 * 1024**3
"""A body of ten gibibytes, beyond every bound."""

LENGTHS: Final = (
    _framing("T24", "Content-Length and Transfer-Encoding", message(CHAT, length(CODED), TE, body=CODED, framed=False)),
    _framing("T24", "Transfer-Encoding and Content-Length", message(CHAT, TE, length(CODED), body=CODED, framed=False)),
    _framing("T24", "Content-Length 0 and Transfer-Encoding", message(CHAT, b"Content-Length: 0", TE, body=CODED, framed=False)),
    _framing("T24", "Content-Length twice, equal", message(CHAT, length(BODY))),
    _framing("T24", "Content-Length twice, different", message(CHAT, b"Content-Length: 3")),
    _framing("T24", "Content-Length as a list of equals", message(CHAT, b"Content-Length: %d, %d" % ((len(BODY),) * 2), framed=False)),
    _framing("T24", "Content-Length as a list with an empty member", message(CHAT, length(BODY) + b",", framed=False)),
    _framing("T24", "Content-Length with plus", message(CHAT, b"Content-Length: +%d" % len(BODY), framed=False)),
    _framing("T24", "Content-Length negative", message(CHAT, b"Content-Length: -1", framed=False)),
    _framing("T24", "Content-Length minus zero", message(CHAT, b"Content-Length: -0", framed=False)),
    _framing("T24", "Content-Length hexadecimal", message(CHAT, b"Content-Length: 0x%x" % len(BODY), framed=False)),
    _framing("T24", "Content-Length with a fraction", message(CHAT, length(BODY) + b".0", framed=False)),
    _framing("T24", "Content-Length with an exponent", message(CHAT, b"Content-Length: 1e2", framed=False)),
    _framing("T24", "Content-Length with an underscore", message(CHAT, b"Content-Length: 1_0", framed=False)),
    _framing("T24", "Content-Length with a space inside", message(CHAT, b"Content-Length: 1 0", framed=False)),
    _framing("T24", "Content-Length in quotes", message(CHAT, b'Content-Length: "%d"' % len(BODY), framed=False)),
    _framing("T24", "Content-Length empty", message(CHAT, b"Content-Length:", framed=False)),
    _framing("T24", "Content-Length in foreign digits", message(CHAT, "Content-Length: ١٢".encode(), framed=False)),
    _framing(
        "T24",
        "Content-Length beyond 64 bits",
        message(CHAT, b"Content-Length: 18446744073709551617", framed=False),
        400,
        413,
        choice="an absurd number is as good as a body too large",
    ),
    _framing(
        "T24",
        "Content-Length of thirty digits",
        message(CHAT, b"Content-Length: " + b"9" * 30, framed=False),
        400,
        413,
        choice="an absurd number is as good as a body too large",
    ),
)

CODINGS: Final = (
    _framing("T24", "Transfer-Encoding twice", coded(CODED, TE, TE)),
    _framing("T24", "Transfer-Encoding: chunked, chunked", coded(CODED, b"Transfer-Encoding: chunked, chunked")),
    _framing(
        "T24",
        "Transfer-Encoding: identity",
        coded(BODY, b"Transfer-Encoding: identity"),
        400,
        501,
        choice="RFC 9112 6.1: an unknown coding should get 501; ending in no chunked is 400",
    ),
    _framing(
        "T24",
        "Transfer-Encoding: identity, chunked",
        coded(CODED, b"Transfer-Encoding: identity, chunked"),
        400,
        501,
        choice="RFC 9112 6.1: an unknown coding should get 501",
    ),
    _framing(
        "T24",
        "Transfer-Encoding: gzip, chunked",
        coded(CODED, b"Transfer-Encoding: gzip, chunked"),
        400,
        501,
        choice="RFC 9112 6.1: a coding not understood should get 501",
    ),
    _framing(
        "T24",
        "Transfer-Encoding: gzip, then chunked on a line of its own",
        coded(CODED, b"Transfer-Encoding: gzip", TE),
        400,
        501,
        choice="RFC 9112 6.1: a coding not understood should get 501",
    ),
    _framing(
        "T24",
        "Transfer-Encoding: chunked, gzip",
        coded(CODED, b"Transfer-Encoding: chunked, gzip"),
        400,
        501,
        choice="chunked is not last (400), and gzip is not understood (501)",
    ),
    _framing(
        "T24",
        "Transfer-Encoding: xchunked",
        coded(CODED, b"Transfer-Encoding: xchunked"),
        400,
        501,
        choice="RFC 9112 6.1: an unknown coding should get 501",
    ),
    _framing(
        "T24",
        "Transfer-Encoding: chunkedx",
        coded(CODED, b"Transfer-Encoding: chunkedx"),
        400,
        501,
        choice="RFC 9112 6.1: an unknown coding should get 501",
    ),
    _framing(
        "T24",
        "Transfer-Encoding in quotes",
        coded(CODED, b'Transfer-Encoding: "chunked"'),
        400,
        501,
        choice="RFC 9112 6.1: an unknown coding should get 501",
    ),
    _framing(
        "T24",
        "Transfer-Encoding with a parameter",
        coded(CODED, b"Transfer-Encoding: chunked;q=1"),
        400,
        501,
        choice="RFC 9112 6.1: an unknown coding should get 501",
    ),
    _framing(
        "T24",
        "Transfer-Encoding empty",
        coded(CODED, b"Transfer-Encoding:"),
        400,
        501,
        choice="an empty list of codings does not end in chunked",
    ),
    _framing("T24", "Transfer-Encoding: empty member, chunked", coded(CODED, b"Transfer-Encoding: , chunked")),
    _framing("T24", "Transfer-Encoding: chunked, empty member", coded(CODED, b"Transfer-Encoding: chunked,")),
    _framing("T24", "Transfer-Encoding with a vertical tab", coded(CODED, b"Transfer-Encoding: \x0bchunked")),
    _framing("T24", "Transfer-Encoding with a NUL", coded(CODED, b"Transfer-Encoding: chunked\x00")),
    _framing(
        "T24",
        "Transfer-Encoding with a no-break space",
        coded(CODED, b"Transfer-Encoding: \xa0chunked"),
        400,
        501,
        choice="RFC 9112 6.1: an unknown coding should get 501",
    ),
    _framing("T24", "Transfer-Encoding, a space before the colon", coded(CODED, b"Transfer-Encoding : chunked")),
    _framing("T24", "Transfer-Encoding, a tab before the colon", coded(CODED, b"Transfer-Encoding\t: chunked")),
    _framing("T24", "Transfer-Encoding, a space before the name", coded(CODED, b" Transfer-Encoding: chunked")),
    _framing("T24", "Transfer-Encoding folded", coded(CODED, b"Transfer-Encoding:\r\n chunked")),
    _framing("T24", "Transfer-Encoding behind a bare CR", coded(CODED, b"X-A: b\rTransfer-Encoding: chunked")),
    _framing("T24", "Transfer-Encoding behind a bare LF", coded(CODED, b"X-A: b\nTransfer-Encoding: chunked")),
    _framing("T24", "Transfer-Encoding on HTTP/1.0", message(b"POST /v1/chat/completions HTTP/1.0", TE, body=CODED, framed=False)),
    _framing(
        "T24",
        "Transfer-Encoding on HTTP/1.0, kept alive",
        message(b"POST /v1/chat/completions HTTP/1.0", TE, b"Connection: keep-alive", body=CODED, framed=False),
    ),
    _chat("T24", "Transfer-Encoding: Chunked", coded(CODED, b"Transfer-Encoding: Chunked")),
    _chat("T24", "Transfer-Encoding in capitals, blanks around", coded(CODED, b"TRANSFER-ENCODING: \t CHUNKED  ")),
    _framing(
        "T24",
        "Transfer-Encoding: chunked and a tab",
        coded(CODED, b"Transfer-Encoding: chunked\t"),
        400,
        200,
        choice="RFC 9112 5.1 lets blanks stand behind a value; the parser takes this one for another coding, which is the safe side",
    ),
)

_LEFT, _, _RIGHT = BODY.partition(MARKER)
SINGLY: Final = chunked(*(bytes([each]) for each in _LEFT), MARKER, *(bytes([each]) for each in _RIGHT))
"""A chunk for each byte, but for the marker, which is filled in later."""

_HEX = b"%x" % len(BODY)
_REST = b"\r\n" + BODY + b"\r\n0\r\n\r\n"

CHUNKS: Final = (
    _framing("T24", "chunk size with 0x", coded(b"0x" + _HEX + _REST)),
    _framing("T24", "chunk size with plus", coded(b"+" + _HEX + _REST)),
    _framing("T24", "chunk size negative", coded(b"-" + _HEX + _REST)),
    _framing("T24", "chunk size empty", coded(_REST)),
    _framing("T24", "chunk size no number", coded(b"zz" + _REST)),
    _framing("T24", "chunk size behind a space", coded(b" " + _HEX + _REST)),
    _framing("T24", "chunk size with an underscore", coded(b"0_" + _HEX + _REST)),
    _framing(
        "T24",
        "chunk size of seventeen digits",
        coded(b"1" + b"0" * 16 + _REST),
        400,
        413,
        choice="an absurd number is as good as a body too large",
    ),
    _framing(
        "T24",
        "chunk size that wraps 64 bits",
        coded(b"1" + b"0" * (16 - len(_HEX)) + _HEX + _REST),
        400,
        413,
        choice="an absurd number is as good as a body too large",
    ),
    _framing("T24", "chunk data shorter than its size", coded(b"%x" % (len(BODY) + 2) + _REST)),
    _framing("T24", "chunk data longer than its size", coded(b"%x" % (len(BODY) - 2) + _REST)),
    _framing("T24", "chunk data ended by LF", coded(_HEX + b"\r\n" + BODY + b"\n0\r\n\r\n")),
    _framing("T24", "chunk data ended by CR and a letter", coded(_HEX + b"\r\n" + BODY + b"\rX0\r\n\r\n")),
    _framing("T24", "chunk data without end", coded(_HEX + b"\r\n" + BODY + b"0\r\n\r\n")),
    _framing("T24", "chunk size ended by LF", coded(_HEX + b"\n" + BODY + b"\r\n0\r\n\r\n")),
    _framing("T24", "chunk size ended by CR and a letter", coded(_HEX + b"\rX" + BODY + b"\r\n0\r\n\r\n")),
    _framing("T24", "chunk extension with a bare LF", coded(_HEX + b";a=b\nc" + _REST)),
    _framing("T24", "chunk extension with a bare CR", coded(_HEX + b";a=b\rc" + _REST)),
    _framing("T24", "chunk extension with a NUL", coded(_HEX + b";a=\x00" + _REST)),
    _framing("T24", "last chunk ended by LF", coded(_HEX + b"\r\n" + BODY + b"\r\n0\n\r\n")),
    _framing("T24", "body ended by LF", coded(_HEX + b"\r\n" + BODY + b"\r\n0\r\n\n")),
    _framing("T24", "trailer without a colon", coded(_HEX + b"\r\n" + BODY + b"\r\n0\r\nnonsense\r\n\r\n")),
    _framing("T24", "trailer with a NUL", coded(_HEX + b"\r\n" + BODY + b"\r\n0\r\nX-A: \x00\r\n\r\n")),
    _framing("T24", "trailer ended by LF", coded(_HEX + b"\r\n" + BODY + b"\r\n0\r\nX-A: b\n\r\n")),
    _framing(
        "T28",
        "a trailer of 1 MiB",
        lambda: coded(_HEX + b"\r\n" + BODY + b"\r\n0\r\nX-A: " + b"a" * 1_048_576 + b"\r\n\r\n"),
        400,
        431,
        choice="RFC 6585 5 speaks of header fields; trailers are bounded alike",
    ),
    _framing(
        "T28",
        "a thousand trailers",
        lambda: coded(_HEX + b"\r\n" + BODY + b"\r\n0\r\n" + b"X-A: b\r\n" * 1000 + b"\r\n"),
        400,
        431,
        choice="RFC 6585 5 speaks of header fields; trailers are bounded alike",
    ),
    _framing(
        "T28",
        "chunk extension of 1 MiB",
        lambda: coded(_HEX + b";a=" + b"b" * 1_048_576 + _REST),
        400,
        413,
        choice="RFC 9112 7.1.1: a server limits extensions and answers with an appropriate 4xx",
    ),
    _framing(
        "T28",
        "chunk extensions of 1 MiB over many chunks",
        lambda: coded(b"".join(b"1;a=" + b"b" * 200 + b"\r\n \r\n" for _ in range(5_000)) + _HEX + _REST),
        400,
        413,
        choice="RFC 9112 7.1.1: a server limits extensions and answers with an appropriate 4xx",
    ),
    _chat("T24", "one chunk", coded(CODED)),
    _chat("T24", "a chunk for each byte", coded(SINGLY)),
    _chat("T24", "chunk size in capitals, with leading zeros", coded(b"000" + _HEX.upper() + _REST)),
    _chat("T24", "chunk extension of a known form", coded(_HEX + b';a=b;c="d"' + _REST)),
    _framing(
        "T24",
        "a trailer that names a length",
        coded(_HEX + b"\r\n" + BODY + b"\r\n0\r\nContent-Length: 4\r\n\r\n"),
        400,
        200,
        choice="RFC 9110 6.5.1: such a field may be dropped, or the message be taken as an attack",
    ),
    _framing(
        "T24",
        "a trailer that names a coding",
        coded(_HEX + b"\r\n" + BODY + b"\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n"),
        400,
        200,
        choice="RFC 9110 6.5.1: such a field may be dropped, or the message be taken as an attack",
    ),
    _chat("T24", "a harmless trailer", coded(_HEX + b"\r\n" + BODY + b"\r\n0\r\nX-Checksum: abc\r\n\r\n")),
)

LF_HEAD: Final = message().replace(b"\r\n", b"\n")

HEADS: Final = (
    _health("T24", "blanks behind the Host", get(host=b"Host: localhost \t ")),
    _framing("T24", "lines ended by LF", LF_HEAD),
    _framing("T24", "request line ended by LF", message().replace(b"HTTP/1.1\r\n", b"HTTP/1.1\n")),
    _framing("T24", "head ended by LF", message().replace(b"\r\n\r\n", b"\r\n\n")),
    _framing("T24", "head ended by LF LF", message().replace(b"\r\n\r\n", b"\n\n")),
    _framing("T24", "one field ended by LF", message(CHAT, b"X-A: b\nX-B: c")),
    _framing("T24", "bare CR in a value", message(CHAT, b"X-A: b\rc")),
    _framing("T24", "lines ended by CR", message(CHAT, b"X-A: b\rX-B: c")),
    _framing("T24", "folded line", message(CHAT, b"X-A: b\r\n c")),
    _framing("T24", "folded line with a tab", message(CHAT, b"X-A: b\r\n\tc")),
    _framing("T24", "fold before the first field", message(CHAT + b"\r\n X-A: b")),
    _framing("T24", "NUL in a value", message(CHAT, b"X-A: b\x00c")),
    _framing("T24", "NUL in a name", message(CHAT, b"X\x00A: b")),
    _framing("T24", "NUL in the target", message(b"POST /v1/chat/completions\x00 HTTP/1.1")),
    _framing("T24", "control byte in a value", message(CHAT, b"X-A: b\x01c")),
    _framing("T24", "DEL in a value", message(CHAT, b"X-A: b\x7fc")),
    _framing("T24", "control byte in a name", message(CHAT, b"X\x1fA: b")),
    _framing("T24", "escape sequence in the target", message(b"POST /v1/chat/completions\x1b[2J HTTP/1.1")),
    _framing("T24", "space before the colon", message(CHAT, b"X-A : b")),
    _framing("T24", "space in a name", message(CHAT, b"X A: b")),
    _framing("T24", "empty name", message(CHAT, b": b")),
    _framing("T24", "field without a colon", message(CHAT, b"nonsense")),
    _framing("T24", "name in brackets", message(CHAT, b"(X-A): b")),
    _framing("T24", "name with a byte beyond ASCII", message(CHAT, b"X-\xe9: b")),
    _open(
        "T24",
        "two spaces in the request line",
        message(b"POST  /v1/chat/completions HTTP/1.1"),
        "RFC 9112 3: a recipient may split the request line at any white space, or refuse it",
    ),
    _framing("T24", "tab in the request line", message(b"POST\t/v1/chat/completions\tHTTP/1.1")),
    _framing("T24", "space at the end of the request line", message(CHAT + b" ")),
    _framing("T24", "space before the method", message(b" " + CHAT)),
    _framing("T24", "space in the target", message(b"POST /v1/chat /completions HTTP/1.1")),
    _framing("T24", "target beyond ASCII", message("POST /v1/chat/complétions HTTP/1.1".encode())),
    _framing("T24", "method with a space", message(b"PO ST /v1/chat/completions HTTP/1.1")),
    _framing("T24", "method of other letters", message(b"P(ST /v1/chat/completions HTTP/1.1")),
    _open(
        "T24",
        "three empty lines first, ended by LF",
        b"\n\n\n" + message(),
        choice="RFC 9112 2.2: one empty line should be skipped, and an LF may end a line",
    ),
    _framing("T24", "noise", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 32 + b"\r\n\r\n"),
    _framing(
        "T24", "HTTP/0.9", b"GET /health\r\n\r\n", 505, 400, method="GET", choice="RFC 9110 15.6.6: a version not supported may get 505"
    ),
    _framing(
        "T24",
        "HTTP/0.9 with fields",
        b"GET /health\r\nHost: " + HOST + b"\r\n\r\n",
        505,
        400,
        method="GET",
        choice="RFC 9110 15.6.6: a version not supported may get 505",
    ),
    _framing(
        "T24",
        "HTTP/2 preface",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
        400,
        505,
        choice="RFC 9110 15.6.6: a major version not supported may get 505",
    ),
    _framing(
        "T24",
        "HTTP/2.0 in a request line",
        get(version=b"HTTP/2.0"),
        505,
        400,
        method="GET",
        choice="RFC 9110 15.6.6: a major version not supported may get 505",
    ),
    _framing(
        "T24",
        "HTTP/1.2",
        get(version=b"HTTP/1.2"),
        400,
        505,
        method="GET",
        choice="RFC 9110 2.5: a higher minor version may be served as 1.1 or refused",
    ),
    _framing("T24", "HTTP/1.10", get(version=b"HTTP/1.10"), method="GET"),
    _framing("T24", "HTTP/11", get(version=b"HTTP/11"), method="GET"),
    _framing("T24", "http/1.1 in small letters", get(version=b"http/1.1"), method="GET"),
    _framing(
        "T24", "another protocol, RTSP/1.0", get(version=b"RTSP/1.0"), 505, 400, method="GET", choice="not HTTP, or a version not supported"
    ),
    _framing(
        "T24", "another protocol, RTSP/1.1", get(version=b"RTSP/1.1"), 505, 400, method="GET", choice="not HTTP, or a version not supported"
    ),
    _framing(
        "T24",
        "another protocol, ICE/1.0",
        message(b"SOURCE /health ICE/1.0", body=None),
        501,
        400,
        505,
        method="GET",
        choice="not HTTP, or a version or a method not supported",
    ),
    _framing("T24", "no protocol's number", get(version=b"HTTP/"), method="GET"),
    _chat(
        "T24",
        "Connection that names fields which it may not",
        message(CHAT, b"Connection: keep-alive, authorization, content-length, host"),
    ),
    _health("T24", "one empty line first", b"\r\n" + get()),
    _health("T24", "spaces and tabs around values", get(b"/health", b"X-A: \t b \t ")),
    _health("T24", "bytes beyond ASCII in a value", get(b"/health", b"X-A: caf\xc3\xa9")),
    _health("T24", "empty value", get(b"/health", b"X-A:")),
    _health("T24", "HTTP/1.0", get(version=b"HTTP/1.0"), connection=CLOSED),
    _health("T24", "HTTP/1.0 kept alive", get(b"/health", b"Connection: keep-alive", version=b"HTTP/1.0")),
    _health("T24", "Connection: close", get(b"/health", b"Connection: close"), connection=CLOSED),
    _health("T24", "Connection: a, Close", get(b"/health", b"Connection: a, Close"), connection=CLOSED),
    _health("T24", "HEAD", message(b"HEAD /health HTTP/1.1", body=None, auth=None), method="HEAD"),
    Case("T24", "HEAD /", message(b"HEAD / HTTP/1.1", body=None, auth=None), (200,), KEPT, VALID, method="HEAD", console=(200, 401)),
)


def _host(name: str, value: bytes, *status: int, choice: str = "") -> Case:
    return _framing("T26", name, message(host=b"Host: " + value), *(status or (400,)), choice=choice)


HOSTS: Final = (
    _framing("T26", "no Host", message(host=None)),
    _framing("T26", "two Hosts, equal", message(CHAT, b"Host: " + HOST)),
    _framing("T26", "two Hosts, different", message(CHAT, b"Host: other.example")),
    _host("Host empty", b""),
    _host("Host with a path", b"x/pub"),
    _host("Host with a query", b"x?y"),
    _host("Host with a fragment", b"x#y"),
    _host("Host with a user", b"me@x"),
    _host("Host with a path and a query", HOST + b"/health?"),
    _host("Host with a space", b"x y"),
    _host("Host with a backslash", b"x\\y"),
    _host("Host beyond ASCII", "exämple".encode()),
    _host("Host in brackets that do not close", b"[::1"),
    _host("Host in brackets with letters", b"[xyz]"),
    _host("Host in brackets, three colons", b"[:::]"),
    _host("Host in brackets, an IPv4 address", b"[127.0.0.1]"),
    _host("Host an IPv6 address with a zone", b"[fe80::1%25eth0]"),
    _host("Host an IPv6 address with a raw zone", b"[fe80::1%eth0]"),
    _host("Host an IPv6 address without brackets", b"::1"),
    _host("Host with port 0", b"localhost:0"),
    _host("Host with port 65536", b"localhost:65536"),
    _host("Host with a port of letters", b"localhost:http"),
    _host("Host with a negative port", b"localhost:-1"),
    _host("Host with a port and a plus", b"localhost:+80"),
    _host("Host with two ports", b"localhost:80:80"),
    _host("Host only a port", b":4000"),
    _host("Host a list", b"localhost, other.example"),
    _host("Host of 300 letters", b"a" * 300),
    _host("Host with markup", b"<script>"),
    _health("T26", "HTTP/1.0 without Host", get(version=b"HTTP/1.0", host=None), connection=CLOSED),
    _health("T26", "Host a name with an underscore", get(host=b"Host: my_gateway:4000")),
    _health("T26", "Host with leading zeros in its port", get(host=b"Host: localhost:04000")),
    _health("T26", "Host a name", get(host=b"Host: localhost")),
    _health("T26", "Host an IPv6 address", get(host=b"Host: [::1]:4000")),
    _health("T26", "Host in capitals", get(host=b"HOST: LOCALHOST:4000")),
)

VARIANTS: Final = (
    ("two dots", b"/v1/../v1/chat/completions"),
    ("two dots from a public path", b"/health/../v1/chat/completions"),
    ("two dots at the end", b"/v1/chat/completions/.."),
    ("one dot", b"/v1/./chat/completions"),
    ("two slashes first", b"//v1/chat/completions"),
    ("two slashes inside", b"/v1//chat/completions"),
    ("slash at the end", b"/v1/chat/completions/"),
    ("encoded slash", b"/v1%2fchat/completions"),
    ("encoded slash in capitals", b"/v1%2Fchat%2Fcompletions"),
    ("encoded dots", b"/v1/%2e%2e/v1/chat/completions"),
    ("encoded letter", b"/v1/ch%61t/completions"),
    ("encoded twice", b"/v1/ch%2561t/completions"),
    ("encoded NUL", b"/v1/chat/completions%00"),
    ("encoded line end", b"/v1/chat/completions%0d%0aX-A:b"),
    ("broken encoding", b"/v1/chat/completions%zz"),
    ("semicolon", b"/v1/chat/completions;a=b"),
    ("semicolon inside", b"/v1;a=b/chat/completions"),
    ("other case", b"/V1/Chat/Completions"),
    ("backslash", b"/v1\\chat\\completions"),
)

PREFLIGHT: Final = (b"Origin: https://other.example", b"Access-Control-Request-Method: POST")

TARGETS: Final = (
    *(
        _gateway(
            "T02", f"target: {name}", message(b"POST " + target + b" HTTP/1.1"), 404, 400, choice="no such route, or an ambiguous path"
        )
        for name, target in VARIANTS
    ),
    *(
        Case(
            "T02",
            f"no credential, {name}",
            message(b"GET " + target + b" HTTP/1.1", auth=None, body=None),
            (404,),
            KEPT,
            GATEWAY,
            method="GET",
            choice="who has no key learns nothing of the routes",
        )
        for name, target in (
            ("two dots", b"/health/../v1/models"),
            ("encoded dots", b"/health/%2e%2e/v1/models"),
            ("encoded slash", b"/health%2f..%2fv1/models"),
            ("semicolon", b"/health;/../v1/models"),
            ("two slashes", b"//v1/models"),
            ("other case", b"/V1/MODELS"),
        )
    ),
    _gateway("T02", "target: fragment", message(b"POST /v1/chat/completions#a HTTP/1.1"), 404, 400, choice="no route, or no target at all"),
    _framing("T02", "target: no slash first", message(b"POST v1/chat/completions HTTP/1.1")),
    _framing("T02", "target: asterisk", message(b"POST * HTTP/1.1")),
    _framing(
        "T02",
        "target: absolute, of another authority",
        message(b"POST http://other.example/v1/chat/completions HTTP/1.1"),
        400,
        404,
        421,
        choice="RFC 9110 7.4: a misdirected request may get 421",
    ),
    _framing(
        "T02",
        "target: absolute, with a user",
        message(b"POST http://me@" + HOST + b"/v1/chat/completions HTTP/1.1"),
        400,
        404,
        421,
        choice="RFC 9110 4.2.4: a userinfo should be treated as an error",
    ),
    _framing(
        "T02",
        "target: absolute, of another scheme",
        message(b"POST file:///v1/chat/completions HTTP/1.1"),
        400,
        404,
        421,
        choice="no such route, or misdirected",
    ),
    _framing(
        "T02",
        "target: CONNECT",
        message(b"CONNECT other.example:443 HTTP/1.1", body=None),
        501,
        400,
        405,
        method="GET",
        choice="RFC 9110 9.3.6: an origin server need not implement CONNECT",
    ),
    _framing(
        "T02",
        "target: CONNECT of a path",
        message(b"CONNECT /v1/chat/completions HTTP/1.1", body=None),
        501,
        400,
        405,
        method="GET",
        choice="RFC 9110 9.3.6: an origin server need not implement CONNECT",
    ),
    _framing(
        "T02",
        "method nobody knows",
        message(b"BREW /v1/chat/completions HTTP/1.1"),
        400,
        405,
        501,
        choice="RFC 9110 9.1: an unknown method should get 501, one not allowed here 405",
    ),
    _framing(
        "T02",
        "method in small letters",
        message(b"post /v1/chat/completions HTTP/1.1"),
        400,
        405,
        501,
        choice="RFC 9110 9.1: an unknown method should get 501, one not allowed here 405",
    ),
    _gateway("T02", "method not of this route", message(b"DELETE /v1/chat/completions HTTP/1.1"), 405),
    _framing(
        "T02",
        "TRACE",
        message(b"TRACE /v1/chat/completions HTTP/1.1", body=None),
        501,
        405,
        choice="RFC 9110 9.1: not implemented is 501, not allowed here 405",
    ),
    _gateway(
        "T02",
        "method in another header",
        message(b"GET /v1/chat/completions HTTP/1.1", b"X-HTTP-Method-Override: POST", body=None),
        405,
        method="GET",
    ),
    _gateway("T02", "OPTIONS of everything", message(b"OPTIONS * HTTP/1.1", body=None), 404, method="GET"),
    _gateway(
        "T02",
        "OPTIONS of the route, from a browser",
        message(b"OPTIONS /v1/chat/completions HTTP/1.1", *PREFLIGHT, body=None),
        405,
        method="GET",
    ),
    _gateway("T02", "GET of a POST route", message(b"GET /v1/chat/completions HTTP/1.1", body=None), 405, method="GET"),
    _gateway("T02", "HEAD of a POST route", message(b"HEAD /v1/chat/completions HTTP/1.1", body=None), 405, method="HEAD"),
    _gateway("T02", "POST of a GET route", message(b"POST /v1/models HTTP/1.1"), 405),
    _gateway("T02", "POST of a public route", message(b"POST /health HTTP/1.1"), 405),
    _gateway("T02", "slash behind a public route", message(b"GET /health/ HTTP/1.1", body=None, auth=None), 404, method="GET"),
    _chat("T02", "query after the route", message(b"POST /v1/chat/completions?a=b HTTP/1.1")),
    _chat("T02", "target: absolute, our own", message(b"POST http://" + HOST + b"/v1/chat/completions HTTP/1.1")),
    _chat("T02", "the route without /v1", message(b"POST /chat/completions HTTP/1.1")),
)

_BEARER = b"Authorization: Bearer " + KEY

CREDENTIALS: Final = (
    _chat("T03", "blanks around the credential", message(auth=b"Authorization: \t Bearer " + KEY + b" \t ")),
    _gateway("T03", "two credentials that differ", message(CHAT, b"x-api-key: sk-sek-other")),
    _gateway(
        "T03", "two credentials that differ, of less known names", message(CHAT, b"api-key: sk-sek-other", auth=b"x-goog-api-key: " + KEY)
    ),
    _framing("T27", "Authorization twice, equal", message(CHAT, _BEARER)),
    _framing("T27", "Authorization twice, different", message(CHAT, b"Authorization: Bearer sk-sek-other")),
    _framing("T27", "Authorization twice, the valid one last", message(CHAT, _BEARER, auth=b"Authorization: Bearer sk-sek-other")),
    _framing("T27", "x-api-key twice", message(CHAT, b"x-api-key: " + KEY, auth=b"x-api-key: " + KEY)),
    _framing("T27", "Content-Type twice", message(CHAT, b"Content-Type: text/plain")),
    _framing("T27", "Content-Length beside Content-length", message(CHAT, b"content-length: 1")),
    _gateway("T03", "credential only in the query", message(b"POST /v1/chat/completions?api_key=" + KEY + b" HTTP/1.1", auth=None), 400),
    _gateway(
        "T03",
        "credential only in the query, as Gemini's clients may",
        message(b"POST /v1/chat/completions?key=" + KEY + b" HTTP/1.1", auth=None),
        400,
    ),
    _gateway("T03", "credential only in a cookie", message(CHAT, b"Cookie: api_key=" + KEY + b"; session=" + KEY, auth=None), 401),
    _gateway("T03", "credential only in the body", message(body=BODY[:-1] + b',"api_key":"' + b"sk-sek-other" + b'"}', auth=None), 401),
    _gateway("T03", "no credential", message(auth=None), 401),
    _gateway("T05", "key of another shape", message(auth=b"Authorization: Bearer nonsense"), 401),
    _gateway("T05", "key of nobody", message(auth=b"Authorization: Bearer sk-sek-0123456789abcdef-" + b"A" * 43), 401),
    _gateway("T05", "key with a letter more", message(auth=_BEARER + b"A"), 401),
    _gateway("T05", "key in another case", message(auth=b"Authorization: Bearer SK-SEK-0123456789ABCDEF-" + b"A" * 43), 401),
    _gateway("T05", "key empty", message(auth=b"Authorization: Bearer "), 401),
    _gateway("T05", "key of 8,000 letters", message(auth=b"Authorization: Bearer sk-sek-" + b"a" * 8000), 401),
    _gateway("T05", "key beyond ASCII", message(auth=b"Authorization: Bearer sk-sek-\xff\xfe-x"), 401),
    _gateway("T05", "key under Basic", message(auth=b"Authorization: Basic " + KEY), 401),
    _gateway("T05", "key with a space inside", message(auth=b"Authorization: Bearer sk-sek-a b"), 401),
    _framing("T27", "underscore in a name", message(CHAT, b"X_Auth: a")),
    _framing("T27", "Transfer_Encoding beside a length", message(CHAT, b"Transfer_Encoding: chunked")),
    _framing("T27", "Content_Length beside a length", message(CHAT, b"Content_Length: 3")),
    _framing("T27", "underscore in a name of our own", message(CHAT, b"x_sekisho_client_address: 10.0.0.1")),
    _chat("T03", "one credential in small letters", message(auth=b"authorization: bearer " + KEY)),
    _chat("T03", "credential in x-api-key", message(auth=b"x-api-key: " + KEY)),
    _chat("T03", "credential in api-key", message(auth=b"Api-Key: " + KEY)),
    _chat("T03", "credential in x-goog-api-key", message(auth=b"X-Goog-Api-Key: " + KEY)),
    _chat("T03", "the same credential twice, under two names", message(CHAT, b"x-api-key: " + KEY)),
)


def _fields(count: int) -> tuple[bytes, ...]:
    return tuple(b"X-%d: b" % number for number in range(count))


BOUNDS: Final = (
    _framing("T28", "a field of 33 KiB", lambda: get(b"/health", b"X-A: " + b"a" * 33 * 1024), 431, method="GET"),
    _framing("T28", "a field of 1 MiB", lambda: get(b"/health", b"X-A: " + b"a" * 1024**2), 431, method="GET"),
    _framing("T28", "a name of 33 KiB", lambda: get(b"/health", b"a" * 33 * 1024 + b": b"), 431, method="GET"),
    _framing("T28", "fields of 64 KiB together", lambda: get(b"/health", *(b"X-A: " + b"a" * 900 for _ in range(70))), 431, method="GET"),
    _framing("T28", "101 fields", lambda: get(b"/health", *_fields(100)), 431, method="GET"),
    _framing("T28", "20,000 fields", lambda: get(b"/health", *_fields(20_000)), 431, method="GET"),
    _framing("T28", "a target of 8,193 bytes", lambda: get(b"/health?" + b"a" * (8193 - 8)), 414, method="GET"),
    _framing("T28", "a target of 70 KB", lambda: get(b"/health?" + b"a" * 70_000), 414, method="GET"),
    _framing("T28", "a target without end", lambda: b"GET /" + b"a" * 300_000, 414, method="GET"),
    _framing(
        "T28",
        "a method without end",
        lambda: b"A" * 300_000,
        400,
        414,
        501,
        choice="RFC 9112 3: a method longer than any known should get 501",
    ),
    _framing("T28", "empty lines without end", lambda: b"\r\n" * 600_000, 400, 431, choice="RFC 9112 2.2 asks to skip one"),
    _framing("T28", "a field name without end", lambda: b"GET /health HTTP/1.1\r\nHost: a\r\n" + b"a" * 300_000, 431, method="GET"),
    _framing("T28", "a field value without end", lambda: b"GET /health HTTP/1.1\r\nHost: a\r\nX-A: " + b"a" * 300_000, 431, method="GET"),
    _health("T28", "100 fields", lambda: get(b"/health", *_fields(99))),
    _health("T28", "fields of 30 KiB", lambda: get(b"/health", b"X-A: " + b"a" * 30 * 1024)),
    _health("T28", "a target of 8,000 bytes", lambda: get(b"/health?" + b"a" * 7992)),
    _framing("T33", "a declared body of ten GiB", message(CHAT, b"Content-Length: %d" % LIMIT, framed=False, body=b"{"), 413),
    _framing("T33", "a chunk of ten GiB", lambda: coded(b"%x\r\n" % LIMIT + b" " * 40 * 1024**2), 413),
    _framing(
        "T33",
        "a declared body of ten GiB, asked first",
        message(CHAT, b"Expect: 100-continue", b"Content-Length: %d" % LIMIT, framed=False, body=b""),
        413,
    ),
    _framing("T33", "a chunked body without end", lambda: coded(chunked(*(b" " * 65_536,) * 600, end=b"")), 413),
    _framing("T33", "a chunked body without end, in small chunks", lambda: coded((b"40\r\n" + b" " * 64 + b"\r\n") * 560_000), 413),
)

EXPECTATIONS: Final = (
    _chat("T24", "Expect: 100-continue", message(CHAT, b"Expect: 100-continue"), interim=(100,)),
    _chat("T24", "Expect: 100-Continue", message(CHAT, b"Expect: 100-Continue"), interim=(100,)),
    _framing("T24", "Expect of another thing", message(CHAT, b"Expect: 200-ok"), 417),
    _framing("T24", "Expect of two things", message(CHAT, b"Expect: 100-continue, 200-ok"), 417),
    _chat("T24", "Expect on HTTP/1.0", message(b"POST /v1/chat/completions HTTP/1.0", b"Expect: 100-continue"), connection=CLOSED),
    _gateway("T24", "Expect with a bad key", message(CHAT, b"Expect: 100-continue", auth=b"Authorization: Bearer nonsense"), 401),
)

UPGRADE: Final = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA")

PIPELINES: Final = (
    _health("T24", "two requests in one breath", get() + get(), answers=2),
    _health("T24", "eight requests in one breath", get() * 8, answers=8),
    _health("T24", "a body to a route that takes none", message(b"GET /health HTTP/1.1", auth=None)),
    Case("T24", "a chat and another in one breath", message() + message(), (200,), KEPT, VALID, answers=2, body=BODY),
    _health("T24", "an Upgrade to h2c is declined", get(b"/health", *UPGRADE), connection=CLOSED),
    _chat("T24", "an Upgrade beside a body is declined", message(CHAT, *UPGRADE), connection=CLOSED),
    _chat("T24", "an Upgrade beside chunks is declined", coded(CODED, TE, *UPGRADE), connection=CLOSED),
)

CODED_BODIES: Final = (
    *(
        _gateway(
            "T35", f"Content-Encoding: {name.decode()}", message(CHAT, b"Content-Encoding: " + name, body=body), 415, connection=CLOSED
        )
        for name, body in (
            (b"gzip", gzip.compress(BODY, mtime=0)),
            (b"deflate", zlib.compress(BODY)),
            (b"br", BODY),
            (b"zstd", BODY),
            (b"identity, gzip", BODY),
            (b"nonsense", BODY),
        )
    ),
    _gateway(
        "T35",
        "a gzip bomb",
        lambda: message(CHAT, b"Content-Encoding: gzip", body=gzip.compress(bytes(32 * 1024**2), mtime=0)),
        415,
        connection=CLOSED,
    ),
    _framing("T35", "Content-Encoding twice", message(CHAT, b"Content-Encoding: gzip", b"Content-Encoding: gzip")),
    _chat("T35", "Content-Encoding: identity", message(CHAT, b"Content-Encoding: identity")),
    _chat("T34", "a body under another type", message(CHAT, b"Content-Type: text/plain", length(BODY), framed=False)),
)


def _json(name: str, body: Bytes, *status: int) -> Case:
    sent: Bytes = (lambda: message(body=body())) if callable(body) else message(body=body)
    return _gateway("T34", name, sent, *(status or (400,)))


JSON: Final = (
    _json("JSON: arrays 100,000 deep", lambda: document(b'"x":' + b"[" * 100_000 + b"]" * 100_000).partition(b"\r\n\r\n")[2]),
    _json("JSON: objects 100,000 deep", lambda: document(b'"x":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000).partition(b"\r\n\r\n")[2]),
    _json("JSON: a million open brackets", lambda: b"[" * 1_000_000),
    _json("JSON: a million open braces", lambda: b'{"a":' * 1_000_000),
    _json("JSON: messages 100,000 deep", lambda: b'{"model":"up/echo-model","messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    _json("JSON: a million keys", lambda: BODY[:-1] + b"," + b",".join(b'"k%d":0' % number for number in range(1_000_000)) + b"}"),
    _json(
        "JSON: a million keys, a blank before each colon",
        lambda: BODY[:-1] + b"," + b",".join(b'"k%d" :0' % n for n in range(1_000_000)) + b"}",
    ),
    _json(
        "JSON: a million keys inside", lambda: BODY[:-1] + b',"metadata":{' + b",".join(b'"k%d":0' % n for n in range(1_000_000)) + b"}}"
    ),
    _json("JSON: an integer of a million digits", lambda: BODY[:-1] + b',"seed":' + b"1" * 1_000_000 + b"}"),
    _json("JSON: max_tokens of a million digits", lambda: BODY[:-1] + b',"max_tokens":' + b"1" * 1_000_000 + b"}"),
    _json("JSON: a number of a million digits after the point", lambda: BODY[:-1] + b',"temperature":0.' + b"1" * 1_000_000 + b"}"),
    _json("JSON: NaN", BODY[:-1] + b',"temperature":NaN}'),
    _json("JSON: Infinity", BODY[:-1] + b',"temperature":Infinity}'),
    _json("JSON: minus Infinity", BODY[:-1] + b',"temperature":-Infinity}'),
    _json("JSON: NaN deep inside", BODY[:-1] + b',"metadata":{"a":[NaN]}}'),
    _json("JSON: model twice", BODY[:-1] + b',"model":"up/other"}'),
    _json("JSON: model twice, equal", BODY[:-1] + b',"model":"up/echo-model"}'),
    _json("JSON: model twice, once in escapes", BODY[:-1] + b',"mod\\u0065l":"up/other"}'),
    _json("JSON: model twice, once wholly in escapes", BODY[:-1] + b',"\\u006d\\u006f\\u0064\\u0065\\u006C":"up/other"}'),
    _json("JSON: stream twice", BODY[:-1] + b',"stream":false,"stream":true}'),
    _json("JSON: messages twice", BODY[:-1] + b',"messages":[]}'),
    _json("JSON: max_tokens twice", BODY[:-1] + b',"max_tokens":1,"max_tokens":100000}'),
    _json(
        "JSON: stream_options twice, once in escapes", BODY[:-1] + b',"stream_options":null,"stream_option\\u0073":{"include_usage":true}}'
    ),
    _json("JSON: bad UTF-8 in a value", BODY.replace(MARKER, MARKER + b"\xff\xfe")),
    _json("JSON: UTF-8 cut short", BODY.replace(MARKER, MARKER + b"\xe3\x81")),
    _json("JSON: UTF-8 too long", BODY.replace(MARKER, MARKER + b"\xc0\xaf")),
    _json("JSON: UTF-8 of a surrogate", BODY.replace(MARKER, MARKER + b"\xed\xa0\x80")),
    _json("JSON: bad UTF-8 in a name", BODY[:-1] + b',"\xff":1}'),
    _json("JSON: bad UTF-8 in an unknown field", BODY[:-1] + b',"metadata":{"a":"\xff"}}'),
    _json("JSON: lone high surrogate", BODY.replace(MARKER, MARKER + b"\\ud800")),
    _json("JSON: lone low surrogate", BODY.replace(MARKER, MARKER + b"\\udc00")),
    _json("JSON: surrogates the wrong way round", BODY.replace(MARKER, MARKER + b"\\udc00\\ud800")),
    _json("JSON: lone surrogate in an unknown field", BODY[:-1] + b',"metadata":{"a":"\\ud800"}}'),
    _json("JSON: another document after it", BODY + BODY),
    _json("JSON: letters after it", BODY + b"x"),
    _json("JSON: NUL after it", BODY + b"\x00"),
    _json("JSON: a comma after it", BODY + b","),
    _json("JSON: a comma too many", BODY[:-1] + b",}"),
    _json("JSON: a comment", BODY[:-1] + b"/* a */}"),
    _json("JSON: single quotes", BODY.replace(b'"', b"'")),
    _json("JSON: raw line end in a string", BODY.replace(MARKER, MARKER + b"\n")),
    _json("JSON: a bad escape", BODY.replace(MARKER, MARKER + b"\\x")),
    _json("JSON: a leading zero", BODY[:-1] + b',"seed":01}'),
    _json("JSON: cut short", BODY[:-1]),
    _json("JSON: empty", b""),
    _json("JSON: only spaces", b"  \r\n "),
    _json("JSON: an array", b"[" + BODY + b"]"),
    _json("JSON: a string", b'"' + MARKER + b'"'),
    _json("JSON: a number", b"1"),
    _json("JSON: null", b"null"),
    _json("JSON: UTF-16", BODY.decode().encode("utf-16")),
    _json("JSON: model missing", BODY.replace(b'"model"', b'"modle"')),
    _json("JSON: model a number", BODY.replace(b'"up/echo-model"', b"1")),
    _json("JSON: model an array", BODY.replace(b'"up/echo-model"', b'["up/echo-model"]')),
    _json("JSON: model null", BODY.replace(b'"up/echo-model"', b"null")),
    _json("JSON: stream a string", BODY[:-1] + b',"stream":"true"}'),
    _json("JSON: max_tokens a text", BODY[:-1] + b',"max_tokens":"1"}'),
)


def _served(name: str, body: bytes) -> Case:
    return _chat("T34", name, message(body=body), body)


SPELLINGS: Final = (
    _served("JSON: spaces, numbers and unknown fields", b' {\t"x" : {"a":[1,2.50,-0,1e5,true,null,""]} ,\r\n' + BODY[1:] + b" \r\n"),
    _served("JSON: a name in escapes", BODY.replace(b'"model"', b'"m\\u006fdel"')),
    _served("JSON: a value in escapes", BODY.replace(b'"up/echo-model"', b'"up\\/echo-model"')),
    _served("JSON: a pair of surrogates", BODY.replace(MARKER, MARKER + b"\\ud83d\\ude00 \\u0000 \\\\ud800")),
    _served("JSON: characters of four bytes", BODY.replace(MARKER, MARKER + "関所😀".encode())),
    _served("JSON: an unknown field twice", BODY[:-1] + b',"x":1,"x":2}'),
    _served("JSON: model twice, but one inside another object", BODY[:-1] + b',"metadata":{"model":"a","model":"b"}}'),
    _served("JSON: model as a text elsewhere", BODY[:-1] + b',"metadata":{"a":"\\"model\\":\\"x\\"","b":"model"}}'),
    _served("JSON: fifty deep", BODY[:-1] + b',"x":' + b"[" * 50 + b"]" * 50 + b"}"),
)

CASES: Final[tuple[Case, ...]] = (
    *LENGTHS,
    *CODINGS,
    *CHUNKS,
    *HEADS,
    *HOSTS,
    *TARGETS,
    *CREDENTIALS,
    *BOUNDS,
    *EXPECTATIONS,
    *PIPELINES,
    *CODED_BODIES,
    *JSON,
    *SPELLINGS,
)
