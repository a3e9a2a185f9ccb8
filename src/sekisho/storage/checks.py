"""Whether what is stored is what it should be: pages, references, sums, seals, journals, backups.

Every question is asked of one consistent state, while others write. One that cannot be answered is a finding like any other.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Select, and_, case, exists, func, inspect, literal_column, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from sekisho.core.model.records import Status
from sekisho.kit.clock import SECOND
from sekisho.kit.crypto import KeyRing, SealError
from sekisho.storage import backups, chains, journals
from sekisho.storage.database import Database
from sekisho.storage.errors import StorageError, first_line
from sekisho.storage.tables import metadata
from sekisho.storage.tables.catalog import credentials
from sekisho.storage.tables.identity import key_secrets, keys
from sekisho.storage.tables.revisions import revisions
from sekisho.storage.tables.usage import (
    calls,
    calls_open,
    journal_positions,
    rollups_daily,
    rollups_folded,
    rollups_hourly,
    rollups_project,
)

HOUR: Final = 3600 * SECOND
"""Microseconds in the unit of the rollups."""
MOST_LAG: Final = 30.0
"""Seconds that a record may wait in a journal before something must be wrong."""
MOST_PROVEN: Final = 20
"""Backups that are opened, the newest: each takes as long as its size."""
_NAMED: Final = 5
"""In a finding; the rest is counted."""


@dataclass(frozen=True)
class Check:
    """One question and its answer."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True)
class Surroundings:
    """What lies around the database."""

    ring: KeyRing
    journal: Path
    backups: Path
    place: Callable[[str], str]
    """What a credential's secret is sealed for, by the credential's id; see kit.crypto."""
    node: str = ""
    """Whose open calls and places in the journal are looked at, in a database that several nodes share."""
    lag: float = 0.0
    """For how long records have been waiting for the recorder, in seconds, as it says itself."""


async def run(database: Database, around: Surroundings) -> list[Check]:
    """Ask all questions; takes as long as reading the whole database, the journals and the newest backups does."""
    questions: tuple[tuple[str, Callable[[AsyncConnection], Awaitable[Check]]], ...] = (
        ("schema", _schema),
        ("integrity", _integrity if database.kind == "sqlite" else _integrity_of_the_server),
        ("references", _references),
        ("keys", _keys),
        ("credentials", lambda connection: _seals(connection, around)),
        ("rollups", _rollups),
        ("long sums", _long_sums),
        ("open calls", _open_calls),
        ("audit", lambda connection: _audit(connection, around)),
    )
    found = []
    async with database.reader(seconds=backups.LONG_SECONDS) as connection:
        for name, ask in questions:
            try:
                async with connection.begin_nested():
                    found.append(await ask(connection))
            except SQLAlchemyError as error:
                found.append(Check(name, False, f"this cannot be asked: {first_line(error)}"))
    found += await _journals(database, around)
    found.append(await asyncio.to_thread(_backups, around))
    return found


async def _schema(connection: AsyncConnection) -> Check:
    present = await connection.run_sync(lambda within: set(inspect(within).get_table_names()))
    missing = sorted(set(metadata.tables) - present)
    return Check("schema", not missing, f"the tables {', '.join(missing)} are missing" if missing else "every table is there")


async def _integrity(connection: AsyncConnection) -> Check:
    found = (await connection.execute(text("PRAGMA integrity_check(5)"))).scalars().all()
    return Check("integrity", list(found) == ["ok"], "every page is sound" if list(found) == ["ok"] else "; ".join(map(str, found)))


async def _integrity_of_the_server(connection: AsyncConnection) -> Check:
    """PostgreSQL looks after its pages itself, where it was told to; what it found is asked."""
    unusable = text(
        "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE NOT (i.indisvalid AND i.indisready) AND n.nspname = current_schema() ORDER BY 1"
    )
    indexes = (await connection.execute(unusable)).scalars().all()
    checksums = (await connection.execute(text("SHOW data_checksums"))).scalar_one()
    failures = (
        await connection.execute(text("SELECT checksum_failures FROM pg_stat_database WHERE datname = current_database()"))
    ).scalar_one()
    told = [f"the index {name} is unusable; rebuild it with REINDEX" for name in indexes]
    if failures:
        told.append(f"{failures} pages failed their checksums")
    return Check("integrity", not told, "; ".join(told) or f"the server knows of no damage (its page checksums are {checksums})")


