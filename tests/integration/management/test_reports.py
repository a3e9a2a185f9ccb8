"""Long reports: what is folded and what is not yet come to the same, in every zone, and percentiles are those of the calls."""

import asyncio
import itertools
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from sekisho.api.doors import door
from sekisho.kit.clock import from_rfc3339, to_rfc3339
from sekisho.kit.money import format_amount
from sekisho.storage.session import Session
from sekisho.usage.reports.histograms import Histogram
from sekisho.usage.reports.jobs import fold, keep
from sekisho.usage.reports.model import COUNTED
from sekisho.usage.reports.service import ReportService
from tests.integration.management.house import START, House
from tests.integration.management.records import HOUR, record
from tests.support.turns import settled_heap, watched

DAY = 24 * HOUR
SECOND = 1_000_000


def reports_of(house: House) -> ReportService:
    found = house.app.state.provided[ReportService]
    assert isinstance(found, ReportService)
    return found


def fold_all(house: House) -> None:
    house.run(fold(house.database, reports_of(house)))
    assert house.run(waiting(house)) == 0


async def waiting(house: House) -> int:
    async with house.database.reader() as connection:
        return await reports_of(house).unfolded(Session(connection))


def scatter(house: House, count: int, seed: int) -> None:
    choose = random.Random(seed)
    record(
        house,
        *(
            {
                "started_at": START + choose.randrange(12 * DAY),
                "status": choose.choice((0, 0, 0, 1, 2)),
                "model": choose.choice(("up/a", "up/b", "down/c")),
                "provider": choose.choice(("up", "down")),
                "key_id": choose.choice(("k1", "k2", "k3")),
                "project": choose.choice(("default", "side", "third")),
                "cost": choose.choice((None, 7, 11)),
                "currency": choose.choice(("USD", "EUR")),
                "duration_us": choose.randrange(1, 10**7),
                "ttfb_us": choose.choice((None, choose.randrange(1, 10**6))),
            }
            for _ in range(count)
        ),
    )


QUESTIONS = [
    f"period={period}&by={by}&tz={zone}"
    for period, by, zone in itertools.product(("7d", "all"), ("model", "key", "project", "user", "hour", "day"), ("UTC", "Asia/Kolkata"))
    if not (period == "all" and by == "hour") and (zone == "UTC" or by == "day")
] + [
    "since=2026-01-02T05:00:00Z&until=2026-01-02T09:30:00Z&by=model",
    "since=2026-01-02T23:10:00Z&until=2026-01-04T01:30:00Z&by=key&compare=true",
    "since=2026-01-03T00:00:00Z&until=2026-01-05T00:00:00Z&by=provider&project=side",
]


def test_reports_are_the_same_before_during_and_after_folding(house: House) -> None:
    house.clock.at = START + 12 * DAY
    scatter(house, 60, seed=1)
    now = house.clock.at

    def answers() -> list[Any]:
        house.clock.at = now
        return [house.good("GET", f"/api/usage?{question}") | {"period": None, "before": None} for question in QUESTIONS]

    before = answers()
    fold_all(house)
    folded = answers()
    assert folded == before
    scatter(house, 30, seed=2)
    mixed = answers()
    fold_all(house)
    assert answers() == mixed
    assert [report["totals"]["calls"] for report in mixed] >= [report["totals"]["calls"] for report in before]


def test_what_rows_say_is_what_the_total_says(house: House) -> None:
    house.clock.at = START + 12 * DAY
    scatter(house, 80, seed=3)
    fold_all(house)
    scatter(house, 20, seed=4)
    for question in QUESTIONS:
        report = house.good("GET", f"/api/usage?{question}")
        for name in ("calls", "failed", "input_tokens", "unpriced"):
            assert sum(row[name] for row in report["rows"]) == report["totals"][name], (question, name)


def calls_of(house: House) -> list[Any]:
    async def read() -> list[Any]:
        async with house.database.reader() as connection:
            return list(await connection.exec_driver_sql("SELECT * FROM calls ORDER BY number"))

    return house.run(read())


