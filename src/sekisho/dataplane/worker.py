"""The worker process: settings from standard input, snapshot from the link, requests from the inherited sockets.

`python -m sekisho.dataplane.worker`, started by the supervisor. The end of standard input means that the supervisor is gone: the
worker ends too. SIGTERM drains. A further line on standard input means that another worker has taken its place: it drains with patience.
"""

import asyncio
import contextlib
import gc
import logging
import os
import resource
import secrets
import signal
from email.utils import formatdate
from pathlib import Path
from typing import Final

import msgspec
import uvloop

from sekisho.core.model.snapshot import Catalog, Key
from sekisho.core.policy.access import Keys
from sekisho.core.wire import link as wire
from sekisho.dataplane import exchange
from sekisho.dataplane.connection import Serve
from sekisho.dataplane.contexts import Certificate
from sekisho.dataplane.drain import drain
from sekisho.dataplane.journal import Journal
from sekisho.dataplane.link import Link
from sekisho.dataplane.listener import TICK_S, Door
from sekisho.dataplane.openings import Openings, Order
from sekisho.dataplane.pressure import Pressure
from sekisho.dataplane.settings import Listener, WorkerSettings
from sekisho.dataplane.sharing import Sharing
from sekisho.dataplane.stages import Exchange, Plane
from sekisho.dataplane.tunnel import to_node
from sekisho.dataplane.upstream.pool import Pool
from sekisho.kit.clock import wall_ns
from sekisho.kit.net import AddressSet
from sekisho.kit.tasks import Tasks
from sekisho.kit.turn import Turn
from sekisho.telemetry import logs

PULSE_S: Final = 1.0
MARGIN_S: Final = 0.001
"""Behind the second, so that a timer that is early does not meet it twice."""
BESIDE: Final = "/gateway"
"""At the console's port the gateway's `/v1/...` is `/gateway/v1/...`."""
PATIENCE_S: Final = 1.0
"""How long a replaced worker leaves idle connections open: a client that is busy learns from its next answer that it has to connect anew,
which fails nothing, while a connection that is closed under a request just sent fails it."""
SNAPSHOT_WAIT_S: Final = 10.0
"""How long a new worker waits for its first snapshot before it serves without one (503 on calls, 200 on /health)."""

# Run as `__main__`, which would be nobody's child.
_log = logging.getLogger("sekisho.dataplane.worker")


