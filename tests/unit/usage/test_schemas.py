"""Sums as they are told: means of what there was, costs by currency."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sekisho.kit.clock import to_rfc3339
from sekisho.kit.money import format_amount
from sekisho.usage.reports.histograms import Histogram
from sekisho.usage.reports.model import COUNTED, Latency, Part, Report, Row, Sums
from sekisho.usage.reports.schemas import BeforeTold, CostTold, PeriodTold, ReportTold, RowTold, TotalsTold, encoded

NUMBERS = st.integers(0, 10**12)
SUMS = st.builds(Sums, **dict.fromkeys(COUNTED, NUMBERS), costs=st.dictionaries(st.sampled_from(["USD", "EUR", "JPY"]), NUMBERS))


@given(st.lists(SUMS, max_size=5))
def test_sums_add_up_whatever_the_order(parts: list[Sums]) -> None:
    forth, back = Sums(), Sums()
    for part in parts:
        forth.add(part)
    for part in reversed(parts):
        back.add(part)
    assert forth == back
    assert forth.calls == sum(part.calls for part in parts)
    for currency in ("USD", "EUR", "JPY"):
        assert forth.costs.get(currency, 0) == sum(part.costs.get(currency, 0) for part in parts)


@given(st.lists(SUMS, max_size=5))
def test_a_total_is_what_adding_one_by_one_comes_to(parts: list[Sums]) -> None:
    expected = Sums()
    for part in parts:
        expected.add(part)
    assert Sums.total(parts) == expected


def test_adding_does_not_change_what_is_added() -> None:
    total, part = Sums(), Sums(calls=1, costs={"USD": 5})
    total.add(part)
    total.add(part)
    assert (part, total.costs) == (Sums(calls=1, costs={"USD": 5}), {"USD": 10})


def test_a_report_is_told_with_means_and_one_cost_where_there_is_one() -> None:
    sums = Sums(calls=4, duration_us=8000, ttfb_us=900, ttfb_calls=3, costs={"USD": 15_000_000_000})
    rows = (Row(3_600_000_000, None, sums), Row("up/m", None, Sums()))
    document = json.loads(encoded(Report(Part(0, 1_000_000, sums, Latency()), rows, truncated=False, before=None, sampled=None)))
    assert document["period"] == {"from": "1970-01-01T00:00:00.000000Z", "to": "1970-01-01T00:00:01.000000Z"}
    assert (document["totals"]["duration_ms"], document["totals"]["ttfb_ms"]) == (2.0, 0.3)
    assert (document["totals"]["cost"], document["totals"]["currency"]) == ("1.5000000000", "USD")
    assert document["rows"][0]["key"] == "1970-01-01T01:00:00.000000Z"
    assert (document["rows"][1]["cost"], document["rows"][1]["duration_ms"], document["rows"][1]["ttfb_ms"]) == (None, None, None)


MICROS = st.integers(0, 10**10)
LATENCIES = st.builds(
    Latency, duration=st.builds(Histogram, st.lists(MICROS, max_size=9)), ttfb=st.builds(Histogram, st.lists(MICROS, max_size=9))
)
TIMES = st.integers(0, 4 * 10**15)
PARTS = st.builds(Part, since=TIMES, until=TIMES, totals=SUMS, latency=LATENCIES)
ROWS = st.builds(Row, key=TIMES | st.text(), label=st.none() | st.text(), sums=SUMS, latency=st.none() | LATENCIES)
REPORTS = st.builds(
    Report,
    whole=PARTS,
    rows=st.lists(ROWS, max_size=5).map(tuple),
    truncated=st.booleans(),
    before=st.none() | PARTS,
    sampled=st.none() | st.integers(0, 10**6),
)


def numbers(sums: Sums, latency: Latency) -> dict[str, Any]:
    """What the fields of a model are given."""
    costs = [CostTold(cost=format_amount(cost), currency=currency) for currency, cost in sorted(sums.costs.items())]
    (fast, slow), (first, late) = latency.duration.quantiles(0.5, 0.95), latency.ttfb.quantiles(0.5, 0.95)
    return {
        **{name: getattr(sums, name) for name in COUNTED},
        "costs": costs,
        "cost": costs[0].cost if len(costs) == 1 else None,
        "currency": costs[0].currency if len(costs) == 1 else None,
        "duration_ms": sums.duration_us / sums.calls / 1000 if sums.calls else None,
        "ttfb_ms": sums.ttfb_us / sums.ttfb_calls / 1000 if sums.ttfb_calls else None,
        "duration_p50_ms": None if fast is None else fast / 1000,
        "duration_p95_ms": None if slow is None else slow / 1000,
        "ttfb_p50_ms": None if first is None else first / 1000,
        "ttfb_p95_ms": None if late is None else late / 1000,
    }


def modelled(report: Report) -> ReportTold:
    def period(part: Part) -> PeriodTold:
        return PeriodTold(since=part.since, until=part.until)

    def totals(part: Part) -> TotalsTold:
        return TotalsTold(**numbers(part.totals, part.latency))

    return ReportTold(
        period=period(report.whole),
        totals=totals(report.whole),
        rows=[
            RowTold(
                key=row.key if isinstance(row.key, str) else to_rfc3339(row.key),
                label=row.label,
                **numbers(row.sums, row.latency or Latency()),
            )
            for row in report.rows
        ],
        truncated=report.truncated,
        before=None if report.before is None else BeforeTold(period=period(report.before), totals=totals(report.before)),
        sampled=report.sampled,
    )


@given(REPORTS)
def test_a_body_that_is_written_without_models_is_that_of_the_models(report: Report) -> None:
    assert encoded(report) == modelled(report).model_dump_json(by_alias=True).encode()
