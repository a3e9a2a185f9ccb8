"""Calls over the API: told in full, newest first, found by either id, followed without a gap."""

import contextlib
import csv
import io
import json
import sqlite3
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import event

from sekisho.core.model.records import STAGES
from sekisho.usage import service
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
        "api": None,
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
    alone = house.good("GET", "/api/calls/b00t-7")
    assert alone == house.good("GET", "/api/calls/req_x")
    assert {name: alone.pop(name) for name in set(alone) - set(call)} == {
        "rule": "model",
        "own_ms": (2 + 3 + 5 + 6) / 1000,
        "provider_ms": (7 + 8 + 9) / 1000,
        "client_ms": (1 + 4) / 1000,
        "tokens_per_second": round(5 / 9e-6, 1),
        "price": None,
        "charges": [],
    }
    assert alone == call


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
    assert house.good("GET", f"/api/calls/count?{query}") == {"count": len(expected), "exact": True}


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


PAGES = [
    *("", "status=failed", "key_id=k1", "model=up/m", "provider=up", "project=default", "error_code=upstream_cut"),
    "api=helper",
    *("since=2026-01-01T00:00:00Z", "cursor=WzE3NjcyMjU2MDAwMDAwMDAsMSwwXQ", "cursor=WzE3NjcyMjU2MDAwMDAwMDAsMSwxXQ"),
]
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


def walk(house: House, path: str, field: str) -> list[list[str]]:
    """The pages of a list, in the way of one of its cursors."""
    pages = []
    separator = "&" if "?" in path else "?"
    address: str | None = path
    while address:
        page = house.good("GET", address)
        pages.append([call["id"] for call in page["calls"]])
        address = f"{path}{separator}cursor={page[field]}" if page[field] else None
    return pages


