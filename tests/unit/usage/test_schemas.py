"""Sums as they are told: means of what there was, costs by currency."""

from hypothesis import given
from hypothesis import strategies as st

from sekisho.usage.reports.model import COUNTED, Latency, Part, Report, Row, Sums
from sekisho.usage.reports.schemas import ReportTold

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


def test_adding_does_not_change_what_is_added() -> None:
    total, part = Sums(), Sums(calls=1, costs={"USD": 5})
    total.add(part)
    total.add(part)
    assert (part, total.costs) == (Sums(calls=1, costs={"USD": 5}), {"USD": 10})


def test_a_report_is_told_with_means_and_one_cost_where_there_is_one() -> None:
    sums = Sums(calls=4, duration_us=8000, ttfb_us=900, ttfb_calls=3, costs={"USD": 15_000_000_000})
    rows = (Row(3_600_000_000, None, sums), Row("up/m", None, Sums()))
    told = ReportTold.of(Report(Part(0, 1_000_000, sums, Latency()), rows, truncated=False, before=None, sampled=None))
    document = told.model_dump(mode="json", by_alias=True)
    assert document["period"] == {"from": "1970-01-01T00:00:00.000000Z", "to": "1970-01-01T00:00:01.000000Z"}
    assert (document["totals"]["duration_ms"], document["totals"]["ttfb_ms"]) == (2.0, 0.3)
    assert (document["totals"]["cost"], document["totals"]["currency"]) == ("1.5000000000", "USD")
    assert document["rows"][0]["key"] == "1970-01-01T01:00:00.000000Z"
    assert (document["rows"][1]["cost"], document["rows"][1]["duration_ms"], document["rows"][1]["ttfb_ms"]) == (None, None, None)
