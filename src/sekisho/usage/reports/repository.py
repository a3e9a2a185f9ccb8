"""Sums of calls. No decision is made here.

Four tables hold them. The recorder writes `rollups_hourly`, complete at every instant and too fine for a long report. The others are
coarser, one to a kind of question, and folded from the calls a little later; `rollups_folded` says up to which call. What was recorded
behind that one is added when a report is read, in the same consistent read: so a report is always that of all calls.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import ColumnElement, Executable, Select, Table, func, insert, literal, literal_column, select, text, union_all, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sekisho.core.model.records import Status
from sekisho.storage.tables.usage import calls, rollups_daily, rollups_folded, rollups_hourly, rollups_latency, rollups_project
from sekisho.usage.reports.histograms import Histogram, ladder
from sekisho.usage.reports.model import COUNTED, Latency, Sampled, Span, Sums
from sekisho.usage.reports.settings import DAY, HOUR

Projects = frozenset[str] | None
"""What may be seen; None is all."""

MOST_BRANCHES: Final = 16
"""Projects whose newest calls are each read by their own index."""

MOST_TERMS: Final = 300
"""Of one compound statement; SQLite takes 500."""

SLICE: Final = 2000
"""Rows that are looked at in one go: some milliseconds. Between two of them the event loop turns to others."""

NAMED: Final = {"model": "model", "provider": "provider", "key": "key_id", "project": "project"}
"""The columns of what rows are named by."""

# Numbers are spelled out, not given as parameters: PostgreSQL takes two parameters for two different expressions.
_HOUR: Final = f"started_at - started_at % {HOUR}"
_DAY: Final = f"started_at - started_at % {DAY}"
_CURRENCY: Final = "CASE WHEN cost IS NULL THEN '' ELSE currency END"

_ADDED: Final = (*COUNTED, "cost")


def _counted(status: Status) -> str:
    return f"SUM(CASE WHEN status = {int(status)} THEN 1 ELSE 0 END)"


_OF_CALLS: Final = {
    "calls": "COUNT(*)",
    "completed": _counted(Status.COMPLETED),
    "failed": _counted(Status.FAILED),
    "cancelled": _counted(Status.CANCELLED),
    "unpriced": "COUNT(*) - COUNT(cost)",
    **{name: f"SUM({name})" for name in ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "duration_us")},
    "ttfb_us": "COALESCE(SUM(ttfb_us), 0)",
    "ttfb_calls": "COUNT(ttfb_us)",
    "cost": "COALESCE(SUM(cost), 0)",
}
"""Each sum of the rollups, from calls."""


def _fold(table: str, keys: Mapping[str, str], sums: Mapping[str, str], where: str = "") -> str:
    """The statement that adds the calls from `:after` to `:until` to a table."""
    columns = ", ".join((*keys, *sums))
    values = ", ".join((*keys.values(), *sums.values()))
    groups = ", ".join(str(place) for place in range(1, len(keys) + 1))
    added = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in sums)
    return (
        f"INSERT INTO {table} ({columns}) SELECT {values} FROM calls WHERE number > :after AND number <= :until{where} "  # noqa: S608 - constants
        f"GROUP BY {groups} ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {added}"
    )


_NAMES: Final = {name: name for name in ("model", "provider", "key_id", "project")}

_FOLDS: Final = (
    text(_fold("rollups_project", {"hour": _HOUR, "project": "project", "currency": _CURRENCY}, _OF_CALLS)),
    text(_fold("rollups_daily", {"day": _DAY, **_NAMES, "currency": _CURRENCY}, _OF_CALLS)),
)

_NOTE_FOLDED: Final = text(
    "INSERT INTO rollups_folded (id, number) VALUES (1, :until) ON CONFLICT (id) DO UPDATE SET number = excluded.number"
)


async def folded(connection: AsyncConnection) -> int:
    """The last call that the folded tables hold."""
    return (await connection.execute(select(rollups_folded.c.number))).scalar_one_or_none() or 0


async def _recorded(connection: AsyncConnection) -> int:
    return int((await connection.execute(select(func.max(calls.c.number)))).scalar_one() or 0)


async def reached(connection: AsyncConnection) -> int | None:
    """The last call that the folded tables hold; None where that is the last one of all."""
    after = await folded(connection)
    return after if await _recorded(connection) > after else None


async def unfolded(connection: AsyncConnection) -> int:
    """How far the calls go beyond that one, in their numbers; 0 where nothing waits."""
    return max(await _recorded(connection) - await folded(connection), 0)


async def fold(connection: AsyncConnection, most: int) -> None:
    """Add the next calls to the folded tables, in the transaction that says so."""
    after = await folded(connection)
    behind = select(calls.c.number).where(calls.c.number > after).order_by(calls.c.number)
    until = (await connection.execute(behind.limit(1).offset(most - 1))).scalar_one_or_none()
    if until is None:
        until = (await connection.execute(select(func.max(calls.c.number)))).scalar_one()
    if until is None or until <= after:
        return
    for statement in _FOLDS:
        await connection.execute(statement, {"after": after, "until": until})
    await _fold_latencies(connection, after, until)
    await connection.execute(_NOTE_FOLDED, {"until": until})


async def _fold_latencies(connection: AsyncConnection, after: int, until: int) -> None:
    added: dict[tuple[int, int, str], Latency] = {}
    between = (calls.c.number > after, calls.c.number <= until)
    hour: ColumnElement[int] = literal_column(_HOUR)
    for column in _MEASURES:
        bucket: ColumnElement[int] = literal_column(ladder(column))
        statement = select(hour.label("hour"), calls.c.project, bucket.label("bucket"), func.count().label("calls"))
        statement = statement.where(*between, calls.c[column].is_not(None)).group_by(hour, calls.c.project, bucket)
        for row in await connection.execute(statement):
            for step in (HOUR, DAY):
                latency = added.setdefault((step, row.hour - row.hour % step, row.project), Latency())
                _of(latency, column).add(row.bucket, int(row.calls))
    held = rollups_latency.c
    for (step, start, project), latency in added.items():
        this = (held.step == step, held.start == start, held.project == project)
        there = (await connection.execute(select(held.duration, held.ttfb).where(*this))).one_or_none()
        if there is not None:
            latency.duration.merge(there.duration)
            latency.ttfb.merge(there.ttfb)
        values = {"duration": bytes(latency.duration), "ttfb": bytes(latency.ttfb)}
        if there is None:
            await connection.execute(insert(rollups_latency).values(step=step, start=start, project=project, **values))
        else:
            await connection.execute(update(rollups_latency).where(*this).values(**values))


_MEASURES: Final = ("duration_us", "ttfb_us")


def _of(latency: Latency, column: str) -> Histogram:
    return latency.duration if column == "duration_us" else latency.ttfb


async def first_hour(connection: AsyncConnection) -> int | None:
    """The oldest hour in which a call began."""
    started: int | None = (await connection.execute(select(func.min(calls.c.started_at)))).scalar_one()
    return None if started is None else started - started % HOUR


def _within(column: ColumnElement[int], span: Span) -> list[ColumnElement[bool]]:
    return [column >= span.since] if span.until is None else [column >= span.since, column < span.until]


def _seen(column: ColumnElement[str], projects: Projects) -> list[ColumnElement[bool]]:
    return [] if projects is None else [column.in_(sorted(projects))]


def _held(table: Table, start: ColumnElement[int], span: Span, projects: Projects) -> list[ColumnElement[bool]]:
    return [*_within(start, span), *_seen(table.c.project, projects)]


def _summed(table: Table) -> list[ColumnElement[int]]:
    return [func.sum(table.c[name]).label(name) for name in _ADDED]


def _of_table(table: Table, start: ColumnElement[int], group: ColumnElement[Any], span: Span, projects: Projects) -> Select[Any]:
    statement = select(group.label("grouping"), table.c.currency, *_summed(table)).where(*_held(table, start, span, projects))
    return statement.group_by(group, table.c.currency)


def _behind(after: int, span: Span, projects: Projects) -> list[ColumnElement[bool]]:
    # The number finds them; a time that could be found by an index as well would only lead astray.
    return [calls.c.number > after, *_within(calls.c.started_at + 0, span), *_seen(calls.c.project.concat(""), projects)]


def _of_calls(group: ColumnElement[Any], after: int | None, span: Span, projects: Projects) -> list[Select[Any]]:
    if after is None:
        return []
    currency: ColumnElement[str] = literal_column(_CURRENCY)
    sums: list[ColumnElement[int]] = [literal_column(_OF_CALLS[name]).label(name) for name in _ADDED]
    conditions = _behind(after, span, projects)
    return [select(group.label("grouping"), currency.label("currency"), *sums).where(*conditions).group_by(group, currency)]


async def _slices(connection: AsyncConnection, statement: Executable) -> AsyncIterator[Sequence[Any]]:
    """The rows of a statement that may give very many."""
    async with connection.stream(statement, execution_options={"yield_per": SLICE}) as result:
        async for rows in result.partitions():
            yield rows


async def _collect(connection: AsyncConnection, found: dict[Any, Sums], *statements: Select[Any]) -> None:
    for statement in statements:
        async for rows in _slices(connection, statement):
            for grouping, currency, *counted, cost in rows:
                sums = Sums.of(counted, {currency: int(cost)} if currency else {})
                known = found.setdefault(grouping, sums)
                if known is not sums:
                    known.add(sums)


def _steps(start: str, step: int, offset: int) -> ColumnElement[int]:
    """The beginning of the step that an hour lies in, for steps that begin `offset` before whole ones; a step of 0 is all of time."""
    # A group that is a constant would be taken for the number of a column.
    shifted = f"({start} + {offset})"
    return literal_column(f"{shifted} - {shifted} % {step} - {offset}" if step else f"{start} - {start}")


async def sums(
    connection: AsyncConnection, span: Span, projects: Projects, after: int | None, step: int = 0, offset: int = 0
) -> dict[int, Sums]:
    """The sums of each step of so many microseconds that begins `offset` before a whole one, or of the whole span under 0.

    `after` is what `reached` said in the same read.
    """
    held = rollups_project.c
    by_hour = step == HOUR and offset % HOUR == 0
    start: ColumnElement[int] = held.hour if by_hour else _steps("hour", step, offset) if step else literal_column("0")
    found = await _by_time(connection, start, _held(rollups_project, held.hour, span, projects), whole=step == 0)
    await _collect(connection, found, *_of_calls(_steps(f"({_HOUR})", step, offset), after, span, projects))
    return found


async def _by_time(
    connection: AsyncConnection, start: ColumnElement[int], conditions: Sequence[ColumnElement[bool]], *, whole: bool
) -> dict[int, Sums]:
    """The sums of the hours that begin at the same `start`, which is the same for all of them where it is the `whole`.

    Hours lie in the order of the key, and one currency is usual. So the currency is not grouped by, for that would have all hours
    sorted, which takes longer than adding them up; costs of several currencies are asked for once more.
    """
    found: dict[int, Sums] = {}
    currency = rollups_project.c.currency
    named = func.nullif(currency, "")
    statement = select(start, func.min(named), func.max(named), *_summed(rollups_project)).where(*conditions)
    mixed = False
    async for rows in _slices(connection, statement if whole else statement.group_by(start)):
        for begin, first, last, *counted, cost in rows:
            if counted[0] is not None:
                mixed |= first != last
                found[begin] = Sums.of(counted, {first: int(cost)} if first else {})
    if mixed:
        for sums in found.values():
            sums.costs.clear()
        apart = select(start, currency, func.sum(rollups_project.c.cost)).where(*conditions, currency != "")
        async for rows in _slices(connection, apart.group_by(*(() if whole else (start,)), currency)):
            for begin, name, cost in rows:
                found[begin].costs[name] = int(cost)
    return found


async def by_name(connection: AsyncConnection, by: str, span: Span, projects: Projects, after: int | None) -> dict[str, Sums]:
    """The sums of each model, provider, key or project: whole days from those of days, the hours before and after from those of hours."""
    found: dict[str, Sums] = {}
    name = NAMED[by]
    if by == "project":
        held = rollups_project.c
        statement = _of_table(rollups_project, held.hour, held.project, span, projects)
        await _collect(connection, found, statement, *_of_calls(calls.c.project.concat(""), after, span, projects))
        return found
    days = _whole_days(span)
    hours = rollups_hourly.c
    statements = [_of_table(rollups_hourly, hours.hour, hours[name], edge, projects) for edge in _around(span, days)]
    if days.since != days.until:
        statements.append(_of_table(rollups_daily, rollups_daily.c.day, rollups_daily.c[name], days, projects))
        statements += _of_calls(calls.c[name].concat(""), after, days, projects)
    await _collect(connection, found, *statements)
    return found


async def latencies(
    connection: AsyncConnection, span: Span, projects: Projects, after: int | None, step: int = 0, offset: int = 0
) -> dict[int, Latency]:
    """How long calls took, by steps as in `sums`."""
    found: dict[int, Latency] = {}
    held = rollups_latency.c

    def start_of(hour: int) -> int:
        return (hour + offset) // step * step - offset if step else 0

    whole = _whole_days(span) if step == 0 or (step == DAY and offset == 0) else Span(span.since, span.since)
    parts = [(HOUR, part) for part in _around(span, whole)] + ([(DAY, whole)] if whole.since != whole.until else [])
    for size, part in parts:
        conditions = (held.step == size, *_within(held.start, part), *_seen(held.project, projects))
        async for rows in _slices(connection, select(held.start, held.duration, held.ttfb).where(*conditions)):
            for start, duration, ttfb in rows:
                begin = start_of(start)
                latency = found.get(begin)
                if latency is None:
                    latency = found[begin] = Latency()
                latency.duration.merge(duration)
                latency.ttfb.merge(ttfb)
    if after is None:
        return found
    hour: ColumnElement[int] = literal_column(_HOUR)
    for column in _MEASURES:
        bucket: ColumnElement[int] = literal_column(ladder(column))
        statement = select(hour.label("hour"), bucket.label("bucket"), func.count().label("calls"))
        statement = statement.where(*_behind(after, span, projects), calls.c[column].is_not(None)).group_by(hour, bucket)
        for row in await connection.execute(statement):
            _of(found.setdefault(start_of(row.hour), Latency()), column).add(row.bucket, int(row.calls))
    return found


def _whole_days(span: Span) -> Span:
    """The whole days within a span; an empty one at its end where there is none."""
    first = span.since - span.since % -DAY
    if span.until is None:
        return Span(first)
    last = span.until - span.until % DAY
    return Span(first, last) if first < last else Span(span.until, span.until)


def _around(span: Span, days: Span) -> list[Span]:
    """What a span has before and after its whole days."""
    parts = [Span(span.since, days.since)]
    if days.until is not None:
        parts.append(Span(days.until, span.until))
    return [part for part in parts if part.since != part.until]


async def sample(connection: AsyncConnection, by: str, span: Span, projects: Projects, most: int) -> list[Sampled]:
    """The newest calls, the newest first."""
    chosen = select(calls.c.started_at, calls.c[NAMED[by]].label("name"), calls.c.key_label, calls.c.duration_us, calls.c.ttfb_us)
    ordered = chosen.where(*_within(calls.c.started_at, span)).order_by(calls.c.started_at.desc()).limit(most)
    if projects is None:
        branches = [ordered]
    elif len(projects) > MOST_BRANCHES:
        branches = [ordered.where(calls.c.project.concat("").in_(sorted(projects)))]
    else:
        branches = [ordered.where(calls.c.project == project) for project in sorted(projects)]
    found = [row for branch in branches for row in await connection.execute(branch)]
    if len(branches) > 1:
        found.sort(key=itemgetter(0), reverse=True)
    return [Sampled(*row[1:]) for row in found[:most]]


async def labels(connection: AsyncConnection, key_ids: Sequence[str]) -> dict[str, str]:
    """What each of these keys was called in the newest of its calls."""
    found: dict[str, str] = {}
    for start in range(0, len(key_ids), MOST_TERMS):
        wanted = union_all(*(select(literal(key_id).label("key_id")) for key_id in key_ids[start : start + MOST_TERMS])).subquery()
        newest = select(calls.c.key_label).where(calls.c.key_id == wanted.c.key_id)
        newest = newest.order_by(calls.c.started_at.desc(), calls.c.number.desc()).limit(1)
        for row in await connection.execute(select(wanted.c.key_id, newest.scalar_subquery().label("label"))):
            if row.label is not None:
                found[row.key_id] = row.label
    return found
