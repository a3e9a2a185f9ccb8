"""Rates by GCRA (ITU-T I.371): one number per limit, the theoretical arrival time, says all there is to know.

A limit of N per minute lets N go at once and then one every 60/N seconds. Times are monotonic seconds.
"""

from typing import Final

WINDOW: Final = 60.0
"""Seconds of the `m` in rpm and tpm; also the burst, expressed as time."""

TOLERANCE: Final = 1e-7
"""Seconds by which a sum of floats may miss the full bucket."""


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
    after = (arrival if arrival > now else now) + WINDOW * amount / limit
    excess = after - now - WINDOW
    # Rounding of the float may make a full bucket look a hair too full.
    if excess > TOLERANCE:
        return -min(max(excess, 1e-3), WINDOW)
    return after


def give_back(arrival: float, limit: int, amount: int) -> float:
    """Undo a part of what was booked (a negative amount books more, without asking: it was already used)."""
    return arrival - WINDOW * amount / limit


def state(arrival: float, now: float, limit: int) -> tuple[int, bytes]:
    """How much would fit now, and when the limit is as if never used, in the form of OpenAI's `x-ratelimit-reset-*`."""
    busy = arrival - now
    if busy <= 0:
        return limit, b"0ms"
    left = int(limit * (1.0 - busy / WINDOW) + 1e-6)
    return (left if left > 0 else 0), duration(busy)


def duration(seconds: float) -> bytes:
    """`12ms`, `1s`, `6m0s`: rounded up, so that who waits so long has waited enough."""
    if seconds < 1:
        return b"%dms" % int(seconds * 1000 + 0.999)
    whole = int(seconds + 0.999)
    return b"%ds" % whole if whole < 60 else b"%dm%ds" % divmod(whole, 60)
