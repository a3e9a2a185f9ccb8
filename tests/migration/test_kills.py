"""The process that migrates dies by -9 at every statement: the database is old or new, and the next start completes it."""

import asyncio
import itertools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from sekisho.kit.clock import SystemClock
from sekisho.storage.database import Database
from sekisho.storage.migrations import HEAD
from sekisho.storage.preparation import prepare
from sekisho.storage.tables import metadata
from tests.migration.conftest import RING, Place, opened
from tests.support.product import ROOT

pytestmark = pytest.mark.timeout(300)


class Victim:
    """The program that lets its children die."""

    def __init__(self) -> None:
        environment = {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "PATH": "/usr/bin:/bin"}
        command = [sys.executable, "-m", "tests.migration.victim"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment)

    def die(self, step: int, url: str, directory: Path) -> bool:
        """Whether the child was killed; False where it came to its end before."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{step} {url} {directory}\n")
        self.process.stdin.flush()
        said = self.process.stdout.readline().strip()
        assert said in ("killed", "whole"), said
        return said == "killed"


@pytest.fixture(scope="module")
def victim() -> Iterator[Victim]:
    made = Victim()
    yield made
    assert made.process.stdin is not None
    made.process.stdin.close()
    assert made.process.wait(10) == 0
    assert made.process.stdout is not None
    made.process.stdout.close()


TABLES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table'",
    "postgresql": "SELECT tablename FROM pg_tables WHERE schemaname = 'public'",
}
NODES = {
    "sqlite": "SELECT count(*) FROM sqlite_master m, pragma_table_info(m.name) c WHERE c.name = 'node'",
    "postgresql": "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'public' AND column_name = 'node'",
}
"""How many tables have what 0002 added."""


async def asked(database: Database, sql: str) -> list[tuple[Any, ...]]:
    async with database.reader() as connection:
        return [tuple(row) for row in await connection.exec_driver_sql(sql)]


async def state_of(database: Database) -> str | None:
    """The version that is written down; None where there are no tables at all."""
    if not await asked(database, TABLES[database.kind]):
        return None
    ((version,),) = await asked(database, "SELECT version_num FROM alembic_version")
    return str(version)


def differences(connection: Connection) -> list[object]:
    return list(compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata))


async def examine(url: str, directory: Path, start: str, step: int) -> str | None:
    """The state after the kill, which is old or new; then the next start, which completes it."""
    old = {"empty": None, "first": "0001"}[start]
    async with opened(url) as database:
        state = await state_of(database)
        assert state in (old, HEAD), f"neither old nor new after a kill at step {step}"
        expected = 2 if state == HEAD else 0
        assert await asked(database, NODES[database.kind]) == [(expected,)], f"the schema is not what it says after step {step}"
        done = await prepare(database, RING, SystemClock(), directory)
        assert database.frozen is None
        assert done.migrated_from == (old if state == old else None)
        async with database.reader() as connection:
            assert await connection.run_sync(differences) == []
        counts = [len(await asked(database, f"SELECT * FROM {table}")) for table in ("revisions", "projects")]
        assert counts == [1, 1]
        if start == "first":
            assert await asked(database, "SELECT revision, instance FROM revisions") == [(7, "sekisho-old")]
            assert await asked(database, 'SELECT segment, "offset", node FROM journal_positions') == [("b00t-1-000001.log", 64, "")]
            assert len(await asked(database, "SELECT * FROM keys")) == 1
    return state


@pytest.mark.parametrize("start", ["empty", "first"])
def test_a_migration_killed_at_every_statement_is_completed(place: Place, start: str, victim: Victim, tmp_path: Path) -> None:
    first = place.first() if start == "first" else ""
    states = set()
    for step in itertools.count(1):
        url = place.copy(first) if first else place.empty()
        killed = victim.die(step, url, tmp_path / "backups")
        states.add(asyncio.run(examine(url, tmp_path / "backups", start, step)))
        if not killed:
            break
    print(f"{place.kind}, from {start}: killed at each of {step - 1} steps")
    assert states == {None if start == "empty" else "0001", HEAD}, "some died before the commit and some after"
    assert step > (25 if start == "empty" else 8)
