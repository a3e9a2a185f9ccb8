"""From real journal files to a real database: each record once, whatever is killed and when."""

import asyncio
import contextlib
import fcntl
import os
import shutil
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from sekisho.bridge import recorder as recorders
from sekisho.bridge import rows
from sekisho.bridge.recorder import Recorder
from sekisho.bridge.rows import Record
from sekisho.core.model.records import CallBegan, CallEnded, Closed, Frame, Refused, Rolled, Status
from sekisho.core.wire import journal
from sekisho.dataplane.journal import Journal
from sekisho.kit.clock import SECOND, SystemClock
from sekisho.kit.crypto import KeyRing
from sekisho.storage.database import Database
from sekisho.storage.errors import UnavailableError
from sekisho.storage.preparation import prepare
from sekisho.storage.tables import audit, usage
from sekisho.storage.urls import of_url

if TYPE_CHECKING:
    from tests.support.postgres import Cluster, Slate

NOON = 1_800_000_000 * SECOND


def began(seq: int, **other: Any) -> CallBegan:
    members: dict[str, Any] = {
        "seq": seq,
        "request_id": f"req-{seq}",
        "started_at": NOON + seq,
        "method": "POST",
        "path": "/v1/chat/completions",
    }
    members |= {"address": "127.0.0.1", "key_id": "key1", "key_label": "a key", "project": "default", "model": "up/m", "provider": "up"}
    members |= {"upstream_model": "m", "credential_id": "c", "stream": False}
    return CallBegan(**{**members, **other})


MARKS = (1_000_000, 1_001_000, 1_003_000, 1_006_000, 1_006_000, 1_006_000, 1_006_000, 1_006_000, 5_000_000, 10_000_000)
"""Nanoseconds: stages of 1, 2, 3, 0, 0, 0, 0, 3994 and 5000 µs, the first byte after 4 ms, the end after 9."""


def ended(seq: int, **other: Any) -> CallEnded:
    members: dict[str, Any] = {
        "seq": seq,
        "status": Status.COMPLETED,
        "http_status": 200,
        "input_tokens": 3,
        "output_tokens": 5,
        "cached_tokens": 1,
    }
    members |= {"reasoning_tokens": 2, "usage_source": 1, "cost": 700, "currency": "USD", "marks": MARKS}
    members |= {"attempts": 1, "bytes_in": 10, "bytes_out": 20, "upstream_status": 200, "finish_reason": "stop"}
    return CallEnded(**{**members, **other})


REFUSED = Refused(NOON, "req-x", "GET", "/etc/passwd", "10.0.0.1", "", 404, "not_found", "no route")


class Writer:
    """A worker's hand, played: it writes segments as the worker does and holds their locks until it dies."""

    def __init__(self, directory: Path, boot: str = "boot1", worker: int = 1) -> None:
        self.directory, self.boot, self.worker = directory, boot, worker
        self.number = 0
        self.descriptors: list[int] = []
        self.begin_segment()

    @property
    def path(self) -> Path:
        return self.directory / journal.segment_name(self.boot, self.worker, self.number)

    def begin_segment(self) -> None:
        self.number += 1
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        os.posix_fallocate(descriptor, 0, 1024 * 1024)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.pwrite(descriptor, journal.segment_header(self.boot, self.worker, self.number), 0)
        self.descriptors.append(descriptor)
        self.position = journal.HEADER_BYTES

    def write(self, *frames: Frame) -> "Writer":
        return self.write_bytes(b"".join(journal.encode(frame) for frame in frames))

    def write_bytes(self, data: bytes) -> "Writer":
        os.pwrite(self.descriptors[-1], data, self.position)
        self.position += len(data)
        return self

    def roll(self) -> "Writer":
        self.write(Rolled(self.number + 1))
        self.begin_segment()
        return self

    def die(self) -> None:
        for descriptor in self.descriptors:
            os.close(descriptor)
        self.descriptors = []


class House:
    """A database and a journal directory."""

    def __init__(self, directory: Path, database: Database) -> None:
        self.directory, self.database = directory, database

    def recorder(self) -> Recorder:
        return Recorder(self.directory, self.database, node="here", sync_seconds=None)

    async def once(self) -> Recorder:
        """A new node records all there is."""
        recorder = self.recorder()
        await recorder.load()
        await recorder.drain()
        recorder.close()
        return recorder

    async def rows(self, statement: str) -> list[Any]:
        async with self.database.reader() as connection:
            return [tuple(row) for row in await connection.exec_driver_sql(statement)]

    async def calls(self) -> dict[tuple[str, int], tuple[int, str]]:
        """Status and error by boot and sequence; fails where one is there twice."""
        rows = await self.rows("SELECT boot, seq, status, error_code FROM calls")
        assert len({row[:2] for row in rows}) == len(rows)
        return {(row[0], row[1]): (row[2], row[3]) for row in rows}

    async def check_sums(self) -> None:
        """The hours say exactly what the calls say."""
        names = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "cost", "duration_us", "ttfb_us")
        sums = ", ".join(f"coalesce(sum({name}), 0)" for name in names)
        statuses = ", ".join(f"count(*) FILTER (WHERE status = {status})" for status in range(3))
        counted = f"SELECT count(*), {statuses}, {sums} FROM calls"
        kept = ", ".join(f"coalesce(sum({name}), 0)" for name in ("calls", "completed", "failed", "cancelled", *names))
        assert await self.rows(counted) == await self.rows(f"SELECT {kept} FROM rollups_hourly")

    def files(self) -> list[str]:
        return sorted(path.name for path in self.directory.iterdir())


