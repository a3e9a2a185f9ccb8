"""A database is brought to this version's state or refused; it is never overwritten."""

import contextlib
import hashlib
import os
import sqlite3
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from sekisho.kit.crypto import KeyRing
from sekisho.storage import backups
from sekisho.storage.database import Database
from sekisho.storage.errors import StorageError
from sekisho.storage.migrations import HEAD, runner
from sekisho.storage.tables import metadata
from tests.unit.storage.homes import opened, prepared

ROOT = Path(__file__).parents[3]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def tamper(path: Path, sql: str) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(sql)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def test_an_empty_database_is_made_whole_and_found_so_again(tmp_path: Path) -> None:
    ring = KeyRing.generate()
    first = prepared(tmp_path / "s.db", ring)
    second = prepared(tmp_path / "s.db", ring)
    assert (first.fresh, first.backup) == (True, None)
    assert (second.fresh, second.migrated_from, second.instance) == (False, None, first.instance)


def test_the_migrations_end_in_what_the_tables_say(tmp_path: Path) -> None:
    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata))

    async def compare(database: Database) -> list[object]:
        async with database.reader() as connection:
            return await connection.run_sync(differences)

    assert opened(tmp_path / "s.db", compare, ring=KeyRing.generate()) == []


def test_the_head_that_is_written_down_is_the_newest_migration() -> None:
    assert runner.script_directory().get_current_head() == HEAD


def test_a_start_at_head_does_not_import_the_migration_tool(tmp_path: Path) -> None:
    ring = KeyRing.generate()
    prepared(tmp_path / "s.db", ring)
    program = (
        "import sys, pathlib\n"
        "from sekisho.kit.crypto import KeyRing\n"
        "from tests.unit.storage.homes import prepared\n"
        "prepared(pathlib.Path(sys.argv[1]), KeyRing.loads(sys.stdin.read()))\n"
        "print(sorted(name for name in sys.modules if name in ('alembic', 'fastapi', 'httpx')))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "s.db")],
        input=ring.dumps(),
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
    )
    assert done.stdout == "[]\n"


def test_another_ring_is_refused_with_what_to_do(tmp_path: Path) -> None:
    prepared(tmp_path / "s.db", KeyRing.generate())
    before = digest(tmp_path / "s.db")
    with pytest.raises(StorageError, match=r"the secret key does not belong to the database .* put the right secret\.key back"):
        prepared(tmp_path / "s.db", KeyRing.generate())
    assert digest(tmp_path / "s.db") == before


@pytest.mark.parametrize("version", ["9999", "", "abc", "0", "000"])
def test_a_newer_schema_is_refused(tmp_path: Path, version: str) -> None:
    ring = KeyRing.generate()
    prepared(tmp_path / "s.db", ring)
    tamper(tmp_path / "s.db", f"UPDATE alembic_version SET version_num = '{version}'")
    before = digest(tmp_path / "s.db")
    with pytest.raises(StorageError, match=r"does not know; nothing was changed"):
        prepared(tmp_path / "s.db", ring)
    assert digest(tmp_path / "s.db") == before


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    tamper(tmp_path / "s.db", "CREATE TABLE theirs (x)")
    with pytest.raises(StorageError, match="belongs to another program; nothing was changed"):
        prepared(tmp_path / "s.db", KeyRing.generate())
    with contextlib.closing(sqlite3.connect(tmp_path / "s.db")) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]


def test_a_lost_first_row_is_told(tmp_path: Path) -> None:
    ring = KeyRing.generate()
    prepared(tmp_path / "s.db", ring)
    tamper(tmp_path / "s.db", "DELETE FROM revisions")
    with pytest.raises(StorageError, match="lost its first row"):
        prepared(tmp_path / "s.db", ring)


def test_a_migration_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(connection: Connection) -> None:
        connection.execute(text("CREATE TABLE half_done (x INTEGER)"))
        raise RuntimeError("power cut")

    monkeypatch.setattr(runner, "upgrade", half)
    with pytest.raises(RuntimeError, match="power cut"):
        prepared(tmp_path / "s.db", KeyRing.generate())
    with contextlib.closing(sqlite3.connect(tmp_path / "s.db")) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == []
    monkeypatch.undo()
    assert prepared(tmp_path / "s.db", KeyRing.generate()).fresh


def test_an_older_schema_is_backed_up_before_it_is_migrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ring = KeyRing.generate()
    with monkeypatch.context() as patch:
        # A start of the version before.
        patch.setattr("sekisho.storage.preparation.HEAD", "0001")
        patch.setattr("sekisho.storage.preparation._compare", lambda connection: None)
        patch.setattr(runner, "upgrade", partial(runner.upgrade, target="0001"))
        prepared(tmp_path / "s.db", ring)
    done = prepared(tmp_path / "s.db", ring)
    assert (done.migrated_from, done.fresh) == ("0001", False)
    assert done.backup is not None
    assert backups.prove(done.backup, ring).path == done.backup
    assert prepared(tmp_path / "s.db", ring).migrated_from is None
