"""How much: concurrency, requests and tokens per minute of the key, and room in the house. What is booked here, settle gives back."""

from sekisho.core.model.errors import Kind, Refusal
from sekisho.core.model.snapshot import Key
from sekisho.core.policy import limits
from sekisho.core.policy.limits import Meter
from sekisho.core.policy.pricing import BYTES_PER_TOKEN
from sekisho.dataplane.stages import Exchange, Plane, overloaded


def admit(x: Exchange, plane: Plane) -> Refusal | None:
    """Book the call against its key's limits, all or none."""
    if plane.counters.buffered > plane.bounds.buffered_bytes:
        return overloaded("the gateway holds as many bytes as it may; try again")
    if plane.journal.full and not plane.drop_when_full:
        return overloaded("the journal has no room for the call's record; the operator must free disk space", "journal_full", 30)
    key = x.key
    assert key is not None
    rpm, tpm, most = key.rpm, key.tpm, key.concurrency
    if rpm is None and tpm is None and most is None:
        return None
    meter = plane.counters.meter(key.id)
    now = plane.loop.time()
    if most is not None and meter.in_flight >= most:
        return _over(key, meter, now, "concurrency", f"{most} calls of this key are running; wait for one to end", 1.0)
    requests_at = tokens_at = 0.0
    if rpm is not None:
        requests_at = limits.take(meter.requests_at, now, rpm, 1)
        if requests_at < 0:
            return _over(key, meter, now, "requests", f"the key's {rpm} requests per minute are used up", -requests_at)
    if tpm is not None:
        assert x.envelope is not None
        x.booked_tokens = tokens = len(x.envelope.body) // BYTES_PER_TOKEN + 1
        if tokens > tpm:
            return _never(key, meter, now, tokens)
        tokens_at = limits.take(meter.tokens_at, now, tpm, tokens)
        if tokens_at < 0:
            return _over(key, meter, now, "tokens", f"the key's {tpm} tokens per minute are used up", -tokens_at)
        meter.tokens_at = tokens_at
        meter.tokens += tokens
    if rpm is not None:
        meter.requests_at = requests_at
        meter.requests += 1
    meter.in_flight += 1
    x.meter = meter
    return None


def _never(key: Key, meter: Meter, now: float, tokens: int) -> Refusal:
    """More than a whole minute's share: no wait mends that."""
    return Refusal(
        429,
        Kind.RATE_LIMIT,
        "tokens_exceed_limit",
        f"the request has about {tokens} tokens, more than the key's {key.tpm} per minute; send less at once",
        should_retry=False,
        headers=limit_fields(key, meter, now),
    )


def _over(key: Key, meter: Meter, now: float, what: str, message: str, wait: float) -> Refusal:
    seconds = max(1, int(wait + 0.999))
    return Refusal(
        429,
        Kind.RATE_LIMIT,
        "rate_limit_exceeded" if what != "concurrency" else "concurrency_limit_exceeded",
        f"{message}; try again in {seconds} s",
        what,
        seconds,
        should_retry=True,
        headers=limit_fields(key, meter, now),
    )


def limit_fields(key: Key, meter: Meter, now: float) -> tuple[tuple[str, str], ...]:
    """The limits as OpenAI's headers have them."""
    fields: list[tuple[str, str]] = []
    for name, limit, arrival in (("requests", key.rpm, meter.requests_at), ("tokens", key.tpm, meter.tokens_at)):
        if limit is not None:
            fields.append((f"x-ratelimit-limit-{name}", str(limit)))
            left, reset = limits.state(arrival, now, limit)
            fields.append((f"x-ratelimit-remaining-{name}", str(left)))
            fields.append((f"x-ratelimit-reset-{name}", reset.decode()))
    return tuple(fields)
