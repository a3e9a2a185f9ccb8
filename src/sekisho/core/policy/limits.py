"""Rates by GCRA (ITU-T I.371): one number per limit, the theoretical arrival time, says all there is to know.

A limit of N per minute lets N go at once and then one every 60/N seconds. Times are monotonic seconds.
"""

from typing import Final

WINDOW: Final = 60.0
"""Seconds of the `m` in rpm and tpm; also the burst, expressed as time."""


class Meter:
    """The state of one key's limits in one worker."""

    __slots__ = ("in_flight", "requests_at", "tokens_at")

    def __init__(self) -> None:
        self.in_flight = 0
        self.requests_at = 0.0
        """Theoretical arrival time of the request limit."""
        self.tokens_at = 0.0


def take(arrival: float, now: float, limit: int, amount: int) -> float:
    """Book an amount against a limit. Returns the new arrival time, or the negative seconds to wait where it does not fit.

    The wait is until this very amount fits; an amount beyond the whole limit never does, and waits as for a full window.
    """
    start = arrival if arrival > now else now
    after = start + WINDOW * amount / limit
    excess = after - now - WINDOW
    # Rounding of the float may make a full bucket look a hair too full.
    if excess > 1e-9 * WINDOW:
        return -min(excess, WINDOW) if excess > 1e-3 else -1e-3
    return after


def give_back(arrival: float, limit: int, amount: int) -> float:
    """Undo a part of what was booked (a negative amount books more, without asking: it was already used)."""
    return arrival - WINDOW * amount / limit


def remaining(arrival: float, now: float, limit: int) -> int:
    """How much would fit now."""
    if arrival <= now:
        return limit
    left = int(limit * (1.0 - (arrival - now) / WINDOW) + 1e-6)
    return left if left > 0 else 0


def reset(arrival: float, now: float) -> float:
    """Seconds until the limit is as if never used."""
    return arrival - now if arrival > now else 0.0


def duration(seconds: float) -> str:
    """Seconds in the form of OpenAI's `x-ratelimit-reset-*`: `12ms`, `1s`, `6m0s`."""
    if seconds < 1:
        return f"{int(seconds * 1000 + 0.999)}ms"
    whole = int(seconds + 0.999)
    if whole < 60:
        return f"{whole}s"
    return f"{whole // 60}m{whole % 60}s"
