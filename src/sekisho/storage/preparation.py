"""What must be true of a database before anything else happens: our schema at its newest state, our one row, the right key ring.

A database that is not so is brought there (a backup first) or refused with one line; it is never overwritten.
"""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, insert, inspect, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from sekisho.core.model.ids import DEFAULT_PROJECT
from sekisho.kit.clock import Clock
from sekisho.kit.crypto import KeyRing, token
from sekisho.storage.database import Database
from sekisho.storage.errors import StorageError
from sekisho.storage.migrations import HEAD
from sekisho.storage.tables.identity import projects
from sekisho.storage.tables.revisions import revisions


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
    """Bring an open database to this version's state; raises StorageError."""
    async with database.reader() as connection:
        version = await _version(connection, database.path)
    migrated_from = backup = None
    if version != HEAD:
        # Alembic takes a quarter of a second to import: only a start that migrates pays it.
        from sekisho.storage.migrations import runner

        if version is not None:
            runner.require_known(version)
            from sekisho.storage.backups import create

            migrated_from = version
            backup = (await create(database, ring, clock, backups / f"before-{HEAD}-{clock.now()}.sekisho-backup")).path
        async with database.writer() as connection:
            await connection.run_sync(runner.upgrade)
            if version is None:
                await _seed(connection, ring, clock)
    async with database.reader() as connection:
        row = (await connection.execute(select(revisions.c.instance, revisions.c.ring_fingerprint))).one_or_none()
    if row is None:
        raise StorageError(f"the database {database.path} has lost its first row; restore a backup with `sekisho backup restore`")
    if row.ring_fingerprint != ring.fingerprint():
        raise StorageError(
            f"the secret key does not belong to the database {database.path} (it was sealed with {row.ring_fingerprint}, "
            f"this key is {ring.fingerprint()}); put the right secret.key back, or set SEKISHO_SECRET_KEY"
        )
    return Prepared(instance=row.instance, fresh=version is None, migrated_from=migrated_from, backup=backup)


async def _version(connection: AsyncConnection, path: Path) -> str | None:
    """The schema's revision; None where the database is empty."""
    tables = await connection.run_sync(_table_names)
    if not tables:
        return None
    if not {"alembic_version", "revisions"} <= tables:
        raise StorageError(f"the database {path} belongs to another program; nothing was changed: point SEKISHO_DATABASE_URL elsewhere")
    return (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar_one_or_none() or ""


def _table_names(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names())


async def _seed(connection: AsyncConnection, ring: KeyRing, clock: Clock) -> None:
    """The rows that every installation has."""
    row = {"id": 1, "revision": 1, "catalog_revision": 1, "instance": f"sekisho-{token(9)}", "ring_fingerprint": ring.fingerprint()}
    await connection.execute(insert(revisions).values(row))
    await connection.execute(insert(projects).values(id=DEFAULT_PROJECT, name=DEFAULT_PROJECT, created_at=clock.now()))
