"""The bodies of `/api/usage`."""

from typing import Any, Literal

from pydantic import Field

from sekisho.kit.clock import to_rfc3339
from sekisho.kit.money import format_amount
from sekisho.rest.schemas import Time, Told
from sekisho.usage.reports.model import Latency, Part, Report, Row, Sums

Period = Literal["24h", "7d", "30d", "90d", "all"]
By = Literal["model", "provider", "key", "project", "user", "hour", "day"]


class CostTold(Told):
    cost: str
    currency: str


class SumsTold(Told):
    calls: int
    completed: int
    failed: int
    cancelled: int
    unpriced: int = Field(description="Calls without a cost: unknown, which is not zero.")
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    cost: str | None = Field(description="Null where there is none, or where costs are in several currencies: see costs.")
    currency: str | None
    costs: list[CostTold]
    duration_ms: float | None = Field(description="The mean.")
    ttfb_ms: float | None = Field(description="The mean of those that had a first byte.")


class LatencyTold(Told):
    """Percentiles in milliseconds, to a tenth of their size; null where no call is behind them."""

    duration_p50_ms: float | None
    duration_p95_ms: float | None
    ttfb_p50_ms: float | None
    ttfb_p95_ms: float | None


class TotalsTold(SumsTold, LatencyTold):
    pass


class RowTold(SumsTold, LatencyTold):
    key: str = Field(description="What the row is for: a name, a user's id (empty: no user), or the start of the hour or day.")
    label: str | None = Field(description="What a key was called last, a user's address.")


class PeriodTold(Told):
    since: Time = Field(serialization_alias="from")
    until: Time = Field(serialization_alias="to")


class BeforeTold(Told):
    period: PeriodTold
    totals: TotalsTold


class ReportTold(Told):
    period: PeriodTold
    totals: TotalsTold
    rows: list[RowTold]
    truncated: bool = Field(description="Whether rows were left out; the totals have them.")
    before: BeforeTold | None = Field(description="The period of the same length before, where it was asked for.")
    sampled: int | None = Field(
        description="How many calls, the newest, the percentiles of the rows are taken from; null where they are those of all. "
        "Those of the totals always are."
    )

    @classmethod
    def of(cls, report: Report) -> "ReportTold":
        return cls(
            period=_period(report.whole),
            totals=_totals(report.whole),
            rows=[_row(row) for row in report.rows],
            truncated=report.truncated,
            before=None if report.before is None else BeforeTold(period=_period(report.before), totals=_totals(report.before)),
            sampled=report.sampled,
        )


def _period(part: Part) -> PeriodTold:
    return PeriodTold(since=part.since, until=part.until)


def _totals(part: Part) -> TotalsTold:
    return TotalsTold(**_sums(part.totals), **_latency(part.latency))


def _row(row: Row) -> RowTold:
    key = row.key if isinstance(row.key, str) else to_rfc3339(row.key)
    return RowTold(**_sums(row.sums), **_latency(row.latency or Latency()), key=key, label=row.label)


def _latency(latency: Latency) -> dict[str, Any]:
    found = (*latency.duration.quantiles(0.5, 0.95), *latency.ttfb.quantiles(0.5, 0.95))
    return {name: None if micros is None else micros / 1000 for name, micros in zip(LatencyTold.model_fields, found, strict=True)}


def _sums(sums: Sums) -> dict[str, Any]:
    costs = [CostTold(cost=format_amount(cost), currency=currency) for currency, cost in sorted(sums.costs.items())]
    return vars(sums) | {
        "cost": costs[0].cost if len(costs) == 1 else None,
        "currency": costs[0].currency if len(costs) == 1 else None,
        "costs": costs,
        "duration_ms": sums.duration_us / sums.calls / 1000 if sums.calls else None,
        "ttfb_ms": sums.ttfb_us / sums.ttfb_calls / 1000 if sums.ttfb_calls else None,
    }
