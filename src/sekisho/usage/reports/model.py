"""Sums of calls. Times are wall times in microseconds, amounts are 1e-10 units of their currency."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Final, NamedTuple

from sekisho.usage.reports.histograms import Histogram


@dataclass
class Sums:
    """What a group of calls came to. Costs are kept apart by currency."""

    calls: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    unpriced: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    duration_us: int = 0
    ttfb_us: int = 0
    ttfb_calls: int = 0
    costs: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, counted: Iterable[Any], costs: dict[str, int]) -> "Sums":
        """From numbers in the order of `COUNTED`, of whatever kind a database gives them."""
        numbers: Any = map(int, counted)
        found = cls(*numbers)
        found.costs = costs
        return found

    def add(self, other: "Sums") -> None:
        """Take another group in."""
        for name in COUNTED:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self._add_costs(other)

    def _add_costs(self, other: "Sums") -> None:
        for currency, cost in other.costs.items():
            self.costs[currency] = self.costs.get(currency, 0) + cost

    @classmethod
    def total(cls, groups: Iterable["Sums"]) -> "Sums":
        """All of them as one: by columns, which takes a fraction of adding one after the other."""
        groups = list(groups)
        found = cls.of(map(sum, zip(*map(_COUNTS_OF, groups), strict=True)), {})
        for group in groups:
            found._add_costs(group)
        return found


COUNTED = (
    "calls",
    "completed",
    "failed",
    "cancelled",
    "unpriced",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "reasoning_tokens",
    "duration_us",
    "ttfb_us",
    "ttfb_calls",
)
"""The fields of `Sums` that are plain sums, in their order, by the names of the rollups' columns."""

_COUNTS_OF: Final = attrgetter(*COUNTED)


@dataclass(frozen=True)
class Asked:
    """What a report is to be of."""

    period: str = "24h"
    by: str = "model"
    since: int | None = None
    """With `until`, instead of the period; widened to whole hours."""
    until: int | None = None
    zone: str = "UTC"
    """By whose midnights days are told apart."""
    project: str | None = None
    within: frozenset[str] | None = None
    """The projects that whoever asks may see; None is all."""
    compare: bool = False
    """Whether the period of the same length before is looked at, too."""


class Sampled(NamedTuple):
    """What is looked at of a single call."""

    name: str
    label: str
    duration_us: int
    ttfb_us: int | None


@dataclass(frozen=True)
class Span:
    """A time from one whole hour to another, or on and on."""

    since: int
    until: int | None = None


@dataclass
class Latency:
    """How long the calls of a group took."""

    duration: Histogram = field(default_factory=Histogram)
    ttfb: Histogram = field(default_factory=Histogram)

    def add(self, other: "Latency") -> None:
        """Take another group in."""
        self.duration.take(other.duration)
        self.ttfb.take(other.ttfb)

    @classmethod
    def total(cls, groups: Iterable["Latency"]) -> "Latency":
        """All of them as one."""
        found = cls()
        for group in groups:
            found.add(group)
        return found


@dataclass(frozen=True)
class Row:
    """One line of a report."""

    key: str | int
    """A name, or the start of an hour or a day."""
    label: str | None
    sums: Sums
    latency: Latency | None = None
    """None where it was not looked at."""


@dataclass(frozen=True)
class Part:
    """What a period came to in total."""

    since: int
    until: int
    totals: Sums
    latency: Latency


@dataclass(frozen=True)
class Report:
    """Sums over a period, in total and by something."""

    whole: Part
    rows: tuple[Row, ...]
    truncated: bool
    """Whether rows were left out; the totals have them."""
    before: Part | None
    """The period of the same length before; None where it was not asked for."""
    sampled: int | None
    """How many calls, the newest, the latencies of the rows are taken from; None where they are those of all calls."""
