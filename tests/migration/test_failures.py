"""A migration that fails changes nothing and writes nothing from then on; what is newer than us is refused; two nodes migrate once."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from sekisho.kit.clock import SystemClock
from sekisho.storage import backups
from sekisho.storage.database import Database
from sekisho.storage.errors import MigrationFailedError, StorageError, UnavailableError
from sekisho.storage.migrations import HEAD, runner
from sekisho.storage.preparation import Prepared, prepare
from sekisho.storage.urls import of_url
from tests.migration.conftest import RING, Place, rows, run

T = TypeVar("T")


def prepared(url: str, directory: Path, work: Callable[[Database, Prepared], Awaitable[T]]) -> T:
    """Open, prepare, do something, close."""

    async def go() -> T:
        database = of_url(url)
        try:
            await database.open()
            return await work(database, await prepare(database, RING, SystemClock(), directory))
        finally:
            await database.close()

    return asyncio.run(go())


async def report(_: Database, done: Prepared) -> Prepared:
    return done


def half(connection: Connection) -> None:
    connection.execute(text("CREATE TABLE half_done (x INTEGER)"))
    connection.execute(text("UPDATE projects SET name = 'changed'"))
    raise RuntimeError("the disk broke")


def forgetful(connection: Connection) -> None:
    connection.execute(text(f"UPDATE alembic_version SET version_num = '{HEAD}'"))


@pytest.mark.parametrize(("upgrade", "reason"), [(half, "the disk broke"), (forgetful, "the migrations left")], ids=["failure", "mismatch"])
def test_a_failed_migration_leaves_the_old_state_and_takes_no_writes(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, upgrade: Callable[[Connection], None], reason: str
) -> None:
    url = place.first()
    before = rows(url, "SELECT * FROM projects")

    async def look(database: Database, done: Prepared) -> None:
        assert done.backup is not None
        assert backups.describe(done.backup).keys == 1, "the backup came first"
        assert done.migrated_from is None
        assert reason in (database.frozen or "")
        with pytest.raises(MigrationFailedError, match="takes no changes: start the version before again"):
            async with database.writer():
                pass
        async with database.reader() as connection:
            assert (await connection.execute(text("SELECT count(*) FROM keys"))).scalar_one() == 1
        with pytest.raises(MigrationFailedError):
            async with database.reader() as connection:
                await connection.execute(text("SELECT node FROM calls_open"))

    monkeypatch.setattr(runner, "upgrade", upgrade)
    prepared(url, tmp_path, look)
    monkeypatch.undo()
    assert rows(url, "SELECT version_num FROM alembic_version") == [("0001",)]
    assert rows(url, "SELECT * FROM projects") == before
    with pytest.raises(DBAPIError, match="half_done"):
        rows(url, "SELECT * FROM half_done")
    assert prepared(url, tmp_path, report).migrated_from == "0001", "the next start may succeed"


def test_attempts_that_fail_keep_one_backup(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest: the version before may have gone on in between. One of another installation, or by hand, is nobody's to delete."""
    url = place.first()
    monkeypatch.setattr(runner, "upgrade", half)
    (tmp_path / f"before-{HEAD}-1.sekisho-backup").write_bytes(b"no backup at all")

    async def made(_: Database, done: Prepared) -> Path:
        assert done.backup is not None
        return done.backup

    first = prepared(url, tmp_path, made)
    by_hand = tmp_path / "by-hand.sekisho-backup"
    by_hand.write_bytes(first.read_bytes())
    run(url, ["UPDATE revisions SET instance = 'another'"])
    second = prepared(url, tmp_path, made)
    run(url, ["INSERT INTO keys (id, label, project_id, last4, created_at, revision) VALUES ('k2', 'later', 'default', 'abcd', 1, 7)"])
    for _ in range(3):
        last = prepared(url, tmp_path, made)
    assert {*tmp_path.glob("*.sekisho-backup")} == {first, by_hand, last, tmp_path / f"before-{HEAD}-1.sekisho-backup"}
    assert second != last
    assert backups.describe(last).keys == 2


