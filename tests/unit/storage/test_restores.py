"""A restore loses nothing, not even what it replaces; one that is refused has touched nothing."""

import asyncio
import contextlib
import hashlib
import shutil
import sqlite3
from pathlib import Path

import pytest

from sekisho.kit.crypto import KeyRing
from sekisho.storage import restores
from sekisho.storage.errors import StorageError, UnavailableError
from sekisho.storage.sqlite import Sqlite
from tests.unit.storage.homes import NOW, Fixed, back_up, keys_in, leftovers, prepared


class Ticking(Fixed):
    """A clock that never says the same time twice."""

    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> int:
        self.at += 1
        return self.at


@pytest.fixture
def ring() -> KeyRing:
    return KeyRing.generate()


@pytest.fixture
def home(tmp_path: Path) -> restores.Home:
    return restores.Home(tmp_path / "backups", tmp_path / "journal", stale=(tmp_path / "snapshot.sealed",))


def restore(source: Path, path: Path, ring: KeyRing, home: restores.Home, clock: Fixed | None = None) -> restores.Restored:
    return asyncio.run(restores.restore(source, Sqlite(path), ring, clock or Fixed(), home))


def state(directory: Path) -> dict[str, str]:
    """Every file below, by what is in it."""
    files = (each for each in directory.rglob("*") if each.is_file())
    return {str(each.relative_to(directory)): hashlib.sha256(each.read_bytes()).hexdigest() for each in files}


def test_into_an_empty_home(tmp_path: Path, ring: KeyRing) -> None:
    made = back_up(tmp_path / "s.db", ring, tmp_path / "b")
    other = tmp_path / "other"
    other.mkdir()
    done = restore(tmp_path / "b", other / "s.db", ring, restores.Home(other / "backups", other / "journal"))
    assert (done.keys, done.calls, done.created_at, done.safety_copy) == (made.keys, made.calls, NOW, None)
    assert keys_in(other / "s.db") == 3
    assert oct((other / "s.db").stat().st_mode)[-3:] == "600"
    assert leftovers(other) == []


def test_what_was_there_is_a_backup_that_can_be_restored(tmp_path: Path, ring: KeyRing, home: restores.Home) -> None:
    database = tmp_path / "s.db"
    back_up(database, ring, tmp_path / "first")
    back_up(database, ring, tmp_path / "second")
    # As a killed process leaves it: the last writes are in the WAL only.
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as held:
        held.execute("INSERT INTO projects (id, name, created_at) VALUES ('late', 'late', 1)")
        kept = (tmp_path / "s.db-wal", tmp_path / "s.db-shm", database)
        copies = {each.name: each.read_bytes() for each in kept}
        assert copies["s.db-wal"]
    for name, content in copies.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "snapshot.sealed").write_text("of the old state")
    clock = Ticking()
    done = restore(tmp_path / "first", database, ring, home, clock)
    assert (keys_in(database), done.keys) == (3, 3)
    assert not (tmp_path / "snapshot.sealed").exists()
    assert not (tmp_path / "s.db-wal").exists()
    assert done.safety_copy is not None
    assert done.safety_copy.parent == home.backups
    assert leftovers(tmp_path) == []
    back = restore(done.safety_copy, database, ring, home, clock)
    assert back.keys == keys_in(database) == 6
    with contextlib.closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT count(*) FROM projects WHERE id = 'late'").fetchone() == (1,)


