"""A restore puts a backup in the place of a database: all of it or nothing, whenever its process dies.

What was there is kept first, as a backup like any other where it can be read, and as the files that they are where it cannot. The
three newest of these safety copies stay. On SQLite the new database is built beside the old one and takes its name in one step; on
PostgreSQL all tables are replaced in one transaction.

The journals are left where they are: how far each was read stands in the database and goes back with it, so a record that is still in
a journal is recorded once, whichever state was restored, and none that the backup holds comes twice.
"""

import contextlib
import re
import shutil
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, MetaData, Table, exc, inspect, text
from sqlalchemy.schema import DropTable

from sekisho.kit.clock import Clock
from sekisho.kit.crypto import KeyRing
from sekisho.kit.files import sync
from sekisho.storage import backups, dumps
from sekisho.storage.database import Database
from sekisho.storage.envelopes import Header
from sekisho.storage.errors import StorageError, UnavailableError
from sekisho.storage.notices import notice
from sekisho.storage.sqlite import Sqlite
from sekisho.storage.workspaces import workspace

KEPT: Final = 3
"""Safety copies."""
_SAFETY_COPY: Final = re.compile(r"replaced-(\d+)(\.sekisho-backup)?")


@dataclass(frozen=True)
class Home:
    """Where a restore works."""

    backups: Path
    """The directory for the safety copy."""
    journal: Path
    node: str = ""
    """The name of this home's node in a database that several share."""
    stale: Sequence[Path] = ()
    """Files that tell of the database as it was, and go before it does."""
    notice: Path | None = None
    """What tells the next start of a restore that was killed; None where nobody would look."""


@dataclass(frozen=True)
class Restored:
    """What a restore did."""

    created_at: int
    """When the backup was made; wall time in microseconds."""
    calls: int
    keys: int
    schema: str
    """What the tables inside were at; they are at this version's now."""
    safety_copy: Path | None
    """What was there before: a backup, or a directory with its files; None where nothing was."""


async def restore(
    source: Path, database: Database, ring: KeyRing, clock: Clock, home: Home, progress: dumps.Progress = backups.unheard
) -> Restored:
    """Put a backup in the place of a database that is not open; the caller holds the home's lock.

    Raises StorageError, and then the database is as it was.
    """
    try:
        instance = backups.new_instance()
        with notice(home.notice, source, instance):
            if isinstance(database, Sqlite):
                header, safety_copy = await _replace_file(source, database, ring, clock, home, progress, instance)
            else:
                header, safety_copy = await _replace_tables(source, database, ring, clock, home, progress, instance)
        _forget_older(home.backups)
    except OSError as error:
        raise StorageError(f"the backup could not be put in place: {error}") from None
    except exc.SQLAlchemyError as error:
        raise StorageError(f"the database {database.name} cannot be replaced: {error}") from error
    rows = header.rows
    return Restored(header.created_at, rows.get("calls", 0), rows.get("keys", 0), header.schema, safety_copy)


async def _replace_file(
    source: Path, database: Sqlite, ring: KeyRing, clock: Clock, home: Home, progress: dumps.Progress, instance: str
) -> tuple[Header, Path | None]:
    path = database.path
    with workspace(path.parent) as place:
        built = place / path.name
        header = await backups.build(source, ring, built, progress, instance)
        _fold_in(path)
        safety_copy = await _keep_file(database, ring, clock, home)
        for each in home.stale:
            each.unlink(missing_ok=True)
        # A log of another database is poison to the new one; that of the old one has gone into it, as far as it could be read.
        for leftover in _companions(path):
            leftover.unlink(missing_ok=True)
        built.replace(path)
        sync(path.parent)
    return header, safety_copy


def _fold_in(path: Path) -> None:
    """Bring what stands in the log into the file, so that the file alone is the old state; raises UnavailableError where it is in use.

    A file that is damaged, or none of SQLite's, is left to be kept as it is, its log with it: SQLite deletes a log that fits no file.
    """
    if not _is_readable(path):
        return
    try:
        with contextlib.closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=1.0)
        ) as connection:
            busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None)
        if code is None or code & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return
        busy = 1
    if busy:
        raise UnavailableError(f"the database {path} is in use by another program; end that first")


def _is_readable(path: Path) -> bool:
    """Whether a file is one of SQLite's, by a look that leaves no trace."""
    if not path.exists() or not path.stat().st_size:
        return False
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.Error:
        return False
    return True


