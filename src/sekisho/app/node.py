"""The node: the control plane's process. Quick for the workers first, complete for people after.

It opens the link before anything else, so that workers can knock while the database is still being opened; they get their
configuration before FastAPI is even imported. The end of the standard input means that the supervisor is gone, and ends the node too.
"""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from sekisho.app import homes, lifecycle, sockets
from sekisho.kit.tasks import Tasks
from sekisho.telemetry import logs

if TYPE_CHECKING:
    from sekisho.api.services import Services
    from sekisho.app.build import App, Core
    from sekisho.app.servers import Server
    from sekisho.storage.errors import StorageError

log = logging.getLogger("sekisho.app.node")  # `__name__` is `__main__` here

DRAIN_SECONDS: Final = 8.0
"""How long the recorder may take for what the workers left; the rest is recorded at the next start."""
MOST_ORDERS: Final = 16 * 1024 * 1024

NICE: Final = 5
"""Added to the node's niceness: about a third of a worker's share where both want all of one core."""


class Node:
    """One life of the node."""

    def __init__(self, orders: lifecycle.Orders, voice: int) -> None:
        self._orders = orders
        self._voice = voice
        self._end = asyncio.Event()
        self._system = lifecycle.NodeSystem(orders, self._gauges, self.say)
        self._tasks = Tasks(self._crashed)
        self._doors: list[tuple[Server, asyncio.Task[None]]] = []
        self._sockets = sockets.Sockets()
        self.failure: str | None = None
        self.core: Core | None = None

    def say(self, saying: lifecycle.Saying) -> None:
        """Tell the supervisor; one that is gone does not hear it."""
        with contextlib.suppress(OSError):
            os.write(self._voice, lifecycle.encode(saying) + b"\n")

    def _crashed(self, name: str, error: BaseException) -> None:
        """A part that must run has fallen: the supervisor starts a new node, the workers go on meanwhile."""
        log.error("the node ends, a part of it fell", extra={"part": name}, exc_info=error)
        self.failure = f"{name}: {error}"
        self._end.set()

    async def run(self, orders: asyncio.StreamReader) -> None:
        """Start, serve until told to end, and end in order. Raises StartError and HomeError."""
        from sekisho.app import build

        home = self._orders.loaded().home
        link = homes.bind_socket(home.link_socket)
        self.core = core = await build.open_core(
            self._orders.loaded(), on_ready=lambda pid: self.say(lifecycle.WorkerReady(pid)), stands_in_for=self._stands_in_for()
        )
        if core.database.kind == "sqlite":
            _warn_of_the_library()
        self._tell_of_restores(core)
        try:
            core.publisher.expect(self._orders.workers)
            await self._sockets.open(home.link_socket, core.publisher.listen, link)
            self._tasks.start(self._sockets.watch(), "sockets")
            recorder = self._tasks.start(core.recorder.run(), "recorder")
            self._tasks.start(core.watch(), "changes of other nodes")
            self._tasks.start(core.feed.beat(), "pulse of the house")
            self._tasks.start(self._keep_truth(core), "the database")
            self._tasks.start(self._obey(orders), "orders")
            self._tasks.start(self._open_doors(core), "doors")
            await self._end.wait()
            await self._close_doors()
            core.recorder.stop()
            # The workers are gone; what does not fit into this time is recorded at the next start.
            await asyncio.wait((recorder,), timeout=DRAIN_SECONDS)
            await self._tasks.stop()
        finally:
            await core.close()

    def _tell_of_restores(self, core: "Core") -> None:
        """Say what became of a restore that was killed."""
        from sekisho.storage import notices

        if core.prepared is not None:
            told = notices.taken(self._orders.loaded().home.run / notices.NAME, core.prepared.instance)
            if told is not None:
                log.warning("%s", told)

    def _stands_in_for(self) -> "tuple[type[StorageError], ...]":
        """The errors of a database that the sealed copy stands in for. Who starts the product is told of all others; workers that run
        already are not left alone for any.
        """
        from sekisho.storage.errors import StorageError, UnavailableError, UnreadableError

        return (UnavailableError, UnreadableError) if self._orders.first else (StorageError,)

    async def _keep_truth(self, core: "Core") -> None:
        """Have the sealed copy written, and watch over the database."""
        from sekisho.app.truth import ExchangedError

        if core.truth.prepared is not None:
            await core.truth.copy_all()
        try:
            await core.truth.keep()
        except ExchangedError as error:
            # To close the old database in order would delete the log of the new one, which has its name: go as if killed.
            log.error("the node ends and a new one opens what is there now: %s", error)
            await core.engine.close()
            os._exit(1)

    async def _obey(self, orders: asyncio.StreamReader) -> None:
        """Hear the supervisor until it is gone."""
        while line := await orders.readline():
            update = msgspec.json.decode(line, type=lifecycle.Update)
            assert self.core is not None
            self.core.publisher.expect(update.workers)
            if update.settings is not None:
                self._orders = msgspec.structs.replace(self._orders, settings=update.settings, origins=update.origins)
                self._system.reloaded(self._orders)
                logs.setup(update.settings.logs.level, update.settings.logs.loggers)
        if os.getppid() != self._orders.supervisor:
            # It was killed. Whoever starts anew waits for the home's lock, and nothing of ours but the limits needs an end in order.
            assert self.core is not None
            await self.core.publisher.close()
            os._exit(1)
        self._end.set()

    async def _open_doors(self, core: "Core") -> None:
        """Make the management API in a thread's time, open both doors, and say so."""
        from sekisho.app import build

        # The imports take a third of a second; the loop goes on serving the link beside them.
        services = await asyncio.to_thread(build.services, core, self._system)
        self._tasks.start(build.keep_audit(services, lambda: self._orders.settings.audit), "audit")
        self._tasks.start(build.keep_logins(services), "failed logins")
        self._tasks.start(build.keep_reading(core, services), "sums of long reports")
        local, tunnel = await asyncio.to_thread(build.applications, services)
        home = self._orders.loaded().home
        await self._sockets.open(home.node_socket, self._door(local, "door for the owner"))
        await self._sockets.open(home.tunnel_socket, self._door(tunnel, "door for the tunnel"))
        self.say(await self._welcome(core, services) if self._orders.first else lifecycle.Ready())
        # What lives from here on lives for good. To look at all of it takes the collector a tenth of a second: now, not amid a request.
        gc.collect()
        gc.freeze()

    def _door(self, app: "App", name: str) -> sockets.Serve:
        from sekisho.app import servers

        async def serve(bound: socket.socket) -> None:
            server = servers.make(app)
            self._doors.append((server, self._tasks.start(server.serve(sockets=[bound]), name)))

        return serve

    async def _welcome(self, core: "Core", services: "Services") -> lifecycle.Ready:
        """What only a first start has to tell."""
        from sekisho.app import build, welcome
        from sekisho.storage.errors import StorageError

        key = found = setup = None
        try:
            key = await build.first_key(services)
            setup = await build.setup_token(services)
            if core.prepared is not None and core.prepared.fresh and self._orders.settings.engines.detect:
                found = await welcome.register_engines(services)
        except StorageError as error:
            log.warning("no first key and no setup link were made: %s", error)
        return lifecycle.Ready(first_key=key.plain.reveal() if key else None, setup_token=setup.reveal() if setup else None, engines=found)

    def _gauges(self) -> lifecycle.Gauges:
        assert self.core is not None
        return self.core.gauges()

    async def _close_doors(self) -> None:
        from sekisho.app import servers

        for server, _ in self._doors:
            server.end()
        if self._doors:
            await asyncio.wait([task for _, task in self._doors], timeout=servers.GRACE_SECONDS + 1)

    def end(self) -> None:
        """End in order, as at the end of the orders."""
        self._end.set()


