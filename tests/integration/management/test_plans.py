"""How the databases find what lists and reports ask for: by an index, however many calls there are. See also test_calls."""

import contextlib
import sqlite3
from typing import Any

import pytest
from sqlalchemy import event

from tests.integration.management.house import START, House
from tests.integration.management.records import HOUR, record
from tests.integration.management.test_reports import fold_all

GROWING = ("calls", "rollups_hourly", "rollups_daily", "rollups_project", "rollups_latency", "keys")
"""Tables that grow with the calls, or with who makes them."""

PATHS = [
    "/api/calls?status=failed&key_id=k1",
    "/api/calls?min_duration_ms=5",
    "/api/calls?q=req_x&model=up/m",
    "/api/calls/count?status=failed&since=2026-01-01T00:20:00Z&until=2026-01-01T05:10:00Z",
    "/api/calls/count?error_code=upstream_cut",
    "/api/calls/count?min_duration_ms=5&since=2026-01-01T00:00:00Z",
    "/api/calls/b00t-101",
    "/api/calls/req-1",
    *(f"/api/usage?period=7d&by={by}&compare=true" for by in ("model", "provider", "key", "project", "user", "hour", "day")),
    "/api/usage?period=24h&by=model",
    "/api/usage?period=7d&by=day&tz=Asia/Tokyo",
    "/api/usage?since=2026-01-01T00:20:00Z&until=2026-01-01T05:10:00Z&by=model",
    "/api/keys",
    "/api/keys?state=active&q=ci",
    "/api/keys?project=default",
]


@pytest.fixture
def filled(house: House) -> House:
    """With calls of which most are folded."""
    house.good("POST", "/api/keys", {"label": "ci"})
    for day in range(9):
        record(house, *({"started_at": START + day * 24 * HOUR + hour * HOUR, "seq": day * 100 + hour} for hour in range(4)))
    fold_all(house)
    record(house, {"started_at": START + 8 * 24 * HOUR + 5 * HOUR, "seq": 9999})
    house.clock.at = START + 9 * 24 * HOUR
    return house


@pytest.mark.parametrize("path", PATHS)
def test_nothing_that_grows_is_read_whole(filled: House, path: str) -> None:
    found = [(sql, parameters) for sql, parameters in asked(filled, path) if sql.startswith("SELECT") and " FROM " in sql]
    assert found
    for sql, parameters in found:
        plan = plan_of(filled, sql, parameters)
        assert not scanned(filled.database.kind, plan), f"{sql}\n\n{plan}"


def asked(house: House, path: str) -> list[tuple[str, Any]]:
    """What a request asks the database."""
    found: list[tuple[str, Any]] = []
    engine: Any = house.database
    listened = (engine._readers.sync_engine, "before_cursor_execute")

    def keep(connection: object, cursor: object, statement: str, parameters: Any, *_: object) -> None:
        found.append((" ".join(statement.split()), parameters))

    event.listen(*listened, keep)
    house.good("GET", path)
    event.remove(*listened, keep)
    return found


def scanned(kind: str, plan: str) -> list[str]:
    """The growing tables that a plan reads row by row without an index."""
    if kind == "postgresql":
        return [table for table in GROWING if f"Seq Scan on {table}" in plan]
    return [table for table in GROWING if any(line.startswith(f"SCAN {table}") and "USING" not in line for line in plan.splitlines())]


def plan_of(house: House, sql: str, parameters: Any) -> str:
    if house.database.kind == "sqlite":
        with contextlib.closing(sqlite3.connect(house.home / "sekisho.db")) as other:
            return "\n".join(row[3] for row in other.execute(f"EXPLAIN QUERY PLAN {sql}", parameters))

    async def explain() -> str:
        async with house.database.reader() as connection:
            # A table of a few rows is always read whole: what the planner does when it may not is what it can do with many.
            await connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            return "\n".join(row[0] for row in await connection.exec_driver_sql(f"EXPLAIN {sql}", parameters))

    return house.run(explain())
