"""Durations in buckets that grow by a quarter of an octave: a percentile is wrong by less than a tenth, and a day needs no more room than
an hour.

Bucket 0 is below `LEAST` microseconds, bucket n ends at `LEAST` times 2^(n/4); the last one has no end.

All counts of a histogram are one whole number, five bytes to a bucket, the lowest first: so the histograms of a thousand hours are added
up by a thousand additions, and stored as their bytes.
"""

import bisect
import struct
from collections.abc import Iterable
from itertools import accumulate
from typing import Final

LEAST: Final = 100
"""Microseconds."""

OCTAVES: Final = 25
"""From 0.1 ms to an hour."""

BOUNDS: Final = tuple(round(LEAST * 2 ** (step / 4)) for step in range(OCTAVES * 4))
"""Where each bucket but the last ends; a duration that is a bound belongs to the bucket after it."""


def bucket_of(micros: int) -> int:
    """The bucket of a duration in microseconds."""
    return bisect.bisect_right(BOUNDS, micros)


def ladder(value: str) -> str:
    """`bucket_of` as SQL, for an expression that is an integer of microseconds: seven comparisons, on every database."""

    def choose(low: int, high: int) -> str:
        if low == high:
            return str(low)
        middle = (low + high) // 2
        return f"CASE WHEN {value} < {BOUNDS[middle]} THEN {choose(low, middle)} ELSE {choose(middle + 1, high)} END"

    return choose(0, len(BOUNDS))


_LANE: Final = 40
"""Bits of a bucket's count: a million million calls."""

_LANES: Final = tuple(struct.Struct("<" + "IB" * number) for number in range(len(BOUNDS) + 2))
"""How so many lanes are read: each as its four lower bytes and its highest one, which is nearly always zero."""


class Histogram:
    """Counts by bucket."""

    __slots__ = ("_counts",)

    def __init__(self, durations: Iterable[int] = ()) -> None:
        self._counts = 0
        counted: dict[int, int] = {}
        for micros in durations:
            bucket = bucket_of(micros)
            counted[bucket] = counted.get(bucket, 0) + 1
        for bucket, count in counted.items():
            self.add(bucket, count)

    def add(self, bucket: int, count: int = 1) -> None:
        """Count more in a bucket."""
        self._counts += count << (bucket * _LANE)

    def take(self, other: "Histogram") -> None:
        """Count what another one has counted."""
        self._counts += other._counts

    def merge(self, stored: bytes) -> None:
        """Count what another one has counted, given as its bytes."""
        self._counts += int.from_bytes(stored, "little")

    def __bytes__(self) -> bytes:
        return self._counts.to_bytes((self._counts.bit_length() + 7) // 8, "little")

    def quantiles(self, *shares: float) -> tuple[int | None, ...]:
        """For each of the shares: the duration in microseconds that so many of all are at or below, to the precision of a
        bucket; None where there is none.
        """
        if not self._counts:
            return (None,) * len(shares)
        first = ((self._counts & -self._counts).bit_length() - 1) // _LANE
        size = -(-self._counts.bit_length() // _LANE) - first
        halves = _LANES[size].unpack((self._counts >> first * _LANE).to_bytes(size * _LANE // 8, "little"))
        counts, highest = halves[::2], halves[1::2]
        if any(highest):
            counts = tuple(low + (high << 32) for low, high in zip(counts, highest, strict=True))
        ends = tuple(accumulate(counts))
        found: list[int | None] = []
        for share in shares:
            wanted = share * ends[-1]
            place = bisect.bisect_left(ends, wanted)
            bucket = first + place
            low = 0 if bucket == 0 else BOUNDS[bucket - 1]
            high = BOUNDS[min(bucket, len(BOUNDS) - 1)]
            found.append(round(low + (high - low) * (wanted - (ends[place] - counts[place])) / counts[place]))
        return tuple(found)
