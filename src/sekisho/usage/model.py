"""A call as it is told, and which ones are asked for. Times are wall times in microseconds, amounts are 1e-10 units of their currency."""

from dataclasses import dataclass

from sekisho.core.ports import Price


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
    api: str = ""


@dataclass(frozen=True)
class Filter:
    """Which calls are asked for; None means any."""

    status: str | None = None
    model: str | None = None
    provider: str | None = None
    key_id: str | None = None
    since: int | None = None
    until: int | None = None
    project: str | None = None
    error_code: str | None = None
    min_duration_us: int | None = None
    text: str | None = None
    """How a request id begins, ours or the client's own."""
    within: frozenset[str] | None = None
    """The projects that whoever asks may see."""
    api: str | None = None
    recorded: int | None = None
    """The last call, in the order of recording, that is looked at."""

    @property
    def projects(self) -> frozenset[str] | None:
        """The projects that are asked for, as far as they may be seen; None means all."""
        if self.project is None:
            return self.within
        return frozenset({self.project}) if self.within is None else self.within & {self.project}


@dataclass(frozen=True)
class Position:
    """A place in the list of calls by start, and the way from there."""

    started_at: int
    number: int
    newer: bool = False
    """Towards newer calls; else towards older ones."""


@dataclass(frozen=True)
class Page:
    """Calls, newest first, and where the list goes on; None where it ends."""

    calls: tuple[Call, ...]
    older: Position | None
    newer: Position | None


@dataclass(frozen=True)
class Count:
    """How many calls there are."""

    count: int
    exact: bool
    """Whether all were looked at; else there are at least so many."""


@dataclass(frozen=True)
class Explained:
    """A call, and what makes its numbers."""

    call: Call
    price: Price | None
    """The rate that was in force when it began; None where there was none, or the model is gone."""