RING = KeyRing({1: bytes(32)})


class Databases:
    """Where a test's databases are: one for each directory, a copy of one that was migrated once."""

    def __init__(self, template: Callable[[Path], str]) -> None:
        self._template = template
        self._urls: dict[Path, str] = {}

    def url(self, directory: Path) -> str:
        if directory not in self._urls:
            self._urls[directory] = self._template(directory)
        return self._urls[directory]


current: list[Databases] = []
"""Those of the test that runs, set by the fixture `databases`."""


@pytest.fixture(scope="module")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("migrated") / "sekisho.db"
    asyncio.run(make(f"sqlite:///{path}"))
    return path


@pytest.fixture(scope="module")
def slate(postgres_cluster: "Cluster") -> "Slate":
    from tests.support.postgres import Slate

    name = postgres_cluster.create()
    asyncio.run(make(postgres_cluster.url(name)))
    return Slate(postgres_cluster, name)


@pytest.fixture(autouse=True, params=["sqlite", "postgresql"])
def databases(request: pytest.FixtureRequest) -> Databases:
    """Every test of this file runs on both. On PostgreSQL each directory's database is the one before it, wiped."""
    if request.param == "sqlite":
        file: Path = request.getfixturevalue("migrated_file")

        def copied(directory: Path) -> str:
            shutil.copy(file, directory)
            return f"sqlite:///{directory / file.name}"

        current[:] = [Databases(copied)]
    else:
        slate: Slate = request.getfixturevalue("slate")

        def wiped(_: Path) -> str:
            slate.wipe()
            return slate.url

        current[:] = [Databases(wiped)]
    return current[0]


async def make(url: str) -> None:
    """Bring a new database to our schema."""
    database = of_url(url)
    await database.open()
    await prepare(database, RING, SystemClock(), Path("/nowhere"))
    await database.close()


@contextlib.asynccontextmanager
async def house(tmp_path: Path) -> AsyncIterator[House]:
    directory = tmp_path / "journal"
    directory.mkdir(exist_ok=True)
    database = of_url(current[0].url(tmp_path))
    await database.open()
    try:
        yield House(directory, database)
    finally:
        await database.close()


Scene = Callable[[House], Awaitable[None]]


def play(tmp_path: Path, scene: Scene) -> None:
    async def run() -> None:
        async with house(tmp_path) as found:
            await scene(found)

    asyncio.run(run())


@pytest.fixture
def writers() -> Iterator[list[Writer]]:
    made: list[Writer] = []
    yield made
    for writer in made:
        writer.die()


def test_the_columns_are_those_of_the_tables() -> None:
    assert set(rows.CALL_COLUMNS) == {column.name for column in usage.calls.columns} - {"number"}
    assert {*rows.ROLLUP_KEY, *rows.ROLLUP_SUMS, "key_label"} == {column.name for column in usage.rollups_hourly.columns}
    assert set(rows.ROLLUP_KEY) == {column.name for column in usage.rollups_hourly.primary_key}
    assert set(rows.REFUSAL_COLUMNS) == {column.name for column in audit.refusals.columns} - {"number"}
    assert Refused.__struct_fields__ == rows.REFUSAL_COLUMNS


def test_a_call_is_recorded_with_all_that_is_known(tmp_path: Path, writers: list[Writer]) -> None:
    async def scene(house: House) -> None:
        writers.append(Writer(house.directory).write(began(1, client_request_id="mine", user_agent="curl"), ended(1), REFUSED))
        await house.once()
        names = ", ".join(rows.CALL_COLUMNS)
        (row,) = await house.rows(f"SELECT {names} FROM calls")
        found = dict(zip(rows.CALL_COLUMNS, row, strict=True))
        whole = msgspec.structs.asdict(began(1, client_request_id="mine", user_agent="curl")) | msgspec.structs.asdict(ended(1))
        del whole["marks"]
        times = {"duration_us": 9000, "ttfb_us": 4000, "stages": "1,2,3,0,0,0,0,3994,5000"}
        assert found == {**whole, **times, "boot": "boot1", "api": ""}
        assert await house.rows("SELECT at, path, code, suppressed FROM refusals") == [(NOON, "/etc/passwd", "not_found", 0)]

    play(tmp_path, scene)


