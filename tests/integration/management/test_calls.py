"""Calls over the API: told in full, newest first, found by either id, followed without a gap."""

import contextlib
import sqlite3
from typing import Any

import pytest
from sqlalchemy import event

from sekisho.core.model.records import STAGES
from tests.integration.management.house import START, House
from tests.integration.management.records import record


def test_a_call_is_told_in_full(house: House) -> None:
    record(house, {"seq": 7, "request_id": "req_x", "upstream_status": 200})
    (call,) = house.good("GET", "/api/calls")["calls"]
    assert call == {
        "id": "b00t-7",
        "request_id": "req_x",
        "client_request_id": None,
        "started_at": "2026-01-01T00:00:00.000000Z",
        "status": "completed",
        "http_status": 200,
        "method": "POST",
        "path": "/v1/chat/completions",
        "model": "up/m",
        "provider": "up",
        "upstream_model": "m",
        "credential_id": "c1",
        "key_id": "k1",
        "key_label": "one",
        "project": "default",
        "address": "127.0.0.1",
        "user_agent": "tests",
        "stream": True,
        "input_tokens": 10,
        "output_tokens": 5,
        "cached_tokens": 2,
        "reasoning_tokens": 1,
        "usage_source": "provider",
        "cost": "0.0000001234",
        "currency": "USD",
        "duration_ms": 1.5,
        "ttfb_ms": 0.7,
        "stages": {f"{name}_us": number for number, name in enumerate(STAGES, 1)},
        "attempts": 1,
        "error": None,
        "finish_reason": "stop",
        "upstream_status": 200,
        "bytes_in": 100,
        "bytes_out": 200,
    }
    assert house.good("GET", "/api/calls/b00t-7") == house.good("GET", "/api/calls/req_x") == call


def test_what_a_call_did_not_have_is_null_and_not_zero(house: House) -> None:
    lost = {"status": 1, "cost": None, "ttfb_us": None, "stages": "", "upstream_status": 0, "finish_reason": "", "usage_source": 0}
    record(house, {"seq": 1, **lost, "error_code": "worker_lost", "error_message": "the worker died"})
    call = house.good("GET", "/api/calls/b00t-1")
    assert (call["status"], call["cost"], call["currency"], call["ttfb_ms"], call["stages"]) == ("failed", None, None, None, {})
    assert (call["upstream_status"], call["finish_reason"], call["usage_source"]) == (None, None, "unknown")
    assert call["error"] == {"code": "worker_lost", "message": "the worker died"}


def test_an_unknown_call_is_404(house: House) -> None:
    for name in ("nope", "b00t-1", "b00t-", "-1", "b00t-²", "b00t-" + "9" * 30):
        assert house.refused(404, "GET", f"/api/calls/{name}")["code"] == "call_not_found"


def test_calls_are_paged_by_their_start_newest_first(house: House) -> None:
    # Recorded in another order than started, three of them at the same instant.
    starts = [5, 1, 3, 3, 3, 9, 2]
    record(house, *({"seq": number, "started_at": START + start} for number, start in enumerate(starts, 1)))
    seen: list[str] = []
    path = "/api/calls?limit=2"
    while path:
        page = house.good("GET", path)
        assert len(page["calls"]) <= 2
        seen += [call["id"] for call in page["calls"]]
        path = f"/api/calls?limit=2&cursor={page['next_cursor']}" if page["next_cursor"] else ""
    assert seen == [f"b00t-{seq}" for seq in (6, 1, 5, 4, 3, 7, 2)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("status=completed", {1, 2}),
        ("status=failed", {3}),
        ("status=cancelled", {4}),
        ("model=up/other", {2}),
        ("provider=up", {1, 2, 3, 4}),
        ("provider=down", set()),
        ("key_id=k2", {4}),
        ("status=completed&key_id=k2", set()),
        ("since=2026-01-01T00:00:03Z", {3, 4}),
        ("until=2026-01-01T00:00:03Z", {1, 2}),
        ("since=2026-01-01T09:00:02%2B09:00&until=2026-01-01T00:00:04Z", {2, 3}),
    ],
)
def test_filters_and_counts_agree(house: House, query: str, expected: set[int]) -> None:
    second = 1_000_000
    record(
        house,
        {"seq": 1, "started_at": START + second},
        {"seq": 2, "started_at": START + 2 * second, "model": "up/other"},
        {"seq": 3, "started_at": START + 3 * second, "status": 1},
        {"seq": 4, "started_at": START + 4 * second, "status": 2, "key_id": "k2"},
    )
    assert {call["id"] for call in house.good("GET", f"/api/calls?{query}")["calls"]} == {f"b00t-{seq}" for seq in expected}
    assert house.good("GET", f"/api/calls/count?{query}") == {"count": len(expected)}


