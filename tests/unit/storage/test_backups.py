"""A backup is whole or refused, at every byte; a restore loses nothing, not even what it replaces."""

import asyncio
import contextlib
import os
import sqlite3
import stat
from pathlib import Path

import pytest

from sekisho.kit.crypto import KeyRing
from sekisho.storage import backups
from sekisho.storage.database import Database
from sekisho.storage.errors import StorageError
from tests.unit.storage.homes import NOW, Fixed, opened, prepared

KEYS = "INSERT INTO keys (id, label, project_id, last4, created_at, revision) VALUES (?, ?, 'default', 'last', 1, 1)"


@pytest.fixture
def ring() -> KeyRing:
    return KeyRing.generate()


def back_up(path: Path, ring: KeyRing, target: Path, keys: int = 3) -> backups.Contents:
    async def work(database: Database) -> backups.Contents:
        async with database.writer() as connection:
            await connection.exec_driver_sql(KEYS, [(f"{target.name}-{n}", f"canary-label-{n}") for n in range(keys)])
        return await backups.create(database, ring, Fixed(), target)

    return opened(path, work, ring=ring)


def keys_in(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM keys").fetchone()[0])


def leftovers(directory: Path) -> list[str]:
    return [each.name for each in directory.rglob(".*")]


def test_a_backup_is_sealed_private_and_tells_what_is_in_it(tmp_path: Path, ring: KeyRing) -> None:
    target = tmp_path / "kept" / "b.sekisho-backup"
    made = back_up(tmp_path / "s.db", ring, target)
    assert (made.path, made.calls, made.keys, made.created_at, made.bytes) == (target, 0, 3, NOW, target.stat().st_size)
    assert backups.verify(target, ring) == made == backups.describe(target)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert b"canary-label" not in target.read_bytes()
    assert b"canary-label" in (tmp_path / "s.db").read_bytes()
    assert leftovers(tmp_path) == []


def test_a_backup_replaces_no_file(tmp_path: Path, ring: KeyRing) -> None:
    target = tmp_path / "mine"
    target.write_text("precious")
    with pytest.raises(StorageError, match="replaces no file"):
        back_up(tmp_path / "s.db", ring, target)
    assert target.read_text() == "precious"
    assert leftovers(tmp_path) == []


def test_a_backup_of_many_chunks_comes_back_byte_for_byte(tmp_path: Path, ring: KeyRing) -> None:
    target = tmp_path / "b"
    made = back_up(tmp_path / "s.db", ring, target, keys=60_000)
    assert made.bytes > 3 * backups.CHUNK
    other = tmp_path / "other"
    other.mkdir()
    done = backups.restore(target, other / "s.db", ring, Fixed())
    assert (done.keys, done.safety_copy, keys_in(other / "s.db")) == (60_000, None, 60_000)
    assert prepared(other / "s.db", ring).fresh is False


@pytest.mark.parametrize("size", [0, 1, backups.CHUNK - 1, backups.CHUNK, backups.CHUNK + 1, 2 * backups.CHUNK])
def test_the_stream_is_exact_at_every_edge_of_a_chunk(tmp_path: Path, size: int) -> None:
    plain, sealed, back = tmp_path / "plain", tmp_path / "sealed", tmp_path / "back"
    plain.write_bytes(os.urandom(size))
    key = os.urandom(32)
    with plain.open("rb") as source, sealed.open("wb") as target:
        backups._seal(source, target, b"{}", key)
    import hashlib

    with sealed.open("rb") as source, back.open("wb") as target:
        source.seek(len(backups.MAGIC) + 4 + 2)
        backups._unseal(source, target, hashlib.sha256(b"{}").digest(), key, sealed)
    assert back.read_bytes() == plain.read_bytes()


def test_writes_go_on_while_a_backup_is_made(tmp_path: Path, ring: KeyRing) -> None:
    """The backup is one consistent state from between the writes: the two tables that are written together agree in it."""

    async def work(database: Database) -> int:
        done = asyncio.Event()
        written = 0

        async def write() -> None:
            nonlocal written
            while not done.is_set():
                async with database.writer() as connection:
                    await connection.exec_driver_sql(KEYS, [(f"k{written}", "x" * 1000)])
                    await connection.exec_driver_sql(
                        "INSERT INTO key_secrets (digest, key_id, created_at) VALUES (?, ?, 1)", [(os.urandom(32), f"k{written}")]
                    )
                written += 1

        async with asyncio.TaskGroup() as group:
            group.create_task(write())
            for number in range(5):
                before = written
                await backups.create(database, ring, Fixed(), tmp_path / f"b{number}")
                assert written >= before
            done.set()
        return written

    assert opened(tmp_path / "s.db", work, ring=ring) > 5
    for number in range(5):
        place = tmp_path / f"r{number}"
        place.mkdir()
        backups.restore(tmp_path / f"b{number}", place / "s.db", ring, Fixed())
        with contextlib.closing(sqlite3.connect(place / "s.db")) as connection:
            keys, secrets = connection.execute("SELECT (SELECT count(*) FROM keys), (SELECT count(*) FROM key_secrets)").fetchone()
        assert keys == secrets


def test_every_cut_and_every_changed_byte_is_found(tmp_path: Path, ring: KeyRing) -> None:
    target = tmp_path / "b"
    back_up(tmp_path / "s.db", ring, target)
    whole = target.read_bytes()
    bad = tmp_path / "bad"
    edges = [0, 1, 7, 8, 11, 12, 13, 100, len(whole) // 2, len(whole) - 17, len(whole) - 1]
    for at in edges:
        bad.write_bytes(whole[:at])
        with pytest.raises(StorageError):
            backups.verify(bad, ring)
        bad.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(StorageError):
            backups.verify(bad, ring)
    bad.write_bytes(whole + b"\0")
    with pytest.raises(StorageError, match="cut or damaged"):
        backups.verify(bad, ring)
    assert leftovers(tmp_path) == []


def test_chunks_cannot_be_moved_repeated_or_left_out(tmp_path: Path, ring: KeyRing) -> None:
    target = tmp_path / "b"
    back_up(tmp_path / "s.db", ring, target, keys=60_000)
    whole = target.read_bytes()
    start = 12 + int.from_bytes(whole[8:12], "little")
    chunks = []
    at = start
    while at < len(whole):
        end = at + 4 + int.from_bytes(whole[at : at + 4], "little")
        chunks.append(whole[at:end])
        at = end
    assert len(chunks) > 3
    bad = tmp_path / "bad"
    for order in ([chunks[1], chunks[0], *chunks[2:]], [chunks[0], *chunks], chunks[1:], chunks[:-1], [*chunks[:-2], chunks[-1]]):
        bad.write_bytes(whole[:start] + b"".join(order))
        with pytest.raises(StorageError, match="cut or damaged"):
            backups.verify(bad, ring)


def test_another_ring_does_not_open_it(tmp_path: Path, ring: KeyRing) -> None:
    target = tmp_path / "b"
    back_up(tmp_path / "s.db", ring, target)
    with pytest.raises(StorageError, match="sealed with another secret key"):
        backups.verify(target, KeyRing.generate())


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"SEKBAK01", b"SEKBAK01\xff\xff\xff\xff{}", b"SEKBAK01\x02\0\0\0{}", b"SEKBAK01\x0c\0\0\0" + b'{"format":1}']
)
def test_what_is_no_backup_is_said_to_be_none(tmp_path: Path, ring: KeyRing, content: bytes) -> None:
    path = tmp_path / "b"
    path.write_bytes(content)
    with pytest.raises(StorageError):
        backups.describe(path)
    with pytest.raises(StorageError):
        backups.verify(path, ring)
    with pytest.raises(StorageError, match="cannot be read: No such file"):
        backups.describe(tmp_path / "none")


