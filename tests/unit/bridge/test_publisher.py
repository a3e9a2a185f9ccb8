"""The link over a real socket, with workers that are played here: who gets what, in which order, and what a write waits for."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sekisho.bridge.copies import SealedCopy
from sekisho.bridge.publisher import Publisher
from sekisho.core.model.snapshot import Catalog, Key, Provider
from sekisho.core.ports import EngineError
from sekisho.core.wire import link
from sekisho.kit.crypto import KeyRing
from sekisho.storage.errors import UnavailableError


class Changes(msgspec.Struct):
    revision: int
    catalog: Catalog | None = None
    keys: tuple[Key, ...] = ()
    gone: tuple[bytes, ...] = ()
    instance: str = ""


class Book:
    """A configuration in memory, with the revisions of the real one."""

    def __init__(self) -> None:
        self.revision = 1
        self.changed: list[tuple[int, Changes]] = []
        self.entries: dict[bytes, Key] = {}
        self.providers: tuple[str, ...] = ("sandbox",)
        self.broken = False
        self.instance = "test"

    def change(self, *, catalog: bool = False, keys: tuple[Key, ...] = (), gone: tuple[bytes, ...] = ()) -> None:
        self.revision += 1
        self.entries.update((key.digest, key) for key in keys)
        for digest in gone:
            del self.entries[digest]
        self.changed.append((self.revision, Changes(self.revision, self._catalog() if catalog else None, keys, gone)))

    def _catalog(self) -> Catalog:
        return Catalog(self.revision, self.instance, tuple(Provider(name, "custom") for name in self.providers), ())

    async def catalog(self) -> Catalog:
        return self._catalog()

    async def keys(self) -> tuple[Key, ...]:
        return tuple(self.entries.values())

    async def changes(self, since: int) -> Changes:
        if self.broken:
            raise UnavailableError("the database is busy")
        newer = [each for revision, each in self.changed if revision > since]
        catalog = self._catalog() if any(each.catalog for each in newer) else None
        keys, gone = tuple(k for each in newer for k in each.keys), tuple(g for each in newer for g in each.gone)
        return Changes(self.revision, catalog, keys, gone, self.instance)


class Worker:
    """Reads frames one by one and answers when it is told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.splitter = link.Splitter()
        self.frames: list[link.ToWorker] = []

    def send(self, message: link.ToNode) -> None:
        self.writer.write(link.encode(message))

    async def next(self) -> link.ToWorker:
        while not self.frames:
            data = await asyncio.wait_for(self.reader.read(65536), 5)
            if not data:
                raise EOFError
            self.frames += [link.decode_to_worker(payload) for payload in self.splitter.feed(data)]
        return self.frames.pop(0)

    async def whole(self) -> tuple[Catalog, list[Key], int]:
        """The first frames: a catalog, and pages up to the last."""
        first = await self.next()
        assert isinstance(first, link.CatalogFrame)
        assert first.whole
        keys: list[Key] = []
        while True:
            page = await self.next()
            assert isinstance(page, link.KeyPage)
            assert len(page.keys) <= link.PAGE_KEYS
            keys += page.keys
            if page.last:
                return first.catalog, keys, page.revision

    async def is_cut(self) -> bool:
        try:
            while True:
                await self.next()
        except (EOFError, ConnectionError):
            return True


