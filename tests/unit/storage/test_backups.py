"""A backup is whole or refused, at every byte; what is in it comes back row for row, in another file."""

import asyncio
import contextlib
import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from sekisho.kit.crypto import KeyRing
from sekisho.storage import backups, dumps, envelopes
from sekisho.storage.database import Database
from sekisho.storage.errors import StorageError
from sekisho.storage.migrations import HEAD, runner
from sekisho.storage.sqlite import Sqlite
from tests.unit.storage.homes import NOW, Fixed, back_up, leftovers, opened, prepared

KEYS = "INSERT INTO keys (id, label, project_id, last4, created_at, revision) VALUES (?, ?, 'default', 'last', 1, 1)"


@pytest.fixture
def ring() -> KeyRing:
    return KeyRing.generate()


def build(source: Path, ring: KeyRing, path: Path) -> envelopes.Header:
    path.parent.mkdir(exist_ok=True)
    return asyncio.run(backups.build(source, ring, path))


def test_a_backup_is_sealed_private_and_tells_what_is_in_it(tmp_path: Path, ring: KeyRing) -> None:
    target = tmp_path / "kept" / "b.sekisho-backup"
    heard: list[tuple[int, int]] = []

    async def work(database: Database) -> backups.Contents:
        async with database.writer() as connection:
            await connection.exec_driver_sql(KEYS, [(f"k{n}", f"canary-label-{n}") for n in range(3)])
        return await backups.create(database, ring, Fixed(), target, lambda done, total: heard.append((done, total)))

    made = opened(tmp_path / "s.db", work, ring=ring)
    assert (made.path, made.calls, made.keys, made.created_at, made.bytes) == (target, 0, 3, NOW, target.stat().st_size)
    assert backups.prove(target, ring) == made == backups.describe(target)
    assert asyncio.run(backups.rehearse(target, ring, tmp_path)) == made
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert b"canary-label" not in target.read_bytes()
    assert b"canary-label" in (tmp_path / "s.db").read_bytes()
    assert heard[-1] == (5, 5)  # three keys, the default project, the one row of revisions
    assert leftovers(tmp_path) == []


def test_a_backup_replaces_no_file(tmp_path: Path, ring: KeyRing) -> None:
    target = tmp_path / "mine"
    target.write_text("precious")
    with pytest.raises(StorageError, match="replaces no file"):
        back_up(tmp_path / "s.db", ring, target)
    assert target.read_text() == "precious"
    assert leftovers(tmp_path) == []


