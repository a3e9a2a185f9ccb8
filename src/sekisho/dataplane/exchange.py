"""The life of one request, top to bottom.

Receive head → screen → authenticate → receive body → route → admit → attempt (again, while no byte has gone out) → reply → settle.
A refusal at any stage is a value, rendered in the caller's dialect. The record's end is written before the last byte of the answer;
the `finally` settles whatever ended otherwise: a refusal, a fault, a client that hung up, a crash.
"""

import msgspec

from sekisho.core.dialects.registry import Action
from sekisho.core.model.errors import GONE, Fault, Refusal
from sekisho.core.model.snapshot import Model
from sekisho.core.policy import retry
from sekisho.dataplane.relay import Answer
from sekisho.dataplane.stages import Exchange, Plane, overloaded
from sekisho.dataplane.stages.admit import admit
from sekisho.dataplane.stages.attempt import attempt
from sekisho.dataplane.stages.authenticate import authenticate
from sekisho.dataplane.stages.receive import complete, receive
from sekisho.dataplane.stages.reply import answer_locally, begin_stream, deliver, head_of, judge, refuse
from sekisho.dataplane.stages.route import route, unknown_model
from sekisho.dataplane.stages.screen import screen
from sekisho.dataplane.stages.settle import price, settle
from sekisho.kit.clock import monotonic_ns, wall_ns


async def run(x: Exchange, plane: Plane) -> None:
    """Serve one request; returns when the answer is written, or when nobody wants it any more."""
    x.started_wall_ns = wall_ns()
    counters = plane.counters
    counters.requests += 1
    counters.in_flight += 1
    try:
        refusal = screen(x, plane)
        x.t_screened = monotonic_ns()
        if refusal is None:
            refusal = authenticate(x, plane)
            x.t_authenticated = monotonic_ns()
        if refusal is None and x.route.calls:
            refusal = complete(x, plane) if x.body_complete else await receive(x, plane)
            x.t_body = monotonic_ns()
            if refusal is None:
                refusal = route(x, plane)
                x.t_routed = monotonic_ns()
            if refusal is None:
                refusal = admit(x, plane)
                x.t_admitted = monotonic_ns()
            if refusal is None:
                await call(x, plane)
        elif refusal is None:
            answer(x, plane)
        if refusal is not None and not x.client.gone:
            refuse(x, refusal, plane)
    except Exception:
        x.fault = Fault("internal_error", "the gateway failed on this request")
        raise
    finally:
        settle(x, plane)
        if x.upstream is not None:
            # Only a wait that was cut short leaves one behind.
            x.upstream.abort()


async def call(x: Exchange, plane: Plane) -> None:
    """Ask the provider, with one credential after the other while that may help, and pass its answer on."""
    await attempt(x, plane, ())
    if x.fault is not None or x.upstream_status >= 300:
        await try_others(x, plane)
    answered, envelope = x.answer, x.envelope
    assert envelope is not None
    if answered is not None and x.fault is None:
        if envelope.stream and streams(answered):
            await stream(x, plane, answered)
            return
        body = answered.take() if answered.completed else await answered.whole()
        x.fault = answered.fault
        if x.fault is None:
            keep_connection(x, plane, answered)
            await whole(x, plane, judge(x, body), body)
            return
    assert x.fault is not None
    await whole(x, plane, x.fault.refusal(), b"")


async def try_others(x: Exchange, plane: Plane) -> None:
    """The provider refused the credential, or was not reached: another one may do."""
    tried: tuple[str, ...] = ()
    while True:
        if x.credential is not None:
            tried = (*tried, x.credential.id)
        fault, target = x.fault, x.target
        assert target is not None
        status, code = (0, fault.code) if fault is not None else (x.upstream_status, "")
        if not retry.again(status, code, more=len(tried) < target.credentials, began_answer=x.head_written):
            return
        if x.upstream is not None:
            x.upstream.abort()
            x.upstream = None
        await attempt(x, plane, tried)


def streams(answered: Answer) -> bool:
    """Whether the provider answers with the stream that was asked for."""
    return answered.status == 200 and answered.headers.get(b"content-type", b"").lstrip()[:17].lower() == b"text/event-stream"


async def stream(x: Exchange, plane: Plane, answered: Answer) -> None:
    """Let the pieces pass until the end, which settles before it is written."""
    begin_stream(x, plane, on_final=lambda: settle(x, plane))
    await answered.done()
    x.fault = answered.fault
    if x.fault is None:
        keep_connection(x, plane, answered)
    elif x.fault.code != GONE:
        settle(x, plane)
        refuse(x, x.fault.refusal(), plane)


async def whole(x: Exchange, plane: Plane, refusal: Refusal | None, body: bytes) -> None:
    """Price a whole answer, or what is told in its stead; at the end of the loop's turn record it, and pass it on at once."""
    if x.fault is not None and x.fault.code == GONE:
        return
    price(x)
    head = head_of(x, plane, len(body)) if refusal is None else b""
    await plane.turn.end()
    if x.client.gone:
        x.fault = x.fault or Fault(GONE, "the client closed the connection")
        return
    x.told = refusal.status if refusal is not None else x.upstream_status
    settle(x, plane)
    if refusal is None:
        deliver(x, head, body)
    else:
        refuse(x, refusal, plane)


def keep_connection(x: Exchange, plane: Plane, answered: Answer) -> None:
    """Give the upstream connection back to the pool."""
    upstream, x.upstream = x.upstream, None
    assert x.target is not None
    if x.target.sandbox:
        return
    if b"keep-alive" in answered.headers:
        upstream.origin.thread_bound = True
    if answered.ended:
        plane.pool.release(upstream)
    else:
        plane.pool.leave(upstream)


def answer(x: Exchange, plane: Plane) -> None:
    """The routes that call nobody."""
    match x.route.action:
        case Action.HEALTH | Action.HELLO:
            answer_locally(x, plane, 200, b'{"status":"ok"}')
        case Action.READY:
            if plane.directory is None or plane.draining or (plane.journal.full and not plane.drop_when_full):
                refuse(x, overloaded("not ready: no configuration yet, draining, or no room for records", "not_ready"), plane)
            else:
                answer_locally(x, plane, 200, b'{"status":"ready"}')
        case Action.MODELS:
            directory, key = plane.directory, x.key
            if directory is None or key is None:
                refuse(x, overloaded("starting: the configuration is not here yet", "starting"), plane)
                return
            listing = {"object": "list", "data": [describe(model) for model in directory.visible(key)]}
            answer_locally(x, plane, 200, msgspec.json.encode(listing))
        case Action.MODEL:
            directory, key = plane.directory, x.key
            found = directory.find_escaped(x.rest) if directory is not None else None
            if directory is None or key is None or found is None or found not in directory.visible(key):
                refuse(x, unknown_model(x.rest), plane)
            else:
                answer_locally(x, plane, 200, msgspec.json.encode(describe(found)))


def describe(model: Model) -> dict[str, object]:
    """A model as OpenAI's list has it; an API is the gateway's own."""
    return {"id": model.id, "object": "model", "created": model.created, "owned_by": model.provider or "sekisho"}