def _warn_of_the_library() -> None:
    from sekisho.storage.sqlite import library_may_corrupt_wal, library_version

    if library_may_corrupt_wal():
        log.warning(
            "this SQLite can damage a database that several connections write; Sekisho writes with one, let no other program write to it",
            extra={"sqlite": ".".join(map(str, library_version()))},
        )


async def _main(voice: int) -> int:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=MOST_ORDERS)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    line = await reader.readline()
    if not line:
        return 0
    orders = msgspec.json.decode(line, type=lifecycle.Orders)
    del line
    logs.setup(orders.settings.logs.level, orders.settings.logs.loggers)
    node = Node(orders, voice)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, node.end)
    from sekisho.app.build import StartError

    try:
        await node.run(reader)
    except (StartError, homes.HomeError) as error:
        node.say(lifecycle.Failed(str(error)))
        return 1
    return 1 if node.failure else 0


def _be_modest() -> None:
    """Recording and logins can wait a moment; a request cannot. Where they meet on one core, the workers go first."""
    os.nice(NICE)
    # Where Linux shares its cores out among sessions (autogroups), niceness counts only within one, and each child of the supervisor
    # has its own: there the session has to be nice. Elsewhere, and where one was changed a moment ago, there is nothing to write to.
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(NICE))


def main() -> int:
    """Be a node; the exit status for `sys.exit`."""
    _be_modest()
    # Whatever a library prints must not be taken for a saying.
    voice = os.dup(1)
    os.dup2(2, 1)
    return asyncio.run(_main(voice))


if __name__ == "__main__":
    sys.exit(main())