def test_every_kind_of_value_comes_back_as_it_was(tmp_path: Path, ring: KeyRing) -> None:
    rows = {
        "providers": ("p1", "up", "custom", "http://x", 1, "ready", None, '{"connect": 1.5}', 1, 2**62),
        "credentials": ("c1", "p1", b"\x00\xff\x80", "last", "fp", 0, "active", -1),
        "models": ("m1", "p1", "ü\u2028\U0001f600", "", '["chat", {"a": null}]', None, "listed", 0),
        "calls_open": ("boot", 2**63 - 1, b"", ""),
    }

    async def work(database: Database) -> None:
        async with database.writer() as connection:
            for table, row in rows.items():
                await connection.exec_driver_sql(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
        await backups.create(database, ring, Fixed(), tmp_path / "b")

    opened(tmp_path / "s.db", work, ring=ring)
    build(tmp_path / "b", ring, tmp_path / "r.db")
    with contextlib.closing(sqlite3.connect(tmp_path / "r.db")) as connection:
        for table, row in rows.items():
            assert connection.execute(f"SELECT * FROM {table}").fetchall() == [row]
        # A document that is not there is nothing, not the word "null".
        assert connection.execute("SELECT count(*) FROM keys WHERE models IS NOT NULL").fetchone() == (0,)


def test_a_backup_of_many_chunks_comes_back_row_for_row(tmp_path: Path, ring: KeyRing) -> None:
    made = back_up(tmp_path / "s.db", ring, tmp_path / "b", keys=30_000, label=lambda n: os.urandom(100).hex())
    assert made.bytes > 2 * envelopes.CHUNK
    build(tmp_path / "b", ring, tmp_path / "r.db")
    read = "SELECT * FROM keys ORDER BY id"
    with contextlib.closing(sqlite3.connect(tmp_path / "s.db")) as old, contextlib.closing(sqlite3.connect(tmp_path / "r.db")) as new:
        assert old.execute(read).fetchall() == new.execute(read).fetchall()
    assert prepared(tmp_path / "r.db", ring).fresh is False


def test_what_is_restored_has_another_name(tmp_path: Path, ring: KeyRing) -> None:
    """So that a sealed snapshot, or whatever else remembers the old state, is seen not to be of this one."""
    before = prepared(tmp_path / "s.db", ring).instance
    back_up(tmp_path / "s.db", ring, tmp_path / "b")
    build(tmp_path / "b", ring, tmp_path / "r.db")
    build(tmp_path / "b", ring, tmp_path / "q.db")
    names = {before, prepared(tmp_path / "r.db", ring).instance, prepared(tmp_path / "q.db", ring).instance}
    assert len(names) == 3
    with (tmp_path / "b").open("rb") as file:
        assert envelopes.read_header(file, tmp_path / "b").instance == before


@pytest.mark.parametrize(
    "size", [0, 1, envelopes.CHUNK - 1, envelopes.CHUNK, envelopes.CHUNK + 1, 2 * envelopes.CHUNK, 5 * envelopes.CHUNK]
)
def test_the_stream_is_exact_at_every_edge_of_a_chunk(tmp_path: Path, ring: KeyRing, size: int) -> None:
    plain, sealed = os.urandom(size), tmp_path / "sealed"
    with sealed.open("wb") as target:
        writer = envelopes.Writer(target, envelopes.Header(1, HEAD, "i", {}), ring)
        for at in range(0, size, 700_001):
            writer.write(plain[at : at + 700_001])
        writer.finish()
    with sealed.open("rb") as source:
        _, pieces = envelopes.open_sealed(source, ring, sealed)
        assert b"".join(pieces) == plain


def test_writes_go_on_while_a_backup_is_made(tmp_path: Path, ring: KeyRing) -> None:
    """The backup is one consistent state from between the writes: the two tables that are written together agree in it."""

    async def work(database: Database) -> int:
        done = asyncio.Event()
        written = during = 0
        async with database.writer() as connection:
            await connection.exec_driver_sql(KEYS, [(f"many{n}", "x") for n in range(5_000)])
            secrets = [(os.urandom(32), f"many{n}") for n in range(5_000)]
            await connection.exec_driver_sql("INSERT INTO key_secrets (digest, key_id, created_at) VALUES (?, ?, 1)", secrets)

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
                during += written - before
            done.set()
        return during

    assert opened(tmp_path / "s.db", work, ring=ring) > 5
    for number in range(5):
        header = build(tmp_path / f"b{number}", ring, tmp_path / f"r{number}.db")
        with contextlib.closing(sqlite3.connect(tmp_path / f"r{number}.db")) as connection:
            keys, secrets = connection.execute("SELECT (SELECT count(*) FROM keys), (SELECT count(*) FROM key_secrets)").fetchone()
        assert keys == secrets == header.rows["keys"] >= 5_000


def test_every_cut_and_every_changed_byte_is_found(tmp_path: Path, ring: KeyRing) -> None:
    target = tmp_path / "b"
    back_up(tmp_path / "s.db", ring, target)
    whole = target.read_bytes()
    bad = tmp_path / "bad"
    for at in (*range(0, len(whole), 41), len(whole) - 17, len(whole) - 1):
        bad.write_bytes(whole[:at])
        with pytest.raises(StorageError):
            backups.prove(bad, ring)
        bad.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(StorageError):
            backups.prove(bad, ring)
    bad.write_bytes(whole + b"\0")
    with pytest.raises(StorageError, match="cut or damaged"):
        backups.prove(bad, ring)
    with pytest.raises(StorageError, match="cut or damaged"):
        build(bad, ring, tmp_path / "r.db")
    assert leftovers(tmp_path) == []


def test_chunks_cannot_be_moved_repeated_or_left_out(tmp_path: Path, ring: KeyRing) -> None:
    target = tmp_path / "b"
    back_up(tmp_path / "s.db", ring, target, keys=60_000, label=lambda n: os.urandom(40).hex())
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
            backups.prove(bad, ring)


def sealed(path: Path, ring: KeyRing, rows: dict[str, int], entries: list[dumps.Entry]) -> Path:
    """A file whose seal is good, with whatever inside."""
    with path.open("wb") as file:
        writer = envelopes.Writer(file, envelopes.Header(1, HEAD, "i", rows), ring)
        for entry in entries:
            writer.write(dumps._entry(entry))
        writer.finish()
    return path


@pytest.mark.parametrize(
    ("rows", "entries"),
    [
        ({}, []),
        ({"keys": 1}, [dumps.Table("keys", ("id",)), dumps.End({"keys": 0})]),
        ({"keys": 1}, [dumps.Table("keys", ("id",)), dumps.End({"keys": 1})]),
        ({"keys": 2}, [dumps.Table("keys", ("id",)), dumps.Rows([("a",)]), dumps.End({"keys": 1})]),
        ({"keys": 1}, [dumps.Table("keys", ("id",)), dumps.Rows([("a", "b")]), dumps.End({"keys": 1})]),
        ({}, [dumps.Rows([("a",)]), dumps.End({})]),
        ({}, [dumps.End({}), dumps.End({})]),
    ],
)
def test_rows_that_are_not_what_was_promised_are_refused(
    tmp_path: Path, ring: KeyRing, rows: dict[str, int], entries: list[dumps.Entry]
) -> None:
    with pytest.raises(StorageError):
        backups.prove(sealed(tmp_path / "b", ring, rows, entries), ring)


def test_a_table_that_the_schema_does_not_know_is_refused(tmp_path: Path, ring: KeyRing) -> None:
    for table in (dumps.Table("theirs", ("id",)), dumps.Table("keys", ("id", "theirs"))):
        source = sealed(tmp_path / "b", ring, {table.name: 0}, [table, dumps.End({table.name: 0})])
        assert backups.prove(source, ring).keys == 0
        with pytest.raises(StorageError, match="its schema does not know"):
            build(source, ring, tmp_path / f"{len(table.columns)}.db")


def test_another_ring_does_not_open_it(tmp_path: Path, ring: KeyRing) -> None:
    back_up(tmp_path / "s.db", ring, tmp_path / "b")
    with pytest.raises(StorageError, match="sealed with another secret key"):
        backups.prove(tmp_path / "b", KeyRing.generate())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"SEKBAK01",
        b"SEKBAK01\xff\xff\xff\xff{}",
        b"SEKBAK01\x02\0\0\0{}",
        b"SEKBAK01\x02\0\0\0[]",
        b"SEKBAK01\x0c\0\0\0" + b'{"format":1}',
        b"SEKBAK01\x0c\0\0\0" + b'{"format":2}',
    ],
)
def test_what_is_no_backup_is_said_to_be_none(tmp_path: Path, ring: KeyRing, content: bytes) -> None:
    path = tmp_path / "b"
    path.write_bytes(content)
    with pytest.raises(StorageError):
        backups.describe(path)
    with pytest.raises(StorageError):
        backups.prove(path, ring)
    with pytest.raises(StorageError, match="cannot be read: No such file"):
        backups.describe(tmp_path / "none")


