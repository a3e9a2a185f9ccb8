"""The database of a node, over a real file: open, away, back; and who is let in meanwhile."""

import asyncio
import contextlib
import os
import shutil
import sqlite3
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from sekisho.app import truth as module
from sekisho.app.truth import ExchangedError, Truth
from sekisho.bridge.compiler import Compiler
from sekisho.bridge.copies import SealedCopy
from sekisho.bridge.publisher import Publisher
from sekisho.bridge.sealed import Held, SealedFile, origin_of
from sekisho.kit.clock import SystemClock
from sekisho.kit.crypto import KeyRing
from sekisho.storage.errors import StorageError, UnavailableError, UnreadableError
from sekisho.storage.preparation import prepare
from sekisho.storage.sqlite import Sqlite
from tests.unit.bridge.test_publisher import some_key

RING = KeyRing.generate()
ORIGIN = origin_of("it")


class Life:
    """One life of a node, as far as its database goes."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "sekisho.db"
        self.database = Sqlite(self.file, wait=0.2)
        self.copy = SealedCopy(directory / "snapshot.sealed", RING, ORIGIN)
        self.publisher = Publisher(Compiler(self.database, RING), copy=self.copy)
        self.back = 0
        clock = SystemClock()
        self.truth = Truth(
            self.database,
            self.publisher,
            self.copy,
            clock,
            lambda: prepare(self.database, RING, clock, directory),
            on_back=self.count,
        )

    def count(self) -> None:
        self.back += 1

    async def revision(self) -> int:
        return await Compiler(self.database, RING).revision()

    async def refused(self) -> str:
        """What everybody else is told who wants to read."""
        with pytest.raises(UnavailableError) as told:
            await self.revision()
        return str(told.value)

    async def until(self, happened: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not happened():  # noqa: ASYNC110 - the file is looked at by the clock
                await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def life(directory: Path) -> AsyncIterator[Life]:
    one = Life(directory)
    try:
        yield one
    finally:
        await one.publisher.close()
        await one.copy.close()
        await one.database.close()


@contextlib.asynccontextmanager
async def watched(one: Life) -> AsyncIterator["asyncio.Task[None]"]:
    task = asyncio.get_running_loop().create_task(one.truth.keep())
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, ExchangedError):
            await task


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(module, "AWAY_SECONDS", 0.01)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """With a database that was used, and its copy."""

    async def use() -> None:
        async with life(tmp_path) as one:
            await one.truth.open()
            await one.truth.copy_all()

    asyncio.run(use())
    return tmp_path


def play(directory: Path, scene: Callable[[Life], Awaitable[None]]) -> None:
    async def lived() -> None:
        async with life(directory) as one:
            await scene(one)

    asyncio.run(lived())


def spoil(file: Path) -> bytes:
    """Make garbage of it; gives what it was."""
    was = file.read_bytes()
    file.write_bytes(os.urandom(8192))
    return was


def put(file: Path, data: bytes) -> None:
    """A new file that takes the name in one step."""
    file.with_name("fresh").write_bytes(data)
    file.with_name("fresh").replace(file)


def test_a_fresh_database_is_made_where_no_copy_is(tmp_path: Path) -> None:
    async def scene(one: Life) -> None:
        await one.truth.open()
        assert one.truth.prepared is not None
        assert one.truth.prepared.fresh
        assert one.truth.outage is None

    play(tmp_path, scene)


def test_the_copy_stands_in_until_the_database_is_back(directory: Path) -> None:
    async def scene(one: Life) -> None:
        was = await asyncio.to_thread(spoil, one.file)
        with pytest.raises(UnreadableError) as damage:
            await one.truth.open()
        await one.truth.stand_in(damage.value)
        outage = one.truth.outage
        assert outage is not None
        assert (outage.reason, outage.copy_revision) == (str(damage.value), one.publisher.revision)
        assert outage.reason in await one.refused()
        async with watched(one):
            await asyncio.to_thread(put, one.file, was)
            await one.until(lambda: one.back == 1)
        assert one.truth.outage is None
        assert await one.revision() == one.publisher.revision
        await one.until(lambda: one.copy.revision == one.publisher.revision)

    play(directory, scene)


@pytest.mark.parametrize("changed", [False, True])
def test_a_database_that_was_only_held_is_read_again_where_it_is_not_what_the_copy_was(directory: Path, changed: bool) -> None:
    async def scene(one: Life) -> None:
        await one.truth.open()
        held = one.publisher.held()
        await one.copy.renew(Held(held.revision, held.catalog, (some_key(1),)))
        await one.database.close()
        with contextlib.closing(sqlite3.connect(one.file, isolation_level=None)) as other:
            other.execute("PRAGMA locking_mode=EXCLUSIVE")
            other.execute("BEGIN EXCLUSIVE")
            with pytest.raises(UnavailableError) as busy:
                await one.truth.open()
            await one.truth.stand_in(busy.value)
            assert [key.id for key in one.publisher.held().keys] == ["key1"]
            if changed:
                other.execute("UPDATE revisions SET revision = 5")
            other.execute("COMMIT")
        async with watched(one):
            await one.until(lambda: one.back == 1)
        held = one.publisher.held()
        assert (held.revision, [key.id for key in held.keys]) == ((5, []) if changed else (1, ["key1"]))

    play(directory, scene)


def test_a_database_that_was_damaged_is_read_again_in_any_case(directory: Path) -> None:
    """Its revision may be readable and the rest not."""

    async def scene(one: Life) -> None:
        await one.truth.open()
        held = one.publisher.held()
        await one.copy.renew(Held(held.revision, held.catalog, (some_key(1),)))
        await one.truth.stand_in(UnreadableError("damaged"))
        async with watched(one):
            await one.until(lambda: one.back == 1)
        assert one.publisher.held().keys == ()

    play(directory, scene)


def test_what_is_back_is_back_before_its_copy_is_written(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writing a hundred thousand keys takes a while on a busy machine, and nobody has to wait for it."""
    written = threading.Event()
    create = SealedFile.create

    def create_late(self: SealedFile, whole: Held) -> None:
        written.wait(10)
        create(self, whole)

    async def scene(one: Life) -> None:
        was = await asyncio.to_thread(spoil, one.file)
        with pytest.raises(UnreadableError) as damage:
            await one.truth.open()
        await one.truth.stand_in(damage.value)
        monkeypatch.setattr(SealedFile, "create", create_late)
        async with watched(one):
            await asyncio.to_thread(put, one.file, was)
            await one.until(lambda: one.back == 1)
            assert await one.revision() == one.publisher.revision
            assert one.copy.revision == 0
            written.set()
            await one.until(lambda: one.copy.revision == one.publisher.revision)

    play(directory, scene)


