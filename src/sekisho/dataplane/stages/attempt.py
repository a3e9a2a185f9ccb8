"""One try with one credential: dial, send, take the answer. Failures are values; the record of the call begins here."""

from typing import Final, TypeGuard

from sekisho.core.model.errors import Fault
from sekisho.core.model.records import CallBegan
from sekisho.dataplane.relay import Answer
from sekisho.dataplane.sandbox import Sandbox
from sekisho.dataplane.stages import Exchange, Plane
from sekisho.dataplane.upstream.client import UpstreamConnection
from sekisho.dataplane.upstream.targets import Origin, Target
from sekisho.kit.clock import monotonic_ns

RACE_S: Final = 1.0
"""A close that comes later than this after the request is an answer of a kind."""
FORWARDED: Final = frozenset((b"openai-beta", b"openai-organization", b"openai-project", b"traceparent", b"tracestate", b"idempotency-key"))
"""What of the client's headers a provider gets; everything else stays here, above all keys and cookies."""


async def attempt(x: Exchange, plane: Plane, tried: tuple[str, ...]) -> None:
    """Try once, up to the answer's head, or its end where no stream was asked for. `x.fault` and `x.upstream_status` say what came."""
    x.fault = None
    x.answer = None
    x.upstream_status = 0
    x.attempts += 1
    target = x.target
    assert target is not None
    if target.asleep:
        target = await _wake(x, plane, target)
        if target is None:
            return
    x.credential = target.pick(tried)
    if not x.began:
        _begin(x, plane, target)
    upstream: UpstreamConnection | Sandbox | None
    if target.sandbox:
        upstream = Sandbox(plane.loop)
    else:
        assert target.origin is not None
        upstream = plane.pool.take(target.origin)
        if upstream is None:
            upstream = await dial(x, plane, target.origin, target.timeouts.connect)
    if upstream is None:
        return
    answer = x.answer = Answer(x.client, upstream, plane.bounds.response_bytes, plane.loop.time, x, plane.hold)
    x.upstream = upstream
    _send(x, target, upstream, answer)
    x.sent_at = answer.last_at
    x.t_connected = monotonic_ns()
    assert x.envelope is not None
    if x.envelope.stream:
        await answer.head()
    elif not answer.completed and answer.fault is None:
        await answer.baton
    if answer.fault is not None and _lost_race(upstream, answer, plane):
        # Once more, on a connection that nobody can have closed yet.
        x.attempts -= 1
        plane.pool.forget(upstream.origin)
        await attempt(x, plane, tried)
        return
    x.t_first_byte = answer.first_ns
    x.upstream_status = answer.status
    x.fault = answer.fault


def _lost_race(upstream: UpstreamConnection | Sandbox, answer: Answer, plane: Plane) -> TypeGuard[UpstreamConnection]:
    """Whether a kept connection was closed by the provider before it answered with a single byte, right after the request was sent.

    Then its close crossed our request on the way, and the request was not looked at (RFC 9112, 9.3.1).
    """
    return (
        isinstance(upstream, UpstreamConnection)
        and upstream.requests > 1
        and answer.fault is not None
        and answer.fault.code == "upstream_cut"
        and not upstream.answering
        and plane.loop.time() - answer.last_at < RACE_S
    )


async def _wake(x: Exchange, plane: Plane, target: Target) -> Target | None:
    """The model's engine sleeps: have the node start it. The wait is for the engine, bounded by its start (decision 0005)."""
    if not x.began:
        _begin(x, plane, target)
    assert plane.link is not None
    wait = x.pending = plane.link.wake(target.model.id)
    reason = await wait
    x.pending = None
    awake = plane.targets.find(target.recorded)
    if isinstance(reason, Fault):
        x.fault = reason
    elif reason is not None or awake is None or awake.asleep:
        x.fault = Fault("engine_unavailable", f"the engine of {target.model.id} did not start: {reason or 'it fell asleep again'}", 5)
    else:
        x.target = awake
        return awake
    return None


def _begin(x: Exchange, plane: Plane, target: Target) -> None:
    """The record's first half, before the first upstream byte."""
    plane.calls += 1
    seq = x.seq = plane.calls
    x.began = True
    head, key, model, envelope = x.head, x.key, target.model, x.envelope
    assert head is not None
    assert key is not None
    assert envelope is not None
    headers = head.headers
    client_id = headers.get(b"x-request-id")
    agent = headers.get(b"user-agent")
    begun = plane.journal.offer(
        CallBegan(
            seq,
            x.request_id,
            x.started_wall_ns // 1000,
            head.method,
            head.path,
            x.address,
            key.id,
            key.label,
            key.project,
            target.recorded,
            model.provider,
            model.upstream_model,
            x.credential.id if x.credential is not None else "",
            envelope.stream,
            client_id[:128].decode("latin-1") if client_id is not None else "",
            agent[:128].decode("latin-1") if agent is not None else "",
        )
    )
    if not begun:
        # Records are dropped: what has no begin shall have no end either.
        x.seq = 0


async def dial(x: Exchange, plane: Plane, origin: Origin, within: float) -> UpstreamConnection | None:
    """A connection to an origin, idle or new; None where `x.fault` says why there is none."""
    connection = plane.pool.take(origin)
    if connection is not None:
        return connection
    wait = x.pending = plane.pool.connect(origin, within)
    result = await wait
    x.pending = None
    if isinstance(result, Fault):
        x.fault = result
        return None
    assert isinstance(result, UpstreamConnection)
    return result


def _send(x: Exchange, target: Target, upstream: UpstreamConnection | Sandbox, answer: Answer) -> None:
    envelope, head = x.envelope, x.head
    assert envelope is not None
    assert head is not None
    pieces = envelope.encode(target.quoted_model)
    if isinstance(upstream, Sandbox):
        upstream.send(target.model.upstream_model, x.route.action, b"".join(pieces), stream=envelope.stream, sink=answer)
        return
    size = 0
    for piece in pieces:
        size += len(piece)
    fields = b""
    headers = head.headers
    if head.noted and not FORWARDED.isdisjoint(headers):
        fields = b"".join(b"%b: %b\r\n" % (name, value) for name, value in headers.items() if name in FORWARDED)
    pieces.insert(0, b"%b%bcontent-length: %d\r\n\r\n" % (target.head(x.route.upstream_path, x.credential), fields, size))
    upstream.send(pieces, size, answer)