def test_a_tail_misses_nothing_and_repeats_nothing(house: House) -> None:
    record(house, {"seq": 1}, {"seq": 2})
    cursor = house.good("GET", "/api/calls?after=now")["next_cursor"]
    # A long call that started before the others is recorded after them: by its start it would be missed.
    record(house, {"seq": 3}, {"seq": 4, "started_at": START - 10**9}, {"seq": 5, "status": 1})
    first = house.good("GET", f"/api/calls?after={cursor}&limit=2")
    assert [call["id"] for call in first["calls"]] == ["b00t-3", "b00t-4"]
    second = house.good("GET", f"/api/calls?after={first['next_cursor']}&limit=2")
    assert [call["id"] for call in second["calls"]] == ["b00t-5"]
    third = house.good("GET", f"/api/calls?after={second['next_cursor']}&limit=2")
    assert (third["calls"], third["next_cursor"]) == ([], second["next_cursor"])
    assert [call["id"] for call in house.good("GET", "/api/calls?after=start&status=failed")["calls"]] == ["b00t-5"]


def test_a_filtered_tail_moves_on_past_what_it_left_out(house: House) -> None:
    cursor = house.good("GET", "/api/calls?after=now")["next_cursor"]
    record(house, {"seq": 1}, {"seq": 2})
    page = house.good("GET", f"/api/calls?after={cursor}&status=failed")
    assert page["calls"] == []
    assert page["next_cursor"] == house.good("GET", "/api/calls?after=now")["next_cursor"] != cursor


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=x", "limit"),
        ("status=done", "status"),
        ("since=yesterday", "since"),
        ("since=2026-01-01T00:00:00", "since"),
        ("cursor=xx", "cursor"),
        ("after=xx", "after"),
    ],
)
def test_a_bad_query_is_refused_by_name(house: House, query: str, param: str) -> None:
    assert house.refused(422, "GET", f"/api/calls?{query}")["param"] == param


def statements_of(house: House, path: str) -> list[tuple[str, Any]]:
    """What a request asks the database for calls."""
    found: list[tuple[str, Any]] = []
    engine: Any = house.database
    listened = (engine._readers.sync_engine, "before_cursor_execute")

    def keep(connection: object, cursor: object, statement: str, parameters: Any, *_: object) -> None:
        if statement.startswith("SELECT calls."):
            found.append((statement, parameters))

    event.listen(*listened, keep)
    house.good("GET", path)
    event.remove(*listened, keep)
    return found


PAGES = ["", "status=failed", "key_id=k1", "model=up/m", "since=2026-01-01T00:00:00Z"]
"""What a person opens most must not slow down with the number of calls: the plan has neither a scan of all rows nor a sort of them."""


@pytest.mark.parametrize("query", PAGES)
def test_a_page_is_read_from_an_index_and_never_sorted(sqlite_house: House, query: str) -> None:
    ((statement, parameters),) = statements_of(sqlite_house, f"/api/calls?{query}")
    with contextlib.closing(sqlite3.connect(sqlite_house.home / "sekisho.db")) as other:
        plans = [row[3] for row in other.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]
    assert plans
    assert all("USING INDEX" in plan and "TEMP B-TREE" not in plan for plan in plans), plans


@pytest.mark.parametrize("query", PAGES)
def test_a_page_is_read_from_an_index_on_postgresql(postgres_house: House, query: str) -> None:
    """An empty table is always scanned, so the planner is told to prefer anything else: what it does then is what it can do."""
    house = postgres_house
    ((statement, parameters),) = statements_of(house, f"/api/calls?{query}")

    async def explain() -> list[str]:
        async with house.database.reader() as connection:
            for setting in ("enable_seqscan", "enable_bitmapscan", "enable_sort"):
                await connection.exec_driver_sql(f"SET LOCAL {setting} = off")
            return [row[0] for row in await connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)]

    plan = "\n".join(house.run(explain()))
    assert "Index Scan" in plan, plan
    # Rows of the same microsecond are put in order among themselves; that is no sort of all.
    assert "Sort" not in plan.replace("Incremental Sort", "").replace("Sort Key", ""), plan
    assert "Seq Scan" not in plan, plan
