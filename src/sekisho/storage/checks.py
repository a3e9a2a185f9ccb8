"""Whether the database is what it should be: sound pages, sound references, sums that agree with what they sum."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Select, case, exists, func, literal, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from sekisho.core.model.records import Status
from sekisho.kit.clock import SECOND
from sekisho.storage.database import Database
from sekisho.storage.tables.usage import calls, calls_open, journal_positions, rollups_hourly

HOUR: Final = 3600 * SECOND
"""Microseconds in the unit of the rollups."""


@dataclass(frozen=True)
class Check:
    """One question and its answer."""

    name: str
    ok: bool
    detail: str


async def run(database: Database, journal: Path) -> list[Check]:
    """Ask all questions of one consistent state; takes as long as reading the whole database does."""
    async with database.reader() as connection:
        return [
            await _integrity(connection),
            await _foreign_keys(connection),
            await _rollups(connection),
            await _open_calls(connection),
            await _positions(connection, journal),
        ]


async def _integrity(connection: AsyncConnection) -> Check:
    found = (await connection.execute(text("PRAGMA integrity_check(5)"))).scalars().all()
    return Check("integrity", list(found) == ["ok"], "every page is sound" if list(found) == ["ok"] else "; ".join(map(str, found)))


async def _foreign_keys(connection: AsyncConnection) -> Check:
    found = (await connection.execute(text("PRAGMA foreign_key_check"))).all()
    tables = sorted({str(row[0]) for row in found})
    return Check(
        "references",
        not found,
        f"{len(found)} rows refer to nothing, in {', '.join(tables)}" if found else "every row refers to one that exists",
    )


def _sums() -> Select[Any]:
    """What the rollups should hold, from the calls."""

    def counted(status: Status) -> Any:
        return func.sum(case((calls.c.status == int(status), 1), else_=0))

    hour = calls.c.started_at - calls.c.started_at % HOUR
    currency = case((calls.c.cost.is_(None), literal("")), else_=calls.c.currency)
    groups = (hour, calls.c.model, calls.c.provider, calls.c.key_id, calls.c.project, currency)
    return select(
        *groups,
        func.count(),
        counted(Status.COMPLETED),
        counted(Status.FAILED),
        counted(Status.CANCELLED),
        func.count() - func.count(calls.c.cost),
        func.sum(calls.c.input_tokens),
        func.sum(calls.c.output_tokens),
        func.sum(calls.c.cached_tokens),
        func.sum(calls.c.reasoning_tokens),
        func.coalesce(func.sum(calls.c.cost), 0),
        func.sum(calls.c.duration_us),
        func.coalesce(func.sum(calls.c.ttfb_us), 0),
        func.count(calls.c.ttfb_us),
    ).group_by(*groups)


async def _rollups(connection: AsyncConnection) -> Check:
    held = select(*(column for column in rollups_hourly.c if column.name != "key_label"))
    missing = (await connection.execute(_sums().except_(held))).all()
    surplus = (await connection.execute(held.except_(_sums()))).all()
    if not missing and not surplus:
        return Check("rollups", True, "the hourly sums agree with the calls")
    hours = {int(row[0]) for row in (*missing, *surplus)}
    return Check(
        "rollups",
        False,
        f"the hourly sums differ from the calls in {len(hours)} hours ({len(missing)} sums from calls, {len(surplus)} kept)",
    )


async def _open_calls(connection: AsyncConnection) -> Check:
    both = exists().where(calls.c.boot == calls_open.c.boot, calls.c.seq == calls_open.c.seq)
    ended = (await connection.execute(select(func.count()).select_from(calls_open).where(both))).scalar_one()
    waiting = (await connection.execute(select(func.count()).select_from(calls_open))).scalar_one()
    return Check("open calls", ended == 0, f"{ended} calls are both open and ended" if ended else f"{waiting} calls are open")


async def _positions(connection: AsyncConnection, journal: Path) -> Check:
    rows = (await connection.execute(select(journal_positions.c.segment, journal_positions.c.offset))).all()
    beyond = _beyond(rows, journal)
    detail = f"positions beyond the end of {', '.join(beyond)}" if beyond else f"{len(rows)} positions, all inside their segments"
    return Check("journal positions", not beyond, detail)


def _beyond(rows: Sequence[Any], journal: Path) -> list[str]:
    """Segments that are shorter than what was read of them; one that is gone was deleted after its commit."""
    found = []
    for segment, offset in rows:
        path = journal / Path(segment).name
        if path.exists() and path.stat().st_size < offset:
            found.append(segment)
    return found
