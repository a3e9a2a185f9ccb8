"""What `/metrics` counts, counted as calls are recorded: since the node's start, by model, in a bounded number of series.

Nothing of this is on the request path. Keys, projects and people are no labels: their number is not the operator's to bound, and the
usage reports have them.
"""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from sekisho.core.model.records import CallBegan, CallEnded
from sekisho.telemetry.durations import Durations

MOST_SERIES: Final = 200
"""Models that are told apart; what others do is counted as `other`."""
OTHER: Final = ("other", "other")
MOST_CODES: Final = 100

Call = tuple[str, CallBegan, CallEnded]
Refusal = tuple[object, ...]
"""A row of the refusals: its code stands in the eighth place, and in the tenth how many like it were not written."""
_CODE: Final = 7
_SUPPRESSED: Final = 9


class Metrics(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who may read `/metrics` without a login."""

    open_to: Literal["loopback", "nobody"] = "loopback"
    """`loopback`: programs on this host, as a Prometheus beside it; everybody else, and with `nobody` these too, needs an access token or
    a login that may read the system. A reverse proxy on this host that is not in `trust.proxies` makes all its clients look local."""


class Series:
    """What became of the calls of one model."""

    __slots__ = ("cached_tokens", "cost", "duration", "first_byte", "input_tokens", "output_tokens", "reasoning_tokens", "statuses")

    def __init__(self) -> None:
        self.statuses = [0, 0, 0]
        """By `records.Status`."""
        self.input_tokens = 0
        self.output_tokens = 0
        self.cached_tokens = 0
        self.reasoning_tokens = 0
        self.cost: dict[str, int] = {}
        """By currency, in 1e-10 units."""
        self.duration = Durations()
        self.first_byte = Durations()

    @property
    def calls(self) -> int:
        return sum(self.statuses)


class Tallies:
    """All that is counted."""

    def __init__(self) -> None:
        self.series: Final[dict[tuple[str, str], Series]] = {}
        """By model and provider."""
        self.own: Final = Durations()
        """Our own time of each call."""
        self.refusals: Final[dict[str, int]] = {}
        """By code."""

    def recorded(self, calls: Sequence[Call], refusals: Sequence[Refusal]) -> None:
        """These are in the database now."""
        for _, began, ended in calls:
            series = self.series.get((began.served, began.provider)) or self._begin(began.served, began.provider)
            series.statuses[ended.status] += 1
            series.input_tokens += ended.input_tokens
            series.output_tokens += ended.output_tokens
            if ended.cached_tokens:
                series.cached_tokens += ended.cached_tokens
            if ended.reasoning_tokens:
                series.reasoning_tokens += ended.reasoning_tokens
            if ended.cost is not None:
                series.cost[ended.currency] = series.cost.get(ended.currency, 0) + ended.cost
            series.duration.add(ended.duration_us)
            first, own = ended.ttfb_us, ended.own_us
            if first is not None:
                series.first_byte.add(first)
            if own is not None:
                self.own.add(own)
        for row in refusals:
            code, suppressed = str(row[_CODE]), row[_SUPPRESSED]
            if code not in self.refusals and len(self.refusals) >= MOST_CODES:
                code = OTHER[0]
            self.refusals[code] = self.refusals.get(code, 0) + 1 + (suppressed if isinstance(suppressed, int) else 0)

    def _begin(self, model: str, provider: str) -> Series:
        """A series for a model that was not met before, or the one of all that are too many."""
        name = OTHER if len(self.series) >= MOST_SERIES else (model, provider)
        return self.series.setdefault(name, Series())
