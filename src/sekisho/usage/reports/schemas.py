"""The bodies of `/api/usage`.

A report may have thousands of rows, so its body is written as it is added up, without a model of each row; the models say what it holds.
"""

from typing import Any, Final, Literal

from pydantic import Field
from pydantic_core import to_json

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


def encoded(report: Report) -> bytes:
    """The body of a `ReportTold`. Takes some ten milliseconds for thousands of rows: call it in a thread."""
    return to_json(
        {
            "period": _period(report.whole),
            "totals": _totals(report.whole),
            "rows": [_row(row) for row in report.rows],
            "truncated": report.truncated,
            "before": None if report.before is None else {"period": _period(report.before), "totals": _totals(report.before)},
            "sampled": report.sampled,
        }
    )


def _period(part: Part) -> dict[str, str]:
    return {"from": to_rfc3339(part.since), "to": to_rfc3339(part.until)}


def _totals(part: Part) -> dict[str, Any]:
    return _latency(part.latency) | _sums(part.totals)


def _row(row: Row) -> dict[str, Any]:
    told = _latency(row.latency or Latency()) | _sums(row.sums)
    told["key"] = row.key if isinstance(row.key, str) else to_rfc3339(row.key)
    told["label"] = row.label
    return told


def _latency(latency: Latency) -> dict[str, float | None]:
    found = (*latency.duration.quantiles(0.5, 0.95), *latency.ttfb.quantiles(0.5, 0.95))
    return {name: None if micros is None else micros / 1000 for name, micros in zip(_PERCENTILES, found, strict=True)}


_PERCENTILES: Final = tuple(LatencyTold.model_fields)


def _sums(sums: Sums) -> dict[str, Any]:
    told = dict(vars(sums))
    costs = [{"cost": format_amount(cost), "currency": currency} for currency, cost in sorted(told.pop("costs").items())]
    only = costs[0] if len(costs) == 1 else {}
    told["cost"] = only.get("cost")
    told["currency"] = only.get("currency")
    told["costs"] = costs
    duration, ttfb, ttfb_calls = told.pop("duration_us"), told.pop("ttfb_us"), told.pop("ttfb_calls")
    told["duration_ms"] = duration / sums.calls / 1000 if sums.calls else None
    told["ttfb_ms"] = ttfb / ttfb_calls / 1000 if ttfb_calls else None
    return told