def summed(calls: list[Any]) -> dict[str, Any]:
    """What a report has to say of calls, from one after the other."""
    priced = [call for call in calls if call.cost is not None]
    amounts = {currency: sum(call.cost for call in priced if call.currency == currency) for currency in {call.currency for call in priced}}
    costs = [{"cost": format_amount(amounts[currency]), "currency": currency} for currency in sorted(amounts)]
    durations, ttfbs = [call.duration_us for call in calls], [call.ttfb_us for call in calls if call.ttfb_us is not None]
    percentiles = (*Histogram(durations).quantiles(0.5, 0.95), *Histogram(ttfbs).quantiles(0.5, 0.95))
    return {
        **{name: sum(call.status == status for call in calls) for status, name in enumerate(("completed", "failed", "cancelled"))},
        **{name: sum(getattr(call, name) for call in calls) for name in COUNTED if name.endswith("_tokens")},
        "calls": len(calls),
        "unpriced": len(calls) - len(priced),
        "cost": costs[0]["cost"] if len(costs) == 1 else None,
        "currency": costs[0]["currency"] if len(costs) == 1 else None,
        "costs": costs,
        "duration_ms": sum(durations) / len(durations) / 1000 if durations else None,
        "ttfb_ms": sum(ttfbs) / len(ttfbs) / 1000 if ttfbs else None,
        **{
            f"{name}_ms": None if value is None else value / 1000
            for name, value in zip(("duration_p50", "duration_p95", "ttfb_p50", "ttfb_p95"), percentiles, strict=True)
        },
    }


def names(by: str, zone: str) -> Callable[[Any], str]:
    """What the row of a call is named by."""

    def of_time(call: Any) -> str:
        hour = call.started_at - call.started_at % HOUR
        if by == "hour":
            return to_rfc3339(hour)
        local = (datetime.fromisoformat("1970-01-01T00:00:00+00:00") + timedelta(microseconds=hour)).astimezone(ZoneInfo(zone))
        return to_rfc3339(from_rfc3339(local.replace(hour=0, minute=0, second=0, microsecond=0).isoformat()))

    column = {"key": "key_id"}.get(by, by)
    return of_time if by in ("hour", "day") else lambda call: str(getattr(call, column))


@pytest.mark.parametrize("compare", ["true", "false"])
def test_every_number_is_that_of_the_calls_added_one_by_one(house: House, compare: str) -> None:
    end = START + 12 * DAY
    scatter(house, 120, seed=7)
    # Hours of one currency, of several, and of none; a cost of zero is a cost.
    for currencies in (("USD", "USD"), ("USD", "EUR", "JPY"), ("", "EUR"), ("",)):
        began = START + 11 * DAY + len(currencies) * HOUR
        record(house, *({"started_at": began, "cost": 3 if name else None, "currency": name or "USD"} for name in currencies))
    record(house, {"started_at": START + 11 * DAY + 7 * HOUR, "cost": 0})
    for folded in range(3):
        if folded == 1:
            fold_all(house)
        if folded == 2:
            scatter(house, 40, seed=8)
        calls = calls_of(house)
        for by, zone in (("hour", "UTC"), ("day", "UTC"), ("day", "Asia/Kolkata"), ("model", "UTC"), ("key", "UTC"), ("project", "UTC")):
            house.clock.at = end
            report = house.good("GET", f"/api/usage?period=7d&by={by}&tz={zone}&compare={compare}")
            since = from_rfc3339(report["period"]["from"])
            chosen = [call for call in calls if call.started_at >= since]
            assert report["totals"] == summed(chosen)
            if compare == "true":
                first, last = (from_rfc3339(report["before"]["period"][name]) for name in ("from", "to"))
                assert report["before"]["totals"] == summed([call for call in calls if first <= call.started_at < last])
            named = names(by, zone)
            groups = {named(call): [other for other in chosen if named(other) == named(call)] for call in chosen}
            rows = {row.pop("key"): row for row in report["rows"]}
            assert rows.keys() == groups.keys()
            for name, row in rows.items():
                row.pop("label")
                assert row == summed(groups[name]), (folded, by, zone, name)


