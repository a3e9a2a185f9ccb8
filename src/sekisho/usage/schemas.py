"""The bodies of `/api/calls` and `/api/usage`."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from sekisho.kit.clock import from_rfc3339, to_rfc3339
from sekisho.kit.money import format_amount
from sekisho.rest.schemas import Time, Told
from sekisho.usage.model import Call, Report, Row, Sums

Status = Literal["completed", "failed", "cancelled"]
Period = Literal["24h", "7d", "30d", "90d", "all"]
By = Literal["model", "provider", "key", "project", "hour", "day"]


def _moment(value: object) -> object:
    try:
        return from_rfc3339(value) if isinstance(value, str) else value
    except (ValueError, OverflowError):
        raise ValueError("write the time with its offset, such as 2026-01-31T09:00:00Z") from None


Moment = Annotated[int, BeforeValidator(_moment), Field(json_schema_extra={"type": "string", "format": "date-time"})]
"""A time in a query."""


class CallErrorTold(Told):
    code: str
    message: str


class CallTold(Told):
    id: str
    request_id: str
    client_request_id: str | None
    started_at: Time
    status: str
    http_status: int = Field(description="What the client was told; 499 where it left before an answer.")
    method: str
    path: str
    model: str
    provider: str
    upstream_model: str
    credential_id: str | None
    key_id: str
    key_label: str
    project: str
    address: str
    user_agent: str | None
    stream: bool
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    usage_source: str = Field(description="provider, estimated or unknown.")
    cost: str | None = Field(description="Null where the model had no rate.")
    currency: str | None
    duration_ms: float
    ttfb_ms: float | None
    stages: dict[str, int] = Field(description="Microseconds spent in each stage, as <stage>_us.")
    attempts: int
    error: CallErrorTold | None
    finish_reason: str | None
    upstream_status: int | None
    bytes_in: int
    bytes_out: int

    @classmethod
    def of(cls, call: Call) -> "CallTold":
        values: dict[str, Any] = vars(call) | {
            "client_request_id": call.client_request_id or None,
            "credential_id": call.credential_id or None,
            "user_agent": call.user_agent or None,
            "cost": None if call.cost is None else format_amount(call.cost),
            "currency": None if call.cost is None else call.currency,
            "duration_ms": call.duration_us / 1000,
            "ttfb_ms": None if call.ttfb_us is None else call.ttfb_us / 1000,
            "stages": {f"{name}_us": spent for name, spent in call.stages.items()},
            "error": CallErrorTold(code=call.error_code, message=call.error_message) if call.error_code else None,
            "finish_reason": call.finish_reason or None,
            "upstream_status": call.upstream_status or None,
        }
        return cls(**{name: values[name] for name in cls.model_fields})


class CallPage(Told):
    calls: list[CallTold]
    next_cursor: str | None


class Count(Told):
    count: int


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


class RowTold(SumsTold):
    key: str = Field(description="What the row is for: a name, or the start of the hour or day.")
    label: str | None


class PeriodTold(Told):
    since: Time = Field(serialization_alias="from")
    until: Time = Field(serialization_alias="to")


class ReportTold(Told):
    period: PeriodTold
    totals: SumsTold
    rows: list[RowTold]
    truncated: bool = Field(description="Whether rows were left out; the totals have them.")

    @classmethod
    def of(cls, report: Report) -> "ReportTold":
        return cls(
            period=PeriodTold(since=report.since, until=report.until),
            totals=SumsTold(**_sums(report.totals)),
            rows=[_row(row) for row in report.rows],
            truncated=report.truncated,
        )


def _row(row: Row) -> RowTold:
    key = row.key if isinstance(row.key, str) else to_rfc3339(row.key)
    return RowTold(**_sums(row.sums), key=key, label=row.label)


def _sums(sums: Sums) -> dict[str, Any]:
    costs = [CostTold(cost=format_amount(cost), currency=currency) for currency, cost in sorted(sums.costs.items())]
    return vars(sums) | {
        "cost": costs[0].cost if len(costs) == 1 else None,
        "currency": costs[0].currency if len(costs) == 1 else None,
        "costs": costs,
        "duration_ms": sums.duration_us / sums.calls / 1000 if sums.calls else None,
        "ttfb_ms": sums.ttfb_us / sums.ttfb_calls / 1000 if sums.ttfb_calls else None,
    }
