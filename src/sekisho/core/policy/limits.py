"""Rates by GCRA (ITU-T I.371): one number per limit, the theoretical arrival time, says all there is to know.

A limit of N per minute lets N go at once and then one every 60/N seconds. Times are monotonic seconds.
"""

from typing import Final

WINDOW: Final = 60.0
"""Seconds of the `m` in rpm and tpm; also the burst, expressed as time."""

TOLERANCE: Final = 1e-7
"""Seconds by which a sum of floats may miss the full bucket."""


class Meter:
    """The state of one key's limits, as one worker knows it: what it booked itself, and what it heard that others did.

    A request reads and writes the first five; the others are the tick's, which tells the node what is new and takes in what it says.
    """

    __slots__ = ("elsewhere", "in_flight", "requests", "requests_at", "seen_at", "tokens", "tokens_at", "told")

    def __init__(self) -> None:
        self.in_flight = 0
        """Calls under way, here and elsewhere."""
        self.requests_at = 0.0
        """Theoretical arrival time of the request limit."""
        self.tokens_at = 0.0
        self.requests = 0
        """Booked here and not told yet."""
        self.tokens = 0
        """Likewise; negative where more was given back than booked."""
        self.elsewhere = 0
        """Of the calls under way, those of other workers."""
        self.told = 0
        """Calls under way here, as they were told last."""
        self.seen_at = 0.0
        """The later of both arrival times when it was last looked at."""

    def add(self, now: float, requests_s: float, tokens_s: float) -> None:
        """Book what others did, in seconds of each limit."""
        self.requests_at = book(self.requests_at, now, requests_s)
        self.tokens_at = book(self.tokens_at, now, tokens_s)

    def rise(self, now: float, requests_s: float, tokens_s: float) -> None:
        """Be at least so busy, in seconds from now."""
        self.requests_at = max(self.requests_at, now + requests_s)
        self.tokens_at = max(self.tokens_at, now + tokens_s)

    def set_elsewhere(self, count: int) -> None:
        """How many calls are under way in other workers now."""
        self.in_flight += count - self.elsewhere
        self.elsewhere = count

    def is_idle(self, now: float) -> bool:
        """Whether it is as if it had never been used."""
        return not (self.in_flight or self.requests or self.tokens or self.requests_at > now or self.tokens_at > now)


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


def book(arrival: float, now: float, seconds: float) -> float:
    """Book without asking what was used already, in seconds of a limit; less than none is given back."""
    return (arrival if arrival > now or seconds < 0 else now) + seconds


def span(limit: int | None, amount: int) -> float:
    """The seconds in which a limit lets an amount through; none where there is no limit."""
    return WINDOW * amount / limit if limit else 0.0


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