def test_pages_are_walked_forth_and_back(house: House) -> None:
    record(house, *({"seq": seq, "started_at": START + seq // 2} for seq in range(1, 8)))
    forth = walk(house, "/api/calls?limit=3", "next_cursor")
    assert [len(page) for page in forth] == [3, 3, 1]
    first = house.good("GET", "/api/calls?limit=3")
    assert first["previous_cursor"] is None, "there is nothing newer than the newest"
    last = house.good("GET", f"/api/calls?limit=3&cursor={first['next_cursor']}")
    last = house.good("GET", f"/api/calls?limit=3&cursor={last['next_cursor']}")
    assert [call["id"] for call in last["calls"]] == forth[2]
    middle = house.good("GET", f"/api/calls?limit=3&cursor={last['previous_cursor']}")
    assert [call["id"] for call in middle["calls"]] == forth[1]
    newest = house.good("GET", f"/api/calls?limit=3&cursor={middle['previous_cursor']}")
    assert [call["id"] for call in newest["calls"]] == forth[0]
    assert newest["previous_cursor"] is None
    assert house.good("GET", f"/api/calls?limit=3&cursor={newest['next_cursor']}")["calls"] == middle["calls"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("project=side", {3}),
        ("error_code=upstream_cut", {2, 4}),
        ("error_code=upstream_cut&model=up/other", {4}),
        ("error_code=upstream", set()),
        ("api=helper", {1, 4}),
        ("api=helper&error_code=upstream_cut", {4}),
        ("api=none", set()),
        ("min_duration_ms=2", {4}),
        ("min_duration_ms=2.001", set()),
        ("q=req_a", {1, 2}),
        ("q=req%25", set()),
        ("q=mine", {3}),
        ("q=req_a&status=failed", {2}),
        ("project=default&status=failed&provider=up", {2, 4}),
    ],
)
def test_further_filters_and_counts_agree(house: House, query: str, expected: set[int]) -> None:
    record(
        house,
        {"seq": 1, "request_id": "req_a1", "api": "helper"},
        {"seq": 2, "request_id": "req_a2", "status": 1, "error_code": "upstream_cut"},
        {"seq": 3, "project": "side", "client_request_id": "mine-7"},
        {"seq": 4, "status": 1, "error_code": "upstream_cut", "model": "up/other", "duration_us": 2000, "api": "helper"},
    )
    assert {call["id"] for call in house.good("GET", f"/api/calls?{query}")["calls"]} == {f"b00t-{seq}" for seq in expected}
    assert house.good("GET", f"/api/calls/count?{query}") == {"count": len(expected), "exact": True}
    followed = house.good("GET", f"/api/calls?{query}&after=start")["calls"]
    assert {call["id"] for call in followed} == {f"b00t-{seq}" for seq in expected}


def test_a_list_that_no_index_knows_goes_on_behind_what_it_looked_through(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MOST_SCANNED", 4)
    slow = {2, 9, 17, 18}
    record(house, *({"seq": seq, "started_at": START + seq, "duration_us": 10**7 if seq in slow else 5} for seq in range(1, 20)))
    pages = walk(house, "/api/calls?min_duration_ms=1000&limit=3", "next_cursor")
    assert [call for page in pages for call in page] == [f"b00t-{seq}" for seq in sorted(slow, reverse=True)]
    assert [] in pages, "a page may be empty, and the list goes on"
    # And back again, from its very end.
    cursor, seen = "WzE3NjcyMjU2MDAwMDAwMDAsMCwxXQ", []
    while cursor:
        page = house.good("GET", f"/api/calls?min_duration_ms=1000&limit=3&cursor={cursor}")
        seen[:0] = [call["id"] for call in page["calls"]]
        cursor = page["previous_cursor"]
    assert seen == [f"b00t-{seq}" for seq in sorted(slow, reverse=True)]


@pytest.mark.parametrize(
    ("since", "until"),
    [(0, 7200), (1800, 5400), (1800, 1900), (3600, 3601), (1799, 9001), (0, 1)],
)
def test_a_count_by_the_hour_is_that_of_the_calls(house: House, since: int, until: int) -> None:
    record(house, *({"started_at": START + second * 1_000_000, "status": second % 3} for second in range(0, 9000, 600)))
    query = f"since={moment(since)}&until={moment(until)}"
    for further in ("", "&status=failed", "&project=default&model=up/m"):
        listed = house.good("GET", f"/api/calls?limit=1000&{query}{further}")["calls"]
        assert house.good("GET", f"/api/calls/count?{query}{further}") == {"count": len(listed), "exact": True}


def moment(second: int) -> str:
    return f"2026-01-01T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}Z"


def test_an_export_has_every_call_that_was_there_and_its_number(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "EXPORT_PAGE", 3)
    record(house, *({"seq": seq, "started_at": START + seq} for seq in range(1, 9)), {"seq": 9, "status": 1, "error_code": "=cmd|calc"})
    answer = house.ask("GET", "/api/calls/export")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="sekisho-calls.csv"'
    assert answer.headers["x-total-count"] == "9"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["id"] for row in rows] == [f"b00t-{seq}" for seq in (8, 7, 6, 5, 4, 3, 2, 1, 9)]
    assert (rows[0]["cost"], rows[0]["stream"], rows[0]["error"]) == ("0.0000001234", "true", "")
    assert rows[-1]["error"] == "'=cmd|calc", "a spreadsheet computes nothing of it"
    lines = house.ask("GET", "/api/calls/export?format=jsonl&status=completed").text.splitlines()
    listed = house.good("GET", "/api/calls?status=completed")["calls"]
    assert [json.loads(line) for line in lines] == listed


def test_a_call_is_explained_by_the_price_that_was_in_force(house: House) -> None:
    house.good("POST", "/api/providers", {"name": "up", "kind": "custom", "base_url": "http://127.0.0.1:9/v1", "probe": False})
    house.good("POST", "/api/models", {"id": "up/m", "input_price": "1", "output_price": "2", "cached_input_price": "0.5"})
    began = house.clock.at
    house.clock.at += 1000
    house.good("PUT", "/api/models/up/m/rate", {"input_price": "9", "output_price": "9"})
    cost = 8 * 10_000 + 2 * 5_000 + 5 * 20_000
    record(house, {"seq": 1, "started_at": began, "cost": cost}, {"seq": 2, "started_at": began, "cost": 1}, {"seq": 3, "started_at": 5})
    told = house.good("GET", "/api/calls/b00t-1")
    assert (told["price"]["input_price"], told["price"]["source"]) == ("1.0000000000", "user")
    assert [(each["kind"], each["tokens"]) for each in told["charges"]] == [("input", 8), ("cached", 2), ("output", 5)]
    assert sum(Decimal(each["cost"]) for each in told["charges"]) == Decimal(told["cost"])
    other = house.good("GET", "/api/calls/b00t-2")
    assert (other["price"] is None, other["charges"]) == (False, []), "a cost that the price does not give is not explained by it"
    assert house.good("GET", "/api/calls/b00t-3")["price"] is None
