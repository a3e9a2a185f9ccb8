"""What the client gets: a refusal in its own dialect, a whole answer, or the head of a stream. Every line of a head is made here."""

from collections.abc import Callable
from typing import Final

from sekisho.core.model.errors import Kind, Refusal
from sekisho.core.model.records import Refused
from sekisho.core.policy import limits
from sekisho.core.wire.http1.writers import LAST_CHUNK, chunk, fields, status_line
from sekisho.dataplane.relay import Answer
from sekisho.dataplane.stages import Exchange, Plane
from sekisho.dataplane.upstream.errors import Fault
from sekisho.kit.clock import monotonic_ns
from sekisho.kit.money import UNIT

JSON: Final = b"application/json"
STREAM: Final = b"text/event-stream; charset=utf-8"
_CONNECTION: Final = (b"", b"connection: close\r\n")
_HIDDEN: Final = {
    401: "refused the gateway's credential",
    402: "says that the gateway's account there has no credit",
    403: "refused the gateway's credential",
    407: "wants a proxy's credential",
}
"""What is between us and the provider is not the client's fault: it is told so, with 502, without the provider's words."""


def refuse(x: Exchange, refusal: Refusal, plane: Plane) -> None:
    """Answer with an error. A stream that has begun ends with the dialect's error event instead."""
    dialect = x.route.dialect
    if x.head_written:
        _break_stream(x, dialect.render_stream_error(refusal, x.request_id))
        return
    x.told = refusal.status
    if refusal.close or not x.body_complete:
        x.closing = True
    if not x.began:
        plane.counters.refused += 1
        _record_refusal(x, refusal, plane)
    body = dialect.render_error(refusal, x.request_id)
    extra = fields(refusal.headers)
    if refusal.retry_after is not None:
        extra += b"retry-after: %d\r\n" % refusal.retry_after
    if refusal.should_retry is not None:
        extra += b"x-should-retry: %b\r\n" % (b"true" if refusal.should_retry else b"false")
    if x.began:
        extra += _call_fields(x)
    _write_whole(x, plane, refusal.status, JSON, extra, body)


def answer_locally(x: Exchange, plane: Plane, status: int, body: bytes) -> None:
    """Answer a route that calls nobody."""
    x.told = status
    if not x.body_complete:
        x.closing = True
    _write_whole(x, plane, status, JSON, b"", body)


def judge(x: Exchange, body: bytes) -> Refusal | None:
    """Read a whole answer of the provider: its outcome goes into the exchange; an error comes back as a refusal."""
    status = x.upstream_status
    if status < 300:
        outcome = x.route.dialect.read_answer(body)
        if outcome is None:
            x.fault = Fault("upstream_invalid_response", "the provider answered with what is no JSON object")
            return x.fault.refusal()
        x.outcome = outcome
        return None
    if status < 400:
        x.fault = Fault("upstream_redirected", f"the provider answered {status}; redirects are not followed")
        return x.fault.refusal()
    if status in _HIDDEN:
        x.fault = Fault("upstream_refused_credential", f"the provider {_HIDDEN[status]}; tell the operator")
        return x.fault.refusal()
    code, message = x.route.dialect.error_words(body)
    x.trouble = (code or f"upstream_{status}", message or f"the provider answered {status} without an explanation")
    return Refusal(
        status,
        _kind(status),
        x.trouble[0],
        x.trouble[1],
        None,
        _retry_after(x.answer) if status in (429, 503, 529) else None,
    )


def _kind(status: int) -> Kind:
    if status == 429:
        return Kind.RATE_LIMIT
    if status == 404:
        return Kind.NOT_FOUND
    return Kind.INVALID if status < 500 else Kind.UPSTREAM


def _retry_after(answer: Answer | None) -> int:
    """The provider's wish in whole seconds, within a day's reason: an hour at most, one second where it says nothing sensible."""
    text = answer.headers.get(b"retry-after", b"") if answer is not None else b""
    return min(max(int(text), 1), 3600) if text.isdigit() and len(text) < 10 else 1


def deliver(x: Exchange, plane: Plane, body: bytes) -> None:
    """Pass a whole answer's bytes on. The record is written by now."""
    answer = x.answer
    assert answer is not None
    content_type = answer.headers.get(b"content-type", JSON)
    _write_whole(x, plane, x.upstream_status, content_type, _call_fields(x) + _limit_fields(x, plane), body)