@pytest.mark.parametrize("damage", [b"ruined", b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_database_is_replaced_and_kept_as_it_is(tmp_path: Path, ring: KeyRing, home: restores.Home, damage: bytes) -> None:
    database = tmp_path / "s.db"
    back_up(database, ring, tmp_path / "b")
    database.write_bytes(damage)
    (tmp_path / "s.db-wal").write_bytes(b"and its log")
    done = restore(tmp_path / "b", database, ring, home)
    assert done.safety_copy == home.backups / f"replaced-{NOW}"
    assert (done.safety_copy / "s.db").read_bytes() == damage
    assert (done.safety_copy / "s.db-wal").read_bytes() == b"and its log"
    assert keys_in(database) == 3
    assert prepared(database, ring).fresh is False
    assert leftovers(tmp_path) == []


def test_a_page_that_is_damaged_in_the_middle_leads_to_the_files(tmp_path: Path, ring: KeyRing, home: restores.Home) -> None:
    database = tmp_path / "s.db"
    back_up(database, ring, tmp_path / "b", keys=5_000)
    whole = database.read_bytes()
    middle = len(whole) // 2
    ruined = whole[:middle] + b"\xee" * 40_960 + whole[middle + 40_960 :]
    database.write_bytes(ruined)
    done = restore(tmp_path / "b", database, ring, home)
    assert done.safety_copy == home.backups / f"replaced-{NOW}"
    assert (done.safety_copy / "s.db").read_bytes() == ruined
    assert keys_in(database) == 5_000


def test_a_log_without_its_database_is_kept_and_does_no_harm(tmp_path: Path, ring: KeyRing, home: restores.Home) -> None:
    database = tmp_path / "s.db"
    back_up(database, ring, tmp_path / "b")
    database.unlink()
    (tmp_path / "s.db-wal").write_bytes(b"the only copy of something")
    done = restore(tmp_path / "b", database, ring, home)
    assert done.safety_copy is not None
    assert (done.safety_copy / "s.db-wal").read_bytes() == b"the only copy of something"
    assert keys_in(database) == 3


def test_another_installation_is_kept_with_its_journals(tmp_path: Path, ring: KeyRing, home: restores.Home) -> None:
    """Its records are none of the new one's: they would be calls of keys that nobody has."""
    back_up(tmp_path / "theirs.db", KeyRing.generate(), tmp_path / "unused")
    back_up(tmp_path / "ours.db", ring, tmp_path / "b")
    home.journal.mkdir()
    (home.journal / "boot-0-000001.log").write_bytes(b"records")
    done = restore(tmp_path / "b", tmp_path / "theirs.db", ring, home)
    assert done.safety_copy is not None
    assert (done.safety_copy / "journal" / "boot-0-000001.log").read_bytes() == b"records"
    assert list(home.journal.iterdir()) == []
    assert keys_in(done.safety_copy / "theirs.db") == 3


def test_our_own_journals_stay(tmp_path: Path, ring: KeyRing, home: restores.Home) -> None:
    back_up(tmp_path / "s.db", ring, tmp_path / "b")
    home.journal.mkdir()
    (home.journal / "boot-0-000001.log").write_bytes(b"records")
    for database in (tmp_path / "s.db", tmp_path / "none.db"):
        restore(tmp_path / "b", database, ring, home)
        assert (home.journal / "boot-0-000001.log").read_bytes() == b"records"


def test_the_three_newest_safety_copies_stay(tmp_path: Path, ring: KeyRing, home: restores.Home) -> None:
    database = tmp_path / "s.db"
    back_up(database, ring, tmp_path / "b")
    clock = Ticking()
    kept: list[Path] = []
    for number in range(6):
        if number == 2:
            database.write_bytes(b"ruined")
        copy = restore(tmp_path / "b", database, ring, home, clock).safety_copy
        assert copy is not None
        kept.append(copy)
        (home.backups / "replaced-mine").mkdir(exist_ok=True)
    assert set(home.backups.iterdir()) == {*kept[-3:], home.backups / "replaced-mine"}
    assert kept[2].suffix == ""


def refusals(tmp_path: Path, ring: KeyRing) -> dict[str, Path]:
    """Files that are no good, by the words of their refusal."""
    whole = (tmp_path / "b").read_bytes()
    found = {"cut or damaged": whole[:-1], "is no backup": b"hello", "sealed with another": b""}
    back_up(tmp_path / "foreign.db", KeyRing.generate(), tmp_path / "sealed with another")
    for name, content in found.items():
        if content:
            (tmp_path / name).write_bytes(content)
    (tmp_path / "chunk").write_bytes(whole[:-40] + bytes([whole[-40] ^ 1]) + whole[-39:])
    return {name: tmp_path / name for name in (*found, "chunk")} | {"No such file": tmp_path / "none"}


def test_a_restore_that_is_refused_touches_nothing(tmp_path: Path, ring: KeyRing) -> None:
    place = tmp_path / "home"
    place.mkdir()
    database = place / "s.db"
    back_up(database, ring, tmp_path / "b")
    (place / "snapshot.sealed").write_text("ours")
    home = restores.Home(place / "backups", place / "journal", stale=(place / "snapshot.sealed",))
    bad = refusals(tmp_path, ring)
    before = state(place)
    for words, source in bad.items():
        with pytest.raises(StorageError, match=words) as refused:
            restore(source, database, ring, home)
        assert "\n" not in str(refused.value)
        assert state(place) == before, words


def test_without_a_safety_copy_there_is_no_restore(tmp_path: Path, ring: KeyRing, home: restores.Home) -> None:
    database = tmp_path / "s.db"
    back_up(database, ring, tmp_path / "b")
    before = state(tmp_path)
    shutil.rmtree(home.backups, ignore_errors=True)
    home.backups.write_text("no directory")
    with pytest.raises(StorageError):
        restore(tmp_path / "b", database, ring, home)
    assert state(tmp_path) == before | {"backups": hashlib.sha256(b"no directory").hexdigest()}


def test_a_database_that_another_program_uses_is_not_replaced(tmp_path: Path, ring: KeyRing, home: restores.Home) -> None:
    database = tmp_path / "s.db"
    back_up(database, ring, tmp_path / "b")
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("INSERT INTO projects (id, name, created_at) VALUES ('theirs', 'theirs', 1)")
        with pytest.raises(UnavailableError, match="in use by another program"):
            restore(tmp_path / "b", database, ring, home)
        other.execute("COMMIT")
    with contextlib.closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT count(*) FROM projects").fetchone() == (2,)
    assert leftovers(tmp_path) == []
