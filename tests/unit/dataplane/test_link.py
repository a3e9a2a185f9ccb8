"""The worker's end of the link against a real Unix socket: whole or not at all, and on with it when the node comes back."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from sekisho.core.model.snapshot import Catalog, Key, Model, Provider
from sekisho.core.policy.access import Keys
from sekisho.core.wire import link as wire
from sekisho.dataplane.counters import Counters
from sekisho.dataplane.link import MOST_UNSENT, Link
from sekisho.dataplane.sharing import Sharing
from sekisho.kit.tasks import Tasks
from tests.unit.dataplane.loops import brought, run, until

HELLO = wire.Hello(1, "boot", 77)


def catalog(revision: int, base_url: str = "") -> Catalog:
    return Catalog(revision, "i", (Provider("builtin", "builtin"),), (Model("builtin/m", "builtin", "m", base_url=base_url),))


def key(number: int) -> Key:
    return Key(bytes([number]), f"k{number}", "label", "default")


class Node:
    """The node's end, in the hands of the test, and a worker's that writes down what it was told to do."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.told: list[object] = []
        self.keys = Keys()
        self.crashes: list[BaseException] = []
        self.link = Link(self.path, HELLO, self._install, self._patch, lambda: self.told.append("drain"))
        self.tasks = Tasks(lambda name, error: self.crashes.append(error))
        self._heard: asyncio.Queue[wire.ToNode] = asyncio.Queue()
        self._writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None

    def _install(self, catalog: Catalog | None, keys: Keys | None) -> None:
        self.told.append((catalog.revision if catalog is not None else None, len(keys) if keys is not None else None))
        self.keys = keys if keys is not None else self.keys

    def _patch(self, keys: tuple[Key, ...], gone: tuple[bytes, ...]) -> None:
        self.told.append((tuple(each.id for each in keys), gone))

    async def __aenter__(self) -> "Node":
        self.tasks.start(self.link.keep(), "link")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.tasks.stop()
        await self.close()
        assert self.crashes == []

    async def open(self) -> None:
        self._server = await asyncio.start_unix_server(self._serve, self.path)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.close()
        self._writers.clear()
        await self.until(lambda: not self.link.connected)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        splitter = wire.Splitter()
        while data := await reader.read(65536):
            for payload in splitter.feed(data):
                self._heard.put_nowait(wire.decode_to_node(payload))

    def send(self, *messages: wire.ToWorker | bytes) -> None:
        self._writers[-1].write(b"".join(each if isinstance(each, bytes) else wire.encode(each) for each in messages))

    async def hear(self) -> wire.ToNode:
        """The worker's next message."""
        return await self._heard.get()

    async def until(self, happened: Callable[[], bool]) -> None:
        await until(happened)


def test_a_snapshot_is_swapped_in_with_its_last_page_and_not_before(tmp_path: Path) -> None:
    async def scene() -> None:
        async with Node(tmp_path / "s") as node:
            await node.open()
            assert await node.hear() == HELLO
            node.send(wire.CatalogFrame(catalog(5), whole=True), wire.KeyPage(5, (key(1), key(2)), last=False), wire.Drain())
            await node.until(lambda: "drain" in node.told)
            assert node.told == ["drain"]
            assert node.link.revision == 0
            node.send(wire.KeyPage(5, (key(3),), last=True))
            assert await node.hear() == wire.Ack(5)
            assert node.told == ["drain", (5, 3)]
            assert node.link.revision == 5
            assert [node.keys.find(bytes([number])) for number in (1, 2, 3)] == [key(1), key(2), key(3)]

    run(scene())


def test_changes_are_applied_in_order_and_acknowledged(tmp_path: Path) -> None:
    async def scene() -> None:
        async with Node(tmp_path / "s") as node:
            await node.open()
            await node.hear()
            node.send(wire.CatalogFrame(catalog(1), whole=True), wire.KeyPage(1, (), last=True))
            node.send(wire.KeyDelta(2, (key(7),), (b"old",)), wire.CatalogFrame(catalog(3)))
            assert [await node.hear() for _ in range(3)] == [wire.Ack(1), wire.Ack(2), wire.Ack(3)]
            assert node.told == [(1, 0), (("k7",), (b"old",)), (3, None)]

    run(scene())


def test_a_page_without_its_beginning_is_nothing(tmp_path: Path) -> None:
    async def scene() -> None:
        async with Node(tmp_path / "s") as node:
            await node.open()
            await node.hear()
            node.send(wire.KeyPage(9, (key(1),), last=True), wire.KeyDelta(10))
            assert await node.hear() == wire.Ack(10)
            assert node.told == [((), ())]

    run(scene())