def test_a_call_through_an_api_names_both(tmp_path: Path, writers: list[Writer]) -> None:
    async def scene(house: House) -> None:
        called = [began(1, model="helper@up/m"), began(2, model="up/m"), began(3, model="up/m@latest")]
        frames = [frame for each in called for frame in (each, ended(each.seq))]
        writers.append(Writer(house.directory).write(*frames))
        await house.once()
        told = await house.rows("SELECT seq, api, model FROM calls ORDER BY seq")
        assert told == [(1, "helper", "up/m"), (2, "", "up/m"), (3, "", "up/m@latest")]
        # What a model did is summed however it was called.
        assert await house.rows("SELECT model, calls FROM rollups_hourly ORDER BY model") == [("up/m", 2), ("up/m@latest", 1)]

    play(tmp_path, scene)


def test_hours_are_summed_by_what_is_asked_for(tmp_path: Path, writers: list[Writer]) -> None:
    async def scene(house: House) -> None:
        hour = 3600 * SECOND
        writer = Writer(house.directory)
        writers.append(writer)
        writer.write(
            began(1), ended(1), began(2, key_label="renamed"), ended(2, status=Status.CANCELLED, cost=50, marks=(*MARKS[:-2], 0, MARKS[-1]))
        )
        writer.write(began(3), ended(3, status=Status.FAILED, cost=None, currency=""), began(4), ended(4, cost=9, currency="JPY"))
        await house.once()
        writer.write(began(5, started_at=NOON + hour), ended(5), began(6), ended(6))
        await house.once()
        rows = await house.rows(
            "SELECT hour, currency, key_label, calls, completed, failed, cancelled, unpriced, cost, ttfb_calls, ttfb_us "
            "FROM rollups_hourly ORDER BY 1, 2"
        )
        assert rows == [
            (NOON, "", "a key", 1, 0, 1, 0, 1, 0, 1, 4000),
            (NOON, "JPY", "a key", 1, 1, 0, 0, 0, 9, 1, 4000),
            (NOON, "USD", "a key", 3, 2, 0, 1, 0, 1450, 2, 8000),
            (NOON + hour, "USD", "a key", 1, 1, 0, 0, 0, 700, 1, 4000),
        ]
        await house.check_sums()

    play(tmp_path, scene)


def test_a_call_that_runs_is_kept_open_across_nodes(tmp_path: Path, writers: list[Writer]) -> None:
    async def scene(house: House) -> None:
        writer = Writer(house.directory).write(began(1), began(2))
        writers.append(writer)
        await house.once()
        assert await house.calls() == {}
        assert await house.rows("SELECT boot, seq FROM calls_open") == [("boot1", 1), ("boot1", 2)]
        writer.write(ended(2))
        await house.once()
        assert await house.calls() == {("boot1", 2): (0, "")}
        writer.write(ended(1))
        await house.once()
        assert set(await house.calls()) == {("boot1", 1), ("boot1", 2)}
        assert await house.rows("SELECT * FROM calls_open") == []

    play(tmp_path, scene)


