"""What comes in on the console's port goes to the node over a Unix socket, behind the same framing, bounds and deadlines as a call.

The node learns the client's address from us; whatever a client says of itself in our own headers is dropped. A request for the live
feed may become a WebSocket (`websockets`); every other offer to leave HTTP is declined by answering as usual.
"""

import re
from collections.abc import Callable, Coroutine
from typing import Any, Final

import msgspec

from sekisho.core.dialects.registry import Action, Body, Route
from sekisho.core.model.errors import GONE, Fault, Refusal
from sekisho.core.wire import websocket
from sekisho.core.wire.http1.events import Head
from sekisho.core.wire.http1.writers import fields, status_line
from sekisho.dataplane.relay import Answer
from sekisho.dataplane.stages import Exchange, Plane, overloaded
from sekisho.dataplane.stages.attempt import dial
from sekisho.dataplane.stages.receive import receive
from sekisho.dataplane.stages.screen import forwarded
from sekisho.dataplane.upstream.targets import Origin
from sekisho.dataplane.websockets import WebSocket

OURS: Final = b"x-sekisho-"
HOP_BY_HOP: Final = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"content-length",
        b"expect",
        b"forwarded",
        b"x-forwarded-for",
        b"x-forwarded-proto",
        b"x-real-ip",
    )
)
ANY: Final = Route(Action.HELLO, (), body=Body.JSON)
"""The node has its own routes; here they are all one, with one bound on the body."""
CODING: Final = b"x-sekisho-content-encoding"
"""Under this name the node tells how an answer is compressed: a provider's answer that is compressed would be refused unseen."""
CONNECT_S: Final = 5.0
ANSWER_S: Final = 60.0
"""How long the node may take for an answer."""
MOST_ANSWER_BYTES: Final = 64 * 1024 * 1024
MOST_REFUSAL_BYTES: Final = 64 * 1024
"""Likewise, where it declines a WebSocket."""
LIVE: Final = "/api/live"
"""The one path that may become a WebSocket."""
JOINTS: Final = re.compile(rb", (?=[!#$%&'*+\-.^_`|~0-9A-Za-z]+=)")
"""Where one of the node's cookies ends and the next begins: it sends them in one line (`api.frame`), and browsers want a line for each."""
_HANDSHAKE: Final = frozenset((b"sec-websocket-key", b"sec-websocket-version", b"sec-websocket-protocol"))
HSTS: Final = b"strict-transport-security: max-age=31536000\r\n"
"""Without its subdomains: they are somebody else's to decide about."""
_PRIVATE: Final = frozenset(("localhost", "local", "internal", "lan", "home", "corp", "test", "example", "invalid", "onion", "arpa"))
"""Last labels of names that no public authority vouches for."""


def to_node(path: str, *, hsts: bool = False) -> Callable[[Exchange, Plane], Coroutine[Any, Any, None]]:
    """The serving function of the console's door; with `hsts`, browsers that came by TLS to a public name are told to stay with it."""
    origin = Origin("node", "node", 0, None, path)

    async def serve(x: Exchange, plane: Plane) -> None:
        try:
            await _run(x, plane, origin, hsts)
        finally:
            plane.let_go(x.held)
            x.held = 0

    return serve


async def _run(x: Exchange, plane: Plane, origin: Origin, hsts: bool) -> None:
    x.route = ANY
    head = x.head
    if head is not None and plane.proxies is not None and x.peer in plane.proxies:
        x.address = forwarded(x.peer, head.headers.get(b"x-forwarded-for", b""), plane.proxies)
    refusal = x.refusal or await receive(x, plane)
    if refusal is not None:
        _refuse(x, plane, refusal)
        return
    if head is not None and head.path == LIVE and websocket.asks(head):
        await _switch(x, plane, head, origin)
        return
    upstream = await dial(x, plane, origin, CONNECT_S)
    if upstream is None:
        if x.fault is not None and x.fault.code != GONE:
            _refuse(x, plane, overloaded("the control plane is away; try again", "control_plane_away"))
        return
    answer = x.answer = Answer(x.client, upstream, MOST_ANSWER_BYTES, plane.loop.time, x, plane.hold)
    body = b"".join(x.body)
    upstream.send([_head(x, plane, b"content-length: %d\r\n" % len(body)), body], len(body), answer)
    timer = plane.loop.call_later(ANSWER_S, lambda: answer.fail(Fault("request_timeout", "the control plane did not answer in time")))
    await answer.head()
    whole = await answer.whole()
    timer.cancel()
    fault = answer.fault
    if fault is None:
        plane.pool.release(upstream)
        _deliver(x, plane, answer, whole, HSTS if hsts and x.client.secure and _is_public(x) else b"")
    elif fault.code != GONE:
        _refuse(x, plane, overloaded("the control plane did not answer; try again", "control_plane_away"))


