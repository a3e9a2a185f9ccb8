"""Rows of calls. No decision is made here."""

from typing import Any, Final

from sqlalchemy import ColumnElement, Select, func, literal, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from sekisho.core.model.chat import UsageSource
from sekisho.core.model.records import STAGES, Status
from sekisho.storage.tables.usage import calls, rollups_hourly
from sekisho.usage.model import Call, Filter, Position
from sekisho.usage.settings import HOUR

MOST_BRANCHES: Final = 16
"""Projects that are each read by their own index; of more, the calls of all are looked through."""

_LEADING: Final = ("error_code", "api", "key_id", "model", "provider", "status")
"""Filters with an index of their own, the narrowest first."""

SPARSE: Final = ("error_code", "api")
"""Those whose index holds only calls that have a value."""

_COUNTED_BY_THE_HOUR: Final = ("model", "provider", "key_id")


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


def _equal(name: str, value: Any, *, leading: bool) -> ColumnElement[bool]:
    if name == "status":
        value = int(Status[value.upper()])
    # What is no plain column is found by no index: of two filters the planner takes the one that was chosen here.
    column: ColumnElement[Any] = calls.c[name] if leading else (calls.c[name] + 0 if name == "status" else calls.c[name].concat(""))
    condition: ColumnElement[bool] = column == value
    # A sparse index is used only where it is said that there is a value.
    return condition & (calls.c[name] != "") if name in SPARSE else condition


def leading(wanted: Filter) -> str | None:
    """The filter whose index the list is read by; None where that is the one of all calls."""
    return next((name for name in _LEADING if getattr(wanted, name) is not None), None)


def is_direct(wanted: Filter) -> bool:
    """Whether every entry of the index that the list is read by is a call of the list."""
    named = [name for name in _LEADING if getattr(wanted, name) is not None]
    narrowed = wanted.min_duration_us is not None or wanted.text is not None
    projects = wanted.projects
    return not narrowed and len(named) + (projects is not None) <= 1 and len(projects or ()) <= MOST_BRANCHES


def _times(wanted: Filter) -> list[ColumnElement[bool]]:
    conditions = []
    if wanted.since is not None:
        conditions.append(calls.c.started_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(calls.c.started_at < wanted.until)
    return conditions


def _conditions(wanted: Filter, first: str | None, *, projects: bool = True) -> list[ColumnElement[bool]]:
    """All that a call has to be; `first` is the filter to find it by. Without `projects` somebody else sees to those."""
    conditions = _times(wanted)
    conditions += [_equal(name, value, leading=name == first) for name in _LEADING if (value := getattr(wanted, name)) is not None]
    if projects and wanted.projects is not None:
        conditions.append(calls.c.project.concat("").in_(sorted(wanted.projects)))
    if wanted.recorded is not None:
        conditions.append(calls.c.number + 0 <= wanted.recorded)
    if wanted.min_duration_us is not None:
        conditions.append(calls.c.duration_us >= wanted.min_duration_us)
    if wanted.text is not None:
        beginning = wanted.text
        conditions.append(
            or_(calls.c.request_id.startswith(beginning, autoescape=True), calls.c.client_request_id.startswith(beginning, autoescape=True))
        )
    return conditions


def _branches(wanted: Filter) -> list[list[ColumnElement[bool]]]:
    """Sets of conditions of which a call meets at most one: each is read by an index in the order of the list."""
    projects = wanted.projects
    if projects is None or leading(wanted) is not None or len(projects) > MOST_BRANCHES:
        return [_conditions(wanted, leading(wanted))]
    rest = _conditions(wanted, None, projects=False)
    return [[calls.c.project == project, *rest] for project in sorted(projects)]


def _behind(position: Position | None) -> list[ColumnElement[bool]]:
    if position is None:
        return []
    place = (position.started_at, position.number)
    here = tuple_(calls.c.started_at, calls.c.number)
    return [here > place if position.newer else here < place]


def _ordered(statement: Select[Any], *, newer: bool) -> Select[Any]:
    if newer:
        return statement.order_by(calls.c.started_at, calls.c.number)
    return statement.order_by(calls.c.started_at.desc(), calls.c.number.desc())


async def listed(connection: AsyncConnection, wanted: Filter, limit: int, position: Position | None, bound: Position | None) -> list[Call]:
    """Calls by start, on from the position in its way (from the newest without one), up to and with the bound."""
    newer = position is not None and position.newer
    found: list[Call] = []
    for branch in _branches(wanted):
        statement = select(calls).where(*branch, *_behind(position))
        if bound is not None:
            here, place = tuple_(calls.c.started_at, calls.c.number), (bound.started_at, bound.number)
            statement = statement.where(here <= place if newer else here >= place)
        found += [_call(row) for row in await connection.execute(_ordered(statement, newer=newer).limit(limit))]
    found.sort(key=lambda call: (call.started_at, call.number), reverse=not newer)
    return found[:limit]


async def bound_of(connection: AsyncConnection, wanted: Filter, position: Position | None, entries: int) -> Position | None:
    """Where so many entries of the list's index end, counted from the position; None where there are not so many."""
    newer = position is not None and position.newer
    first = leading(wanted)
    chosen = [] if first is None else [_equal(first, getattr(wanted, first), leading=True)]
    statement = select(calls.c.started_at, calls.c.number).where(*chosen, *_times(wanted), *_behind(position))
    row = (await connection.execute(_ordered(statement, newer=newer).limit(1).offset(entries - 1))).one_or_none()
    return None if row is None else Position(row.started_at, row.number, newer)


async def recorded_calls(connection: AsyncConnection, wanted: Filter, limit: int, after: int) -> list[Call]:
    """In the order of recording, beginning behind a number: nothing that is recorded later is missed."""
    statement = select(calls).where(calls.c.number > after, *_conditions(wanted, None)).order_by(calls.c.number).limit(limit)
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


async def count_exactly(connection: AsyncConnection, wanted: Filter, most: int) -> int:
    """How many calls there are, counted one by one and no further than `most`."""
    found = 0
    for branch in _branches(wanted):
        within = select(literal(1)).select_from(calls).where(*branch).limit(most).subquery()
        found += int((await connection.execute(select(func.count()).select_from(within))).scalar_one())
    return min(found, most)


async def count_hours(connection: AsyncConnection, wanted: Filter, since: int | None, until: int | None) -> int:
    """How many calls began in whole hours, from their sums."""
    counted = rollups_hourly.c.calls if wanted.status is None else rollups_hourly.c[wanted.status]
    conditions: list[ColumnElement[bool]] = []
    if since is not None:
        conditions.append(rollups_hourly.c.hour >= since)
    if until is not None:
        conditions.append(rollups_hourly.c.hour < until)
    given = {name: getattr(wanted, name) for name in _COUNTED_BY_THE_HOUR}
    conditions += [rollups_hourly.c[name] == value for name, value in given.items() if value is not None]
    if wanted.projects is not None:
        conditions.append(rollups_hourly.c.project.in_(sorted(wanted.projects)))
    return int((await connection.execute(select(func.coalesce(func.sum(counted), 0)).where(*conditions))).scalar_one())


def is_counted_by_the_hour(wanted: Filter) -> bool:
    """Whether the sums know all that is asked for."""
    return wanted.error_code is None and wanted.api is None and wanted.min_duration_us is None and wanted.text is None


def hour_of(at: int) -> int:
    """The whole hour that a time lies in."""
    return at - at % HOUR