def test_folding_twice_or_by_two_nodes_adds_nothing(house: House) -> None:
    scatter(house, 10, seed=5)
    house.clock.at = START + 12 * DAY
    for _ in range(3):
        fold_all(house)
    assert house.good("GET", "/api/usage?period=all")["totals"]["calls"] == 10


def test_a_call_that_started_long_ago_is_counted_where_it_started(house: House) -> None:
    record(house, {"started_at": START + 3 * DAY})
    fold_all(house)
    record(house, {"started_at": START + HOUR})
    fold_all(house)
    house.clock.at = START + 4 * DAY
    rows = house.good("GET", "/api/usage?period=7d&by=day")["rows"]
    assert [(row["key"][:10], row["calls"]) for row in rows] == [("2026-01-04", 1), ("2026-01-01", 1)]


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("UTC", [("2026-03-29T00:00:00.000000Z", 3), ("2026-03-28T00:00:00.000000Z", 1)]),
        # Clocks go forward on the 29th: that day begins at 23:00 UTC, the next at 22:00.
        ("Europe/Berlin", [("2026-03-29T22:00:00.000000Z", 1), ("2026-03-28T23:00:00.000000Z", 3)]),
        ("Asia/Tokyo", [("2026-03-29T15:00:00.000000Z", 1), ("2026-03-28T15:00:00.000000Z", 3)]),
    ],
)
def test_days_are_those_of_the_zone(house: House, zone: str, expected: list[tuple[str, int]]) -> None:
    midnight = START + 87 * DAY
    record(
        house,
        *({"started_at": midnight + offset} for offset in (-30 * 60 * SECOND, 30 * 60 * SECOND, 13 * HOUR, 22 * HOUR + 1)),
    )
    house.clock.at = midnight + DAY
    for _ in range(2):
        rows = house.good("GET", f"/api/usage?period=7d&by=day&tz={zone}")["rows"]
        assert [(row["key"], row["calls"]) for row in rows] == expected
        assert all(row["duration_p50_ms"] is not None for row in rows), "each day has the percentiles of its own calls"
        fold_all(house)