async def _keep_file(database: Sqlite, ring: KeyRing, clock: Clock, home: Home) -> Path | None:
    path = database.path
    if not any(each.exists() for each in (path, *_companions(path))):
        return None
    home.backups.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = home.backups / f"replaced-{clock.now()}"
    foreign = False
    if _is_readable(path):
        try:
            foreign = await _belongs_to_another(database, ring)
            if not foreign:
                return (await backups.create(database, ring, clock, kept.with_name(kept.name + backups.SUFFIX))).path
        except StorageError:
            pass  # What cannot be read is kept as it is.
        finally:
            await database.close()
    _keep_files(path, kept, home.journal if foreign else None)
    return kept


async def _belongs_to_another(database: Sqlite, ring: KeyRing) -> bool:
    """Whether a sound database is sealed with another key ring; raises StorageError where it is not sound."""
    await database.open()
    try:
        async with database.reader() as connection:
            found = await connection.exec_driver_sql("SELECT ring_fingerprint FROM revisions")
            return found.scalar_one_or_none() != ring.fingerprint()
    except exc.SQLAlchemyError as error:
        raise StorageError(f"the database {database.path} is not whole: {error}") from error


def _keep_files(path: Path, kept: Path, journal: Path | None) -> None:
    """Copy a database's files as they are. The journals of another installation go with them: their records are none of the new one's."""
    with workspace(kept.parent) as place:
        copy = place / "files"
        copy.mkdir(mode=0o700)
        for each in (path, *_companions(path)):
            if each.exists():
                shutil.copy2(each, copy / each.name)
        if journal is not None and journal.is_dir():
            shutil.copytree(journal, copy / "journal")
        for each in copy.rglob("*"):
            if each.is_file():
                sync(each)
        if kept.exists():
            raise StorageError(f"{kept} exists; a safety copy replaces nothing: move it away first")
        copy.rename(kept)
        sync(kept.parent)
    if journal is not None and journal.is_dir():
        for each in journal.iterdir():
            each.unlink()


def _companions(path: Path) -> tuple[Path, Path]:
    return path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")


async def _replace_tables(
    source: Path, database: Database, ring: KeyRing, clock: Clock, home: Home, progress: dumps.Progress, instance: str
) -> tuple[Header, Path | None]:
    await database.open()
    try:
        async with database.reader() as connection:
            present = await connection.run_sync(_survey, database.name)
        safety_copy = None
        if present:
            kept = home.backups / f"replaced-{clock.now()}{backups.SUFFIX}"
            safety_copy = (await backups.create(database, ring, clock, kept)).path
        async with database.writer(seconds=backups.LONG_SECONDS) as connection:
            header = await connection.run_sync(lambda within: _refill(within, source, ring, progress, home.node, instance))
            for each in home.stale:
                each.unlink(missing_ok=True)
            # A node that could not be seen when we looked, such as one that was cut off, looks at once what became of it.
            await database.announce(connection, 0)
        return header, safety_copy
    finally:
        await database.close()


def _survey(connection: Connection, name: str) -> bool:
    """Whether there is something to replace; raises StorageError where it is not ours, or a node uses it."""
    listening = "SELECT client_addr::text FROM pg_stat_activity WHERE datname = current_database() AND application_name ~ :who LIMIT 1"
    found = connection.execute(text(listening), {"who": "^sekisho .* listens$"}).first()
    if found is not None:
        raise UnavailableError(f"a node{f' at {found[0]}' if found[0] else ''} runs on the database {name}; stop it first: sekisho stop")
    tables = inspect(connection).get_table_names()
    if tables and dumps.VERSION_TABLE not in tables:
        raise StorageError(f"the database {name} belongs to another program; nothing was changed: point SEKISHO_DATABASE_URL elsewhere")
    return bool(tables)


def _refill(connection: Connection, source: Path, ring: KeyRing, progress: dumps.Progress, node: str, instance: str) -> Header:
    """Replace all of our tables in one transaction."""
    if inspect(connection).has_table(dumps.VERSION_TABLE):
        present = dumps.tables_of(connection, dumps.schema_of(connection))
        for table in (*reversed(present), Table(dumps.VERSION_TABLE, MetaData())):
            connection.execute(DropTable(table))
    return backups.fill(connection, source, ring, progress, node, instance)


def _forget_older(directory: Path) -> None:
    """Delete all safety copies but the newest."""
    found = [(int(match[1]), path) for path in directory.glob("replaced-*") if (match := _SAFETY_COPY.fullmatch(path.name))]
    for _, path in sorted(found)[:-KEPT]:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
