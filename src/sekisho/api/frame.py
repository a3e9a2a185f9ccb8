"""What surrounds every request: its id, a bound on its body, the headers of every answer, and the last net under a fault of ours.

Written on ASGI itself: the framework's own middleware class costs a task and a queue per request.
"""

import logging
import os
import re
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sekisho.core.model.errors import Kind, Refusal
from sekisho.core.model.ids import readable
from sekisho.rest.errors import body
from sekisho.rest.permissions import DOOR, REQUEST_ID, TUNNEL
from sekisho.rest.texts import ZERO

_log: Final = logging.getLogger(__name__)

MAX_BODY: Final = 1024 * 1024
"""Bytes of a management request: the largest that makes sense is a bundle of authorities."""

_OURS: Final = re.compile(r"req_[0-9a-z]{8,40}")

HEADERS: Final = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    # For whoever opens an answer as a page; the console's own page brings its own.
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
}


def too_large() -> Refusal:
    return Refusal(413, Kind.INVALID, "body_too_large", f"the body is larger than {MAX_BODY} bytes, the most that is taken here")


def _unspeakable() -> Refusal:
    return Refusal(400, Kind.INVALID, "invalid_request", "the address holds the character zero (%00); nothing here is called so")


def _request_id(scope: Scope) -> str:
    """The worker's own, where the request came through it: then header, body, log and record name the same. Else a new one."""
    if scope.get(DOOR) == TUNNEL:
        given = Headers(scope=scope).get("x-request-id", "")
        if _OURS.fullmatch(given):
            return given
    return f"req_{readable(os.urandom(10))}"


class Frame:
    """Wraps the application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                scope[REQUEST_ID] = _request_id(scope)
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope[REQUEST_ID] = request_id
        started = False

        async def framed(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = request_id
                if scope.get(DOOR) == TUNNEL:
                    _join_cookies(headers)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            if ZERO in scope["path"] or b"%00" in scope["query_string"]:
                await JSONResponse(body(_unspeakable(), request_id), 400)(scope, receive, framed)
                return
            declared = Headers(scope=scope).get("content-length", "0")
            if not declared.isdigit() or int(declared[:20]) > MAX_BODY:
                await JSONResponse(body(too_large(), request_id), 413)(scope, receive, framed)
                return
            await self._app(scope, _bounded(receive), framed)
        except Exception:
            _log.exception("request %s failed", request_id)
            if started:
                raise
            refusal = Refusal(500, Kind.INTERNAL, "internal_error", f"this is a fault of Sekisho; its log has more under {request_id}")
            await JSONResponse(body(refusal, request_id), 500)(scope, receive, framed)


def _join_cookies(headers: MutableHeaders) -> None:
    """Of several headers of one name the tunnel reads one; it takes the cookies in it apart again."""
    cookies = headers.getlist("set-cookie")
    if len(cookies) > 1:
        del headers["set-cookie"]
        headers["set-cookie"] = ", ".join(cookies)


def _bounded(receive: Receive) -> Receive:
    """The same messages, until they carry too much."""
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        if message["type"] == "http.request":
            seen += len(message.get("body", b""))
            if seen > MAX_BODY:
                raise HTTPException(413)
        return message

    return counted