class Worker:
    """One data-plane process."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._stopping = asyncio.Event()
        self._replaced = False
        self._ready = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._tasks = Tasks(_task_crashed)
        self._lag_us = 0
        bounds = settings.bounds
        self._boot = secrets.token_hex(8)
        journal = Journal(Path(settings.journal_directory), settings.worker, self._boot, settings.journal.segment_bytes)
        turn = Turn(self._loop.call_soon)
        pool = Pool(self._tasks, turn, self._loop.time, bounds.upstream_connections, bounds.upstream_idle_s)
        self._plane = Plane(
            boot=self._boot,
            worker=settings.worker,
            bounds=bounds,
            proxies=AddressSet(settings.trust.proxies) if settings.trust.proxies else None,
            journal=journal,
            drop_when_full=settings.journal.on_full == "drop",
            pool=pool,
            loop=self._loop,
            tasks=self._tasks,
            turn=turn,
        )
        hello = wire.Hello(settings.worker, self._boot, os.getpid())
        self._link = self._plane.link = Link(settings.link_path, hello, self._install, self._patch_keys, self._stopping.set)
        self._sharing = self._link.sharer = Sharing(self._plane.counters, self._link, self._loop)
        self._certificate = certificate = Certificate(settings.tls, self._loop.time) if settings.tls is not None else None
        console = _with_gateway(to_node(settings.tunnel_path, hsts=certificate is not None and certificate.hsts))
        self._alone = alone = settings.workers == 1
        self._doors = {
            "gateway": Door(self._plane, exchange.run, certificate, alone=alone),
            "console": Door(self._plane, console, certificate, alone=alone),
        }

    def _install(self, catalog: Catalog | None, keys: Keys | None) -> None:
        self._plane.install(catalog, keys)
        if not self._ready.is_set():
            # What lives from here on lives for good; the collector need not look at it again.
            gc.collect()
            gc.freeze()
            # Before the first request: whoever adds up what was done begins from here.
            self._tell_pulse()
            self._ready.set()

    def _patch_keys(self, keys: tuple[Key, ...], gone: tuple[bytes, ...]) -> None:
        self._plane.keys.patch(keys, gone)

    async def run(self) -> None:
        """Serve until told to stop."""
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._stopping.set)
        if self._certificate is not None:
            self._loop.add_signal_handler(signal.SIGHUP, self._certificate.reload)
        self._watch_supervisor()
        self._tasks.start(self._link.keep(), "link")
        self._tasks.start(self._tick(), "tick")
        self._tasks.start(self._pulse(), "pulse")
        Pressure(self._plane).start()
        # A worker that is told to end before it began must not hold the sockets: the next supervisor is waiting for the ports.
        first = [self._tasks.start(event.wait(), name) for event, name in ((self._ready, "first snapshot"), (self._stopping, "early end"))]
        await asyncio.wait(first, timeout=SNAPSHOT_WAIT_S, return_when=asyncio.FIRST_COMPLETED)
        if not self._stopping.is_set():
            if not self._ready.is_set():
                _log.warning("no configuration from the node yet; calls are answered with 503 until it comes")
            for listener in self._settings.listeners:
                await self._doors[listener.door].open(listener)
            if self._settings.doors_path:
                openings = Openings(self._settings.doors_path, self._tasks, self._open_door, self._close_door)
                self._tasks.start(openings.keep(), "openings")
        await self._stopping.wait()
        self._plane.draining = True
        patience = PATIENCE_S if self._replaced else 0.0
        whole = await drain(self._doors.values(), self._settings.bounds.drain_s, self._loop.time, patience)
        if not whole:
            _log.warning("the drain time is up; running calls were cut")
        self._sharing.tell()
        self._tell_pulse()
        await self._tasks.stop()
        self._plane.journal.close(wall_ns() // 1000)

    async def _open_door(self, order: Order, descriptor: int) -> None:
        """Serve calls on one more listener."""
        door = Door(self._plane, exchange.run, self._certificate, alone=self._alone)
        await door.open(Listener(descriptor, "gateway", order.scheme, order.port))
        self._doors[order.name] = door

    def _close_door(self, name: str) -> None:
        """Let go of its port at once; calls that came through it finish within the drain time."""
        door = self._doors.get(name)
        if door is None:
            return
        door.stop_accepting()
        # Another one may get the name meanwhile; this one's deadlines are kept until it is empty.
        self._doors[f"{name} {id(door)}"] = self._doors.pop(name)
        self._tasks.start(self._empty(f"{name} {id(door)}", door), "closing listener")

    async def _empty(self, name: str, door: Door) -> None:
        await drain((door,), self._settings.bounds.drain_s, self._loop.time)
        self._doors.pop(name, None)

    def _watch_supervisor(self) -> None:
        def readable() -> None:
            if os.read(0, 4096):
                self._replaced = True
            else:
                self._loop.remove_reader(0)
            self._stopping.set()

        os.set_blocking(0, False)
        self._loop.add_reader(0, readable)

    async def _tick(self) -> None:
        """Deadlines, four times a second; the date, idle connections and the journal's next segment, once."""
        plane = self._plane
        turn = 0
        expected = self._loop.time()
        while True:
            now = self._loop.time()
            self._lag_us = max(self._lag_us, int((now - expected) * 1e6))
            for door in tuple(self._doors.values()):
                door.check(now)
            if turn % 4 == 0:
                plane.refresh_date(formatdate(wall_ns() // 1_000_000_000, usegmt=True).encode())
                plane.pool.tend()
                plane.journal.tend()
                if self._certificate is not None:
                    self._certificate.tend()
            turn += 1
            expected = self._loop.time() + TICK_S
            await asyncio.sleep(TICK_S)

    async def _pulse(self) -> None:
        """Tell at the beginning of each second of the wall clock how far the totals are: what others add up is then of the same second."""
        while True:
            self._tell_pulse()
            await asyncio.sleep(PULSE_S - wall_ns() / 1e9 % PULSE_S + MARGIN_S)

    def _tell_pulse(self) -> None:
        plane = self._plane
        counters = plane.counters
        lag, self._lag_us = self._lag_us, 0
        self._link.pulse(
            wire.Pulse(
                at=wall_ns() // 1000,
                revision=self._link.revision,
                connections=counters.connections,
                in_flight=counters.in_flight,
                requests=counters.requests,
                refused=counters.refused,
                rss_bytes=_rss(),
                buffered_bytes=counters.buffered,
                upstream_connections=plane.pool.open,
                loop_lag_us=lag,
                calls=plane.calls,
                failed=counters.failed,
                journal_full=plane.journal.full,
                dropped=plane.journal.dropped,
            )
        )


def _with_gateway(to_node: Serve) -> Serve:
    """The console's door, with the gateway beside the node: the page makes calls at its own origin, with a key, as any client does."""
    calls = f"{BESIDE}/v1/"

    async def serve(x: Exchange, plane: Plane) -> None:
        head = x.head
        if head is not None and head.path.startswith(calls):
            head.path = head.path[len(BESIDE) :]
            await exchange.run(x, plane)
        else:
            await to_node(x, plane)

    return serve


def _rss() -> int:
    try:
        with open("/proc/self/statm", "rb") as statm:
            return int(statm.read().split()[1]) * resource.getpagesize()
    except OSError:
        # macOS: the peak, in bytes there.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _task_crashed(name: str, error: BaseException) -> None:
    _log.error("a background task crashed", exc_info=error, extra={"task": name})


def _read_settings() -> WorkerSettings:
    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(0, 65536)
        if not piece:
            raise SystemExit("sekisho worker: no settings on standard input; it is started by `sekisho serve`")
        line += piece
    return msgspec.json.decode(line, type=WorkerSettings)


def main() -> None:
    """The process's entry."""
    settings = _read_settings()
    logs.setup(settings.log_level)
    # Structs and bytes of the hot path hold no cycles; a young collection every 700 allocations would only look for them.
    gc.set_threshold(50_000, 20, 50)
    _take_descriptors()
    uvloop.run(_main(settings))


def _take_descriptors() -> None:
    """Raise the soft bound on descriptors to the hard one: the usual 1,024 is for programs that use `select`, and holds 448 clients."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Some systems have a hard bound that they refuse as a soft one; then all stays as it is.
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _main(settings: WorkerSettings) -> None:
    await Worker(settings).run()


if __name__ == "__main__":
    main()
