"""Sums over the API: they are those of the calls, by whatever they are asked for, and two currencies are never added."""

from typing import Any

import pytest

from tests.integration.management.house import START, House
from tests.integration.management.records import HOUR, record

DAY = 24 * HOUR


@pytest.fixture
def house(house: House) -> House:
    """With six calls in two days."""
    house.clock.at = START + DAY + 30 * 60 * 1_000_000
    record(
        house,
        {"started_at": START + 2 * HOUR},
        {"started_at": START + 2 * HOUR + 5, "model": "up/other", "cost": 10_000_000_000},
        {"started_at": START + 3 * HOUR, "status": 1, "cost": None, "ttfb_us": None},
        {"started_at": START + DAY, "status": 2, "key_id": "k2", "key_label": "two", "currency": "EUR"},
        {"started_at": START + DAY + 1, "project": "side", "provider": "down"},
        {"started_at": START - 40 * DAY},
    )
    return house


def rows(report: Any, *fields: str) -> list[tuple[Any, ...]]:
    return [tuple(row[field] for field in ("key", *fields)) for row in report["rows"]]


def test_totals_are_those_of_the_period(house: House) -> None:
    report = house.good("GET", "/api/usage")
    assert report["period"]["from"] == "2026-01-01T00:00:00.000000Z"
    totals = report["totals"]
    assert {name: totals[name] for name in ("calls", "completed", "failed", "cancelled", "unpriced")} == {
        "calls": 5,
        "completed": 3,
        "failed": 1,
        "cancelled": 1,
        "unpriced": 1,
    }
    assert (totals["input_tokens"], totals["output_tokens"], totals["cached_tokens"], totals["reasoning_tokens"]) == (50, 25, 10, 5)
    assert (totals["duration_ms"], totals["ttfb_ms"]) == (1.5, 0.7)
    assert house.good("GET", "/api/usage?period=all")["totals"]["calls"] == 6
    assert house.good("GET", "/api/usage?period=30d")["totals"]["calls"] == 5


def test_two_currencies_are_never_added(house: House) -> None:
    totals = house.good("GET", "/api/usage")["totals"]
    assert (totals["cost"], totals["currency"]) == (None, None)
    assert totals["costs"] == [{"cost": "0.0000001234", "currency": "EUR"}, {"cost": "1.0000002468", "currency": "USD"}]


def test_by_model(house: House) -> None:
    report = house.good("GET", "/api/usage?by=model")
    assert rows(report, "calls", "cost") == [("up/m", 4, None), ("up/other", 1, "1.0000000000")]


def test_by_key_has_its_label(house: House) -> None:
    assert rows(house.good("GET", "/api/usage?by=key"), "label", "calls") == [("k1", "one", 4), ("k2", "two", 1)]
    record(house, {"started_at": START + DAY + HOUR, "key_label": "a new name"})
    assert rows(house.good("GET", "/api/usage?by=key"), "label", "calls") == [("k1", "a new name", 5), ("k2", "two", 1)]


def test_by_provider_and_project(house: House) -> None:
    assert rows(house.good("GET", "/api/usage?by=provider"), "calls") == [("up", 4), ("down", 1)]
    assert rows(house.good("GET", "/api/usage?by=project"), "calls") == [("default", 4), ("side", 1)]


def test_by_hour_and_by_day_newest_first(house: House) -> None:
    assert rows(house.good("GET", "/api/usage?by=hour"), "calls") == [
        ("2026-01-02T00:00:00.000000Z", 2),
        ("2026-01-01T03:00:00.000000Z", 1),
        ("2026-01-01T02:00:00.000000Z", 2),
    ]
    assert rows(house.good("GET", "/api/usage?by=day&period=all"), "calls") == [
        ("2026-01-02T00:00:00.000000Z", 2),
        ("2026-01-01T00:00:00.000000Z", 3),
        ("2025-11-22T00:00:00.000000Z", 1),
    ]


def test_rows_add_up_to_the_totals_whatever_they_are_by(house: House) -> None:
    for by in ("model", "provider", "key", "project", "hour", "day"):
        report = house.good("GET", f"/api/usage?by={by}&period=90d")
        assert report["truncated"] is False
        for name in ("calls", "failed", "unpriced", "input_tokens", "output_tokens"):
            assert sum(row[name] for row in report["rows"]) == report["totals"][name]


def test_an_empty_house_has_no_cost_rather_than_zero(tmp_path: Any) -> None:
    with House(tmp_path / "empty") as empty:
        report = empty.good("GET", "/api/usage?period=all")
    assert (report["rows"], report["totals"]["calls"], report["totals"]["cost"], report["totals"]["duration_ms"]) == ([], 0, None, None)


def test_a_list_without_a_sensible_end_is_refused(house: House) -> None:
    assert house.refused(422, "GET", "/api/usage?period=all&by=hour")["param"] == "by"
    assert house.refused(422, "GET", "/api/usage?period=1y")["param"] == "period"
    assert house.refused(422, "GET", "/api/usage?by=colour")["param"] == "by"


def test_a_long_report_says_that_it_was_cut(house: House) -> None:
    record(house, *({"model": f"up/m{number}", "started_at": START + DAY} for number in range(2501)))
    report = house.good("GET", "/api/usage")
    assert (len(report["rows"]), report["truncated"], report["totals"]["calls"]) == (2500, True, 2506)
    assert (report["rows"][0]["key"], report["rows"][0]["calls"]) == ("up/m", 4)