class Stage:
    """A publisher on a socket."""

    def __init__(self, path: Path, book: Book, publisher: Publisher) -> None:
        self.path, self.book, self.publisher = path, book, publisher
        self.workers: list[Worker] = []

    async def connect(self) -> Worker:
        worker = Worker(*await asyncio.open_unix_connection(str(self.path)))
        self.workers.append(worker)
        return worker

    async def worker(self, number: int = 1, *, boot: str = "", pid: int = 0, acked: bool = True) -> Worker:
        """A worker that has the whole configuration."""
        worker = await self.connect()
        worker.send(link.Hello(number, boot or f"boot{number}", pid or 1000 + number))
        _, _, revision = await worker.whole()
        if acked:
            worker.send(link.Ack(revision))
            await self.until(
                lambda: any(each.pid == (pid or 1000 + number) and each.revision == revision for each in self.publisher.workers)
            )
        return worker

    async def until(self, happened: Any) -> None:
        async with asyncio.timeout(5):
            while not happened():  # noqa: ASYNC110 - turns of the loop, not time
                await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def staged(path: Path, *, engines: Any = None, ready: list[int] | None = None, keys: int = 3) -> AsyncIterator[Stage]:
    book = Book()
    book.entries = {key.digest: key for key in (some_key(number) for number in range(keys))}
    publisher = Publisher(book, engines=engines, on_ready=(ready if ready is not None else []).append)
    await publisher.load()
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.setblocking(False)
    await publisher.listen(listening)
    stage = Stage(path, book, publisher)
    try:
        yield stage
    finally:
        await publisher.close()
        for worker in stage.workers:
            worker.writer.close()
            with contextlib.suppress(OSError):
                await worker.writer.wait_closed()


def some_key(number: int) -> Key:
    return Key(number.to_bytes(32, "big"), f"key{number}", "a key", "default")