def begin_stream(x: Exchange, plane: Plane, on_final: Callable[[], None]) -> None:
    """Write a stream's head; from here on the pieces pass by themselves, and `on_final` is called before the last."""
    head, envelope, answer = x.head, x.envelope, x.answer
    assert head is not None
    assert envelope is not None
    assert answer is not None
    chunked = head.version == "1.1"
    if not chunked:
        x.closing = True
    x.head_written = True
    x.told = 200
    x.client.write(
        b"%bcontent-type: %b\r\n%bx-request-id: %b\r\n%b%b%b%b\r\n"
        % (
            status_line(200),
            STREAM,
            b"transfer-encoding: chunked\r\n" if chunked else b"",
            x.request_id.encode(),
            _CONNECTION[x.closing],
            _call_fields(x),
            _limit_fields(x, plane),
            plane.common_fields,
        )
    )
    scanner = x.route.dialect.Scanner(envelope.include_usage)
    x.outcome = scanner.outcome
    answer.stream(scanner, plane.bounds.event_bytes, chunked=chunked, on_final=on_final)


def _break_stream(x: Exchange, event: bytes) -> None:
    """An explicit end, never a silent cut; the connection goes with it, so that no client takes it for a whole answer."""
    head = x.head
    assert head is not None
    x.closing = True
    x.client.write(chunk(event) + LAST_CHUNK if head.version == "1.1" else event)


def _write_whole(x: Exchange, plane: Plane, status: int, content_type: bytes, extra: bytes, body: bytes) -> None:
    x.head_written = True
    head = x.head
    if head is None:
        x.closing = True
    if plane.draining:
        x.closing = True
    block = b"%bcontent-type: %b\r\ncontent-length: %d\r\nx-request-id: %b\r\n%b%b%b\r\n" % (
        status_line(status),
        content_type,
        len(body),
        x.request_id.encode(),
        _CONNECTION[x.closing],
        extra,
        plane.common_fields,
    )
    if head is not None and head.method == "HEAD":
        body = b""
    if len(body) <= 65536:
        x.client.write(block + body)
    else:
        x.client.write(block)
        x.client.write(body)


def _call_fields(x: Exchange) -> bytes:
    """The headers by which an answer explains itself."""
    target = x.target
    assert target is not None
    now = x.t_ended or monotonic_ns()
    # What is neither wait for the upstream nor for its pieces is ours.
    waited = now - x.t_connected if x.t_connected else 0
    own = now - x.started_ns - waited
    cost = b"x-sekisho-cost: %d.%010d\r\n" % divmod(x.cost, UNIT) if x.cost is not None else b""
    return b"%bx-sekisho-attempts: %d\r\n%bserver-timing: gateway;dur=%.3f, upstream;dur=%.3f\r\n" % (
        target.reply_fields,
        x.attempts,
        cost,
        own / 1e6,
        waited / 1e6,
    )


def _limit_fields(x: Exchange, plane: Plane) -> bytes:
    """The key's limits after this call, as OpenAI's headers have them."""
    meter, key = x.meter, x.key
    if key is None or meter is None:
        return b""
    now = plane.loop.time()
    rpm, tpm = key.rpm, key.tpm
    text = b""
    if rpm is not None:
        left, reset = limits.state(meter.requests_at, now, rpm)
        text = b"x-ratelimit-limit-requests: %d\r\nx-ratelimit-remaining-requests: %d\r\nx-ratelimit-reset-requests: %b\r\n" % (
            rpm,
            left,
            reset,
        )
    if tpm is not None:
        left, reset = limits.state(meter.tokens_at, now, tpm)
        text += b"x-ratelimit-limit-tokens: %d\r\nx-ratelimit-remaining-tokens: %d\r\nx-ratelimit-reset-tokens: %b\r\n" % (tpm, left, reset)
    return text


def _record_refusal(x: Exchange, refusal: Refusal, plane: Plane) -> None:
    """Leave a trace, unless a flood has used up this second's share: then only the count."""
    bucket = plane.refusals
    if not bucket.take(plane.loop.time()):
        return
    suppressed, bucket.suppressed = bucket.suppressed, 0
    head = x.head
    plane.journal.append(
        Refused(
            x.started_wall_ns // 1000,
            x.request_id,
            head.method if head is not None else "",
            head.path[:256] if head is not None else "",
            x.address,
            x.key.id if x.key is not None else "",
            refusal.status,
            refusal.code,
            refusal.message[:300],
            suppressed,
        )
    )
