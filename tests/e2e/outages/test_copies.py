"""The product starts while the database cannot be read: it serves from the sealed copy, or it does not start, and heals by itself."""

import contextlib
import os
import shutil
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sekisho.kit.crypto import KeyRing
from tests.e2e.outages import faults
from tests.e2e.outages.drives import HEALS_WITHIN_S, Door, arena_on, call, is_refused
from tests.e2e.outages.houses import House
from tests.support.product import eventually

pytestmark = pytest.mark.e2e

SLOW_HEALING_S = 3 * HEALS_WITHIN_S
"""Room for a machine that does other things; what is promised is measured and compared by itself."""


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    (tmp_path / "place").mkdir()
    with arena_on(tmp_path / "place" / "sekisho.db") as arena:
        yield House(arena, tmp_path / "place" / "sekisho.db")


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[House]:
    """With the database on a disk of its own, which can be taken away."""
    with faults.small_disk(tmp_path / "disk", 32) as disk, arena_on(disk / "sekisho.db") as arena:
        yield House(arena, disk / "sekisho.db")


def test_a_start_without_a_database(house: House) -> None:
    """After everything was killed in the instant in which a revocation returned."""
    late = house.arena.newcomer("revoked last")
    assert call(house.arena, late.key) == 200
    assert house.door.ask("POST", f"/api/keys/{late.key_id}/revoke").taken()["warnings"] == []
    house.kill()
    with faults.taken_away(house.database):
        house.arena.restart()
        house.check_serves_copy("missing or empty")
        assert call(house.arena, late.key) == 401
    house.check_healed(calls=2)


def test_a_start_without_the_disk_of_the_database(mounted: House) -> None:
    mounted.stop()
    with faults.unmounted(mounted.database):
        mounted.arena.restart()
        mounted.check_serves_copy("missing or empty")
    mounted.check_healed(calls=2)


def test_a_start_on_a_disk_that_takes_no_writes(mounted: House) -> None:
    """Whether it can be read at all is SQLite's to say; calls are served in either case, and nothing can be changed."""
    mounted.stop()
    with faults.read_only(mounted.database):
        mounted.arena.restart()
        assert call(mounted.arena, mounted.client.key) == 200
        assert call(mounted.arena, mounted.revoked.key) == 401
        assert mounted.door.status()["outage"]
        assert is_refused(mounted.door.make_key())
    mounted.check_healed(calls=1)


def test_a_start_while_another_program_holds_the_database(house: House) -> None:
    """It may be read, so what is served is its own state and not the copy's; nothing can be written."""
    house.stop()
    with faults.locked(house.database):
        house.arena.restart()
        assert call(house.arena, house.client.key) == 200
        assert call(house.arena, house.revoked.key) == 401
        outage = house.door.status()["outage"]
        assert "in use by another process" in outage["reason"]
        assert outage["sealed_copy"] is None
        assert house.door.ask("GET", "/api/keys").status_code == 200
        assert is_refused(house.door.make_key())
    house.check_healed(calls=1)


