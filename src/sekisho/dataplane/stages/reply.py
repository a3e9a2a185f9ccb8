"""What the client gets: a refusal in its own dialect, a whole answer, or the head of a stream. Every line of a head is made here."""

from collections.abc import Callable
from typing import Final

from sekisho.core.model.errors import Fault, Kind, Refusal
from sekisho.core.model.records import Refused
from sekisho.core.policy import limits
from sekisho.core.wire.http1.writers import LAST_CHUNK, chunk, fields, status_line
from sekisho.dataplane.relay import Answer
from sekisho.dataplane.stages import Exchange, Plane
from sekisho.kit.clock import monotonic_ns
from sekisho.kit.money import UNIT

JSON: Final = b"application/json"
STREAM: Final = b"text/event-stream; charset=utf-8"
JOIN_BYTES: Final = 65536
"""Bodies up to this size are joined to their head; larger ones are not copied once more."""
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
        outcome = x.outcome = x.route.dialect.read_answer(body)
        if outcome is not None:
            return None
        return _fault(x, "upstream_invalid_response", "the provider answered with what is no JSON object")
    if status < 400:
        return _fault(x, "upstream_redirected", f"the provider answered {status}; redirects are not followed")
    if status in _HIDDEN:
        return _fault(x, "upstream_refused_credential", f"the provider {_HIDDEN[status]}; tell the operator")
    if status > 599:
        return _fault(x, "upstream_invalid_response", f"the provider answered with the status {status}, which HTTP does not know")
    code, message, members = x.route.dialect.error_words(_without_secret(x, body))
    x.trouble_code = code or f"upstream_{status}"
    x.trouble_message = message or f"the provider answered {status} without an explanation"
    wait = _retry_after(x.answer) if status in (429, 503, 529) else None
    return Refusal(status, _kind(status), x.trouble_code, x.trouble_message, None, wait, details=members)


def _fault(x: Exchange, code: str, message: str) -> Refusal:
    x.fault = Fault(code, message)
    return x.fault.refusal()


def _without_secret(x: Exchange, body: bytes) -> bytes:
    """Providers like to repeat the key that they refuse; it is not the client's to see, nor the record's."""
    credential = x.credential
    if credential is None or not credential.secret:
        return body
    return body.replace(credential.secret.encode(), "…".encode())


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


def head_of(x: Exchange, plane: Plane, size: int) -> bytes:
    """The head over the provider's whole answer of `size` bytes."""
    answer = x.answer
    assert answer is not None
    if plane.draining:
        x.closing = True
    return b"%bcontent-type: %b\r\ncontent-length: %d\r\nx-request-id: %b\r\n%b%b%b%b\r\n" % (
        status_line(x.upstream_status),
        answer.headers.get(b"content-type", JSON),
        size,
        x.request_id.encode(),
        _CONNECTION[x.closing],
        _call_fields(x),
        _limit_fields(x, plane),
        plane.common_fields,
    )


def deliver(x: Exchange, head: bytes, body: bytes) -> None:
    """Pass a whole answer on. The record is written by now."""
    x.head_written = True
    if len(body) <= JOIN_BYTES:
        x.client.write(head + body)
    else:
        x.client.write(head)
        x.client.write(body)


def begin_stream(x: Exchange, plane: Plane, on_final: Callable[[], None]) -> None:
    """Write a stream's head; from here on the pieces pass by themselves, and `on_final` is called before the last."""
    head, envelope, answer = x.head, x.envelope, x.answer
    assert head is not None
    assert envelope is not None
    assert answer is not None
    chunked = head.version == "1.1"
    if not chunked or plane.draining:
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
    secret = x.credential.secret.encode() if x.credential is not None else b""
    scanner.secret = secret
    answer.stream(scanner, plane.bounds.event_bytes, chunked=chunked, on_final=on_final)


def _break_stream(x: Exchange, event: bytes) -> None:
    """An explicit end, never a silent cut; the connection goes with it, so that no client takes it for a whole answer."""
    head = x.head
    assert head is not None
    x.closing = True
    x.client.write(chunk(event) + LAST_CHUNK if head.version == "1.1" else event)


def _write_whole(x: Exchange, plane: Plane, status: int, content_type: bytes, extra: bytes, body: bytes) -> None:
    """An answer of our own making."""
    x.head_written = True
    head = x.head
    if head is None or plane.draining:
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
    x.client.write(block if head is not None and head.method == "HEAD" else block + body)


def _call_fields(x: Exchange) -> bytes:
    """The headers by which an answer explains itself."""
    target = x.target
    assert target is not None
    now = x.t_ended or monotonic_ns()
    # What is not a wait for the upstream, nor for its pieces, is ours.
    waited = now - (x.t_connected or now)
    own = (now - x.started_ns - waited) // 1000
    waited //= 1000
    cost = x.cost
    if cost is None:
        return _UNPRICED_CALL % (target.reply_fields, x.attempts, own // 1000, own % 1000, waited // 1000, waited % 1000)
    return _CALL % (
        target.reply_fields,
        x.attempts,
        cost // UNIT,
        cost % UNIT,
        own // 1000,
        own % 1000,
        waited // 1000,
        waited % 1000,
    )


_TIMING: Final = b"server-timing: gateway;dur=%d.%03d, upstream;dur=%d.%03d\r\n"
_UNPRICED_CALL: Final = b"%bx-sekisho-attempts: %d\r\n" + _TIMING
_CALL: Final = b"%bx-sekisho-attempts: %d\r\nx-sekisho-cost: %d.%010d\r\n" + _TIMING


def _limit_fields(x: Exchange, plane: Plane) -> bytes:
    """The key's limits after this call, as OpenAI's headers have them."""
    meter, key = x.meter, x.key
    if meter is None or key is None:
        return b""
    now = plane.loop.time()
    rpm, tpm = key.rpm, key.tpm
    if rpm is None:
        return b"" if tpm is None else _TOKEN_LIMIT % (tpm, *limits.state(meter.tokens_at, now, tpm))
    if tpm is None:
        return _REQUEST_LIMIT % (rpm, *limits.state(meter.requests_at, now, rpm))
    return _BOTH_LIMITS % (rpm, *limits.state(meter.requests_at, now, rpm), tpm, *limits.state(meter.tokens_at, now, tpm))


_REQUEST_LIMIT: Final = b"x-ratelimit-limit-requests: %d\r\nx-ratelimit-remaining-requests: %d\r\nx-ratelimit-reset-requests: %b\r\n"
_TOKEN_LIMIT: Final = b"x-ratelimit-limit-tokens: %d\r\nx-ratelimit-remaining-tokens: %d\r\nx-ratelimit-reset-tokens: %b\r\n"
_BOTH_LIMITS: Final = _REQUEST_LIMIT + _TOKEN_LIMIT


def _record_refusal(x: Exchange, refusal: Refusal, plane: Plane) -> None:
    """Leave a trace, unless a flood has used up this second's share: then only the count."""
    bucket = plane.refusals
    if not bucket.take(plane.loop.time()):
        return
    suppressed, bucket.suppressed = bucket.suppressed, 0
    head = x.head
    plane.journal.offer(
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
