"""The node's end of the link: what was committed reaches every worker, in order, and a write returns when it is in force there.

The newest configuration is kept in memory, and sealed on disk before a write returns (`bridge.copies`), so a worker that starts gets it
although the database may be gone. Each connection has
one queue and one writer, which makes the order of frames the order of revisions. A worker that does not read is cut off, never waited
for: it comes back and gets the whole. What the workers count of limits goes through here too; `bridge.counts` adds it up.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Iterable
from typing import Final, Protocol

import msgspec

from sekisho.bridge.connections import Connection, WorkerView, more
from sekisho.bridge.copies import SealedCopy
from sekisho.bridge.counts import Counts
from sekisho.bridge.pulses import Pulses
from sekisho.bridge.sealed import Change, Held
from sekisho.bridge.standings import Standings
from sekisho.core.model.snapshot import Catalog, Key
from sekisho.core.ports import EngineControl, EngineError
from sekisho.core.wire import link
from sekisho.kit import clock
from sekisho.kit.tasks import Tasks
from sekisho.storage.errors import StorageError

log = logging.getLogger(__name__)

ACK_SECONDS: Final = 1.0
"""How long a write waits for the workers; then it returns and says who is late."""
HELLO_SECONDS: Final = 5.0
"""How long a connection may stay without saying who it is."""
RETRY_SECONDS: Final = 1.0
"""Between two attempts to read a configuration that could not be read after its commit."""


class Changes(Protocol):
    """What is newer than some revision; `catalog` is None where only keys changed."""

    @property
    def revision(self) -> int: ...
    @property
    def instance(self) -> str: ...
    @property
    def catalog(self) -> Catalog | None: ...
    @property
    def keys(self) -> tuple[Key, ...]: ...
    @property
    def gone(self) -> tuple[bytes, ...]: ...


class Source(Protocol):
    """Reads the configuration; `bridge.compiler.Compiler` is the one over the database."""

    async def catalog(self) -> Catalog: ...
    async def keys(self) -> tuple[Key, ...]: ...
    async def changes(self, since: int) -> Changes: ...


class Published(msgspec.Struct, frozen=True):
    """What came of a publication."""

    revision: int
    warnings: tuple[str, ...] = ()


class Publisher:
    """Serves the link and publishes; one per node. Without `listen` it has no workers, which is how a command uses it."""

    def __init__(
        self,
        source: Source,
        *,
        engines: EngineControl | None = None,
        on_ready: Callable[[int], None] = lambda pid: None,
        copy: SealedCopy | None = None,
        refresh: Callable[[Catalog], Catalog] = lambda catalog: catalog,
        standings: Standings | None = None,
        pulses: Pulses | None = None,
    ) -> None:
        """`refresh` brings what no database knows of a catalog, the state of engines, up to date where the source cannot be read."""
        self._source = source
        self._copy = copy
        self._refresh = refresh
        self._engines = engines
        self._on_ready = on_ready
        self._catalog: Catalog | None = None
        self._keys: dict[bytes, Key] = {}
        self._revision = 0
        self._reading = asyncio.Lock()
        self._connections: list[Connection] = []
        self._counts = Counts()
        self._standings = standings
        self._pulses = Pulses() if pulses is None else pulses
        self._expected: frozenset[int] = frozenset()
        self._moved = asyncio.Event()
        self._wakes: dict[str, list[Connection]] = {}
        self._retrying = False
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self._tasks = Tasks(on_crash=lambda name, error: log.error("a task of the link fell", extra={"task": name}, exc_info=error))

    @property
    def revision(self) -> int:
        """The newest revision that was published; 0 before the first."""
        return self._revision

    @property
    def instance(self) -> str:
        """The installation that it is of; empty before the first."""
        return self._catalog.instance if self._catalog is not None else ""

    @property
    def workers(self) -> tuple[WorkerView, ...]:
        return tuple(each.view() for each in self._connections)

    async def load(self) -> None:
        """Read the whole configuration, and send it to whoever is connected; raises StorageError. Before this, connections wait."""
        async with self._reading:
            await self._load()

    async def _load(self) -> None:
        catalog = await self._source.catalog()
        # Keys read after the catalog may be newer than it; publishing them once more as a delta changes nothing.
        self.adopt(Held(catalog.revision, catalog, await self._source.keys()))

    def adopt(self, held: Held) -> None:
        """Take a whole configuration for the newest there is, whatever was before, and send it to whoever is connected."""
        self._keys = {key.digest: key for key in held.keys}
        self._counts.learn(held.keys)
        self._catalog, self._revision = self._refresh(held.catalog), held.revision
        for connection in self._connections:
            # It may be an older revision than the one before: what was acknowledged of that says nothing of this.
            connection.acked = 0
            self._put_whole(connection)

    def held(self) -> Held:
        """All of it as it is now; `load` or `adopt` came before."""
        assert self._catalog is not None
        return Held(self._revision, self._catalog, tuple(self._keys.values()))

    async def listen(self, listening: socket.socket) -> None:
        """Serve workers on a listening Unix socket; one that was listened on before is closed, its connections stay."""
        if self._server is not None:
            self._server.close()
        elif self._standings is not None:
            self._standings.restore(self._counts)
            self._tasks.start(self._standings.keep(self._counts), "where limits stand")
        self._server = await asyncio.start_unix_server(self._serve, sock=listening)

    async def close(self) -> None:
        """Cut all links; workers go on serving what they have."""
        if self._server is not None:
            self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await self._tasks.stop()
        if self._standings is not None:
            self._standings.write(self._counts)

    def expect(self, pids: Iterable[int]) -> None:
        """Name the workers that serve now, connected or not: a write waits for them too."""
        self._expected = frozenset(pids)
        self._wake_waiters()

    async def publish(self) -> Published:
        """Send what is newer than the last publication; returns when every live worker has it in force, or after a second."""
        try:
            await self._send_changes()
        except StorageError as error:
            self._retry_later()
            return Published(self._revision, (f"saved, but the workers could not be told yet: {error}",))
        late = await self._acknowledged(self._revision)
        return Published(self._revision, late if self._copy is None else late + self._copy.warnings)

    async def republish(self) -> None:
        """Send the catalog again: something in it changed that no revision counts, such as an engine that woke. Does not wait."""
        async with self._reading:
            try:
                catalog = await self._source.catalog()
            except StorageError:
                if self._catalog is None:
                    raise
                catalog = self._refresh(self._catalog)
            # Not the revision that it was read at: keys of a newer one may not have been sent yet.
            self._take(catalog, (), (), self._revision)

    async def _send_changes(self) -> None:
        async with self._reading:
            changes = await self._source.changes(self._revision)
            if changes.revision < self._revision or changes.instance != self.instance:
                # It is another database than it was, such as a backup that was restored: nothing of ours is a part of it.
                await self._load()
                if self._copy is not None:
                    await self._copy.renew(self.held())
                return
            if changes.revision > self._revision:
                self._take(changes.catalog, changes.keys, changes.gone, changes.revision)
            if self._copy is not None:
                await self._keep(self._copy, changes)

    async def _keep(self, copy: SealedCopy, changes: Changes) -> None:
        """Return when the sealed copy has it, while the frames are on their way to the workers."""
        if copy.asked and changes.revision == self._revision > copy.asked:
            await copy.keep(Change(self._revision, changes.catalog, changes.keys, changes.gone), self.held)
        elif copy.asked != self._revision:
            await copy.renew(self.held())

    def _take(self, catalog: Catalog | None, keys: tuple[Key, ...], gone: tuple[bytes, ...], revision: int) -> None:
        """Make it ours and queue it for every worker, in one step of the loop: whoever joins now gets either all of it or its frames."""
        frames: list[bytes] = []
        if catalog is not None:
            # A frame carries the revision that is whole once it is in force: only the last one may carry the new one.
            self._catalog = msgspec.structs.replace(catalog, revision=self._revision if keys or gone else revision)
            frames.append(link.encode(link.CatalogFrame(self._catalog)))
        if keys or gone or catalog is None:
            for digest in gone:
                self._keys.pop(digest, None)
            self._keys.update((key.digest, key) for key in keys)
            self._counts.learn(keys)
            frames.append(link.encode(link.KeyDelta(revision, keys, gone)))
        self._revision = revision
        for connection in self._connections:
            for frame in frames:
                connection.put(frame)

    def _retry_later(self) -> None:
        if not self._retrying:
            self._retrying = True
            self._tasks.start(self._retry(), "publish again")

    async def _retry(self) -> None:
        try:
            while True:
                await asyncio.sleep(RETRY_SECONDS)
                try:
                    return await self._send_changes()
                except StorageError as error:
                    log.warning("a committed change could not be read for the workers: %s", error)
        finally:
            self._retrying = False

    async def _acknowledged(self, revision: int) -> tuple[str, ...]:
        """Wait until nobody lags behind a revision; names who does after a second."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ACK_SECONDS):
                while self._laggards(revision):
                    self._moved.clear()
                    await self._moved.wait()
        return tuple(
            f"{name} has not confirmed revision {revision} within {ACK_SECONDS:g} s; it may serve the configuration before it"
            for name in self._laggards(revision)
        )

    def _laggards(self, revision: int) -> list[str]:
        late = [f"worker {each.hello.worker} (pid {each.hello.pid})" for each in self._connections if each.acked < revision]
        connected = {each.hello.pid for each in self._connections}
        return late + [f"a worker without link (pid {pid})" for pid in sorted(self._expected - connected)]

    def _wake_waiters(self) -> None:
        self._moved.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The life of one connection."""
        connection: Connection | None = None
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            splitter = link.Splitter()
            waiting: list[bytes] = []
            async with asyncio.timeout(HELLO_SECONDS):
                while not waiting:
                    waiting = await more(reader, splitter)
            connection = self._join(waiting.pop(0), writer)
            while not connection.closed:
                for payload in waiting:
                    self._heard(connection, link.decode_to_node(payload))
                waiting = await more(reader, splitter)
        except link.LinkError as error:
            log.warning("a link is cut for what came over it: %s", error, extra={"worker": connection and connection.hello.worker})
        except (EOFError, OSError, TimeoutError, asyncio.CancelledError):
            # Gone, silent, or we close: this task is nobody else's to hear of.
            pass
        finally:
            self._serving.discard(task)
            if connection is not None:
                connection.closed = True
                if connection in self._connections:
                    self._part(connection)
                self._wake_waiters()
            writer.transport.abort()

    def _join(self, payload: bytes, writer: asyncio.StreamWriter) -> Connection:
        """Take a worker in and queue the whole configuration for it; raises LinkError."""
        hello = link.decode_to_node(payload)
        if not isinstance(hello, link.Hello):
            raise link.LinkError(f"{type(hello).__name__} came before Hello")
        if self._catalog is None:
            raise link.LinkError("the configuration is not read yet")
        for other in [each for each in self._connections if each.hello.boot == hello.boot]:
            log.info("a worker connected again; its old link is cut", extra={"worker": hello.worker, "worker_pid": hello.pid})
            other.cut()
            self._part(other)
        connection = Connection(hello, writer, self._counts)
        # First: it must not serve before it knows what its keys have used up.
        connection.nudge()
        self._put_whole(connection)
        self._connections.append(connection)
        self._tasks.start(self._write(connection), f"link to worker {hello.worker}")
        log.debug("a worker connected", extra={"worker": hello.worker, "worker_pid": hello.pid, "boot": hello.boot})
        return connection

    def _put_whole(self, connection: Connection) -> None:
        """Queue the whole configuration."""
        assert self._catalog is not None
        connection.put(link.CatalogFrame(msgspec.structs.replace(self._catalog, revision=self._revision), whole=True, at=clock.monotonic()))
        keys = tuple(self._keys.values())
        for start in range(0, max(len(keys), 1), link.PAGE_KEYS):
            page = keys[start : start + link.PAGE_KEYS]
            connection.put(link.KeyPage(self._revision, page, last=start + link.PAGE_KEYS >= len(keys)))

    def _part(self, connection: Connection) -> None:
        """A worker is gone, and its calls with it."""
        self._connections.remove(connection)
        self._pulses.parted(connection.hello.boot)
        self._counts.leave(connection.seat)
        self._nudge_all()

    def _nudge_all(self) -> None:
        for connection in self._connections:
            connection.nudge()

    async def _write(self, connection: Connection) -> None:
        """Send what is queued, in order."""
        with contextlib.suppress(OSError):
            while not connection.closed:
                connection.writer.write(await connection.next_frame())
                await connection.writer.drain()

    def _heard(self, connection: Connection, message: link.ToNode) -> None:
        match message:
            case link.Ack(revision=revision):
                if connection.acked == 0:
                    self._on_ready(connection.hello.pid)
                connection.acked = max(connection.acked, revision)
                self._wake_waiters()
            case link.Counts():
                self._counts.take(connection.seat, message)
                self._nudge_all()
                if self._standings is not None:
                    self._standings.changed()
            case link.Pulse():
                connection.pulse = message
                self._pulses.heard(connection.hello.boot, message)
            case link.Wake(model=model):
                self._wake(model, connection)
            case link.Hello():
                raise link.LinkError("a second Hello")

    def _wake(self, model: str, connection: Connection) -> None:
        """Start an engine once for all who wait for it."""
        waiting = self._wakes.setdefault(model, [])
        waiting.append(connection)
        if len(waiting) == 1:
            self._tasks.start(self._wake_engine(model), f"wake {model}")

    async def _wake_engine(self, model: str) -> None:
        reason = "this node runs no engines"
        try:
            if self._engines is not None:
                await self._engines.wake(model)
                await self.republish()
                reason = ""
        except EngineError as error:
            reason = str(error)
        except StorageError as error:
            reason = f"the engine is up, but the configuration cannot be read: {error}"
        finally:
            waiting = self._wakes.pop(model, [])
        if reason:
            for connection in waiting:
                if not connection.closed:
                    connection.put(link.WakeFailed(model, reason))
