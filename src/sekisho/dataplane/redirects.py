"""Where TLS is on, plain HTTP is served nothing: reading is sent to the same place over TLS (301), anything else is refused (403).

A refusal, not a redirect, for what has a body: it has crossed the network in clear already, and its sender should know.
"""

import re
from collections.abc import Callable, Coroutine
from typing import Any, Final

import msgspec

from sekisho.core.model.errors import Kind, Refusal
from sekisho.core.wire.http1.writers import status_line
from sekisho.dataplane.stages import Exchange, Plane

_HOST: Final = re.compile(rb"([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:\d{1,5})?")
_TARGET: Final = re.compile(r"/[!-~]*")
HTTPS_PORT: Final = 443
"""The port that an address need not name."""


def to_https(port: int) -> Callable[[Exchange, Plane], Coroutine[Any, Any, None]]:
    """The serving function of a door in clear whose TLS is on this port."""

    async def serve(x: Exchange, plane: Plane) -> None:
        plane.let_go(x.held)
        x.held = 0
        x.closing = True
        if not x.client.gone:
            x.client.write(_answer(x, plane, port))

    return serve


def _answer(x: Exchange, plane: Plane, port: int) -> bytes:
    head = x.head
    location = _location(x, port)
    refusal, field = x.refusal, b""
    if refusal is None and location and head is not None and head.method in ("GET", "HEAD"):
        refusal = Refusal(301, Kind.INVALID, "https_required", "this is served over HTTPS; the location header says where")
        field = b"location: %b\r\n" % location
    elif refusal is None:
        message = f"this is served over HTTPS only, on port {port}; what was sent here has crossed the network in clear"
        refusal = Refusal(403, Kind.PERMISSION, "https_required", message, should_retry=False)
    error = {"type": refusal.kind.value, "code": refusal.code, "message": refusal.message, "param": refusal.param}
    body = msgspec.json.encode({"error": {**error, "request_id": x.request_id}})
    return b"%bcontent-type: application/json\r\ncontent-length: %d\r\nx-request-id: %b\r\nconnection: close\r\n%b%b\r\n%b" % (
        status_line(refusal.status),
        len(body),
        x.request_id.encode("ascii"),
        field,
        plane.common_fields,
        b"" if head is not None and head.method == "HEAD" else body,
    )


def _location(x: Exchange, port: int) -> bytes:
    """The same place over TLS; empty where the request names none that could be."""
    head = x.head
    host = _HOST.fullmatch(head.headers.get(b"host", b"")) if head is not None else None
    if head is None or host is None:
        return b""
    target = f"{head.path}?{head.query}" if head.query else head.path
    if not _TARGET.fullmatch(target):
        return b""
    return b"https://%b%b%b" % (host[1], b"" if port == HTTPS_PORT else b":%d" % port, target.encode("ascii"))
