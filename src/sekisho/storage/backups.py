"""A backup is one consistent state of the database, row by row, sealed: made while others write, opened by the key ring alone.

It belongs to no kind of database: one made of SQLite restores into PostgreSQL, and the other way round. It is read back to its end
before it gets its name, and loaded into a database of its own before that takes the place of another: whoever is killed in between
leaves the old state or the new one. See `envelopes` for the file and `dumps` for what is in it.
"""

import asyncio
import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from sqlalchemy import Connection, Table, delete, exc, text, update

from sekisho.kit.clock import Clock, SystemClock, to_rfc3339
from sekisho.kit.crypto import KeyRing, token
from sekisho.kit.files import sync
from sekisho.storage import dumps, envelopes
from sekisho.storage.chains import Chain
from sekisho.storage.database import Database
from sekisho.storage.errors import StorageError, first_line
from sekisho.storage.migrations import HEAD
from sekisho.storage.records import entry
from sekisho.storage.sqlite import Sqlite
from sekisho.storage.tables.access import one_time_links
from sekisho.storage.tables.people import refresh_tokens, sessions, setup_links
from sekisho.storage.tables.usage import calls_open, journal_positions
from sekisho.storage.workspaces import workspace

SUFFIX: Final = ".sekisho-backup"
LONG_SECONDS: Final = 4 * 3600.0
"""What reading or loading everything may take at most: hours, for a hundred million rows."""
_NO_LINKS: Final = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK})
"""What a file system without hard links answers."""


@dataclass(frozen=True)
class Contents:
    """What a backup says of itself."""

    path: Path
    created_at: int
    """Wall time in microseconds."""
    calls: int
    keys: int
    bytes: int
    """Size of the file."""


def unheard(done: int, total: int) -> None:
    """The progress that nobody looks at."""


async def create(database: Database, ring: KeyRing, clock: Clock, target: Path, progress: dumps.Progress = unheard) -> Contents:
    """Write a backup to a file that does not exist yet, while others go on writing; raises StorageError, and then there is none.

    It is of one instant, and it is read back before it is there. The loop has its turn every 2 ms.
    """
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with workspace(target.parent) as place:
            unfinished = place / "backup"
            await _write(database, ring, clock.now(), unfinished, progress)
            await asyncio.to_thread(_read_through, unfinished, ring)
            await asyncio.to_thread(_name, unfinished, target)
    except OSError as error:
        raise StorageError(f"the backup {target} cannot be written: {error.strerror}") from None
    except exc.SQLAlchemyError as error:
        raise StorageError(f"the database {database.name} cannot be read to its end: {first_line(error)}") from error
    return await asyncio.to_thread(describe, target)


def describe(source: Path) -> Contents:
    """What a backup's header says, unproven; raises StorageError where the file is no backup."""
    try:
        return _contents(_header(source), source)
    except OSError as error:
        raise _unreadable(source, error) from None


def forget_like(made: Path, pattern: str) -> None:
    """Delete the backups beside this one that match and are of the same schema of the same installation. What cannot be, stays."""
    with contextlib.suppress(OSError, StorageError):
        kept = _header(made)
        for other in made.parent.glob(pattern):
            with contextlib.suppress(OSError, StorageError):
                found = _header(other)
                if other != made and (found.schema, found.instance) == (kept.schema, kept.instance):
                    other.unlink()


def _header(source: Path) -> envelopes.Header:
    with source.open("rb") as file:
        return envelopes.read_header(file, source)


def prove(source: Path, ring: KeyRing, progress: dumps.Progress = unheard) -> Contents:
    """Open every chunk and count every row; raises StorageError. Needs no room on the disk."""
    try:
        return _contents(_read_through(source, ring, progress), source)
    except OSError as error:
        raise _unreadable(source, error) from None


async def rehearse(source: Path, ring: KeyRing, beside: Path, progress: dumps.Progress = unheard) -> Contents:
    """Restore into a database that is thrown away, made in the directory `beside`; raises StorageError.

    What passes restores here. Needs as much room there as the database takes.
    """
    with workspace(beside) as place:
        return _contents(await build(source, ring, place / "sekisho.db", progress), source)


def new_instance() -> str:
    """A name for an installation that nobody had yet."""
    return f"sekisho-{token(9)}"


async def build(
    source: Path, ring: KeyRing, path: Path, progress: dumps.Progress = unheard, instance: str | None = None
) -> envelopes.Header:
    """Load a backup into a new SQLite file, whole and forced to the disk, at this version's schema; raises StorageError."""
    database = Sqlite(path)
    try:
        await database.open()
        async with database.writer() as connection:
            header = await connection.run_sync(lambda within: fill(within, source, ring, progress, instance=instance))
    finally:
        await database.close()
    sync(path)
    return header