@pytest.mark.parametrize("garbage", [b"\xff" * 64, wire.LENGTH.pack(3) + b"abc", wire.encode(HELLO)])
def test_garbage_ends_the_connection_and_a_half_snapshot_with_it(tmp_path: Path, garbage: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        async with Node(tmp_path / "s") as node:
            await node.open()
            await node.hear()
            node.send(wire.CatalogFrame(catalog(5), whole=True), wire.KeyPage(5, (key(1),), last=False), garbage)
            assert await node.hear() == HELLO
            node.send(
                wire.KeyPage(5, (key(2),), last=True), wire.CatalogFrame(catalog(6), whole=True), wire.KeyPage(6, (key(3),), last=True)
            )
            assert await node.hear() == wire.Ack(6)
            assert node.told == [(6, 1)]
            assert node.keys.find(bytes([1])) is None

    run(scene())
    assert ["no frame of the link" in record.message for record in caplog.records] == [True]


def test_a_worker_waits_for_its_node_and_finds_it_again(tmp_path: Path) -> None:
    async def scene() -> None:
        async with Node(tmp_path / "s") as node:
            assert not node.link.connected
            await node.open()
            assert await node.hear() == HELLO
            node.send(wire.CatalogFrame(catalog(5), whole=True), wire.KeyPage(5, (key(1),), last=True))
            assert await node.hear() == wire.Ack(5)
            await node.close()
            assert (node.link.revision, node.told) == (5, [(5, 1)])  # What was in force stays.
            (tmp_path / "s").unlink(missing_ok=True)
            await node.open()
            assert await node.hear() == HELLO

    run(scene())


def test_a_sleeping_engine_is_asked_for_once_and_wakes_all_who_wait(tmp_path: Path) -> None:
    async def scene() -> None:
        async with Node(tmp_path / "s") as node:
            await node.open()
            await node.hear()
            waits = [node.link.wake("builtin/m"), node.link.wake("builtin/m")]
            assert await node.hear() == wire.Wake("builtin/m")
            node.send(wire.CatalogFrame(catalog(2)), wire.WakeFailed("builtin/other", "no such model"))
            assert await node.hear() == wire.Ack(2)
            assert not any(wait.handed for wait in waits)  # It sleeps in this one too.
            node.send(wire.CatalogFrame(catalog(3, "http://127.0.0.1:9/v1")))
            assert [await brought(wait) for wait in waits] == [None, None]
            assert node.told == [(2, None), (3, None)]  # Installed before anybody was woken.
            assert await node.hear() == wire.Ack(3)
            again = node.link.wake("builtin/m")
            assert await node.hear() == wire.Wake("builtin/m")
            node.send(wire.WakeFailed("builtin/m", "the file is damaged"))
            assert await brought(again) == "the file is damaged"

    run(scene())


def test_nobody_waits_for_a_node_that_is_away(tmp_path: Path) -> None:
    async def scene() -> None:
        async with Node(tmp_path / "s") as node:
            assert "control plane is away" in await brought(node.link.wake("builtin/m"))
            await node.open()
            await node.hear()
            wait = node.link.wake("builtin/m")
            await node.close()
            assert "control plane is away" in await brought(wait)

    run(scene())


def test_a_pulse_goes_out_where_there_is_somebody_to_feel_it(tmp_path: Path) -> None:
    async def scene() -> None:
        pulse = wire.Pulse(1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
        async with Node(tmp_path / "s") as node:
            node.link.pulse(pulse)
            await node.open()
            assert await node.hear() == HELLO
            node.link.pulse(pulse)
            assert await node.hear() == pulse

    run(scene())


class Sharer:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def joined(self) -> None:
        self.told.append("joined")

    def lost(self) -> None:
        self.told.append("lost")

    def set_clock(self, at: float) -> None:
        self.told.append(at)

    def take(self, shares: wire.Shares) -> None:
        self.told.append(shares)


def test_counts_go_both_ways_for_as_long_as_there_is_a_node(tmp_path: Path) -> None:
    async def scene() -> None:
        shares, counts = wire.Shares(1.0, (wire.Share("k", 1.0, 0.0, 1),)), wire.Counts(2.0, (wire.Count("k", 1, 2, 3),))
        async with Node(tmp_path / "s") as node:
            sharer = node.link.sharer = Sharer()
            assert not node.link.keeps_up
            await node.open()
            assert await node.hear() == HELLO
            assert node.link.keeps_up
            node.link.count(counts)
            assert await node.hear() == counts
            node.send(shares)
            await node.until(lambda: shares in sharer.told)
            await node.close()
            assert sharer.told == ["joined", shares, "lost"]
            assert not node.link.keeps_up

    run(scene())


def test_a_node_that_does_not_read_is_noticed(tmp_path: Path) -> None:
    """It is spared pulses then, and told the counts when it reads again."""

    async def scene() -> None:
        async with Node(tmp_path / "s") as node:
            deaf = asyncio.Event()
            held: list[asyncio.StreamWriter] = []

            async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                held.append(writer)
                writer.transport.pause_reading()  # type: ignore[attr-defined]
                await deaf.wait()

            server = await asyncio.start_unix_server(hold, node.path)
            await node.until(lambda: node.link.connected and held)
            counts = wire.Counts(2.0, tuple(wire.Count(f"key{number}", 1, 2, 3) for number in range(1000)))
            for _ in range(200):
                if not node.link.keeps_up:
                    break
                node.link.count(counts)
            assert not node.link.keeps_up
            deaf.set()
            server.close()
            held[0].transport.abort()
            await node.until(lambda: not node.link.connected)

    run(scene())


def test_a_node_that_hangs_for_hours_costs_no_memory(tmp_path: Path) -> None:
    """Fifty thousand keys in use all the time: what is unsent stays bounded, and all of them are heard of when it reads again."""
    names = [f"k{number}" for number in range(50_000)]

    async def scene() -> None:
        async with Node(tmp_path / "s") as node:
            counters = Counters()
            sharing = node.link.sharer = Sharing(counters, node.link, asyncio.get_running_loop())
            taken = asyncio.Event()
            held: list[asyncio.StreamWriter] = []
            readers: list[asyncio.StreamReader] = []

            async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                reader._limit = 1024  # type: ignore[attr-defined] # It reads no further ahead than that.
                held.append(writer)
                readers.append(reader)
                taken.set()

            def book() -> None:
                now = asyncio.get_running_loop().time()
                for name in names:
                    meter = counters.meter(name)
                    meter.requests_at = max(meter.requests_at, now) + 1.0
                    meter.requests += 1

            book()
            server = await asyncio.start_unix_server(hold, node.path)
            await taken.wait()
            transport = node.link._transport
            assert transport is not None
            most = 0
            for _ in range(20):
                book()
                sharing.tell()
                for _ in range(5):
                    await asyncio.sleep(0)
                    most = max(most, transport.get_write_buffer_size())
            assert not node.link.keeps_up
            assert most < MOST_UNSENT
            assert node.link._transport is transport, "there was no need to cut it"
            heard: dict[str, int] = {}
            splitter = wire.Splitter()
            while len(heard) < len(names):
                for payload in splitter.feed(await readers[0].read(65536)):
                    message = wire.decode_to_node(payload)
                    if isinstance(message, wire.Counts):
                        for count in message.counts:
                            heard[count.key] = heard.get(count.key, 0) + count.requests
            while set(heard.values()) != {21}:
                for payload in splitter.feed(await readers[0].read(65536)):
                    message = wire.decode_to_node(payload)
                    if isinstance(message, wire.Counts):
                        for count in message.counts:
                            heard[count.key] += count.requests
            server.close()
            held[0].close()
            await node.until(lambda: not node.link.connected)

    run(scene())


def test_a_link_that_nobody_reads_is_cut_and_made_anew(tmp_path: Path) -> None:
    async def scene() -> None:
        async with Node(tmp_path / "s") as node:
            taken: list[asyncio.StreamWriter] = []

            async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                reader._limit = 1024  # type: ignore[attr-defined] # It reads no further ahead than that.
                taken.append(writer)

            sharer = node.link.sharer = Sharer()
            server = await asyncio.start_unix_server(hold, node.path)
            await node.until(lambda: len(taken) == 1)
            page = wire.Counts(1.0, tuple(wire.Count(f"key {number}", 1, 1, 1) for number in range(wire.PAGE_KEYS)))
            frames = 0
            while node.link.connected:
                node.link.count(page)
                frames += 1
                assert frames * len(wire.encode(page)) < 2 * MOST_UNSENT
            await node.until(lambda: len(taken) == 2)
            assert sharer.told == ["joined", "lost", "joined"]
            server.close()
            for each in taken:
                each.close()
            await node.until(lambda: not node.link.connected)

    run(scene())