def play(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(coroutine)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "link.sock"


@pytest.mark.parametrize("count", [0, 1, link.PAGE_KEYS, link.PAGE_KEYS + 1, 3 * link.PAGE_KEYS])
def test_a_new_worker_gets_everything_in_pages(path: Path, count: int) -> None:
    async def scene() -> None:
        ready: list[int] = []
        async with staged(path, keys=count, ready=ready) as stage:
            worker = await stage.connect()
            worker.send(link.Hello(1, "boot1", 77))
            catalog, keys, revision = await worker.whole()
            assert [provider.name for provider in catalog.providers] == ["sandbox"]
            assert sorted(keys, key=lambda key: key.digest) == [some_key(number) for number in range(count)]
            assert catalog.revision == revision == 1
            assert ready == []
            worker.send(link.Ack(1))
            await stage.until(lambda: ready == [77])

    play(scene())


def test_a_key_travels_as_a_delta_and_the_write_waits_for_its_ack(path: Path) -> None:
    async def scene() -> None:
        async with staged(path) as stage:
            worker = await stage.worker()
            stage.book.change(keys=(some_key(9),), gone=(some_key(0).digest,))
            writing = asyncio.ensure_future(stage.publisher.publish())
            delta = await worker.next()
            assert delta == link.KeyDelta(2, (some_key(9),), (some_key(0).digest,))
            assert not writing.done()
            worker.send(link.Ack(2))
            published = await writing
            assert (published.revision, published.warnings) == (2, ())
            # Who comes later has it in the whole.
            later = await stage.connect()
            later.send(link.Hello(2, "later", 5))
            assert {key.id for key in (await later.whole())[1]} == {"key1", "key2", "key9"}

    play(scene())


def test_a_change_of_both_is_in_force_only_with_its_last_frame(path: Path) -> None:
    async def scene() -> None:
        async with staged(path) as stage:
            worker = await stage.worker()
            stage.book.providers = ("sandbox", "up")
            stage.book.change(catalog=True, keys=(some_key(9),))
            writing = asyncio.ensure_future(stage.publisher.publish())
            first, second = await worker.next(), await worker.next()
            assert isinstance(first, link.CatalogFrame)
            assert not first.whole
            assert isinstance(second, link.KeyDelta)
            assert (first.catalog.revision, second.revision) == (1, 2)
            worker.send(link.Ack(first.catalog.revision))
            worker.send(link.Pulse(1, 1, 0, 0, 0, 0, 0, 0, 0, 0))
            await stage.until(lambda: stage.publisher.workers[0].pulse is not None)
            assert not writing.done()
            worker.send(link.Ack(2))
            assert (await writing).warnings == ()

    play(scene())


def test_a_worker_that_does_not_answer_is_named_after_a_second(path: Path) -> None:
    async def scene() -> None:
        async with staged(path) as stage:
            await stage.worker(1)
            slow = await stage.worker(2, pid=4242)
            stage.book.change(keys=(some_key(9),))
            loop = asyncio.get_running_loop()
            before = loop.time()
            published = await stage.publisher.publish()
            assert 0.9 < loop.time() - before < 2.0
            assert len(published.warnings) == 2
            assert "worker 2 (pid 4242) has not confirmed revision 2 within 1 s" in published.warnings[1]
            slow.writer.close()

    play(scene())


def test_a_worker_that_leaves_is_not_waited_for(path: Path) -> None:
    async def scene() -> None:
        async with staged(path) as stage:
            worker = await stage.worker()
            stage.book.change(keys=(some_key(9),))
            writing = asyncio.ensure_future(stage.publisher.publish())
            await worker.next()
            worker.writer.transport.abort()
            loop = asyncio.get_running_loop()
            before = loop.time()
            assert (await writing).warnings == ()
            assert loop.time() - before < 0.9
            assert stage.publisher.workers == ()

    play(scene())


def test_a_serving_worker_whose_link_is_away_is_waited_for(path: Path) -> None:
    async def scene() -> None:
        async with staged(path) as stage:
            stage.publisher.expect([4242])
            stage.book.change(keys=(some_key(9),))
            writing = asyncio.ensure_future(stage.publisher.publish())
            worker = await stage.worker(1, pid=4242, acked=False)
            assert not writing.done()
            worker.send(link.Ack(2))
            assert (await writing).warnings == ()
            worker.writer.transport.abort()
            await stage.until(lambda: not stage.publisher.workers)
            stage.book.change(keys=(some_key(10),))
            assert "a worker without link (pid 4242) has not confirmed revision 3" in (await stage.publisher.publish()).warnings[0]
            stage.publisher.expect([])
            assert (await stage.publisher.publish()).warnings == ()

    play(scene())


def test_without_workers_a_write_returns_at_once() -> None:
    async def scene() -> None:
        book = Book()
        publisher = Publisher(book)
        await publisher.load()
        book.change(catalog=True)
        assert (await publisher.publish()).revision == 2
        await publisher.close()

    play(scene())


def test_a_change_that_cannot_be_read_is_told_later(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sekisho.bridge.publisher.RETRY_SECONDS", 0.01)

    async def scene() -> None:
        async with staged(path) as stage:
            worker = await stage.worker()
            stage.book.change(keys=(some_key(9),))
            stage.book.broken = True
            published = await stage.publisher.publish()
            assert published.warnings == ("saved, but the workers could not be told yet: the database is busy",)
            stage.book.broken = False
            assert await worker.next() == link.KeyDelta(2, (some_key(9),), ())

    play(scene())


@pytest.mark.parametrize("newer", [-2, 0, 2])
def test_another_installation_in_its_place_is_sent_whole_whatever_its_revision(path: Path, tmp_path: Path, newer: int) -> None:
    async def scene() -> None:
        async with staged(path) as stage:
            stage.book.change(keys=(some_key(8),))
            stage.book.change(keys=(some_key(9),))
            await stage.publisher.publish()
            worker = await stage.worker()
            stage.publisher._copy = copy = SealedCopy(tmp_path / "copy", KeyRing({1: bytes(32)}), bytes(32))
            await copy.renew(stage.publisher.held())
            book = stage.book
            book.revision, book.instance, book.entries, book.changed = book.revision + newer, "restored", {b"r" * 32: some_key(7)}, []
            told = asyncio.create_task(stage.publisher.publish())
            catalog, keys, revision = await worker.whole()
            assert (catalog.instance, keys, revision) == ("restored", [some_key(7)], book.revision)
            worker.send(link.Ack(revision))
            assert (await told).warnings == ()
            assert stage.publisher.instance == "restored"
            held = copy.read()
            assert held is not None
            assert (held.catalog.instance, held.keys, held.revision) == ("restored", (some_key(7),), book.revision)
            await copy.close()

    play(scene())


def test_a_worker_that_connects_twice_keeps_its_new_link(path: Path) -> None:
    async def scene() -> None:
        async with staged(path) as stage:
            old = await stage.worker(1, boot="same")
            new = await stage.worker(1, boot="same", acked=False)
            assert await old.is_cut()
            assert len(stage.publisher.workers) == 1
            stage.book.change(keys=(some_key(9),))
            writing = asyncio.ensure_future(stage.publisher.publish())
            assert await new.next() == link.KeyDelta(2, (some_key(9),), ())
            new.send(link.Ack(2))
            assert (await writing).warnings == ()

    play(scene())


def test_two_lives_of_one_number_stand_side_by_side(path: Path) -> None:
    async def scene() -> None:
        async with staged(path) as stage:
            await stage.worker(1, boot="draining", pid=1)
            await stage.worker(1, boot="fresh", pid=2)
            assert sorted(each.pid for each in stage.publisher.workers) == [1, 2]

    play(scene())


@pytest.mark.parametrize(
    "sent",
    [
        link.encode(link.Ack(1)),
        link.encode(link.Hello(1, "a", 1)) + link.encode(link.Hello(1, "b", 1)),
        link.encode(link.Hello(1, "a", 1)) + link.encode(link.Drain()),
        link.LENGTH.pack(5) + b"\xc1\xc1\xc1\xc1\xc1",
        link.LENGTH.pack(link.MAX_MESSAGE + 1),
        b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n",
    ],
    ids=["before hello", "hello twice", "not for the node", "garbage", "too long", "another protocol"],
)
def test_what_is_no_frame_cuts_that_link_and_no_other(path: Path, sent: bytes) -> None:
    async def scene() -> None:
        async with staged(path) as stage:
            good = await stage.worker(2)
            bad = await stage.connect()
            bad.writer.write(sent)
            assert await bad.is_cut()
            await stage.until(lambda: [each.worker for each in stage.publisher.workers] == [2])
            good.send(link.Pulse(7, 1, 0, 0, 0, 0, 0, 0, 0, 0))
            await stage.until(lambda: stage.publisher.workers[0].pulse is not None)

    play(scene())


def test_who_says_nothing_is_cut(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sekisho.bridge.publisher.HELLO_SECONDS", 0.05)

    async def scene() -> None:
        async with staged(path) as stage:
            assert await (await stage.connect()).is_cut()

    play(scene())


@pytest.mark.parametrize("bound", ["MOST_QUEUED", "MOST_WAITING_BYTES"])
def test_a_worker_that_does_not_read_is_cut(path: Path, monkeypatch: pytest.MonkeyPatch, bound: str) -> None:
    monkeypatch.setattr(f"sekisho.bridge.connections.{bound}", {"MOST_QUEUED": 20, "MOST_WAITING_BYTES": 1_000_000}[bound])

    async def scene() -> None:
        async with staged(path) as stage:
            await stage.worker()
            stage.book.providers = tuple(f"provider-{number}" for number in range(2_000))

            async def until_cut() -> None:
                while stage.publisher.workers:
                    await stage.publisher.republish()
                    await asyncio.sleep(0)

            await asyncio.wait_for(until_cut(), 10)

    play(scene())


class Engines:
    """An engine that starts when it is let."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.go = asyncio.Event()
        self.error: str | None = None

    async def wake(self, model: str) -> None:
        self.asked.append(model)
        await self.go.wait()
        if self.error:
            raise EngineError(self.error)


def test_an_engine_is_woken_once_for_all_and_the_catalog_is_the_answer(path: Path) -> None:
    async def scene() -> None:
        engines = Engines()
        async with staged(path, engines=engines) as stage:
            one, two = await stage.worker(1), await stage.worker(2)
            one.send(link.Wake("builtin/x"))
            two.send(link.Wake("builtin/x"))
            one.send(link.Pulse(1, 1, 0, 0, 0, 0, 0, 0, 0, 0))
            two.send(link.Pulse(1, 1, 0, 0, 0, 0, 0, 0, 0, 0))
            await stage.until(lambda: all(each.pulse for each in stage.publisher.workers))
            await stage.until(lambda: engines.asked)
            stage.book.providers = ("awake",)
            engines.go.set()
            for worker in (one, two):
                frame = await worker.next()
                assert isinstance(frame, link.CatalogFrame)
                assert frame.catalog.providers[0].name == "awake"
                assert frame.catalog.revision == 1
            assert engines.asked == ["builtin/x"]

    play(scene())


@pytest.mark.parametrize("engines", [True, False])
def test_an_engine_that_does_not_start_is_told_with_the_reason(path: Path, engines: bool) -> None:
    async def scene() -> None:
        failing = Engines()
        failing.error = "the file is damaged"
        failing.go.set()
        async with staged(path, engines=failing if engines else None) as stage:
            worker = await stage.worker()
            worker.send(link.Wake("builtin/x"))
            reason = "the file is damaged" if engines else "this node runs no engines"
            assert await worker.next() == link.WakeFailed("builtin/x", reason)

    play(scene())


def test_a_catalog_sent_in_between_does_not_pass_for_a_newer_revision(path: Path) -> None:
    async def scene() -> None:
        async with staged(path) as stage:
            worker = await stage.worker()
            stage.book.change(keys=(some_key(9),))  # committed, not published yet
            await stage.publisher.republish()
            frame = await worker.next()
            assert isinstance(frame, link.CatalogFrame)
            assert frame.catalog.revision == 1
            writing = asyncio.ensure_future(stage.publisher.publish())
            assert await worker.next() == link.KeyDelta(2, (some_key(9),), ())
            worker.send(link.Ack(2))
            assert (await writing).warnings == ()

    play(scene())


def limited(number: int) -> Key:
    return msgspec.structs.replace(some_key(number), rpm=60, concurrency=2)


async def shares(worker: Worker) -> link.Shares:
    frame = await worker.next()
    assert isinstance(frame, link.Shares)
    return frame


def test_counts_of_one_worker_reach_the_others_and_whoever_comes(path: Path) -> None:
    """Who comes knows where the limits stand before it has its last key, that is, before it serves."""

    async def scene() -> None:
        async with staged(path) as stage:
            first, second = await stage.worker(1), await stage.worker(2)
            stage.book.change(keys=(limited(1),))
            writing = asyncio.ensure_future(stage.publisher.publish())
            for worker in (first, second):
                await worker.next()
                worker.send(link.Ack(2))
            await writing
            first.send(link.Counts(1.0, (link.Count("key1", 30, 0, 2), link.Count("key2", 5, 0, 1))))
            assert (await shares(second)).shares == (link.Share("key1", 30.0, 0.0, 2),)
            third = await stage.connect()
            third.send(link.Hello(3, "boot3", 1003))
            told = await shares(third)
            [share] = told.shares
            assert told.whole
            assert (share.key, share.in_flight) == ("key1", 2)
            assert 25.0 < share.requests_s <= 30.0
            await third.whole()

    play(scene())


def test_the_calls_of_a_worker_that_is_gone_are_gone(path: Path) -> None:
    async def scene() -> None:
        async with staged(path) as stage:
            stage.book.entries[limited(1).digest] = limited(1)
            await stage.publisher.load()
            first, second = await stage.worker(1), await stage.worker(2)
            first.send(link.Counts(1.0, (link.Count("key1", 0, 0, 2),)))
            assert (await shares(second)).shares == (link.Share("key1", 0.0, 0.0, 2),)
            first.writer.transport.abort()
            assert (await shares(second)).shares == (link.Share("key1", 0.0, 0.0, 0),)

    play(scene())


def test_counts_for_a_worker_that_does_not_read_fill_no_queue(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sekisho.bridge.connections.MOST_QUEUED", 20)

    async def scene() -> None:
        async with staged(path) as stage:
            stage.book.entries[limited(1).digest] = limited(1)
            await stage.publisher.load()
            first, slow = await stage.worker(1), await stage.worker(2)
            for number in range(5_000):
                first.send(link.Counts(1.0 + number / 1000, (link.Count("key1", number % 2, 0, 1),)))
                if number % 100 == 0:
                    await first.writer.drain()
                    await asyncio.sleep(0)
            first.send(link.Pulse(1, 1, 0, 0, 0, 0, 0, 0, 0, 0))
            await stage.until(lambda: stage.publisher.workers[0].pulse is not None)
            assert len(stage.publisher.workers) == 2
            booked = 0.0
            while booked < 2499.9:
                frame = await shares(slow)
                booked += sum(share.requests_s for share in frame.shares)
            assert booked == pytest.approx(2500.0)

    play(scene())