def test_what_a_dead_worker_left_open_is_lost_and_what_it_ended_is_not(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        writer = Writer(house.directory).write(began(1), began(2), ended(2), began(3))
        await house.once()
        assert set(await house.calls()) == {("boot1", 2)}
        writer.write(ended(3))
        writer.die()
        await house.once()
        assert await house.calls() == {("boot1", 1): (1, "worker_lost"), ("boot1", 2): (0, ""), ("boot1", 3): (0, "")}
        assert house.files() == []
        assert await house.rows("SELECT * FROM calls_open") == []
        await house.check_sums()
        await house.once()
        assert len(await house.calls()) == 3
        assert await house.rows("SELECT * FROM journal_positions") == []

    play(tmp_path, scene)


def test_a_worker_that_says_goodbye_is_finished_while_its_lock_is_held(tmp_path: Path, writers: list[Writer]) -> None:
    async def scene(house: House) -> None:
        writers.append(Writer(house.directory).write(began(1), ended(1), Closed(NOON)))
        await house.once()
        assert set(await house.calls()) == {("boot1", 1)}
        assert house.files() == []

    play(tmp_path, scene)


def test_segments_are_read_in_order_and_go_when_they_are_read(tmp_path: Path, writers: list[Writer]) -> None:
    async def scene(house: House) -> None:
        writer = (
            Writer(house.directory).write(began(1), began(2), ended(2)).roll().write(ended(1), began(3)).roll().write(ended(3), began(4))
        )
        writers.append(writer)
        await house.once()
        assert set(await house.calls()) == {("boot1", 1), ("boot1", 2), ("boot1", 3)}
        assert house.files() == [journal.segment_name("boot1", 1, 3)]
        writer.write(ended(4))
        writer.die()
        await house.once()
        assert len(await house.calls()) == 4
        assert house.files() == []

    play(tmp_path, scene)


def test_a_segment_that_says_go_on_waits_for_the_next_one(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        writer = Writer(house.directory).write(began(1), Rolled(2))
        await house.once()
        assert house.files() == [writer.path.name]
        assert await house.calls() == {}
        writer.begin_segment()
        writer.write(ended(1))
        writer.die()
        await house.once()
        assert await house.calls() == {("boot1", 1): (0, "")}
        assert house.files() == []

    play(tmp_path, scene)


def test_a_rolled_segment_whose_worker_died_before_the_next_one(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        Writer(house.directory).write(began(1), Rolled(2)).die()
        await house.once()
        assert await house.calls() == {("boot1", 1): (1, "worker_lost")}
        assert house.files() == []

    play(tmp_path, scene)


def test_open_calls_without_any_journal_are_lost(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        writer = Writer(house.directory).write(began(1))
        await house.once()
        writer.die()
        writer.path.unlink()
        await house.once()
        assert await house.calls() == {("boot1", 1): (1, "worker_lost")}

    play(tmp_path, scene)


@pytest.mark.parametrize("cut", [1, 4, 8, 9, 30])
def test_a_frame_cut_by_a_kill_is_the_end_and_no_damage(tmp_path: Path, cut: int) -> None:
    async def scene(house: House) -> None:
        Writer(house.directory).write(began(1), ended(1), began(2)).write_bytes(journal.encode(ended(2))[:cut]).die()
        recorder = await house.once()
        assert await house.calls() == {("boot1", 1): (0, ""), ("boot1", 2): (1, "worker_lost")}
        assert recorder.damaged == 0
        assert house.files() == []

    play(tmp_path, scene)


def test_a_frame_that_is_being_written_is_read_when_it_is_whole(tmp_path: Path, writers: list[Writer]) -> None:
    async def scene(house: House) -> None:
        whole = journal.encode(ended(1))
        writer = Writer(house.directory).write(began(1)).write_bytes(whole[:20])
        writers.append(writer)
        await house.once()
        assert await house.calls() == {}
        writer.write_bytes(whole[20:])
        await house.once()
        assert await house.calls() == {("boot1", 1): (0, "")}

    play(tmp_path, scene)


def _flip(data: bytes) -> bytes:
    return data[:30] + bytes([data[30] ^ 1]) + data[31:]


def _foreign(_: bytes) -> bytes:
    payload = b"\x91\xa1z"
    return journal.FRAME.pack(len(payload), zlib.crc32(payload)) + payload


def _endless(data: bytes) -> bytes:
    return b"\xff\xff\xff\x7f" + data[4:]


@pytest.mark.parametrize("damage", [_flip, _foreign, _endless], ids=["a flipped bit", "an unknown record", "a length beyond all bounds"])
def test_damage_ends_that_segment_and_nothing_else(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    async def scene(house: House) -> None:
        bad = Writer(house.directory, "bad").write(began(1), ended(1), began(2))
        bad.write_bytes(damage(journal.encode(ended(2)))).write(began(3), ended(3))
        bad.roll().write(began(4), ended(4)).die()
        Writer(house.directory, "good", 2).write(began(1), ended(1)).die()
        recorder = await house.once()
        assert recorder.damaged == 1
        assert await house.calls() == {("bad", 1): (0, ""), ("bad", 2): (1, "worker_lost"), ("bad", 4): (0, ""), ("good", 1): (0, "")}
        assert house.files() == [journal.segment_name("bad", 1, 1) + recorders.DAMAGED]
        assert (await house.once()).damaged == 0

    play(tmp_path, scene)


def test_a_whole_record_that_nobody_knows_is_damage_also_where_it_is_the_last(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        Writer(house.directory).write(began(1), ended(1)).write_bytes(_foreign(b"")).die()
        recorder = await house.once()
        assert recorder.damaged == 1
        assert recorder.set_aside() == house.files() == [journal.segment_name("boot1", 1, 1) + recorders.DAMAGED]
        assert set(await house.calls()) == {("boot1", 1)}

    play(tmp_path, scene)


BAD_ENDS = {
    "marks that make no sense": {"marks": (5,)},
    "a status that is none": {"status": 77},
    "a number beyond the database's": {"attempts": 2**63},
}


async def run_until(recorder: Recorder, done: Callable[[], Awaitable[bool]]) -> None:
    """Let a recorder run until something holds; it must not end before."""
    running = asyncio.ensure_future(recorder.run())
    async with asyncio.timeout(20):
        while not await done():
            assert not running.done(), "the recorder ended"
            await asyncio.sleep(0.001)
    recorder.stop()
    await running
    recorder.close()


@pytest.mark.parametrize("bad", BAD_ENDS.values(), ids=BAD_ENDS.keys())
def test_a_frame_that_cannot_be_recorded_stops_nothing_but_itself(
    tmp_path: Path, bad: dict[str, Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(recorders, "RETRY_SECONDS", 0.01)

    async def scene(house: House) -> None:
        poisoned = Writer(house.directory, "bad")
        for seq in range(1, 41):
            poisoned.write(began(seq), ended(seq, **(bad if seq in (17, 18) else {})))
        start = poisoned.path.read_bytes().index(journal.encode(ended(17, **bad)))
        poisoned.die()
        good = Writer(house.directory, "good", 2).write(began(1), ended(1), REFUSED)
        good.die()
        recorder = Recorder(house.directory, house.database, node="here", sync_seconds=0.01, poll_seconds=0.001)

        async def done() -> bool:
            return len(await house.calls()) == 41

        await run_until(recorder, done)
        calls = await house.calls()
        lost = {place for place, (_, error) in calls.items() if error == "worker_lost"}
        assert lost == {("bad", 17), ("bad", 18)}, "every call has its one record"
        assert recorder.damaged == 2
        kept = house.directory / f"{journal.segment_name('bad', 1, 1)}.{start}{recorders.DAMAGED}"
        assert kept.read_bytes() == journal.encode(ended(17, **bad)), "its bytes are kept as they were"
        assert kept.stat().st_mode & 0o777 == 0o600
        assert kept.name in recorder.set_aside()
        assert house.files() == recorder.set_aside()
        assert len(recorder.set_aside()) == 2
        assert await house.rows("SELECT * FROM calls_open") == []
        assert await house.rows("SELECT count(*) FROM refusals") == [(1,)]
        await house.check_sums()
        told = [record for record in caplog.records if "set aside" in record.getMessage()]
        assert len(told) == 2
        await house.once()
        assert await house.calls() == calls

    play(tmp_path, scene)


def test_a_begin_that_no_row_can_hold_leaves_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorders, "RETRY_SECONDS", 0.01)

    async def scene(house: House) -> None:
        Writer(house.directory).write(began(1, started_at=2**63), began(2), ended(1), ended(2)).die()
        recorder = house.recorder()

        async def done() -> bool:
            return len(await house.calls()) == 2

        await run_until(recorder, done)
        assert await house.rows("SELECT seq, model, cost FROM calls ORDER BY seq") == [(1, "", 700), (2, "up/m", 700)]
        assert recorder.damaged == 1

    play(tmp_path, scene)


def test_an_open_call_that_cannot_be_read_is_ended_all_the_same(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        async with house.database.writer() as connection:
            mark = house.database.mark
            row = ("old", 7, b"\xc1", "here")
            await connection.exec_driver_sql(f"INSERT INTO calls_open (boot, seq, payload, node) VALUES ({', '.join([mark] * 4)})", row)
        await house.once()
        assert await house.calls() == {("old", 7): (1, "worker_lost")}

    play(tmp_path, scene)


def test_a_passing_fault_sets_nothing_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Longer than it takes to look at the other boots, which get their turn meanwhile.
    monkeypatch.setattr(recorders, "RETRY_SECONDS", 0.2)
    real = recorders.rows_of
    left = [12]

    def failing(records: Any) -> Any:
        left[0] -= 1
        if left[0] >= 0:
            raise RuntimeError("not now")
        return real(records)

    async def scene(house: House) -> None:
        monkeypatch.setattr(recorders, "rows_of", failing)
        story(house.directory)
        recorder = house.recorder()

        async def done() -> bool:
            return len(await house.calls()) == 4 + 39 + 2 and not house.files()

        await run_until(recorder, done)
        assert recorder.damaged == 0
        await house.check_sums()

    play(tmp_path, scene)


def test_a_command_says_what_waits_and_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scene(house: House) -> None:
        Writer(house.directory).write(began(1), ended(1, marks=(5,))).die()
        recorder = house.recorder()
        await recorder.catch_up()
        assert recorder.lag_seconds > 0
        assert recorder.set_aside() == []
        recorder.close()
        assert "records wait until the server runs" in caplog.text

    play(tmp_path, scene)


def test_a_frame_that_lies_unread_is_a_lag_at_once(tmp_path: Path, writers: list[Writer]) -> None:
    async def scene(house: House) -> None:
        recorder = house.recorder()
        await recorder.load()
        await recorder.drain()
        assert recorder.lag_seconds == 0.0
        writer = Writer(house.directory)
        writers.append(writer)
        assert recorder.lag_seconds == 0.0, "an empty segment holds nothing"
        for step in (lambda: writer.write(began(1)), lambda: writer.write(ended(1)), lambda: writer.roll().write(began(2))):
            # In a segment that no look has found, behind the last look, and in the next segment.
            step()
            assert recorder.lag_seconds >= 0.001
            await recorder.drain()
            assert recorder.lag_seconds == 0.0
        recorder.close()

    play(tmp_path, scene)


def test_a_file_that_is_no_segment_is_set_aside(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        (house.directory / journal.segment_name("fake", 1, 1)).write_bytes(b"not a journal" * 100)
        renamed = Writer(house.directory, "real").write(began(1), ended(1))
        renamed.path.rename(house.directory / journal.segment_name("other", 1, 1))
        renamed.die()
        (house.directory / "notes.txt").write_text("mine")
        recorder = await house.once()
        assert recorder.damaged == 2
        assert await house.calls() == {}
        assert len(house.files()) == 3
        assert "notes.txt" in house.files()

    play(tmp_path, scene)


def test_an_end_without_its_begin_is_kept_for_what_it_cost(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        Writer(house.directory).write(ended(7)).die()
        await house.once()
        assert await house.rows("SELECT seq, cost, model FROM calls") == [(7, 700, "")]
        await house.check_sums()

    play(tmp_path, scene)


def test_absurd_figures_do_not_break_the_sums(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        writer = Writer(house.directory)
        for seq in range(1, 6):
            writer.write(began(seq), ended(seq, input_tokens=2**63, output_tokens=2**64 - 1, cost=2**63 - 1))
        writer.die()
        await house.once()
        ((tokens, cost, count),) = await house.rows("SELECT input_tokens, cost, calls FROM rollups_hourly")
        assert (type(tokens), type(cost), count) == (int, int, 5)
        await house.check_sums()

    play(tmp_path, scene)


def story(directory: Path) -> None:
    """Three workers' journals with everything in them; the same bytes each time."""
    one = Writer(directory, "one", 1).write(began(1), began(2), ended(2), REFUSED, began(3)).roll()
    one.write(ended(1), ended(3), began(4)).die()
    two = Writer(directory, "two", 2)
    for seq in range(1, 40):
        two.write(began(seq, key_id=f"key{seq % 3}"), ended(seq, status=seq % 3))
    two.write(Closed(NOON)).die()
    Writer(directory, "three", 3).write(began(1), ended(1, cost=None), began(2)).write_bytes(journal.encode(ended(2))[:11]).die()


class PowerCutError(Exception):
    """The process ends here."""


class Failing:
    """A database whose process is killed at one chosen step of its life: before a statement, or around a commit."""

    def __init__(self, database: Database, fatal_step: int) -> None:
        self._database = database
        self._left = fatal_step
        self.reader, self.settled, self.mark = database.reader, database.settled, database.mark

    def step(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise PowerCutError

    @contextlib.asynccontextmanager
    async def writer(self) -> AsyncIterator[Any]:
        async with self._database.writer() as connection:
            yield _Steps(connection, self.step)
            self.step()  # all is said, and not committed
        self.step()  # committed, and nobody knows


class _Steps:
    def __init__(self, connection: AsyncConnection, step: Callable[[], None]) -> None:
        self._connection, self._step = connection, step

    async def exec_driver_sql(self, *arguments: Any) -> Any:
        self._step()
        return await self._connection.exec_driver_sql(*arguments)


def test_a_node_killed_at_any_step_records_everything_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Small batches, so that there are many steps to be killed at.
    monkeypatch.setattr(recorders, "MOST_FRAMES", 7)

    async def whole(directory: Path) -> tuple[Any, ...]:
        async with house(directory) as found:
            story(found.directory)
            await found.once()
            return await outcome(found)

    async def outcome(found: House) -> tuple[Any, ...]:
        await found.check_sums()
        assert found.files() == []
        return (
            await found.calls(),
            await found.rows("SELECT * FROM rollups_hourly ORDER BY 1, 2, 3, 4, 5, 6"),
            await found.rows("SELECT count(*) FROM refusals"),
            await found.rows("SELECT * FROM calls_open"),
        )

    async def killed(directory: Path, step: int) -> bool:
        """Kill the first node at a step, let the second do the rest; says whether the first lived to the end."""
        async with house(directory) as found:
            story(found.directory)
            failing: Any = Failing(found.database, step)
            first = Recorder(found.directory, failing, node="here", sync_seconds=None)
            await first.load()
            survived = False
            with contextlib.suppress(PowerCutError):
                await first.drain()
                survived = True
            first.close()
            await found.once()
            assert await outcome(found) == expected
            return survived

    (tmp_path / "whole").mkdir()
    expected = asyncio.run(whole(tmp_path / "whole"))
    assert len(expected[0]) == 4 + 39 + 2
    step = 0
    while True:
        (tmp_path / str(step)).mkdir()
        if asyncio.run(killed(tmp_path / str(step), step)):
            break
        step += 1
    assert step > 50


def test_a_node_killed_before_it_deletes_a_file_does_not_record_it_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(house: House) -> None:
        story(house.directory)

        def killed(self: Path, missing_ok: bool = False) -> None:
            raise PowerCutError

        with monkeypatch.context() as patch:
            patch.setattr(Path, "unlink", killed)
            with pytest.raises(PowerCutError):
                await house.once()
        before = await house.calls()
        assert before
        await house.once()
        assert len(await house.calls()) == 4 + 39 + 2
        assert await house.rows("SELECT count(*) FROM refusals") == [(1,)]
        await house.check_sums()
        assert house.files() == []

    play(tmp_path, scene)


def test_a_journal_that_was_put_back_changes_nothing(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        for _ in range(2):
            # The second time the files are there again, and their positions are forgotten; new calls stand behind the old ones.
            story(house.directory)
            await house.once()
            await house.once()
        Writer(house.directory, "two", 2).write(began(39), ended(39), began(40), ended(40), began(40), ended(40)).die()
        await house.once()
        assert len(await house.calls()) == 4 + 39 + 2 + 1
        await house.check_sums()

    play(tmp_path, scene)


def test_a_database_that_is_away_is_asked_again_and_nothing_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorders, "RETRY_SECONDS", 0.01)

    async def scene(house: House) -> None:
        away = [True]

        class Away:
            reader, settled, mark = house.database.reader, house.database.settled, house.database.mark

            @contextlib.asynccontextmanager
            async def writer(self) -> AsyncIterator[AsyncConnection]:
                if away[0]:
                    tried.set()
                    raise UnavailableError("the disk is full")
                async with house.database.writer() as connection:
                    yield connection

        tried = asyncio.Event()
        story(house.directory)
        database: Any = Away()
        recorder = Recorder(house.directory, database, node="here", sync_seconds=0.01, poll_seconds=0.005)
        running = asyncio.ensure_future(recorder.run())
        await asyncio.wait_for(tried.wait(), 5)
        await asyncio.sleep(0)
        assert recorder.lag_seconds > 0
        away[0] = False
        recorder.stop()
        await asyncio.wait_for(running, 5)
        recorder.close()
        if house.files():
            await house.once()  # it stopped in the middle of a refusal
        assert len(await house.calls()) == 4 + 39 + 2
        await house.check_sums()

    play(tmp_path, scene)


def test_it_follows_a_real_writer_through_segments_to_its_goodbye(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        recorder = Recorder(house.directory, house.database, node="here", sync_seconds=0.01, poll_seconds=0.001)
        running = asyncio.ensure_future(recorder.run())
        written = Journal(house.directory, 1, "boot1", 1)  # the smallest segments there are
        count = 3000
        for seq in range(1, count + 1):
            written.append(began(seq))
            written.append(ended(seq))
            if seq % 100 == 0:
                await asyncio.sleep(0)
        written.close(NOON)
        async with asyncio.timeout(20):
            while recorder.recorded < count or house.files():  # noqa: ASYNC110 - turns of the loop until the recorder has done it
                await asyncio.sleep(0.001)
        assert recorder.lag_seconds == 0.0
        recorder.stop()
        await running
        recorder.close()
        assert len(await house.calls()) == count
        await house.check_sums()

    play(tmp_path, scene)


def test_a_busy_worker_does_not_starve_another(tmp_path: Path, writers: list[Writer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorders, "MOST_FRAMES", 10)

    async def scene(house: House) -> None:
        for boot in ("busy", "quiet"):
            writer = Writer(house.directory, boot)
            writers.append(writer)
            for seq in range(1, 101 if boot == "busy" else 2):
                writer.write(began(seq), ended(seq))
        recorder = house.recorder()
        await recorder.load()
        batches = []
        for _ in range(3):
            batch, _again = recorder._collect(*recorder._portions()[0])
            batches.append({record[0] for record in batch.records})
            await recorder._write(batch)
            recorder._apply(batch)
        recorder.close()
        assert {"quiet"} <= batches[0] | batches[1]

    play(tmp_path, scene)


def test_journals_that_grew_are_forced_to_the_disk_and_idle_ones_are_not(
    tmp_path: Path, writers: list[Writer], monkeypatch: pytest.MonkeyPatch
) -> None:
    forced: list[int] = []
    real = os.fsync

    async def scene(house: House) -> None:
        writer = Writer(house.directory).write(began(1), ended(1))
        writers.append(writer)
        recorder = Recorder(house.directory, house.database, node="here", sync_seconds=0.001, poll_seconds=0.001)
        running = asyncio.ensure_future(recorder.run())

        async def until(count: int) -> None:
            async with asyncio.timeout(5):
                while len(forced) < count:  # noqa: ASYNC110 - turns of the loop until the recorder has done it
                    await asyncio.sleep(0.001)

        await until(1)
        writer.write(began(2), ended(2))
        await until(2)
        before = len(forced)
        for _ in range(20):
            await recorder._pause(0.001)
        assert len(forced) == before
        recorder.stop()
        await running
        recorder.close()

    def count(descriptor: int) -> None:
        forced.append(descriptor)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", count)
    play(tmp_path, scene)


def test_who_shows_calls_is_told_after_the_commit_and_of_each_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    told: list[tuple[list[int], int]] = []

    async def scene(house: House) -> None:
        writer = Writer(house.directory).write(began(1), ended(1), began(2), REFUSED)
        recorder = Recorder(house.directory, house.database, node="here", on_recorded=show)
        await recorder.catch_up()
        assert told == [([1], 1)]
        assert await house.rows("SELECT seq FROM calls") == [(1,)]
        writer.write(ended(2)).die()
        await recorder.catch_up()
        await recorder.catch_up()
        assert told == [([1], 1), ([2], 0)]
        recorder.close()

    def show(records: Sequence[Record], refusals: Sequence[rows.Row]) -> None:
        told.append(([record[2].seq for record in records], len(refusals)))
        raise RuntimeError("what shows them has a fault")

    play(tmp_path, scene)
    assert caplog.text.count("what shows them failed") == 2, "and that is all that comes of it"


def test_leftovers_of_a_worker_that_died_while_it_made_a_segment_go(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        old, young = house.directory / "b-1-000001.new", house.directory / "c-1-000001.new"
        old.touch()
        young.touch()
        os.utime(old, (0, 0))
        await house.once()
        assert house.files() == [young.name]

    play(tmp_path, scene)


def test_zero_characters_in_texts_do_not_cost_the_record(tmp_path: Path) -> None:
    """PostgreSQL's texts hold none; what a client or a provider sent is kept with a mark in its place."""

    async def scene(house: House) -> None:
        writer = Writer(house.directory).write(began(1, user_agent="a\0b"), ended(1, finish_reason="\0"), began(2), ended(2))
        writer.write(Refused(NOON, "req-x", "GET", "/\0", "10.0.0.1", "", 404, "not_found", "no route"))
        writer.die()
        recorder = await house.once()
        assert recorder.damaged == 0
        mark = "\ufffd" if house.database.kind == "postgresql" else "\0"
        assert await house.rows("SELECT seq, user_agent, finish_reason FROM calls ORDER BY seq") == [
            (1, f"a{mark}b", mark),
            (2, "", "stop"),
        ]
        assert await house.rows("SELECT path FROM refusals") == [(f"/{mark}",)]
        await house.check_sums()

    play(tmp_path, scene)


def test_nodes_of_one_database_leave_each_other_alone(tmp_path: Path) -> None:
    """Each finds its own open calls and places; the other's are neither lost nor forgotten by it, however often it starts."""

    async def scene(house: House) -> None:
        there = tmp_path / "there"
        there.mkdir()
        here = Writer(house.directory, "here").write(began(1), began(2), ended(2))
        away = Writer(there, "away").write(began(1), began(2), ended(2))

        async def once(directory: Path, node: str) -> None:
            recorder = Recorder(directory, house.database, node=node, sync_seconds=None)
            await recorder.load()
            await recorder.drain()
            recorder.close()

        for _ in range(2):
            await once(house.directory, "a")
            await once(there, "b")
        assert set(await house.calls()) == {("here", 2), ("away", 2)}
        assert await house.rows("SELECT boot, node FROM calls_open ORDER BY boot") == [("away", "b"), ("here", "a")]
        assert len(await house.rows("SELECT segment FROM journal_positions")) == 2
        here.die()
        await once(there, "b")
        assert len(await house.calls()) == 2, "only its own node knows that a worker is dead"
        await once(house.directory, "a")
        away.write(ended(1))
        away.die()
        await once(there, "b")
        calls = await house.calls()
        assert calls["here", 1] == (1, "worker_lost")
        assert calls["away", 1] == (0, "")
        assert await house.rows("SELECT * FROM calls_open") == []
        await house.check_sums()

    play(tmp_path, scene)


def test_two_recorders_at_once_count_every_call_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both add to the same hours: neither waits for ever for the other, and no sum is lost between them."""
    monkeypatch.setattr(recorders, "MOST_FRAMES", 20)

    async def scene(house: House) -> None:
        url = current[0].url(tmp_path)
        other = of_url(url)
        await other.open()
        try:
            for number, directory in enumerate((house.directory, tmp_path / "there")):
                directory.mkdir(exist_ok=True)
                writer = Writer(directory, f"boot{number}")
                for seq in range(1, 301):
                    # In opposite orders, as a deadlock likes it.
                    model = f"up/m{seq % 7 if number else 6 - seq % 7}"
                    writer.write(began(seq, model=model), ended(seq))
                writer.die()
            one = Recorder(house.directory, house.database, node="a", sync_seconds=None)
            two = Recorder(tmp_path / "there", other, node="b", sync_seconds=None)
            await asyncio.gather(one.load(), two.load())
            await asyncio.gather(one.drain(), two.drain())
            one.close()
            two.close()
        finally:
            await other.close()
        assert len(await house.calls()) == 600
        await house.check_sums()

    play(tmp_path, scene)
