"""Valid requests in many spellings, and what may happen to bytes on their way.

`SEKISHO_TEST_EXAMPLES` says how many examples each test tries; the default is for every run, a million for a long night.
"""

import os
from dataclasses import dataclass

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

FUZZ = settings(
    max_examples=int(os.environ.get("SEKISHO_TEST_EXAMPLES", "400")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

TOKEN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-!#$%&'*+.^`|~"
SINGLE = ("host", "content-length", "transfer-encoding", "connection", "expect", "upgrade", "content-encoding", "te", "trailer")
"""Names that mean something to the framing; the generator writes them itself."""


@dataclass(frozen=True)
class Spelled:
    """A valid request and what it means."""

    sent: bytes
    method: str
    target: str
    body: bytes


def blanks_behind(name: str) -> st.SearchStrategy[str]:
    """Blanks behind a value; a tab behind a coding is refused by the parser, which the door's table says."""
    return st.text(" ", max_size=3) if name.lower() == "transfer-encoding" else blanks


def casings(name: str) -> st.SearchStrategy[str]:
    """The same name in other capitals."""
    return st.sampled_from([name, name.upper(), name.title(), name.swapcase()])


names = st.text(TOKEN, min_size=1, max_size=12).filter(lambda name: name.lower() not in SINGLE)
blanks = st.text(" \t", max_size=3)
values = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=30).map(str.strip)
targets = st.text("abcxyz0189-._~%!$&'()*+,;=:@/", max_size=40).map(lambda rest: "/" + rest.replace("%", "%41"))
queries = st.one_of(st.just(""), st.text("abc=&/?019", max_size=20).map("?".__add__))
extensions = st.sampled_from([b"", b";a", b";a=b", b';a="b c"', b";a=b;c=d"])


@st.composite
def chunkings(draw: st.DrawFn, body: bytes) -> bytes:
    """A body in chunked coding, cut anywhere, sizes spelled in any way that the standard knows."""
    coded = b""
    at = 0
    while at < len(body):
        size = draw(st.integers(1, len(body) - at))
        digits = draw(st.sampled_from([b"%x", b"%X", b"0%x", b"000%X"])) % size
        coded += digits + draw(extensions) + b"\r\n" + body[at : at + size] + b"\r\n"
        at += size
    trailer = draw(st.sampled_from([b"", b"X-Checksum: a\r\n", b"X-A: b\r\nX-C:\r\n"]))
    return coded + draw(st.sampled_from([b"0", b"000"])) + b"\r\n" + trailer + b"\r\n"


@st.composite
def requests(draw: st.DrawFn, body: st.SearchStrategy[bytes] | None = None) -> Spelled:
    """One valid request: any order, casing, blanks and chunking."""
    method = draw(st.sampled_from(["POST", "POST", "PUT", "GET", "DELETE", "OPTIONS"]))
    target = draw(targets) + draw(queries)
    content = draw(body if body is not None else st.binary(max_size=200))
    coded = draw(st.booleans())
    fields = draw(st.lists(st.tuples(names, values), max_size=6))
    fields.append((draw(casings("host")), draw(st.sampled_from(["a", "localhost:4000", "[::1]:80", "A.example"]))))
    if coded:
        fields.append((draw(casings("transfer-encoding")), draw(casings("chunked"))))
        tail = draw(chunkings(content))
    elif content or draw(st.booleans()):
        fields.append((draw(casings("content-length")), draw(st.sampled_from(["%d", "0%d", "00%d"])) % len(content)))
        tail = content
    else:
        tail = b""
    lines = [f"{name}:{draw(blanks)}{value}{draw(blanks_behind(name))}" for name, value in draw(st.permutations(fields))]
    head = "\r\n".join([f"{method} {target} HTTP/1.1", *lines, "", ""])
    return Spelled(head.encode() + tail, method, target, content)


@st.composite
def mutations(draw: st.DrawFn, sent: bytes) -> bytes:
    """The same bytes with a few accidents: changed, lost, doubled or inserted ones."""
    data = bytearray(sent)
    for _ in range(draw(st.integers(1, 4))):
        if not data:
            break
        at = draw(st.integers(0, len(data) - 1))
        length = draw(st.integers(1, 8))
        match draw(st.sampled_from(["change", "lose", "double", "insert", "move"])):
            case "change":
                data[at] = draw(st.integers(0, 255))
            case "lose":
                del data[at : at + length]
            case "double":
                data[at:at] = data[at : at + length]
            case "insert":
                data[at:at] = draw(st.sampled_from(INSERTED))
            case _:
                piece = data[at : at + length]
                del data[at : at + length]
                to = draw(st.integers(0, len(data)))
                data[to:to] = piece
    return bytes(data)


INSERTED = (
    b"\r\n",
    b"\n",
    b"\r",
    b"\x00",
    b" ",
    b"\t",
    b":",
    b"0\r\n\r\n",
    b"\r\n\r\n",
    b"Content-Length: 0\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Host: b\r\n",
    b"HTTP/1.0",
    b"RTSP/1.0",
    b"Connection: close\r\n",
    b"Upgrade: h2c\r\nConnection: upgrade\r\n",
    b"Expect: 100-continue\r\n",
    b"\xff",
    b"_",
    b",",
    b";",
    b'"',
    b"-",
    b"+",
    b"0x",
    b"\x0b",
)


@st.composite
def cuts(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """The bytes in any pieces."""
    places = sorted(draw(st.lists(st.integers(0, len(data)), max_size=12)))
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]