def old_schema(path: Path, ring: KeyRing, schema: str) -> Sqlite:
    """A database as an older version left it, with a row in it."""

    async def make() -> None:
        database = Sqlite(path)
        await database.open()
        async with database.writer() as connection:
            await connection.run_sync(lambda within: runner.upgrade(within, schema))
            first = "INSERT INTO revisions VALUES (1, 7, 7, 'old', :ring)"
            await connection.execute(text(first), {"ring": ring.fingerprint()})
            await connection.execute(text("INSERT INTO journal_positions (segment, \"offset\") VALUES ('b-0-000001.log', 64)"))
        await database.close()

    asyncio.run(make())
    return Sqlite(path)


def test_an_older_schema_is_brought_to_this_one(tmp_path: Path, ring: KeyRing) -> None:
    async def work(database: Database) -> None:
        await backups.create(database, ring, Fixed(), tmp_path / "b")

    assert HEAD != "0001"
    old_schema(tmp_path / "s.db", ring, "0001")
    opened(tmp_path / "s.db", work)
    assert build(tmp_path / "b", ring, tmp_path / "r.db").schema == "0001"
    found = prepared(tmp_path / "r.db", ring)
    assert (found.fresh, found.migrated_from) == (False, None)
    with contextlib.closing(sqlite3.connect(tmp_path / "r.db")) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == (HEAD,)
        assert connection.execute("SELECT * FROM journal_positions").fetchall() == [("b-0-000001.log", 64, "")]
        assert connection.execute("SELECT revision FROM revisions").fetchone() == (7,)