def test_a_migration_that_fails_on_an_empty_database_stops_the_start(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(connection: Connection) -> None:
        connection.execute(text("CREATE TABLE half_done (x INTEGER)"))
        raise RuntimeError("the disk broke")

    url = place.empty()
    monkeypatch.setattr(runner, "upgrade", broken)
    with pytest.raises(RuntimeError, match="the disk broke"):
        prepared(url, tmp_path, report)
    monkeypatch.undo()
    assert prepared(url, tmp_path, report).fresh


@pytest.mark.parametrize("version", ["9999", ""])
def test_a_newer_schema_is_refused(place: Place, tmp_path: Path, version: str) -> None:
    url = place.first()
    run(url, [f"UPDATE alembic_version SET version_num = '{version}'"])
    with pytest.raises(StorageError, match=r"does not know; nothing was changed"):
        prepared(url, tmp_path, report)
    assert rows(url, "SELECT version_num FROM alembic_version") == [(version,)]
    assert list(tmp_path.glob("*.sekisho-backup")) == []


def test_another_programs_tables_are_left_alone(place: Place, tmp_path: Path) -> None:
    url = place.empty()
    run(url, ["CREATE TABLE theirs (x INTEGER)"])
    with pytest.raises(StorageError, match="belongs to another program; nothing was changed"):
        prepared(url, tmp_path, report)


def test_the_version_before_goes_on_beside_the_new_schema(place: Place, tmp_path: Path) -> None:
    """Expand first: what the recorder of schema 0001 says is still taken."""
    url = place.first()
    prepared(url, tmp_path, report)
    run(
        url,
        [
            "INSERT INTO calls_open (boot, seq, payload) VALUES ('b00t', 2, '') ON CONFLICT (boot, seq) DO NOTHING",
            "INSERT INTO journal_positions (segment, \"offset\") VALUES ('b00t-1-000001.log', 128) "
            'ON CONFLICT (segment) DO UPDATE SET "offset" = excluded."offset"',
            "DELETE FROM calls_open WHERE boot = 'b00t' AND seq = 1",
        ],
    )
    assert rows(url, "SELECT seq, node FROM calls_open") == [(2, "")]
    assert rows(url, 'SELECT "offset", node FROM journal_positions') == [(128, "")]


@pytest.mark.parametrize("start", ["empty", "first"])
def test_two_nodes_that_start_at_once_migrate_once(postgres_place: Place, tmp_path: Path, start: str) -> None:
    url = postgres_place.empty() if start == "empty" else postgres_place.first()

    async def both() -> list[Prepared]:
        databases = [of_url(url), of_url(url)]
        try:
            for each in databases:
                await each.open()
            return await asyncio.gather(*(prepare(each, RING, SystemClock(), tmp_path / str(n)) for n, each in enumerate(databases)))
        finally:
            for each in databases:
                assert each.frozen is None
                await each.close()

    found = asyncio.run(both())
    assert found[0].instance == found[1].instance
    assert sum(each.fresh for each in found) == (1 if start == "empty" else 0)
    assert len(rows(url, "SELECT * FROM revisions")) == 1
    assert rows(url, "SELECT version_num FROM alembic_version") == [(HEAD,)]


def test_a_turn_that_never_comes_is_refused(postgres_place: Place) -> None:
    """Another node writes and does not end: ours waits for its turn, and not for ever."""
    url = postgres_place.empty()

    async def scene() -> None:
        from sekisho.storage.postgres import Postgres

        one, other = Postgres(url), Postgres(url, wait=0.2)
        try:
            async with one.writer():
                with pytest.raises(UnavailableError, match="busy with another write; try again"):
                    async with other.writer():
                        pass
            async with other.writer():
                pass
        finally:
            await one.close()
            await other.close()

    asyncio.run(scene())
