"""A call as it is told, and sums of calls. Times are wall times in microseconds, amounts are 1e-10 units of their currency."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Call:
    """One recorded call; the fields mean what core.model.records says of them."""

    number: int
    """The order of recording."""
    id: str
    request_id: str
    client_request_id: str
    started_at: int
    status: str
    http_status: int
    method: str
    path: str
    address: str
    user_agent: str
    key_id: str
    key_label: str
    project: str
    model: str
    provider: str
    upstream_model: str
    credential_id: str
    stream: bool
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    usage_source: str
    cost: int | None
    currency: str
    duration_us: int
    ttfb_us: int | None
    stages: dict[str, int]
    """Microseconds by the names of records.STAGES."""
    attempts: int
    upstream_status: int
    error_code: str
    error_message: str
    finish_reason: str
    bytes_in: int
    bytes_out: int


@dataclass(frozen=True)
class Filter:
    """Which calls are asked for; None means any."""

    status: str | None = None
    model: str | None = None
    provider: str | None = None
    key_id: str | None = None
    since: int | None = None
    until: int | None = None


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
class Row:
    """One line of a report."""

    key: str | int
    """A name, or the start of an hour or a day."""
    label: str | None
    sums: Sums


@dataclass(frozen=True)
class Report:
    """Sums over a period, in total and by something."""

    since: int
    until: int
    totals: Sums
    rows: tuple[Row, ...]
    truncated: bool
    """Whether rows were left out; the totals have them."""
