"""Rows of calls and their hourly sums. No decision is made here."""

from typing import Any

from sqlalchemy import ColumnElement, Select, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from sekisho.core.model.chat import UsageSource
from sekisho.core.model.records import STAGES, Status
from sekisho.storage.tables.usage import calls, rollups_hourly
from sekisho.usage.model import COUNTED, Call, Filter, Sums
from sekisho.usage.settings import DAY


def _call(row: Any) -> Call:
    values = dict(row._mapping)
    boot, seq = values.pop("boot"), values.pop("seq")
    spent = [int(part) for part in values["stages"].split(",") if part]
    return Call(
        **values
        | {
            "id": f"{boot}-{seq}",
            "status": Status(row.status).name.lower(),
            "usage_source": UsageSource(row.usage_source).name.lower(),
            "stages": dict(zip(STAGES, spent, strict=False)),
        }
    )


def _conditions(wanted: Filter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.status is not None:
        conditions.append(calls.c.status == int(Status[wanted.status.upper()]))
    for name in ("model", "provider", "key_id"):
        value = getattr(wanted, name)
        if value is not None:
            conditions.append(calls.c[name] == value)
    if wanted.since is not None:
        conditions.append(calls.c.started_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(calls.c.started_at < wanted.until)
    return conditions


async def newest_calls(connection: AsyncConnection, wanted: Filter, limit: int, after: tuple[int, int] | None) -> list[Call]:
    """By start, newest first, beginning behind the position (started_at, number)."""
    statement = select(calls).where(*_conditions(wanted)).order_by(calls.c.started_at.desc(), calls.c.number.desc()).limit(limit)
    if after is not None:
        statement = statement.where(tuple_(calls.c.started_at, calls.c.number) < after)
    return [_call(row) for row in await connection.execute(statement)]


async def recorded_calls(connection: AsyncConnection, wanted: Filter, limit: int, after: int) -> list[Call]:
    """In the order of recording, beginning behind a number: nothing that is recorded later is missed."""
    statement = select(calls).where(calls.c.number > after, *_conditions(wanted)).order_by(calls.c.number).limit(limit)
    return [_call(row) for row in await connection.execute(statement)]


async def last_number(connection: AsyncConnection) -> int:
    """Of the call recorded last; 0 where there is none."""
    return int((await connection.execute(select(func.coalesce(func.max(calls.c.number), 0)))).scalar_one())


async def find_call(connection: AsyncConnection, boot: str, seq: int) -> Call | None:
    row = (await connection.execute(select(calls).where(calls.c.boot == boot, calls.c.seq == seq))).one_or_none()
    return None if row is None else _call(row)


async def find_request(connection: AsyncConnection, request_id: str) -> Call | None:
    statement = select(calls).where(calls.c.request_id == request_id).order_by(calls.c.number.desc()).limit(1)
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else _call(row)


async def count_calls(connection: AsyncConnection, wanted: Filter) -> int:
    return int((await connection.execute(select(func.count()).select_from(calls).where(*_conditions(wanted)))).scalar_one())


def _summed(*groups: ColumnElement[Any]) -> Select[Any]:
    sums = [func.coalesce(func.sum(rollups_hourly.c[name]), 0).label(name) for name in COUNTED]
    cost = func.coalesce(func.sum(rollups_hourly.c.cost), 0).label("cost")
    return select(*groups, *sums, cost, rollups_hourly.c.currency).group_by(*groups, rollups_hourly.c.currency)


def _sums(row: Any) -> Sums:
    found = Sums()
    for name in COUNTED:
        setattr(found, name, int(getattr(row, name)))
    if row.currency:
        found.costs[row.currency] = int(row.cost)
    return found


async def first_hour(connection: AsyncConnection) -> int | None:
    """The oldest hour that has sums."""
    hour: int | None = (await connection.execute(select(func.min(rollups_hourly.c.hour)))).scalar_one()
    return hour


async def totals(connection: AsyncConnection, since: int) -> Sums:
    """All sums from an hour on."""
    result = Sums()
    for row in await connection.execute(_summed().where(rollups_hourly.c.hour >= since)):
        result.add(_sums(row))
    return result


async def grouped(connection: AsyncConnection, since: int, by: str, limit: int) -> list[tuple[str | int, str | None, Sums]]:
    """At most `limit` groups as (group, label, sums): times newest first, everything else by the number of calls."""
    hour = rollups_hourly.c.hour
    groups: dict[str, ColumnElement[Any]] = {
        "hour": hour,
        "day": hour - hour % DAY,
        "key": rollups_hourly.c.key_id,
        "model": rollups_hourly.c.model,
        "provider": rollups_hourly.c.provider,
        "project": rollups_hourly.c.project,
    }
    group = groups[by]
    order = group.desc() if by in ("hour", "day") else func.sum(rollups_hourly.c.calls).desc()
    # The groups are chosen before they are split by currency, so that none is told in part.
    first = select(group.label("chosen")).where(hour >= since).group_by(group).order_by(order, group).limit(limit).subquery()
    statement = _summed(group.label("grouping")).where(hour >= since, group.in_(select(first.c.chosen)))
    found: dict[str | int, Sums] = {}
    for row in await connection.execute(statement):
        found.setdefault(row.grouping, Sums()).add(_sums(row))
    labels = await _labels(connection, since) if by == "key" else {}
    rows = [(key, labels.get(key), sums) for key, sums in sorted(found.items())]
    rows.sort(key=lambda row: row[0] if by in ("hour", "day") else row[2].calls, reverse=True)
    return rows


async def _labels(connection: AsyncConnection, since: int) -> dict[str | int, str]:
    """What each key was called in the last hour that it was used in."""
    held = rollups_hourly.c
    newest = select(held.key_id, func.max(held.hour).label("hour")).where(held.hour >= since).group_by(held.key_id).subquery()
    last = (held.key_id == newest.c.key_id) & (held.hour == newest.c.hour)
    statement = select(held.key_id, func.max(held.key_label).label("label")).join(newest, last).group_by(held.key_id)
    return {row.key_id: row.label for row in await connection.execute(statement)}
