"""The supervisor: one small process that owns the listening sockets, the lock of the home, and two kinds of children.

A child that falls is replaced; the sockets stay open meanwhile, so connections wait instead of being refused. It decides nothing about
requests and imports nothing heavy: whatever happens to the others, this one has to go on. Where the package on disk was replaced, a reload
replaces the supervisor too (`handover.py`).
"""

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from typing import Final, TextIO

import msgspec

from sekisho.app import compiled, doors, handover, lifecycle, orders, ports, settings, welcome
from sekisho.app.children import Adopted, Child, Pauses, Started, described, start
from sekisho.app.openings import Openings
from sekisho.certs.settings import MADE
from sekisho.kit import clock
from sekisho.kit.tasks import Tasks
from sekisho.telemetry import logs

log = logging.getLogger(__name__)

READY_SECONDS: Final = 15.0
"""How long a new worker may take at a reload; then the old ones stay."""
NODE_END_SECONDS: Final = 20.0
"""How long the node may take to record the rest and close."""
RENEWAL_SECONDS: Final = 12 * 3600.0
"""Between two looks whether the certificate of our making is due."""
_STDERR: Final = 2
"""Where a worker's standard output goes: ours is for results."""


class Commands(msgspec.Struct, frozen=True):
    """What the children are."""

    node: tuple[str, ...] = (sys.executable, "-m", "sekisho.app.node")
    worker: tuple[str, ...] = (sys.executable, "-P", "-m", "sekisho.dataplane.worker")


