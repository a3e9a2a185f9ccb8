"""The end of a call, once: usage, cost, what was booked given back, the record's second half. Before the last byte of the answer."""

from sekisho.core.model.chat import Usage, UsageSource
from sekisho.core.model.records import CallEnded, Status
from sekisho.core.policy import limits
from sekisho.core.policy.pricing import BYTES_PER_TOKEN, cost, estimate
from sekisho.dataplane.stages import Exchange, Plane
from sekisho.dataplane.upstream.errors import GONE
from sekisho.kit.clock import monotonic_ns


def settle(x: Exchange, plane: Plane) -> None:
    """Close the books of one exchange. Does nothing the second time."""
    if x.settled:
        return
    x.settled = True
    counters = plane.counters
    counters.in_flight -= 1
    if not x.began:
        _release(x, plane, 0)
        return
    now = x.t_ended = monotonic_ns()
    usage = _usage(x)
    model = x.model
    assert model is not None
    rate = model.rate
    if rate is not None:
        x.cost = cost(usage, rate)
        x.currency = rate.currency
    fault = x.fault
    if fault is not None:
        x.status = Status.CANCELLED if fault.code in (GONE, "slow_reader") else Status.FAILED
        code, message = fault.code, fault.message
    else:
        code, message = x.trouble
        if code:
            x.status = Status.FAILED
    answer = x.answer
    plane.journal.append(
        CallEnded(
            x.seq,
            int(x.status),
            x.told or (fault.status if fault is not None else 0),
            usage.input,
            usage.output,
            usage.cached,
            usage.reasoning,
            int(usage.source),
            x.cost,
            x.currency,
            (now - x.started_ns) // 1000,
            (x.t_first_byte - x.started_ns) // 1000 if x.t_first_byte else None,
            _stages(x, now),
            x.attempts,
            x.body_bytes,
            answer.body_bytes if answer is not None else 0,
            x.upstream_status,
            code,
            message[:500],
            x.outcome.finish_reason if x.outcome is not None else "",
        )
    )
    _release(x, plane, usage.input + usage.output)


def _usage(x: Exchange) -> Usage:
    """What the provider counted; else what passed, marked as an estimate; nothing where the provider did nothing."""
    if x.outcome is not None and x.outcome.usage is not None:
        return x.outcome.usage
    answer = x.answer
    if answer is None or x.envelope is None or not answer.status or answer.status >= 300:
        return Usage(source=UsageSource.UNKNOWN)
    if answer.scanner is not None:
        return estimate(len(x.envelope.body), answer.scanner.events)
    return estimate(len(x.envelope.body), answer.body_bytes // BYTES_PER_TOKEN)


def _release(x: Exchange, plane: Plane, tokens: int) -> None:
    if x.held:
        plane.let_go(x.held)
        x.held = 0
    meter, key = x.meter, x.key
    if meter is None or key is None:
        return
    meter.in_flight -= 1
    if key.tpm is not None and tokens != x.booked_tokens:
        meter.tokens_at = limits.give_back(meter.tokens_at, key.tpm, x.booked_tokens - tokens)


def _stages(x: Exchange, now: int) -> tuple[int, ...]:
    """Own times by the names of `records.STAGES`; a stage that was not reached took nothing."""
    if x.t_first_byte:
        # The usual way, through every stage, without a loop.
        screened, authenticated, body, routed = x.t_screened, x.t_authenticated, x.t_body, x.t_routed
        admitted, connected, first = x.t_admitted, x.t_connected, x.t_first_byte
        return (
            (x.t_head - x.started_ns) // 1000,
            (screened - x.t_head) // 1000,
            (authenticated - screened) // 1000,
            (body - authenticated) // 1000,
            (routed - body) // 1000,
            (admitted - routed) // 1000,
            (connected - admitted) // 1000,
            (first - connected) // 1000,
            (now - first) // 1000,
        )
    times = []
    last = x.started_ns
    for mark in (x.t_head, x.t_screened, x.t_authenticated, x.t_body, x.t_routed, x.t_admitted, x.t_connected, 0, now):
        times.append((mark - last) // 1000 if mark else 0)
        last = mark or last
    return tuple(times)
