"""One writer, many readers, and every fault of a file in one clear line that changes nothing."""

import asyncio
import contextlib
import os
import sqlite3
import stat
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from sekisho.storage.database import Database
from sekisho.storage.errors import StorageError, UnavailableError
from sekisho.storage.sqlite import Sqlite, library_may_corrupt_wal, sqlite_path
from tests.unit.storage.homes import opened


async def nothing(_: Database) -> None:
    """Only open and close."""


async def table(database: Database) -> None:
    async with database.writer() as connection:
        await connection.exec_driver_sql("CREATE TABLE t (n INTEGER PRIMARY KEY)")


def test_the_file_is_the_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    modes: dict[str, int] = {}

    async def look(database: Database) -> None:
        await table(database)
        modes.update({each.name: stat.S_IMODE(each.stat().st_mode) for each in os.scandir(tmp_path)})

    previous = os.umask(0)
    try:
        opened(path, look)
    finally:
        os.umask(previous)
    assert modes == {"s.db": 0o600, "s.db-wal": 0o600, "s.db-shm": 0o600}


def test_the_writer_is_durable_and_checks_references(tmp_path: Path) -> None:
    async def pragmas(database: Database) -> dict[str, object]:
        async with database.writer() as connection:
            return {
                name: (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar_one()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            }

    assert opened(tmp_path / "s.db", pragmas) == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}


def test_how_durable_is_a_choice_of_two(tmp_path: Path) -> None:
    async def run() -> object:
        database = Sqlite(tmp_path / "s.db", synchronous="NORMAL")
        await database.open()
        try:
            async with database.writer() as connection:
                return (await connection.exec_driver_sql("PRAGMA synchronous")).scalar_one()
        finally:
            await database.close()

    assert asyncio.run(run()) == 1
    with pytest.raises(StorageError, match=r"give one of FULL, NORMAL"):
        Sqlite(tmp_path / "s.db", synchronous="OFF")


def test_a_block_is_one_transaction(tmp_path: Path) -> None:
    async def run(database: Database) -> list[int]:
        await table(database)
        with contextlib.suppress(ZeroDivisionError):
            async with database.writer() as connection:
                await connection.execute(text("INSERT INTO t VALUES (1)"))
                _ = 1 // 0
        async with database.writer() as connection:
            await connection.execute(text("INSERT INTO t VALUES (2)"))
        async with database.reader() as connection:
            return list((await connection.execute(text("SELECT n FROM t"))).scalars())

    assert opened(tmp_path / "s.db", run) == [2]


def test_a_reader_sees_one_state_while_others_write_and_cannot_write(tmp_path: Path) -> None:
    async def count(connection: object) -> int:
        return int((await connection.execute(text("SELECT count(*) FROM t"))).scalar_one())  # type: ignore[attr-defined]

    async def run(database: Database) -> tuple[int, int, int]:
        await table(database)
        async with database.reader() as reader:
            before = await count(reader)
            async with database.writer() as writer:
                await writer.execute(text("INSERT INTO t VALUES (1)"))
            after = await count(reader)
        with pytest.raises(UnavailableError, match="readonly"):
            async with database.reader() as reader:
                await reader.execute(text("INSERT INTO t VALUES (2)"))
        async with database.reader() as reader:
            return before, after, await count(reader)

    assert opened(tmp_path / "s.db", run) == (0, 0, 1)


def test_writers_wait_for_their_turn_and_not_for_ever(tmp_path: Path) -> None:
    async def run(database: Database) -> None:
        await table(database)
        async with database.writer():
            with pytest.raises(UnavailableError, match="busy with another write"):
                async with database.writer():
                    pass
        async with database.writer() as connection:
            await connection.execute(text("INSERT INTO t VALUES (1)"))

    opened(tmp_path / "s.db", run, wait=0.05)


def test_a_writer_that_is_cancelled_gives_its_turn_back_and_leaves_nothing(tmp_path: Path) -> None:
    async def run(database: Database) -> int:
        await table(database)
        inside = asyncio.Event()

        async def hold() -> None:
            async with database.writer() as connection:
                await connection.execute(text("INSERT INTO t VALUES (1)"))
                inside.set()
                await asyncio.Event().wait()

        async with asyncio.TaskGroup() as group:
            task = group.create_task(hold())
            await inside.wait()
            task.cancel()
        async with database.writer() as connection:
            return int((await connection.execute(text("SELECT count(*) FROM t"))).scalar_one())

    assert opened(tmp_path / "s.db", run) == 0


def test_another_process_that_holds_the_file_is_named_as_the_cause(tmp_path: Path) -> None:
    path = tmp_path / "s.db"

    async def run(database: Database) -> None:
        await table(database)
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(UnavailableError, match="in use by another process"):
                async with database.writer():
                    pass

    opened(path, run, wait=0.05)


def test_a_broken_rule_stays_what_it_is(tmp_path: Path) -> None:
    async def run(database: Database) -> None:
        await table(database)
        with pytest.raises(IntegrityError):
            async with database.writer() as connection:
                await connection.exec_driver_sql("INSERT INTO t VALUES (?)", [(1,), (1,)])

    opened(tmp_path / "s.db", run)