def test_a_restore_keeps_what_it_replaces(tmp_path: Path, ring: KeyRing) -> None:
    database = tmp_path / "s.db"
    back_up(database, ring, tmp_path / "first")
    back_up(database, ring, tmp_path / "second")
    # As a killed process leaves it: the last writes are in the WAL only.
    held = sqlite3.connect(database, isolation_level=None)
    held.execute("INSERT INTO projects VALUES ('late', 'late', 1)")
    wal = (tmp_path / "s.db-wal").read_bytes()
    assert wal
    kept = (tmp_path / "s.db-wal", tmp_path / "s.db-shm", database)
    copies = {each.name: each.read_bytes() for each in kept}
    held.close()
    for name, content in copies.items():
        (tmp_path / name).write_bytes(content)
    done = backups.restore(tmp_path / "first", database, ring, Fixed())
    assert (keys_in(database), done.keys, done.created_at) == (3, 3, NOW)
    assert done.safety_copy == tmp_path / "backups" / f"replaced-{NOW}"
    assert {each.name: each.read_bytes() for each in done.safety_copy.iterdir()} == copies
    with contextlib.closing(sqlite3.connect(done.safety_copy / "s.db")) as connection:
        assert connection.execute("SELECT count(*) FROM projects").fetchone() == (2,)
    assert leftovers(tmp_path) == []


def test_a_damaged_database_is_replaced_and_kept_as_well(tmp_path: Path, ring: KeyRing) -> None:
    database = tmp_path / "s.db"
    back_up(database, ring, tmp_path / "b")
    database.write_bytes(b"ruined")
    done = backups.restore(tmp_path / "b", database, ring, Fixed())
    assert done.safety_copy is not None
    assert (done.safety_copy / "s.db").read_bytes() == b"ruined"
    assert keys_in(database) == 3


def test_a_restore_that_is_refused_touches_nothing(tmp_path: Path, ring: KeyRing) -> None:
    database = tmp_path / "s.db"
    target = tmp_path / "b"
    back_up(database, ring, target)
    before = database.read_bytes()
    target.write_bytes(target.read_bytes()[:-1])
    for source, key in ((target, ring), (tmp_path / "none", ring), (target, KeyRing.generate())):
        with pytest.raises(StorageError):
            backups.restore(source, database, key, Fixed())
    assert database.read_bytes() == before
    assert leftovers(tmp_path) == []
    assert not (tmp_path / "backups").exists() or not list((tmp_path / "backups").glob("replaced-*"))


def test_without_a_safety_copy_there_is_no_restore(tmp_path: Path, ring: KeyRing) -> None:
    database = tmp_path / "s.db"
    back_up(database, ring, tmp_path / "b")
    before = database.read_bytes()
    place = tmp_path / "backups" / f"replaced-{NOW}"
    place.mkdir(parents=True)
    with pytest.raises(StorageError, match="could not be put in place"):
        backups.restore(tmp_path / "b", database, ring, Fixed())
    assert database.read_bytes() == before