def test_percentiles_are_those_of_the_calls_to_a_tenth(house: House) -> None:
    durations = [round(1000 * 1.05**step) for step in range(200)]
    record(house, *({"started_at": START + 2, "duration_us": each, "ttfb_us": each // 10} for each in durations))
    house.clock.at = START + HOUR
    exact = {"p50": durations[99], "p95": durations[189]}
    for _ in range(2):
        report = house.good("GET", "/api/usage?by=model")
        for told in (report["totals"], report["rows"][0]):
            for share, value in exact.items():
                assert told[f"duration_{share}_ms"] == pytest.approx(value / 1000, rel=0.1)
                assert told[f"ttfb_{share}_ms"] == pytest.approx(value / 10_000, rel=0.1)
        fold_all(house)


def test_the_period_before_is_as_long_and_ends_where_this_one_begins(house: House) -> None:
    record(
        house, {"started_at": START + 2 * DAY}, {"started_at": START + DAY}, {"started_at": START + DAY + 2}, {"started_at": START - DAY}
    )
    house.clock.at = START + 2 * DAY + 10
    report = house.good("GET", "/api/usage?compare=true&by=hour")
    before = report["before"]
    assert before["period"]["to"] == report["period"]["from"] == "2026-01-02T00:00:00.000000Z"
    assert before["period"]["from"] == "2025-12-31T23:00:00.000000Z"
    assert (report["totals"]["calls"], before["totals"]["calls"]) == (3, 0)
    house.clock.at = START + 3 * DAY
    report = house.good("GET", "/api/usage?compare=true")
    assert (report["totals"]["calls"], before["totals"]["calls"], report["before"]["totals"]["calls"]) == (1, 0, 2)
    assert house.good("GET", "/api/usage")["before"] is None


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("tz=Mars/Olympus", "tz"),
        ("tz=../../etc/passwd", "tz"),
        ("tz=Asia", "tz"),
        ("until=2026-01-01T00:00:00Z", "since"),
        ("since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", "since"),
        ("since=1971-01-01T00:00:00Z&until=2026-01-01T00:00:00Z", "since"),
        ("since=0001-01-01T00:00:00Z", "since"),
        ("since=9999-12-31T23:59:59Z", "since"),
        ("period=all&compare=true", "compare"),
        ("period=all&by=hour", "by"),
    ],
)
def test_what_cannot_be_reported_is_refused_by_the_name_of_its_field(house: House, query: str, param: str) -> None:
    assert house.refused(422, "GET", f"/api/usage?{query}")["param"] == param


def test_by_user_are_the_keys_of_who_made_them(house: House) -> None:
    made = house.good("POST", "/api/keys", {"label": "mine"})["id"]
    house.execute("INSERT INTO users (id, email, name, role, created_at, updated_at) VALUES ('u1', 'ann@example.org', 'Ann', 'user', 1, 1)")
    house.execute("UPDATE keys SET created_by = 'u1' WHERE id = ?", (made,))
    record(house, {"key_id": made}, {"key_id": made}, {"key_id": "gone"})
    rows = house.good("GET", "/api/usage?period=all&by=user")["rows"]
    assert [(row["key"], row["label"], row["calls"]) for row in rows] == [("u1", "ann@example.org", 2), ("", "local owner", 1)]
    assert house.good("GET", f"/api/keys/{made}")["created_by"] == {"id": "u1", "email": "ann@example.org"}


def test_a_node_folds_by_itself_and_wipes_what_is_stale(house: House) -> None:
    scatter(house, 20, seed=6)

    async def run() -> None:
        wiped = asyncio.Event()

        async def tidy() -> None:
            wiped.set()

        keeping = asyncio.ensure_future(keep(house.database, reports_of(house), tidy))
        try:
            async with asyncio.timeout(30):
                await wiped.wait()
        finally:
            keeping.cancel()

    house.run(run())
    assert house.run(waiting(house)) == 0, "it folds before it wipes"


PROJECTS = 16
SUMMED = ("calls", "completed", "failed", "cancelled", "unpriced", "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")


def quarter(house: House) -> None:
    """The folded sums of 90 days, as busy projects leave them."""
    choose = random.Random(9)
    blobs = [bytes(Histogram(round(choose.lognormvariate(13, 2)) for _ in range(200))) for _ in range(20)]
    hours = [START + hour * HOUR for hour in range(90 * 24)]
    numbers = [200, 190, 10, 0, 0, 1000, 100, 0, 0, 5, 10**9, 10**8, 200]
    columns = f"hour, project, currency, {', '.join(SUMMED)}, cost, duration_us, ttfb_us, ttfb_calls"
    rows = [(hour, f"project-{place}", "USD", *numbers) for hour in hours for place in range(PROJECTS)]
    house.execute(f"INSERT INTO rollups_project ({columns}) VALUES ({', '.join('?' * len(rows[0]))})", rows)
    latencies = [
        (HOUR, hour, f"project-{place}", choose.choice(blobs), choose.choice(blobs)) for hour in hours for place in range(PROJECTS)
    ]
    house.execute("INSERT INTO rollups_latency (step, start, project, duration, ttfb) VALUES (?, ?, ?, ?, ?)", latencies)


def test_a_long_report_leaves_the_loop_to_others(house: House) -> None:
    quarter(house)
    house.clock.at = START + 90 * DAY

    async def longest() -> float:
        async with (
            watched() as turns,
            httpx.AsyncClient(transport=httpx.ASGITransport(app=door(house.app, "local")), base_url="http://sekisho") as client,
        ):
            answer = await client.get("/api/usage?period=90d&by=hour")
        assert len(answer.json()["rows"]) == 90 * 24
        return turns.longest

    async def best() -> float:
        return min([await longest() for _ in range(3)])

    with settled_heap():
        # All in one go it takes several times as long.
        assert house.run(best()) < 0.03