def fill(
    connection: Connection, source: Path, ring: KeyRing, progress: dumps.Progress, node: str = "", instance: str | None = None
) -> envelopes.Header:
    """Load a backup into a database without tables, in the caller's transaction, and bring it to this version's schema.

    The installation gets a new name by it, `instance` where one is given: what others remember of the old one (a sealed snapshot, say) is
    not of this state. Open calls and places in the journal that are nobody's become those of `node`; where a database has one node, all
    of them are its own. Sessions of people stay behind. The audit tells of it.
    Raises StorageError.
    """
    # Alembic takes a quarter of a second to import: whoever only makes backups does not pay it.
    from sekisho.storage.migrations import runner

    try:
        with _opened(source, ring, progress) as (header, entries):
            _require_known(runner.require_known, header.schema, source)
            runner.upgrade(connection, header.schema)
            dumps.load(connection, entries, dumps.tables_of(connection, header.schema), source)
        _rename(connection, ring, source, instance or new_instance())
        if header.schema != HEAD:
            runner.upgrade(connection)
        for table in (calls_open, journal_positions):
            change = update(table).values(node=node)
            connection.execute(change.where(table.c.node == "") if node else change)
        # Whoever has logged out since would be in again, and a link that was used would open once more.
        for table in (refresh_tokens, sessions, setup_links, one_time_links):
            connection.execute(delete(table))
        told = {"made_at": to_rfc3339(header.created_at), "schema": header.schema}
        Chain(ring, SystemClock()).append(connection, [entry("backup.restored", "backup", source.name, after=told)], None)
    except exc.SQLAlchemyError as error:
        raise StorageError(f"the backup {source} does not become a database of this version: {first_line(error)}") from error
    return header


def _rename(connection: Connection, ring: KeyRing, source: Path, instance: str) -> None:
    fingerprint = connection.execute(text("SELECT ring_fingerprint FROM revisions")).scalar_one_or_none()
    if fingerprint is None:
        raise StorageError(f"the database inside {source} has lost its first row; use another backup")
    if fingerprint != ring.fingerprint():
        raise StorageError(
            f"the database inside {source} belongs to another secret key ({fingerprint}); put that key's file in place first"
        )
    connection.execute(text("UPDATE revisions SET instance = :instance"), {"instance": instance})


def _require_known(require: Callable[[str], None], schema: str, source: Path) -> None:
    try:
        require(schema)
    except StorageError:
        raise StorageError(
            f"the backup {source} was made by a newer version of Sekisho (schema {schema}; this one has {HEAD}); "
            "restore it with that version"
        ) from None


async def _write(database: Database, ring: KeyRing, now: int, unfinished: Path, progress: dumps.Progress) -> None:
    async with database.reader(seconds=LONG_SECONDS) as connection:
        header, tables = await connection.run_sync(lambda within: _survey(within, now))
        done, total = 0, sum(header.rows.values())
        with await asyncio.to_thread(_new_file, unfinished) as file:
            writer = envelopes.Writer(file, header, ring)
            waiting = bytearray()
            async with contextlib.aclosing(dumps.dump(connection, tables)) as entries:
                async for entry, rows in entries:
                    waiting += entry
                    done += rows
                    if len(waiting) >= envelopes.CHUNK:
                        await asyncio.to_thread(writer.write, bytes(waiting))
                        waiting.clear()
                        progress(done, total)
            await asyncio.to_thread(writer.write, bytes(waiting))
            await asyncio.to_thread(writer.finish)
            progress(done, total)


def _new_file(path: Path) -> IO[bytes]:
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")


def _survey(connection: Connection, now: int) -> tuple[envelopes.Header, list[Table]]:
    schema = dumps.schema_of(connection)
    tables = dumps.tables_of(connection, schema)
    instance = connection.execute(text("SELECT instance FROM revisions")).scalar_one_or_none()
    return envelopes.Header(now, schema, str(instance or ""), dumps.count(connection, tables)), tables


def _name(unfinished: Path, target: Path) -> None:
    """Give the finished file its name, unless another one has it."""
    try:
        os.link(unfinished, target)
    except FileExistsError:
        raise StorageError(f"{target} exists; a backup replaces no file: name another one") from None
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if target.exists():
            raise StorageError(f"{target} exists; a backup replaces no file: name another one") from None
        unfinished.rename(target)
    sync(target.parent)


@contextlib.contextmanager
def _opened(source: Path, ring: KeyRing, progress: dumps.Progress) -> Iterator[tuple[envelopes.Header, Iterator[dumps.Entry]]]:
    try:
        with source.open("rb") as file:
            header, pieces = envelopes.open_sealed(file, ring, source)
            yield header, dumps.verified(dumps.entries(pieces, source), header.rows, source, progress)
    except OSError as error:
        raise _unreadable(source, error) from None


def _read_through(source: Path, ring: KeyRing, progress: dumps.Progress = unheard) -> envelopes.Header:
    with _opened(source, ring, progress) as (header, entries):
        for _ in entries:
            pass
    return header


def _unreadable(source: Path, error: OSError) -> StorageError:
    return StorageError(f"the backup {source} cannot be read: {error.strerror}")


def _contents(header: envelopes.Header, source: Path) -> Contents:
    return Contents(source, header.created_at, header.rows.get("calls", 0), header.rows.get("keys", 0), source.stat().st_size)
