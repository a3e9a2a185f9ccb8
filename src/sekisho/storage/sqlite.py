"""SQLite: one connection writes, others only read.

SQLite takes one writer at a time anyway; that ours is one connection behind one lock makes waiting fair and bounded, and keeps clear
of the fault of SQLite 3.7.0 to 3.51.2 that can corrupt a WAL when several connections write and checkpoint.
"""

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, event, exc, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from sekisho.kit.files import Identity, identity_at
from sekisho.storage.database import READERS, WAIT_SECONDS, Database
from sekisho.storage.errors import StorageError, UnavailableError, UnreadableError, of_sqlite

SYNCHRONOUS: Final = ("FULL", "NORMAL")
"""FULL survives a power cut with every commit; NORMAL may lose the last ones then, never the consistency."""

_SQLITE_MAGIC: Final = b"SQLite format 3\0"
_HEAD_BYTES: Final = 20
_WRITE_VERSION: Final = 18
"""Where the file's head says how it is written (SQLite's file format, 1.3.3)."""
_WRITES_WAL: Final = 2


def sqlite_path(url: str) -> Path:
    """The file of a `sqlite:///…` URL; raises StorageError where the URL is another's."""
    try:
        parsed = make_url(url)
    except exc.ArgumentError:
        raise StorageError("the database URL is not readable; write it as sqlite:////absolute/path/sekisho.db") from None
    if parsed.get_backend_name() != "sqlite":
        raise StorageError(
            f"the database {parsed.get_backend_name()!r} is no file; this needs a URL such as sqlite:////absolute/path/sekisho.db"
        )
    if not parsed.database or parsed.database == ":memory:" or parsed.query:
        raise StorageError("the database URL needs a plain file, such as sqlite:////absolute/path/sekisho.db")
    return Path(parsed.database)


class Sqlite(Database):
    """An open SQLite file."""

    kind = "sqlite"
    mark = "?"

    def __init__(self, path: Path, *, synchronous: str = "FULL", readers: int = READERS, wait: float = WAIT_SECONDS) -> None:
        super().__init__(str(path), readers=readers, wait=wait)
        if synchronous not in SYNCHRONOUS:
            raise StorageError(f"database.synchronous is {synchronous!r}; give one of {', '.join(SYNCHRONOUS)}")
        self.path = path
        self.identity: Identity | None = None
        """The file that was opened."""
        self._synchronous = synchronous
        self._writer = _engine(path, self._writer_pragmas(), begin="BEGIN IMMEDIATE", size=1)
        self._readers = _engine(path, self._reader_pragmas(), begin="BEGIN", size=readers, read_only=True)

    @property
    def connections(self) -> int:
        return self.readers + 1

    async def holds_anything(self) -> bool:
        return self.path.exists() and self.path.stat().st_size > 0

    async def open(self) -> None:
        """Create the file (mode 0600) where there is none, and connect; raises StorageError, and then nothing was changed."""
        await asyncio.to_thread(_check_file, self.path)
        self.identity = identity_at(self.path)
        async with self.writer():
            pass

    async def close(self) -> None:
        await self._readers.dispose()
        await self._writer.dispose()

    async def announce(self, connection: AsyncConnection, revision: int) -> None:
        """There is no other node."""

    @asynccontextmanager
    async def _write(self, seconds: float | None) -> AsyncIterator[AsyncConnection]:
        if self.identity is not None and identity_at(self.path) != self.identity:
            # What is open may never come back, and whoever asks us to write would be told that it is kept.
            raise UnavailableError(f"the database {self.path} was taken away while it was open; put it back where it was")
        async with self._turn(self._wait), self._writer.begin() as connection:
            yield connection

    @asynccontextmanager
    async def _read(self, seconds: float | None) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._readers.begin() as connection:
                yield connection
        except exc.TimeoutError:
            raise UnavailableError(f"the database {self.path.name} is busy with other reads; try again") from None

    def _translated(self, error: exc.DBAPIError) -> Exception:
        return of_sqlite(error, self.path.name)

    def _writer_pragmas(self) -> tuple[str, ...]:
        return (
            "PRAGMA journal_mode=WAL",
            f"PRAGMA synchronous={self._synchronous}",
            "PRAGMA foreign_keys=ON",
            f"PRAGMA busy_timeout={int(self._wait * 1000)}",
            "PRAGMA cache_size=-16384",
            "PRAGMA temp_store=MEMORY",
            # What a burst has made of the WAL is given back to the disk by the next checkpoint.
            "PRAGMA journal_size_limit=67108864",
        )

    def _reader_pragmas(self) -> tuple[str, ...]:
        return ("PRAGMA query_only=ON", f"PRAGMA busy_timeout={int(self._wait * 1000)}", "PRAGMA temp_store=MEMORY")


def _engine(path: Path, pragmas: tuple[str, ...], *, begin: str, size: int, read_only: bool = False) -> AsyncEngine:
    url = URL.create("sqlite+aiosqlite", database=path.absolute().as_uri(), query={"uri": "true", "mode": "ro" if read_only else "rw"})
    # An error of the database is logged, and what people's rows hold is not.
    engine = create_async_engine(url, pool_size=size, max_overflow=0, pool_timeout=WAIT_SECONDS, hide_parameters=True)

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        # The driver opens no transactions of its own: `begin` below decides which kind.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def start(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _check_file(path: Path) -> None:
    """Make the empty file, or make sure that what lies there is one of SQLite's."""
    wal = path.with_name(f"{path.name}-wal")
    try:
        # SQLite deletes a WAL that lies beside an empty file, and with it what may be the only copy of everything.
        if not (path.exists() and path.stat().st_size) and wal.exists() and wal.stat().st_size:
            raise UnreadableError(
                f"the database {path} is missing or empty, but its log {wal.name} is there; nothing was changed: put the database back "
                "beside it, or move the log away to start empty"
            )
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise UnreadableError(f"the database {path} cannot be opened: {error.strerror}; check the directory and its permissions") from None
    if head and not head.startswith(_SQLITE_MAGIC):
        raise UnreadableError(
            f"the file {path} is not a SQLite database, or damaged; nothing was changed: put a backup in its place with "
            "`sekisho backup restore`, or move the file away to start empty"
        )
    if head and head[_WRITE_VERSION] != _WRITES_WAL:
        # The pragma that switches to the log would be the first change made to it.
        _check_owner(path, wal)


def _check_owner(path: Path, wal: Path) -> None:
    """Make sure that the tables are ours, before a pragma of ours changes so much as the header of somebody else's file."""
    # Without a log beside it the file is all there is, and may be read without a trace.
    how = "mode=ro" if wal.exists() else "mode=ro&immutable=1"
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.Error as error:
        raise UnreadableError(
            f"the file {path} is damaged ({error}); nothing was changed: put a backup in its place with `sekisho backup restore`, "
            "or move the file away to start empty"
        ) from None
    if tables and "alembic_version" not in tables:
        raise StorageError(f"the database {path} belongs to another program; nothing was changed: point SEKISHO_DATABASE_URL elsewhere")


def library_version() -> tuple[int, ...]:
    """Of the SQLite library in this process."""
    return sqlite3.sqlite_version_info


def library_may_corrupt_wal() -> bool:
    """Whether this SQLite has the fault that several writing connections can run into."""
    return (3, 7, 0) <= library_version() <= (3, 51, 2)