def test_a_newer_schema_is_refused(tmp_path: Path, ring: KeyRing) -> None:
    back_up(tmp_path / "s.db", ring, tmp_path / "b")
    with contextlib.closing(sqlite3.connect(tmp_path / "s.db", isolation_level=None)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")

    async def work(database: Database) -> None:
        await backups.create(database, ring, Fixed(), tmp_path / "newer")

    opened(tmp_path / "s.db", work)
    with pytest.raises(StorageError, match=r"made by a newer version of Sekisho \(schema 9999; this one has"):
        build(tmp_path / "newer", ring, tmp_path / "r.db")


def test_a_database_that_lacks_a_table_has_no_backup(tmp_path: Path, ring: KeyRing) -> None:
    prepared(tmp_path / "s.db", ring)
    with contextlib.closing(sqlite3.connect(tmp_path / "s.db", isolation_level=None)) as connection:
        connection.execute("DROP TABLE refusals")

    async def work(database: Database) -> None:
        await backups.create(database, ring, Fixed(), tmp_path / "b")

    with pytest.raises(StorageError, match="refusals"):
        opened(tmp_path / "s.db", work)
    assert not (tmp_path / "b").exists()
    assert leftovers(tmp_path) == []


def test_a_full_disk_leaves_nothing(tmp_path: Path, ring: KeyRing, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="cannot be written: No space left"):
        back_up(tmp_path / "s.db", ring, tmp_path / "b")
    assert not (tmp_path / "b").exists()
    assert leftovers(tmp_path) == []


def test_a_file_system_without_links_gets_its_backups_too(tmp_path: Path, ring: KeyRing, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    back_up(tmp_path / "s.db", ring, tmp_path / "b")
    assert backups.prove(tmp_path / "b", ring).keys == 3
    with pytest.raises(StorageError, match="replaces no file"):
        back_up(tmp_path / "t.db", ring, tmp_path / "b")


def test_pieces_of_any_size_make_the_same_entries() -> None:
    stream = b"".join(map(dumps._entry, (dumps.Table("t", ("a", "b")), dumps.Rows([(1, "x"), (None, b"y")]), dumps.End({"t": 2}))))

    def pieces(size: int) -> Iterator[bytes]:
        return (stream[at : at + size] for at in range(0, len(stream), size))

    for size in (1, 3, len(stream)):
        assert list(dumps.entries(pieces(size), "b")) == [
            dumps.Table("t", ("a", "b")),
            dumps.Rows([(1, "x"), (None, b"y")]),
            dumps.End({"t": 2}),
        ]
