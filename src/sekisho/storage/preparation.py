"""What must be true of a database before anything else happens: our schema at its newest state, our one row, the right key ring.

A database that is not so is brought there (a backup first) or refused with one line; it is never overwritten.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, insert, inspect, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from sekisho.core.model.ids import DEFAULT_PROJECT
from sekisho.kit.clock import Clock
from sekisho.kit.crypto import KeyRing, token
from sekisho.storage.database import Database
from sekisho.storage.errors import StorageError, first_line
from sekisho.storage.migrations import HEAD
from sekisho.storage.tables import metadata
from sekisho.storage.tables.identity import projects
from sekisho.storage.tables.revisions import revisions

_log: Final = logging.getLogger(__name__)

MIGRATION_SECONDS: Final = 3600.0
"""A migration may have to read every call there is; another node waits this long for it, too."""


class MismatchError(Exception):
    """What the migrations made is not what the tables say."""


@dataclass(frozen=True)
class Prepared:
    """What was found and done."""

    instance: str
    fresh: bool
    """Whether the database was empty before."""
    migrated_from: str | None = None
    backup: Path | None = None
    """The copy that was made before a migration."""


async def prepare(database: Database, ring: KeyRing, clock: Clock, backups: Path) -> Prepared:
    """Bring an open database to this version's state; raises StorageError.

    Where a migration of a database in use fails, that database is as it was and is frozen: it is read and not written.
    """
    async with database.reader() as connection:
        version = await _version(connection, database.name)
    fresh = False
    migrated_from = backup = None
    if version != HEAD and database.frozen is None:
        # Alembic takes a quarter of a second to import: only a start that migrates pays it.
        from sekisho.storage.migrations import runner

        if version is not None:
            from sekisho.storage.backups import SUFFIX, create, forget_like

            runner.require_known(version)
            backup = (await create(database, ring, clock, backups / f"before-{HEAD}-{clock.now()}{SUFFIX}")).path
            # A start that fails is tried again and again; what it kept before is the same state, or an older one of the same schema.
            forget_like(backup, f"before-{HEAD}-*{SUFFIX}")
        try:
            fresh = await _migrate(database, ring, clock)
            migrated_from = version
        except Exception as error:
            if version is None:
                raise
            _log.exception("the migration failed; the database is as it was before it")
            database.freeze(
                f"the database {database.name} could not be brought from schema {version} to {HEAD} ({first_line(error)}); "
                "it is as it was and takes no changes: start the version before again, or mend the cause and restart"
            )
    async with database.reader() as connection:
        row = (await connection.execute(select(revisions.c.instance, revisions.c.ring_fingerprint))).one_or_none()
    if row is None:
        raise StorageError(f"the database {database.name} has lost its first row; restore a backup with `sekisho backup restore`")
    if row.ring_fingerprint != ring.fingerprint():
        raise StorageError(
            f"the secret key does not belong to the database {database.name} (it was sealed with {row.ring_fingerprint}, "
            f"this key is {ring.fingerprint()}); put the right secret.key back, or set SEKISHO_SECRET_KEY"
        )
    return Prepared(instance=row.instance, fresh=fresh, migrated_from=migrated_from, backup=backup)


async def _migrate(database: Database, ring: KeyRing, clock: Clock) -> bool:
    """Bring the schema to its newest state in one transaction: all of it happens or nothing. Says whether the database was empty."""
    from sekisho.storage.migrations import runner

    async with database.writer(seconds=MIGRATION_SECONDS) as connection:
        # Asked once more: another node may have done it while we waited for our turn.
        version = await _version(connection, database.name)
        if version == HEAD:
            return False
        if version is not None:
            runner.require_known(version)
        await connection.run_sync(runner.upgrade)
        await connection.run_sync(_compare)
        if version is None:
            await _seed(connection, ring, clock)
        return version is None


def _compare(connection: Connection) -> None:
    """Raise MismatchError where a table or a column that we use is not there."""
    found = inspect(connection)
    for name, table in metadata.tables.items():
        there = {column["name"] for column in found.get_columns(name)} if found.has_table(name) else set()
        missing = sorted({column.name for column in table.columns} - there)
        if missing:
            raise MismatchError(f"the migrations left {name} without {', '.join(missing)}")


async def _version(connection: AsyncConnection, name: str) -> str | None:
    """The schema's revision; None where the database is empty."""
    tables = await connection.run_sync(_table_names)
    if not tables:
        return None
    if not {"alembic_version", "revisions"} <= tables:
        raise StorageError(f"the database {name} belongs to another program; nothing was changed: point SEKISHO_DATABASE_URL elsewhere")
    return (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar_one_or_none() or ""


def _table_names(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names())


async def _seed(connection: AsyncConnection, ring: KeyRing, clock: Clock) -> None:
    """The rows that every installation has."""
    row = {"id": 1, "revision": 1, "catalog_revision": 1, "instance": f"sekisho-{token(9)}", "ring_fingerprint": ring.fingerprint()}
    await connection.execute(insert(revisions).values(row))
    await connection.execute(insert(projects).values(id=DEFAULT_PROJECT, name=DEFAULT_PROJECT, created_at=clock.now()))
