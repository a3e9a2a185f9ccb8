"""How long things took, counted in bins of which each is an eighth wide: exact enough for a percentile, and as small for a billion."""

import itertools
from typing import Final

_BITS: Final = 3
"""Of a duration's leading digits that tell bins apart: 8 bins between two powers of two."""
_SMALL: Final = 1 << _BITS
MOST: Final = 2**40
"""Microseconds: twelve days. Longer ones count as this."""


class Durations:
    """A histogram of microseconds."""

    __slots__ = ("bins", "count", "total")

    def __init__(self) -> None:
        self.bins: dict[int, int] = {}
        self.count = 0
        self.total = 0
        """The sum of all, in microseconds."""

    def add(self, micros: int) -> None:
        """Count one; what is negative, because a clock was wrong, counts as nothing."""
        if not 0 <= micros <= MOST:
            micros = 0 if micros < 0 else MOST
        if micros < _SMALL:
            place = micros
        else:
            shift = micros.bit_length() - _BITS - 1
            place = (shift << _BITS) + (micros >> shift)
        bins = self.bins
        bins[place] = bins.get(place, 0) + 1
        self.count += 1
        self.total += micros

    def quantile(self, share: float) -> int | None:
        """The middle of the bin in which the duration lies that so many (0 to 1) are not above; None of nothing."""
        if not self.count:
            return None
        wanted, seen = share * self.count, 0
        for place in sorted(self.bins):
            seen += self.bins[place]
            if seen >= wanted:
                low, width = _bin(place)
                return low + width // 2
        raise AssertionError("the bins hold less than was counted")

    def below(self, powers: range) -> list[int]:
        """How many were shorter than two to each of these powers, in microseconds; the powers rise by one."""
        counts = [0] * len(powers)
        # A copy in one step: others may count meanwhile.
        for place, count in tuple(self.bins.items()):
            power = max(_bin(place)[0].bit_length(), powers.start)
            if power < powers.stop:
                counts[power - powers.start] += count
        return list(itertools.accumulate(counts))


def _bin(place: int) -> tuple[int, int]:
    """Where a bin begins, and how wide it is."""
    if place < 2 * _SMALL:
        return place, 1
    shift = (place >> _BITS) - 1
    return (place - (shift << _BITS)) << shift, 1 << shift