@pytest.mark.parametrize("content", [b"hello", b"\0" * 8192, b"SQLite format 3\0" + b"\xff" * 8176])
def test_a_file_that_is_no_database_is_refused_and_left_as_it_was(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "s.db"
    path.write_bytes(content)
    with pytest.raises(StorageError, match=r"damaged.*nothing was changed.*restore"):
        opened(path, nothing)
    assert path.read_bytes() == content


def test_a_page_damaged_later_is_told_as_damage(tmp_path: Path) -> None:
    path = tmp_path / "s.db"

    async def fill(database: Database) -> None:
        await table(database)
        async with database.writer() as connection:
            await connection.exec_driver_sql("INSERT INTO t VALUES (?)", [(n,) for n in range(5000)])

    opened(path, fill)
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    path.write_bytes(content)

    async def read(database: Database) -> None:
        async with database.reader() as connection:
            await connection.execute(text("SELECT sum(n) FROM t"))

    with pytest.raises(StorageError, match=r"s\.db is damaged"):
        opened(path, read)
    assert path.read_bytes() == bytes(content)


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"none/s\.db cannot be opened: No such file"):
        opened(tmp_path / "none" / "s.db", nothing)


@pytest.mark.parametrize(
    ("url", "path"),
    [("sqlite:////var/lib/s.db", "/var/lib/s.db"), ("sqlite:///s.db", "s.db"), ("sqlite+aiosqlite:////x/y.db", "/x/y.db")],
)
def test_the_url_names_a_file(url: str, path: str) -> None:
    assert sqlite_path(url) == Path(path)


@pytest.mark.parametrize("url", ["", "sekisho.db", "postgresql://u:secret@h/d", "sqlite://", "sqlite:///:memory:", "sqlite:////x?mode=ro"])
def test_another_url_is_refused_without_telling_its_secrets(url: str) -> None:
    with pytest.raises(StorageError) as refused:
        sqlite_path(url)
    assert "sqlite:////absolute/path" in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("version", "affected"), [((3, 6, 23), False), ((3, 7, 0), True), ((3, 40, 1), True), ((3, 51, 2), True), ((3, 51, 3), False)]
)
def test_the_range_of_the_fault_is_known(monkeypatch: pytest.MonkeyPatch, version: tuple[int, ...], affected: bool) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", version)
    assert library_may_corrupt_wal() is affected


def test_paths_with_peculiar_names_work(tmp_path: Path) -> None:
    home = tmp_path / "a b%20?#ü"
    home.mkdir()
    opened(home / "s.db", table)
    assert [each.name for each in home.iterdir()] == ["s.db"]


@pytest.mark.parametrize("empty", [True, False])
def test_a_log_without_its_database_is_not_thrown_away(tmp_path: Path, *, empty: bool) -> None:
    path, wal = tmp_path / "s.db", tmp_path / "s.db-wal"
    wal.write_bytes(b"the only copy")
    if empty:
        path.touch()
    with pytest.raises(StorageError, match=r"its log s\.db-wal is there; nothing was changed"):
        opened(path, nothing)
    assert wal.read_bytes() == b"the only copy"
    assert path.exists() is empty


def test_a_full_disk_is_told_and_heals(tmp_path: Path) -> None:
    """Fullness is played by SQLite itself, which gives the same error when its own bound is reached."""

    async def fill(database: Database) -> None:
        async with database.writer() as connection:
            await connection.exec_driver_sql("INSERT INTO t VALUES (?)", [(n,) for n in range(20_000)])

    async def run(database: Database) -> int:
        await table(database)
        async with database.writer() as connection:
            await connection.exec_driver_sql("PRAGMA max_page_count=5")
        with pytest.raises(UnavailableError, match=r"cannot be written .*full.*make room"):
            await fill(database)
        async with database.writer() as connection:
            assert (await connection.exec_driver_sql("SELECT count(*) FROM t")).scalar_one() == 0
            await connection.exec_driver_sql("PRAGMA max_page_count=100000")
        await fill(database)
        async with database.reader() as connection:
            return int((await connection.exec_driver_sql("SELECT count(*) FROM t")).scalar_one())

    assert opened(tmp_path / "s.db", run) == 20_000


def test_closing_lets_end_what_is_under_way(tmp_path: Path) -> None:
    """A block that nobody waits for ends before its connection goes; one that hangs is not waited for without end."""

    async def run() -> tuple[list[str], list[str]]:
        database = Sqlite(tmp_path / "s.db")
        await database.open()
        seen: list[str] = []
        entered = asyncio.Event()
        hurry = asyncio.Event()

        async def read() -> None:
            async with database.reader() as connection:
                entered.set()
                await hurry.wait()
                await connection.exec_driver_sql("SELECT 1")
                seen.append("read")

        reading = asyncio.ensure_future(read())
        await entered.wait()
        await database.drain(0.01)
        before = list(seen)
        asyncio.get_running_loop().call_later(0.05, hurry.set)
        await database.drain()
        after = list(seen)
        await database.close()
        await reading
        return before, after

    assert asyncio.run(run()) == ([], ["read"])