class Supervisor:
    """One life of the product on this host."""

    def __init__(
        self,
        loaded: settings.Loaded,
        flags: Mapping[str, str],
        sockets: Mapping[str, socket.socket],
        lock: int,
        commands: Commands,
        out: TextIO,
        before: handover.Handover | None = None,
    ) -> None:
        self._loaded = loaded
        self._flags = flags
        self._sockets = sockets
        self._plan = doors.planned(loaded.settings)
        # Asked now: they are told to others after the sockets are closed, too.
        self._addresses: dict[str, tuple[str, int]] = {name: bound.getsockname()[:2] for name, bound in sockets.items()}
        self._openings = Openings(loaded.home.doors_socket, lambda host, port: ports.bind("gateway", host, port))
        self._openings.adopt(before.openings if before is not None else ())
        self._lock = lock
        self._commands = commands
        self._out = out
        self._started_at = before.started_at if before is not None else clock.SystemClock().now()
        self._print = handover.fingerprint()
        self._tasks = Tasks(self._crashed)
        self._node: Child | None = None
        self._workers: dict[int, Child] = {}
        """By number: the ones that are to serve. Those that drain after a reload are not here."""
        self._draining: set[Child] = set()
        self._end = asyncio.Event()
        self._hurry = asyncio.Event()
        self._welcomed = before is not None
        self._failure: str | None = None
        self._reloading = asyncio.Lock()
        self._node_stands = asyncio.Event()
        """Whether there was a node of ours with open doors."""
        self._moved = asyncio.Event()
        """A worker became ready."""
        self._old_node = Adopted(before.node.pid, before.node.line) if before is not None and before.node is not None else None
        self._old_workers: list[Child] = [Adopted(each.pid, each.line) for each in before.workers] if before is not None else []
        """Of the supervisor before us: they serve until ours are ready."""
        self._draining.update(self._old_workers)

    async def run(self) -> int:
        """Start all, keep them, and end them in order; the exit status."""
        loop = asyncio.get_running_loop()
        for ending in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(ending, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        handover.hear_signals()
        self._tasks.start(self._keep_node(), "node")
        self._openings.start()
        for number in range(1, self._loaded.settings.workers.count + 1):
            self._tasks.start(self._keep_worker(number), f"worker {number}")
        if self._old_workers:
            self._tasks.start(self._succeed(), "succession")
        if self._loaded.settings.tls.mode in MADE:
            self._tasks.start(self._keep_certificate(), "certificate")
        await self._end.wait()
        await self._end_children()
        if self._failure is not None:
            complain(self._failure)
            return 1
        return 0

    def _crashed(self, name: str, error: BaseException) -> None:
        log.error("the supervisor ends, a part of it fell", extra={"part": name}, exc_info=error)
        self._failure = self._failure or f"{name}: {error}"
        self._end.set()

    def _stop(self) -> None:
        """Drain and end; asked a second time, do not wait."""
        if self._end.is_set():
            self._hurry.set()
        self._end.set()

    # The node.

    async def _keep_node(self) -> None:
        pauses = Pauses()
        if self._old_node is not None:
            self._old_node.let_go()
            await self._old_node.end(NODE_END_SECONDS)
        while True:
            child = self._node = await self._start_node()
            await self._listen(child)
            status = await child.wait()
            if self._end.is_set():
                return
            if not self._welcomed and status != -signal.SIGKILL:
                self._failure = self._failure or f"the node ended at its start ({described(status)}); what it wrote before says why"
                self._end.set()
                return
            log.error("the node fell; the workers go on, a new node is started", extra={"child": child.pid, "end": described(status)})
            await asyncio.sleep(pauses.after(was_ready=child.ready.is_set()))

    async def _start_node(self) -> Started:
        told = orders.of_node(
            self._loaded, self._plan, self._addresses, self._flags, self._serving(), self._started_at, first=not self._welcomed
        )
        # The lock lives as long as either of us.
        child = await start(self._commands.node, pass_fds=(self._lock,), stdout=asyncio.subprocess.PIPE)
        child.tell(lifecycle.encode(told))
        return child

    async def _listen(self, child: Started) -> None:
        """Hear a node until it ends."""
        while line := await child.hear():
            try:
                saying = lifecycle.decode_saying(line)
            except msgspec.MsgspecError:
                log.warning("the node said what is no saying", extra={"line": line[:200].decode(errors="backslashreplace")})
                continue
            self._hear(child, saying)

    def _hear(self, child: Child, saying: lifecycle.Saying) -> None:
        match saying:
            case lifecycle.Ready():
                child.ready.set()
                self._node_stands.set()
                if not self._welcomed:
                    self._welcomed = True
                    self._print_banner(saying)
            case lifecycle.Failed(message=message):
                if self._welcomed:
                    log.error("the new node cannot start: %s", message)
                else:
                    self._failure = message
                    self._end.set()
            case lifecycle.WorkerReady(pid=pid):
                for worker in (*self._workers.values(), *self._draining):
                    if worker.pid == pid:
                        worker.ready.set()
                self._moved.set()
                self._tell_workforce()
            case lifecycle.Reload():
                self._reload()
            case lifecycle.Stop():
                self._stop()

    def _serving(self) -> tuple[int, ...]:
        return tuple(child.pid for child in (*self._workers.values(), *self._draining) if child.ready.is_set() and not child.ended)

    def _tell_workforce(self) -> None:
        if self._node is not None:
            self._node.tell(lifecycle.encode(lifecycle.Update(self._serving())))

    def _print_banner(self, ready: lifecycle.Ready) -> None:
        told = doors.told(self._plan, self._addresses)
        text = welcome.banner(
            gateway=doors.shown(told, doors.GATEWAY),
            console=doors.shown(told, doors.CONSOLE),
            root=doors.root(self._loaded),
            home=str(self._loaded.home.path),
            first_key=ready.first_key,
            setup_token=ready.setup_token,
            engines=ready.engines,
        )
        with contextlib.suppress(OSError):
            self._out.write(text + "\n")
            self._out.flush()

    # Workers.

    async def _keep_worker(self, number: int) -> None:
        pauses = Pauses()
        if self._old_workers:
            # They serve as long as it takes; a new one would answer that it has no configuration.
            await self._node_stands.wait()
        child = self._workers[number] = await self._start_worker(number)
        while True:
            status = await child.wait()
            if self._end.is_set():
                return
            if self._workers[number] is not child:
                # A reload put another one in its place, and ends this one by itself.
                child = self._workers[number]
                continue
            self._tell_workforce()
            log.error("a worker fell; a new one is started", extra={"worker": number, "child": child.pid, "end": described(status)})
            await asyncio.sleep(pauses.after(was_ready=child.ready.is_set()))
            if self._end.is_set():
                return
            child = self._workers[number] = await self._start_worker(number)

    async def _start_worker(self, number: int) -> Child:
        descriptors = tuple(bound.fileno() for bound in self._sockets.values())
        child = await start(self._commands.worker, pass_fds=descriptors, stdout=_STDERR, fast=compiled.ready())
        child.tell(lifecycle.encode(orders.of_worker(number, self._loaded, self._plan, self._sockets)))
        return child

    async def _keep_certificate(self) -> None:
        """Renew the certificate of our making before its end; the workers see the new file by themselves."""
        while True:
            await asyncio.sleep(RENEWAL_SECONDS)
            try:
                await asyncio.to_thread(doors.prepare, self._loaded)
            except doors.DoorError as error:
                log.error("the certificate is not renewed: %s", error)

    # Reload.

    def _reload(self) -> None:
        self._tasks.start(self._replace_workers(), "reload")

    async def _replace_workers(self) -> None:
        """Read the settings again; let new workers take the sockets, and only then the old ones drain. What fails changes nothing."""
        async with self._reloading:
            before = self._loaded
            if self._old_workers:
                log.error("nothing is reloaded: the workers of the package before are still being replaced")
                return
            if handover.fingerprint() != self._print:
                await self._hand_over()
                return
            try:
                read = settings.load(self._flags)
                await asyncio.to_thread(doors.prepare, before)
            except (settings.SettingsError, doors.DoorError) as error:
                log.error("nothing is reloaded: %s", error)
                return
            # Places and ports are bound to this life; they change with the next start.
            kept = {name: getattr(before.settings, name) for name in ("gateway", "console", "tls", "workers", "database", "engines")}
            self._loaded = msgspec.structs.replace(read, settings=msgspec.structs.replace(read.settings, **kept), home=before.home)
            logs.setup(self._loaded.settings.logs.level, self._loaded.settings.logs.loggers)
            fresh = {number: await self._start_worker(number) for number in self._workers}
            if not await self._all_ready(fresh):
                log.error("nothing is reloaded: the new workers did not become ready; the old ones go on")
                self._loaded = before
                await self._drain(list(fresh.values()))
                return
            old = list(self._workers.values())
            self._workers.update(fresh)
            self._draining.update(old)
            if self._node is not None:
                self._node.tell(lifecycle.encode(lifecycle.Update(self._serving(), self._loaded.settings, self._loaded.origins)))
            log.info(
                "new workers serve with the settings on disk; the old ones drain", extra={"workers": [each.pid for each in fresh.values()]}
            )
            await self._retire(old)

    async def _retire(self, old: Sequence[Child]) -> None:
        """Let replaced workers finish what runs, clients on idle connections included."""
        for child in old:
            child.tell(b"replaced")
        await self._drain(old, gently=True)
        self._draining.difference_update(old)
        self._tell_workforce()

    async def _hand_over(self) -> None:
        """Become the package that is on disk now, if it can serve. Returns only where it cannot."""
        try:
            await handover.rehearse(self._flags, tuple(self._sockets))
        except handover.HandoverError as error:
            log.error("nothing is reloaded: the package on disk was replaced, and cannot take over: %s", error)
            return
        if self._end.is_set():
            return
        log.info("the package on disk was replaced; the supervisor goes on as the new one")
        workers = [child for child in (*self._workers.values(), *self._draining) if not child.ended]
        try:
            handover.give(
                handover.Handover(
                    sockets={name: bound.fileno() for name, bound in self._sockets.items()},
                    lock=self._lock,
                    node=handover.Kept(self._node.pid, self._node.line()) if self._node is not None and not self._node.ended else None,
                    workers=tuple(handover.Kept(child.pid, child.line()) for child in workers),
                    started_at=self._started_at,
                    openings=self._openings.kept(),
                )
            )
        except OSError as error:
            log.error("nothing is reloaded: the new package could not be executed: %s", error)

    async def _succeed(self) -> None:
        """Once all our workers are ready, those of the supervisor before us drain."""
        while len(self._serving()) - len(self._old_workers_left()) < self._loaded.settings.workers.count:
            self._moved.clear()
            await self._moved.wait()
        old, self._old_workers = self._old_workers, []
        log.info(
            "new workers of the new package serve; the old ones drain", extra={"workers": [each.pid for each in self._workers.values()]}
        )
        await self._retire(old)

    def _old_workers_left(self) -> list[Child]:
        return [child for child in self._old_workers if not child.ended]

    async def _all_ready(self, fresh: Mapping[int, Child]) -> bool:
        self._draining.update(fresh.values())
        try:
            async with asyncio.timeout(READY_SECONDS):
                return all([await self._is_ready(child) for child in fresh.values()])
        except TimeoutError:
            return False
        finally:
            self._draining.difference_update(fresh.values())

    async def _is_ready(self, child: Child) -> bool:
        """Wait until a child is ready, or has ended before it was."""
        ready = self._tasks.start(child.ready.wait(), f"ready {child.pid}")
        ended = self._tasks.start(child.wait(), f"end {child.pid}")
        try:
            await asyncio.wait((ready, ended), return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
            ended.cancel()
        return child.ready.is_set()

    # The end.

    async def _drain(self, workers: Sequence[Child], *, gently: bool = False) -> None:
        """Let workers finish what runs, within the bound of the settings and a little more for their own end; at once where it hurries.

        With `gently` they have been told already.
        """
        if not gently:
            for child in workers:
                child.signal(signal.SIGTERM)
        ends = asyncio.gather(*(child.end(self._loaded.settings.bounds.drain_s + 2.0) for child in workers))
        hurry = self._tasks.start(self._hurry.wait(), "hurry")
        await asyncio.wait((ends, hurry), return_when=asyncio.FIRST_COMPLETED)
        if not ends.done():
            for child in workers:
                child.signal(signal.SIGKILL)
        await ends
        hurry.cancel()

    async def _end_children(self) -> None:
        """Workers first: the node is there until the last of their records is written."""
        if self._failure is not None:
            self._hurry.set()
        for bound in self._sockets.values():
            bound.close()
        await self._openings.close()
        await self._drain([*self._workers.values(), *self._draining])
        if self._node is not None:
            self._node.let_go()
            await self._node.end(NODE_END_SECONDS)
        await self._tasks.stop()


def complain(message: str) -> None:
    """Say in one line why nothing started."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"sekisho: {message}\n")
        sys.stderr.flush()