async def _references(connection: AsyncConnection) -> Check:
    found = []
    for table in metadata.sorted_tables:
        for key in table.foreign_key_constraints:
            other = key.referred_table.alias()
            pairs = [(element.parent, other.c[element.column.name]) for element in key.elements]
            orphaned = and_(*(mine.is_not(None) for mine, _ in pairs), ~exists().where(*(mine == theirs for mine, theirs in pairs)))
            count = (await connection.execute(select(func.count()).select_from(table).where(orphaned))).scalar_one()
            if count:
                found.append(f"{count} rows of {table.name} refer to {key.referred_table.name} that are gone")
    return Check("references", not found, "; ".join(found) or "every row refers to one that exists")


async def _keys(connection: AsyncConnection) -> Check:
    """A key without a secret opens nothing; one from the future would be left out when changes are handed on."""
    dead = select(keys.c.id).where(keys.c.revoked_at.is_(None), ~exists().where(key_secrets.c.key_id == keys.c.id)).order_by(keys.c.id)
    ahead = select(keys.c.id).where(keys.c.revision > select(revisions.c.revision).scalar_subquery()).order_by(keys.c.id)
    told = []
    if dead_ids := (await connection.execute(dead)).scalars().all():
        told.append(f"{len(dead_ids)} keys have no secret: {_some(dead_ids)}")
    if ahead_ids := (await connection.execute(ahead)).scalars().all():
        told.append(f"{len(ahead_ids)} keys are of a revision that has not been: {_some(ahead_ids)}")
    count = (await connection.execute(select(func.count()).select_from(keys))).scalar_one()
    return Check("keys", not told, "; ".join(told) or f"{count} keys, none without a secret")


async def _seals(connection: AsyncConnection, around: Surroundings) -> Check:
    fingerprint = (await connection.execute(select(revisions.c.ring_fingerprint))).scalar_one_or_none()
    told = [] if fingerprint == around.ring.fingerprint() else [f"the database belongs to the secret key {fingerprint}, which is not ours"]
    closed = []
    rows = (await connection.execute(select(credentials.c.id, credentials.c.sealed).order_by(credentials.c.id))).all()
    for identity, sealed in rows:
        try:
            around.ring.open(sealed, around.place(identity))
        except SealError:
            closed.append(identity)
    if closed:
        told.append(f"{len(closed)} of {len(rows)} secrets do not open with the secret key: {_some(closed)}; give them again")
    return Check("credentials", not told, "; ".join(told) or f"{len(rows)} secrets, each opens with the secret key")


def _sums() -> Select[Any]:
    """What the rollups should hold, from the calls."""

    def counted(status: Status) -> Any:
        return func.sum(case((calls.c.status == int(status), 1), else_=0))

    # Spelled out, not as parameters: PostgreSQL takes two parameters for two different expressions.
    hour = calls.c.started_at - calls.c.started_at % literal_column(str(HOUR))
    currency = case((calls.c.cost.is_(None), literal_column("''")), else_=calls.c.currency)
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


async def _long_sums(connection: AsyncConnection) -> Check:
    """Of the tables that long reports read, as far as they reach."""
    reached = (await connection.execute(select(rollups_folded.c.number))).scalar_one_or_none() or 0
    names = ("input_tokens", "output_tokens", "cost", "duration_us")
    of_calls = select(func.count(), *(func.coalesce(func.sum(calls.c[name]), 0) for name in names)).where(calls.c.number <= reached)
    expected = [int(value) for value in (await connection.execute(of_calls)).one()]
    told = []
    for table in (rollups_project, rollups_daily):
        of_table = select(*(func.coalesce(func.sum(table.c[name]), 0) for name in ("calls", *names)))
        if [int(value) for value in (await connection.execute(of_table)).one()] != expected:
            told.append(f"{table.name} does not add up to the calls")
    return Check("long sums", not told, "; ".join(told) or "the sums of long reports agree with the calls that they hold")