def test_a_start_while_the_database_is_held_from_readers_too(house: House) -> None:
    house.stop()
    with contextlib.closing(sqlite3.connect(house.database, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        house.arena.restart()
        house.check_serves_copy("in use by another process")
        other.execute("ROLLBACK")
    house.check_healed(calls=2)


def test_whoever_is_replaced_on_the_copy_goes_on_with_the_copy(house: House) -> None:
    """Killed or reloaded, beside a database that is garbage; which is then put right by somebody."""
    arena, door = house.arena, house.door
    house.stop()
    with faults.damaged(house.database):
        arena.restart()
        house.check_serves_copy("not a SQLite database, or damaged")
        for victim in ("workers", "node", "reload"):
            before = door.status()
            if victim == "reload":
                assert door.ask("POST", "/api/system/reload").status_code == 202
            else:
                os.kill(before["workers"][0] if victim == "workers" else before["node"], signal.SIGKILL)
            eventually(lambda: _others(door, before, victim), f"another of the {victim}", 20)  # noqa: B023 - asked at once
            eventually(lambda: call(arena, house.client.key) == 200, "a call that is served", 10)
            assert call(arena, house.revoked.key) == 401
        assert door.status()["outage"]["sealed_copy"]
    house.check_healed(calls=len(_answered(house)))


def _others(door: Door, before: dict[str, Any], victim: str) -> bool:
    now, what = door.now(), "workers" if victim == "reload" else victim
    return now is not None and bool(now[what]) and now[what] != before[what]


def _answered(house: House) -> list[Any]:
    """The records of calls that are there by now, once the database is back."""
    eventually(lambda: house.door.status()["outage"] is None, "healing", SLOW_HEALING_S)
    house.arena.settle()
    return house.client.records()


def test_a_node_that_falls_while_the_database_is_away_serves_from_the_copy(house: House) -> None:
    door = house.door
    first = door.status()
    with faults.taken_away(house.database):
        eventually(lambda: door.status()["outage"], "the outage in the status")
        os.kill(first["node"], signal.SIGKILL)
        eventually(lambda: _others(door, first, "node"), "another node", 15)
        os.kill(first["workers"][0], signal.SIGKILL)
        eventually(lambda: _others(door, first, "workers"), "another worker", 15)
        house.check_serves_copy("missing or empty")
    house.check_healed(calls=2)


# A copy that does not count.


def _cut(copy: Path) -> None:
    copy.write_bytes(copy.read_bytes()[:100])


def _changed(copy: Path) -> None:
    data = bytearray(copy.read_bytes())
    data[len(data) // 2] ^= 1
    copy.write_bytes(data)


def _of_another_key(copy: Path) -> None:
    (copy.parent / "secret.key").write_text(KeyRing.generate().dumps())


def _none(copy: Path) -> None:
    copy.unlink()


def test_a_copy_that_is_of_no_use_is_refused(house: House) -> None:
    """Each with one line that says why; nothing is made anew, and with the copy as it was all is served."""
    house.stop()
    ring = house.copy.with_name("secret.key")
    copy, key = house.copy.read_bytes(), ring.read_bytes()
    with faults.damaged(house.database):
        for spoil, word in ((_cut, "damaged"), (_changed, "damaged"), (_of_another_key, "another secret key"), (_none, "damaged")):
            spoil(house.copy)
            _refused(house, word, "sekisho.db")
            assert house.database.stat().st_size == faults.GARBAGE_BYTES
            house.copy.write_bytes(copy)
            ring.write_bytes(key)
        house.arena.restart()
        house.check_serves_copy("damaged")


def _refused(house: House, *words: str) -> None:
    """The start ends with one line."""
    product = house.arena.product
    seen = len(product.stderr)
    product.start(wait=False)
    assert product.wait_exit() == 1
    [line] = [line for line in product.stderr[seen:].splitlines() if line.startswith("sekisho: ")]
    for word in words:
        assert word in line, line
    assert "Traceback" not in product.stderr


def _spoil_keys(database: Path) -> None:
    """What the keys stand in is no page any more; the rest of the database can be read as before."""
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        [(page,)] = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'keys'")
        [(size,)] = connection.execute("PRAGMA page_size")
    with database.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xaa" * size)


def test_a_copy_counts_only_for_the_revision_of_a_database_that_tells_it(house: House) -> None:
    """The database can be read in part: enough to know that the copy is older."""
    older = house.copy.read_bytes()
    house.arena.management.create_key("newer than the copy")
    house.stop()
    newest = house.copy.read_bytes()
    _spoil_keys(house.database)
    house.copy.write_bytes(older)
    _refused(house, "damaged", "snapshot.sealed cannot stand in for it", "of revision")
    house.copy.write_bytes(newest)
    house.arena.restart()
    house.check_serves_copy("damaged")


def test_a_restored_backup_is_not_outwitted_by_a_newer_copy(house: House) -> None:
    """Neither where the database can be read, nor where it cannot."""
    product = house.arena.product
    backup = house.door.ask("POST", "/api/backups").json()["path"]
    later = house.arena.newcomer("made after the backup")
    assert call(house.arena, later.key) == 200
    house.stop()
    copy = house.copy.read_bytes()
    assert product.run("backup", "restore", backup, "--yes").returncode == 0
    with _garbage_instead(house.database):
        _refused(house, "sekisho.db")
    house.copy.write_bytes(copy)
    house.arena.restart()
    assert call(house.arena, house.client.key) == 200
    assert call(house.arena, later.key) == 401
    assert house.door.status()["outage"] is None
    eventually(lambda: house.copy.read_bytes() != copy, "a copy of the restored database")
    # What the old copy says is not of this installation any more, even where the database tells no more than its name.
    house.stop()
    _spoil_keys(house.database)
    house.copy.write_bytes(copy)
    _refused(house, "cannot stand in for it")


@contextlib.contextmanager
def _garbage_instead(database: Path) -> Iterator[None]:
    aside = database.with_name("kept")
    shutil.move(database, aside)
    database.write_bytes(os.urandom(65536))
    yield
    shutil.move(aside, database)


def test_a_home_whose_database_is_gone_is_not_taken_for_a_new_one(house: House) -> None:
    """Without a server, too: a command makes no empty database beside a copy. Who wants to begin anew moves the copy away."""
    house.stop()
    product = house.arena.product
    with faults.taken_away(house.database):
        done = product.run("api-keys", "list")
        assert done.returncode == 1
        assert "missing or empty" in done.stderr
        assert not house.database.exists()
        house.copy.rename(house.copy.with_name("snapshot.kept"))
        assert product.cli("api-keys", "list")["api_keys"] == []
        for end in faults.COMPANIONS:
            house.database.with_name(house.database.name + end).unlink(missing_ok=True)


def test_a_key_that_a_command_revoked_without_a_server_is_dead_in_the_copy(house: House) -> None:
    house.stop()
    house.arena.product.cli("api-keys", "revoke", house.client.key_id)
    with faults.damaged(house.database):
        house.arena.restart()
        assert call(house.arena, house.client.key) == 401
        assert house.door.status()["outage"]["sealed_copy"]
