"""Empty databases of both kinds, and databases as a released version left them."""

import asyncio
import itertools
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sekisho.kit.crypto import KeyRing
from sekisho.storage.database import Database
from sekisho.storage.migrations import runner
from sekisho.storage.urls import of_url

if TYPE_CHECKING:
    from tests.support.postgres import Cluster

RING = KeyRing({1: bytes(32)})

FIRST = (
    "INSERT INTO revisions VALUES (1, 7, 5, 'sekisho-old', '{ring}')",
    "INSERT INTO projects VALUES ('default', 'default', 1)",
    "INSERT INTO keys (id, label, project_id, last4, created_at, revision) VALUES ('k1', 'a key', 'default', 'abcd', 1, 7)",
    "INSERT INTO calls_open (boot, seq, payload) VALUES ('b00t', 1, {empty})",
    "INSERT INTO journal_positions VALUES ('b00t-1-000001.log', 64)",
)
"""What stands in a database of schema 0001."""


@dataclass
class Place:
    """Where one kind of database is made."""

    kind: str
    make: Callable[[], str]
    copy: Callable[[str], str]
    """Of a database that nobody uses."""

    def empty(self) -> str:
        """The URL of a database without tables; the one before it may be the same."""
        return self.make()

    def first(self) -> str:
        """The URL of a database that schema 0001 left behind."""
        url = self.make()
        empty = "x''" if self.kind == "sqlite" else "''"
        run(url, ["0001", *(statement.format(ring=RING.fingerprint(), empty=empty) for statement in FIRST)])
        return url


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """A database for the length of a block."""
    database = of_url(url)
    try:
        await database.open()
        yield database
    finally:
        await database.close()


def run(url: str, work: list[str]) -> None:
    """Statements, and migrations by their revision, in one transaction."""

    async def go() -> None:
        async with opened(url) as database, database.writer() as connection:
            for each in work:
                if each.isdigit():
                    await connection.run_sync(lambda within, target=each: runner.upgrade(within, target))
                else:
                    await connection.exec_driver_sql(each)

    asyncio.run(go())


def rows(url: str, sql: str) -> list[tuple[Any, ...]]:
    """What a statement reads."""

    async def go() -> list[tuple[Any, ...]]:
        async with opened(url) as database, database.reader() as connection:
            return [tuple(row) for row in await connection.exec_driver_sql(sql)]

    return asyncio.run(go())


@pytest.fixture
def sqlite_place(tmp_path: Path) -> Place:
    numbers = itertools.count(1)

    def make() -> str:
        return f"sqlite:///{tmp_path / f'{next(numbers)}.db'}"

    def copy(url: str) -> str:
        target = make()
        shutil.copy(url.removeprefix("sqlite:///"), target.removeprefix("sqlite:///"))
        return target

    return Place("sqlite", make, copy)


@pytest.fixture
def postgres_place(postgres_cluster: "Cluster") -> Place:
    name = postgres_cluster.create()

    def make() -> str:
        postgres_cluster.clear(name)
        return postgres_cluster.url(name)

    return Place("postgresql", make, lambda url: postgres_cluster.url(postgres_cluster.create(url.rpartition("/")[2])))


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest) -> Place:
    found: Place = request.getfixturevalue("sqlite_place" if request.param == "sqlite" else "postgres_place")
    return found
