"""The end of a call, once: its price, what was booked given back, the record's second half.

The price is found as soon as the answer is whole, for the answer's head tells it. The record is written right before the last byte.
"""

from typing import Final

from sekisho.core.model.chat import Usage, UsageSource
from sekisho.core.model.errors import GONE
from sekisho.core.model.records import CallEnded, Status
from sekisho.core.policy import limits
from sekisho.core.policy.pricing import BYTES_PER_TOKEN, cost, estimate
from sekisho.dataplane.stages import Exchange, Plane
from sekisho.kit.clock import monotonic_ns

UNKNOWN: Final = Usage(0, 0, 0, 0, UsageSource.UNKNOWN.value)
_COMPLETED: Final = Status.COMPLETED.value
_FAILED: Final = Status.FAILED.value
_CANCELLED: Final = Status.CANCELLED.value


def settle(x: Exchange, plane: Plane) -> None:
    """Close the books of one exchange. Does nothing the second time."""
    if x.settled:
        return
    x.settled = True
    plane.counters.in_flight -= 1
    if x.held:
        plane.let_go(x.held)
        x.held = 0
    meter = x.meter
    if meter is not None:
        meter.in_flight -= 1
    if not x.began:
        _give_back(x, 0)
        return
    usage = x.usage
    if usage is None:
        usage = price(x)
    if x.seq:
        # Last, so that next to nothing lies between the record and the byte that it speaks of.
        _record(x, plane, usage)


def price(x: Exchange) -> Usage:
    """Find what the call used and cost, and give back the tokens that were booked for more."""
    usage = x.usage = _usage(x)
    assert x.model is not None
    rate = x.model.rate
    if rate is not None:
        x.cost = cost(usage, rate)
        x.currency = rate.currency
    _give_back(x, usage.input + usage.output)
    x.t_ended = monotonic_ns()
    return usage


def _give_back(x: Exchange, tokens: int) -> None:
    """Put the tokens that were used in the place of those that were booked."""
    meter, booked = x.meter, x.booked_tokens
    if meter is not None and booked and booked != tokens:
        assert x.key is not None
        assert x.key.tpm is not None
        meter.tokens_at = limits.give_back(meter.tokens_at, x.key.tpm, booked - tokens)
        meter.tokens -= booked - tokens


def _record(x: Exchange, plane: Plane, usage: Usage) -> None:
    """Write the record's second half."""
    now = x.t_ended = monotonic_ns()
    fault = x.fault
    status, told = _COMPLETED, x.told
    if fault is not None:
        status = _CANCELLED if fault.code in (GONE, "slow_reader") else _FAILED
        if status == _FAILED:
            plane.counters.failed += 1
        code, message, told = fault.code, fault.message, told or fault.status
    else:
        code, message = x.trouble_code, x.trouble_message
        if code:
            status = _FAILED
            plane.counters.failed += 1
    answer, outcome = x.answer, x.outcome
    plane.journal.append(
        CallEnded(
            x.seq,
            status,
            told,
            usage.input,
            usage.output,
            usage.cached,
            usage.reasoning,
            usage.source,
            x.cost,
            x.currency,
            (
                x.started_ns,
                x.t_head,
                x.t_screened,
                x.t_authenticated,
                x.t_body,
                x.t_routed,
                x.t_admitted,
                x.t_connected,
                x.t_first_byte,
                now,
            ),
            x.attempts,
            x.body_bytes,
            answer.body_bytes if answer is not None else 0,
            x.upstream_status,
            code,
            message[:500],
            outcome.finish_reason if outcome is not None else "",
        )
    )


def _usage(x: Exchange) -> Usage:
    """What the provider counted; else what passed, marked as an estimate; nothing where the provider did nothing."""
    if x.outcome is not None and x.outcome.usage is not None:
        return x.outcome.usage
    answer, fault = x.answer, x.fault
    if answer is None or x.envelope is None or not answer.status or answer.status >= 300:
        return UNKNOWN
    if fault is not None and fault.no_answer and answer.scanner is None:
        return UNKNOWN
    if answer.scanner is not None:
        return estimate(len(x.envelope.body), answer.scanner.events)
    return estimate(len(x.envelope.body), answer.body_bytes // BYTES_PER_TOKEN)
