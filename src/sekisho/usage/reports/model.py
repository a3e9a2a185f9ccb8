"""Sums of calls. Times are wall times in microseconds, amounts are 1e-10 units of their currency."""

from dataclasses import dataclass, field

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

    def add(self, other: "Sums") -> None:
        """Take another group in."""
        for name in COUNTED:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for currency, cost in other.costs.items():
            self.costs[currency] = self.costs.get(currency, 0) + cost


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
"""The fields of `Sums` that are plain sums, by the names of the rollups' columns."""


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


@dataclass(frozen=True)
class Sampled:
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
        self.duration.merge(bytes(other.duration))
        self.ttfb.merge(bytes(other.ttfb))


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
