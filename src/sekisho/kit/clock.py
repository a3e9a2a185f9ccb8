"""Time is asked here and nowhere else, so that a test can hand out its own.

Wall time is an integer of microseconds since the Unix epoch (UTC): it orders records for people and may jump.
Intervals are measured on the monotonic clock, which never does.
"""

import time
from datetime import UTC, datetime
from typing import Final, Protocol

SECOND: Final = 1_000_000
"""Microseconds in a second: the unit of all wall times here."""

monotonic = time.monotonic
"""Seconds as a float, for intervals and deadlines."""

monotonic_ns = time.perf_counter_ns
"""Nanoseconds, for the own times of the hot path."""

wall_ns = time.time_ns
"""Nanoseconds since the epoch, for the hot path, which divides once at the end."""


class Clock(Protocol):
    """What a module asks for when it needs the time."""

    def now(self) -> int:
        """Wall time in microseconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never goes back."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> int:
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        return time.monotonic()


def to_rfc3339(micros: int) -> str:
    """Write a wall time as RFC 3339 UTC with microseconds, the one form that leaves the house."""
    seconds, fraction = divmod(micros, SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{fraction:06d}Z"


def from_rfc3339(text: str) -> int:
    """Read an RFC 3339 time with an offset; raises ValueError where the offset is missing."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time needs its offset, such as 2026-01-31T09:00:00Z")
    return round(moment.timestamp() * SECOND)


_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def parse_duration(text: str) -> int:
    """Read `90s`, `15m`, `12h`, `30d` or `2w` as seconds; raises ValueError with an example otherwise."""
    number, unit = text[:-1], text[-1:]
    if unit not in _UNITS or not number.isdecimal() or len(number) > 9 or int(number) == 0:
        raise ValueError(f"{text!r} is not a duration; write a number and a unit, such as 30d, 12h, 15m or 90s")
    return int(number) * _UNITS[unit]
