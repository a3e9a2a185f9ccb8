"""How a message of the table is spelled: byte strings with places that are filled in for each run.

A place has the length of what fills it only where it stands inside a body (`MARKER`), so that a `Content-Length` written in the
table stays true.
"""

from collections.abc import Iterable
from typing import Final

MARKER: Final = b"%%%MARKER%%%"
"""Twelve bytes inside the body, replaced by twelve others that name case, port and run: by them the upstream's log is read."""
KEY: Final = b"%%KEY%%"
"""A valid key of the product under test."""
HOST: Final = b"%%HOST%%"
"""Address and port of the listener, as a client would write them."""
MODEL: Final = b"up/echo-model"
"""The model that the table asks for; the upstream sees it without its provider."""

CHAT: Final = b"POST /v1/chat/completions HTTP/1.1"
BODY: Final = b'{"model":"' + MODEL + b'","messages":[{"role":"user","content":"' + MARKER + b'"}]}'


def length(body: bytes) -> bytes:
    """The one plain `Content-Length` line of a body."""
    return b"Content-Length: %d" % len(body)


def message(
    start: bytes = CHAT,
    *fields: bytes,
    body: bytes | None = BODY,
    host: bytes | None = b"Host: " + HOST,
    auth: bytes | None = b"Authorization: Bearer " + KEY,
    framed: bool = True,
) -> bytes:
    """A request that is whole and valid but for what the caller changes.

    Args:
        start: the request line, without its end.
        fields: further header lines, verbatim, each without its end.
        body: what follows the head; None means none and no length.
        host: the line of the host; None leaves it out.
        auth: the line of the credential; None leaves it out.
        framed: whether `Content-Length` and `Content-Type` are written for the body.

    """
    lines = [start]
    if host is not None:
        lines.append(host)
    if auth is not None:
        lines.append(auth)
    if body is not None and framed:
        lines += [b"Content-Type: application/json", length(body)]
    lines += fields
    return b"\r\n".join(lines) + b"\r\n\r\n" + (body or b"")


def get(target: bytes = b"/health", *fields: bytes, version: bytes = b"HTTP/1.1", host: bytes | None = b"Host: " + HOST) -> bytes:
    """A GET without credential and body."""
    return message(b"GET " + target + b" " + version, *fields, body=None, auth=None, host=host)


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    """The chunks as the standard spells them, and the end."""
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + end


def coded(body: bytes, *fields: bytes) -> bytes:
    """A chat request in chunked coding whose coded body is given verbatim; `fields` replace the plain `Transfer-Encoding` line."""
    return message(CHAT, *(fields or (b"Transfer-Encoding: chunked",)), body=body, framed=False)


def document(inside: bytes) -> bytes:
    """A chat request whose body is the usual object with more members in it."""
    return message(body=BODY[:-1] + b"," + inside + b"}")


def fill(sent: bytes, *, marker: bytes, key: bytes, host: bytes) -> bytes:
    """Put the run's own values into the places."""
    if len(marker) != len(MARKER):
        raise ValueError(f"a marker has {len(MARKER)} bytes: {marker!r}")
    return sent.replace(MARKER, marker).replace(KEY, key).replace(HOST, host)


def pieces(data: bytes, whole_limit: int = 12_000, edge: int = 1_500, middle: int = 4_093) -> Iterable[bytes]:
    """Cut into single bytes; of a long message only both edges, and the middle in pieces of a prime length."""
    if len(data) <= whole_limit:
        yield from (data[at : at + 1] for at in range(len(data)))
        return
    yield from (data[at : at + 1] for at in range(edge))
    last = len(data) - edge
    yield from (data[at : min(at + middle, last)] for at in range(edge, last, middle))
    yield from (data[at : at + 1] for at in range(last, len(data)))