@pytest.mark.parametrize("empty", [False, True])
def test_no_database_is_made_where_a_copy_is(directory: Path, empty: bool) -> None:
    async def scene(one: Life) -> None:
        os.unlink(one.file)
        if empty:
            os.close(os.open(one.file, os.O_CREAT))
        with pytest.raises(UnreadableError, match="missing or empty"):
            await one.truth.open()
        assert empty == (one.file.name in os.listdir(directory))

    play(directory, scene)


def test_a_copy_of_another_revision_does_not_count_where_the_database_tells_its_own(directory: Path) -> None:
    async def scene(one: Life) -> None:
        await one.truth.open()
        held = one.publisher.held()
        error = UnavailableError("it cannot be read")
        await one.copy.renew(Held(held.revision - 1, held.catalog, held.keys))
        with pytest.raises(StorageError, match="it is of revision 0, the database of 1"):
            await one.truth.stand_in(error)
        await one.copy.renew(Held(held.revision, held.catalog, (some_key(1),)))
        await one.truth.stand_in(error)
        assert [key.id for key in one.publisher.held().keys] == ["key1"]

    play(directory, scene)


def test_without_a_copy_the_error_is_the_answer(directory: Path) -> None:
    async def scene(one: Life) -> None:
        os.unlink(one.copy.path)
        error = UnavailableError("it cannot be read")
        with pytest.raises(UnavailableError) as told:
            await one.truth.stand_in(error)
        assert told.value is error

    play(directory, scene)


def test_a_file_that_is_taken_away_is_not_used_until_it_is_back(directory: Path) -> None:
    async def scene(one: Life) -> None:
        await one.truth.open()
        elsewhere = directory / "elsewhere"
        async with watched(one):
            os.rename(one.file, elsewhere)
            with pytest.raises(UnavailableError, match="taken away"):
                async with one.database.writer():
                    pass
            await one.until(lambda: one.truth.outage is not None)
            assert "taken away" in await one.refused()
            os.rename(elsewhere, one.file)
            await one.until(lambda: one.back == 1)
            async with one.database.writer():
                pass
            assert await one.revision() == 1

    play(directory, scene)


def test_another_file_in_its_place_ends_the_node(directory: Path) -> None:
    async def scene(one: Life) -> None:
        await one.truth.open()
        async with watched(one) as watching:
            await asyncio.to_thread(shutil.copy, one.file, directory / "other")
            os.replace(directory / "other", one.file)
            with pytest.raises(ExchangedError, match="another file"):
                await asyncio.wait_for(watching, 10)

    play(directory, scene)


def test_what_cannot_be_written_is_read_all_the_same(directory: Path) -> None:
    async def scene(one: Life) -> None:
        other = sqlite3.connect(one.file, isolation_level=None, check_same_thread=False)
        with contextlib.closing(other):
            other.execute("BEGIN IMMEDIATE")
            await one.truth.open()
            assert one.truth.outage is not None
            assert one.truth.outage.copy_revision is None
            assert await one.revision() == 1
            async with watched(one):
                other.execute("ROLLBACK")
                await one.until(lambda: one.back == 1)
            assert one.truth.outage is None

    play(directory, scene)


def test_a_copy_that_could_not_be_written_is_tried_again(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COPY_RETRY_SECONDS", 0.02)

    async def scene(one: Life) -> None:
        await one.truth.open()
        os.unlink(one.copy.path)
        os.mkdir(one.copy.path)
        await one.truth.copy_all()
        assert one.copy.trouble is not None
        async with watched(one):
            os.rmdir(one.copy.path)
            await one.until(lambda: one.copy.trouble is None)
        assert one.copy.revision == 1

    play(directory, scene)