async def _open_calls(connection: AsyncConnection) -> Check:
    both = exists().where(calls.c.boot == calls_open.c.boot, calls.c.seq == calls_open.c.seq)
    ended = (await connection.execute(select(func.count()).select_from(calls_open).where(both))).scalar_one()
    waiting = (await connection.execute(select(func.count()).select_from(calls_open))).scalar_one()
    return Check("open calls", ended == 0, f"{ended} calls are both open and ended" if ended else f"{waiting} calls are open")


async def _audit(connection: AsyncConnection, around: Surroundings) -> Check:
    found = await chains.verify(connection, around.ring)
    if found.fault is not None:
        return Check("audit", False, f"row {found.fault.seq}: {found.fault.reason}")
    kept = f", kept from row {found.first} on" if found.first > 1 else ""
    return Check("audit", True, f"{found.rows} rows, each as it was written{kept}")


async def _journals(database: Database, around: Surroundings) -> list[Check]:
    """What the journals hold, how far they are read, and whether that goes on."""
    try:
        async with database.reader() as connection:
            ours = select(journal_positions.c.segment, journal_positions.c.offset).where(journal_positions.c.node == around.node)
            rows = (await connection.execute(ours)).all()
        found = await asyncio.to_thread(journals.read, around.journal, {str(segment): int(offset) for segment, offset in rows})
        orphaned = await _without_journal(database, around)
    except (SQLAlchemyError, OSError) as error:
        return [Check("journal", False, f"it cannot be read: {first_line(error)}")]
    told = [*found.unreadable, *(f"{name} was set aside" for name in found.set_aside)]
    lag = f"{found.unread} records wait, the oldest for {around.lag:.0f} s; see the node's log"
    misplaced = [*found.misplaced, *(f"the calls of {boot} are open, but its journal is gone" for boot in orphaned)]
    return [
        Check("journal", not told, _few(told) or f"{found.segments} segments with {found.frames} records, each readable"),
        Check("journal positions", not misplaced, _few(misplaced) or f"{len(rows)} positions, each at the beginning of a record"),
        Check("journal lag", around.lag <= MOST_LAG, lag if around.lag > MOST_LAG else f"{found.unread} records wait"),
    ]


async def _without_journal(database: Database, around: Surroundings) -> list[str]:
    """Boots with open calls and without a segment. Asked twice: between the two looks a boot may have come to its end."""

    async def look() -> set[str]:
        async with database.reader() as connection:
            ours = select(calls_open.c.boot).where(calls_open.c.node == around.node).distinct()
            boots = set((await connection.execute(ours)).scalars())
        present = await asyncio.to_thread(lambda: {path.name.partition("-")[0] for path in around.journal.glob("*-*-*.log")})
        return boots - present

    first = await look()
    return sorted(first & await look()) if first else []


def _backups(around: Surroundings) -> Check:
    """Open the newest backups to their last byte."""
    made = {}
    bad = []
    for path in around.backups.glob(f"*{backups.SUFFIX}"):
        try:
            made[path] = backups.describe(path).created_at
        except StorageError as error:
            bad.append(str(error))
    newest = sorted(made, key=made.__getitem__, reverse=True)[:MOST_PROVEN]
    for path in newest:
        try:
            backups.prove(path, around.ring)
        except StorageError as error:
            bad.append(str(error))
    proven = f"{len(newest)} backups open to their last byte" + (f", the newest of {len(made)}" if len(made) > len(newest) else "")
    return Check("backups", not bad, _few(bad) or proven)


def _some(names: Iterable[str]) -> str:
    found = list(names)
    return ", ".join(found[:_NAMED]) + (", ..." if len(found) > _NAMED else "")


def _few(lines: list[str]) -> str:
    return "; ".join(lines[:_NAMED]) + (f"; and {len(lines) - _NAMED} more" if len(lines) > _NAMED else "")