async def _switch(x: Exchange, plane: Plane, head: Head, origin: Origin) -> None:
    """Let a WebSocket pass until it ends; or answer as the node does, where it declines."""
    assert origin.unix_path is not None
    refusal = websocket.refuse(head)
    if refusal is None and plane.draining:
        refusal = overloaded("the gateway is restarting; try again", "draining")
    if refusal is not None:
        _refuse(x, plane, refusal)
        return
    passage = WebSocket(x.client, plane.loop)
    declined = Answer(x.client, passage, MOST_REFUSAL_BYTES, plane.loop.time, x, plane.hold)
    asked = _head(x, plane, b"connection: Upgrade\r\nupgrade: websocket\r\n", _HANDSHAKE)
    plane.tasks.start(passage.open(origin.unix_path, asked, declined, CONNECT_S), "websocket to the node")
    timer = plane.loop.call_later(ANSWER_S, lambda: passage.answered.hand(Fault("request_timeout", "the node did not answer in time")))
    x.pending = passage.answered
    answered = await passage.answered
    x.pending = None
    timer.cancel()
    if answered is True and not x.client.gone:
        lines = b"".join(b"%b: %b\r\n" % field for field in passage.fields.items())
        request_id = x.request_id.encode("ascii")
        x.client.write(b"%bconnection: Upgrade\r\nupgrade: websocket\r\n%bx-request-id: %b\r\n\r\n" % (status_line(101), lines, request_id))
        x.client.pass_through(passage)
        passage.begin()
        x.pending = passage.ended
        why = await passage.ended
        x.pending = None
        x.client.pass_through(None)
        passage.end(why)
        return
    fault = answered if isinstance(answered, Fault) else None
    if answered is False:
        x.answer = declined
        body = await declined.whole()
        fault = declined.fault
        if fault is None:
            _deliver(x, plane, declined, body, b"")
    passage.abort()
    if fault is not None and fault.code != GONE:
        _refuse(x, plane, overloaded("the control plane is away; try again", "control_plane_away"))


def _head(x: Exchange, plane: Plane, framing: bytes, more: frozenset[bytes] = frozenset()) -> bytes:
    """The head for the node: what concerns it of the client's, and what we say of the client."""
    head = x.head
    assert head is not None
    # The node's server answers HEAD without a body though it names its length; asked as GET, framing stays plain.
    method = "GET" if head.method == "HEAD" else head.method
    target = f"{head.path}?{head.query}" if head.query else head.path
    lines = [f"{method} {target} HTTP/1.1\r\n".encode("ascii")]
    lines += [
        b"%b: %b\r\n" % (name, value)
        for name, value in head.headers.items()
        if name not in HOP_BY_HOP
        and not name.startswith(OURS)
        and name != b"x-request-id"
        and (name in more or not name.startswith(b"sec-websocket-"))
    ]
    lines.append(
        b"x-sekisho-client-address: %b\r\nx-sekisho-scheme: %b\r\nx-request-id: %b\r\n%b\r\n"
        % (x.address.encode("ascii"), _scheme(x, plane), x.request_id.encode("ascii"), framing)
    )
    return b"".join(lines)


def _scheme(x: Exchange, plane: Plane) -> bytes:
    """How the client came: by TLS with us, or with a proxy that is trusted to say so."""
    if x.client.secure:
        return b"https"
    head = x.head
    assert head is not None
    trusted = plane.proxies is not None and x.peer in plane.proxies
    return b"https" if trusted and head.headers.get(b"x-forwarded-proto", b"").lower() == b"https" else b"http"


def _is_public(x: Exchange) -> bool:
    """Whether the request names a domain of the public tree: not an address, not a bare host, nothing that is private by its ending."""
    head = x.head
    host = head.headers.get(b"host", b"").decode("latin-1").lower() if head is not None else ""
    labels = host.partition(":")[0].rstrip(".").split(".")
    last = labels[-1]
    return len(labels) > 1 and last not in _PRIVATE and last[:1].isalpha()


def _deliver(x: Exchange, plane: Plane, answer: Answer, body: bytes, more: bytes) -> None:
    head = x.head
    assert head is not None
    if plane.draining:
        x.closing = True
    lines = b"".join(
        b"%b: %b\r\n" % (b"content-encoding" if name == CODING else name, each)
        for name, value in answer.headers.items()
        if name not in HOP_BY_HOP and name != b"x-request-id"
        for each in (JOINTS.split(value) if name == b"set-cookie" else (value,))
    )
    block = b"%b%b%bx-request-id: %b\r\n%b%b\r\n" % (
        status_line(answer.status),
        lines,
        more,
        x.request_id.encode("ascii"),
        # The length in a 304 would be that of the file which the client holds.
        b"content-length: %d\r\n" % len(body) if answer.status != 304 else b"",
        b"connection: close\r\n" if x.closing else b"",
    )
    x.client.write(block if head.method == "HEAD" else block + body)


def _refuse(x: Exchange, plane: Plane, refusal: Refusal) -> None:
    if x.client.gone:
        return
    if refusal.close or not x.body_complete or plane.draining:
        x.closing = True
    error = {"type": refusal.kind.value, "code": refusal.code, "message": refusal.message, "param": refusal.param}
    body = msgspec.json.encode({"error": {**error, "request_id": x.request_id}})
    extra = fields(refusal.headers)
    if refusal.retry_after is not None:
        extra += b"retry-after: %d\r\n" % refusal.retry_after
    x.client.write(
        b"%bcontent-type: application/json\r\ncontent-length: %d\r\nx-request-id: %b\r\n%b%b%b\r\n%b"
        % (
            status_line(refusal.status),
            len(body),
            x.request_id.encode("ascii"),
            b"connection: close\r\n" if x.closing else b"",
            extra,
            plane.common_fields,
            body if x.head is None or x.head.method != "HEAD" else b"",
        )
    )
