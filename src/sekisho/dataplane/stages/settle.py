"""The end of a call, once: usage, cost, what was booked given back, the record's second half. Before the last byte of the answer."""

from typing import Final

from sekisho.core.model.chat import Usage, UsageSource
from sekisho.core.model.errors import GONE
from sekisho.core.model.records import CallEnded, Status
from sekisho.core.policy import limits
from sekisho.core.policy.pricing import BYTES_PER_TOKEN, cost, estimate
from sekisho.dataplane.stages import Exchange, Plane
from sekisho.kit.clock import monotonic_ns

UNKNOWN: Final = Usage(source=UsageSource.UNKNOWN)


def settle(x: Exchange, plane: Plane) -> None:
    """Close the books of one exchange. Does nothing the second time."""
    if x.settled:
        return
    x.settled = True
    plane.counters.in_flight -= 1
    if x.held:
        plane.let_go(x.held)
        x.held = 0
    tokens = _record(x, plane) if x.began else 0
    meter = x.meter
    if meter is not None:
        meter.in_flight -= 1
        surplus = x.booked_tokens - tokens
        if surplus and x.booked_tokens:
            assert x.key is not None
            assert x.key.tpm is not None
            meter.tokens_at = limits.give_back(meter.tokens_at, x.key.tpm, surplus)


def _record(x: Exchange, plane: Plane) -> int:
    """Write the record's second half; returns the tokens used."""
    now = x.t_ended = monotonic_ns()
    usage = _usage(x)
    tokens_in, tokens_out = usage.input, usage.output
    assert x.model is not None
    rate = x.model.rate
    if rate is not None:
        x.cost = cost(usage, rate)
        x.currency = rate.currency
    fault = x.fault
    status, told = Status.COMPLETED, x.told
    if fault is not None:
        status = Status.CANCELLED if fault.code in (GONE, "slow_reader") else Status.FAILED
        code, message, told = fault.code, fault.message, told or fault.status
    else:
        code, message = x.trouble_code, x.trouble_message
        if code:
            status = Status.FAILED
    answer, outcome = x.answer, x.outcome
    plane.journal.append(
        CallEnded(
            x.seq,
            status,
            told,
            tokens_in,
            tokens_out,
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
    return tokens_in + tokens_out


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
