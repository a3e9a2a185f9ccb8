"""Databases for tests: opened in a loop of their own, over real files."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from sekisho.kit.crypto import KeyRing
from sekisho.storage.database import Database
from sekisho.storage.preparation import Prepared, prepare

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
        database = Database(path, wait=wait)
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
