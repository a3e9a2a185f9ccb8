"""Databases for tests: opened in a loop of their own, over real files."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from sekisho.kit.crypto import KeyRing
from sekisho.storage import backups
from sekisho.storage.database import Database
from sekisho.storage.preparation import Prepared, prepare
from sekisho.storage.sqlite import Sqlite

T = TypeVar("T")

NOW = 1_767_225_600_000_000


class Fixed:
    """A clock that stands still."""

    def now(self) -> int:
        return NOW

    def monotonic(self) -> float:
        return 0.0


def opened(path: Path, work: Callable[[Database], Awaitable[T]], *, ring: KeyRing | None = None, wait: float = 5.0) -> T:
    """Open a database, prepare it where a ring is given, do the work, close it."""

    async def run() -> T:
        database = Sqlite(path, wait=wait)
        try:
            await database.open()
            if ring is not None:
                await prepare(database, ring, Fixed(), path.parent / "backups")
            return await work(database)
        finally:
            await database.close()

    return asyncio.run(run())


def prepared(path: Path, ring: KeyRing) -> Prepared:
    """Open and prepare a database, and tell what was found."""

    async def again(database: Database) -> Prepared:
        return await prepare(database, ring, Fixed(), path.parent / "backups")

    return opened(path, again)


def back_up(
    path: Path, ring: KeyRing, target: Path, *, keys: int = 3, label: Callable[[int], str] = "canary-label-{}".format
) -> backups.Contents:
    """Make some keys more, and a backup of a database."""

    async def work(database: Database) -> backups.Contents:
        async with database.writer() as connection:
            await connection.exec_driver_sql(
                "INSERT INTO keys (id, label, project_id, last4, created_at, revision) VALUES (?, ?, 'default', 'last', 1, 1)",
                [(f"{target.name}-{n}", label(n)) for n in range(keys)],
            )
        return await backups.create(database, ring, Fixed(), target)

    return opened(path, work, ring=ring)


def keys_in(path: Path) -> int:
    """How many keys a database file has."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM keys").fetchone()[0])


def leftovers(directory: Path) -> list[str]:
    """Unfinished files, anywhere below."""
    return [each.name for each in directory.rglob(".*")]
