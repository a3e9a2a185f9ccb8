"""The supervisor: one small process that owns the listening sockets, the lock of the home, and two kinds of children.

A child that falls is replaced; the sockets stay open meanwhile, so connections wait instead of being refused. It decides nothing about
requests and imports nothing heavy: whatever happens to the others, this one has to go on.
"""

import asyncio
import contextlib
import errno
import logging
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, TextIO

import msgspec

from sekisho.app import compiled, homes, lifecycle, settings, welcome
from sekisho.dataplane.settings import Journal, Listener, WorkerSettings
from sekisho.kit import clock
from sekisho.kit.tasks import Tasks
from sekisho.telemetry import logs

log = logging.getLogger(__name__)

FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 10.0
"""Between restarts of a child that falls before it was ready; each pause is twice the one before."""
READY_SECONDS: Final = 15.0
"""How long a new worker may take at a reload; then the old ones stay."""
NODE_END_SECONDS: Final = 20.0
"""How long the node may take to record the rest and close."""
PORTS_TRIED: Final = 100
_BACKLOG: Final = 4096
_STDERR: Final = 2
"""Where a worker's standard output goes: ours is for results."""
_KEPT_FROM_CHILDREN: Final = ("SEKISHO_SECRET_KEY", "SEKISHO_DATABASE_URL", "SEKISHO_DATABASE__URL", "SEKISHO_API_KEY")
"""Variables that hold secrets; a child that needs one is told on its standard input."""


class StartError(Exception):
    """The start cannot go on; the text is one line that says what to do."""


class Commands(msgspec.Struct, frozen=True):
    """What the children are."""

    node: tuple[str, ...] = (sys.executable, "-m", "sekisho.app.node")
    worker: tuple[str, ...] = (sys.executable, "-P", "-m", "sekisho.dataplane.worker")


class Child:
    """A process of ours. Its standard input stays open: its end tells the child that we are gone."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.pid: Final = process.pid
        self.ready = asyncio.Event()

    def tell(self, line: bytes) -> None:
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.write(line + b"\n")

    def signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)

    async def end(self, seconds: float) -> None:
        """Wait for its end, and kill it where that does not come in time."""
        try:
            async with asyncio.timeout(seconds):
                await self.process.wait()
        except TimeoutError:
            log.warning("a process did not end in time and is killed", extra={"child": self.pid})
            self.signal(signal.SIGKILL)
            await self.process.wait()


class Pauses:
    """How long to wait before the next start of a child: not at all where it had worked, longer and longer where it never does."""

    def __init__(self) -> None:
        self._next = FIRST_PAUSE_S

    def after(self, *, was_ready: bool) -> float:
        if was_ready:
            self._next = FIRST_PAUSE_S
            return 0.0
        pause, self._next = self._next, min(self._next * 2, LONGEST_PAUSE_S)
        return pause


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
    ) -> None:
        self._loaded = loaded
        self._flags = flags
        self._sockets = sockets
        # Asked now: they are told to others after the sockets are closed, too.
        self._addresses: dict[str, tuple[str, int]] = {door: bound.getsockname()[:2] for door, bound in sockets.items()}
        self._lock = lock
        self._commands = commands
        self._out = out
        self._started_at = clock.SystemClock().now()
        self._tasks = Tasks(self._crashed)
        self._node: Child | None = None
        self._workers: dict[int, Child] = {}
        """By number: the ones that are to serve. Those that drain after a reload are not here."""
        self._draining: set[Child] = set()
        self._end = asyncio.Event()
        self._hurry = asyncio.Event()
        self._welcomed = False
        self._failure: str | None = None
        self._reloading = asyncio.Lock()

    async def run(self) -> int:
        """Start all, keep them, and end them in order; the exit status."""
        loop = asyncio.get_running_loop()
        for ending in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(ending, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        self._tasks.start(self._keep_node(), "node")
        for number in range(1, self._loaded.settings.workers.count + 1):
            self._tasks.start(self._keep_worker(number), f"worker {number}")
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
        while True:
            child = self._node = await self._start_node()
            await self._listen(child)
            status = await child.process.wait()
            if self._end.is_set():
                return
            if not self._welcomed:
                self._failure = self._failure or f"the node ended at its start ({_describe(status)}); what it wrote before says why"
                self._end.set()
                return
            log.error("the node fell; the workers go on, a new node is started", extra={"child": child.pid, "end": _describe(status)})
            await asyncio.sleep(pauses.after(was_ready=child.ready.is_set()))

    async def _start_node(self) -> Child:
        loaded = self._loaded
        orders = lifecycle.Orders(
            home=str(loaded.home.path),
            settings=loaded.settings,
            origins=loaded.origins,
            supervisor=os.getpid(),
            gateway_port=self._addresses["gateway"][1],
            console_port=self._addresses["console"][1],
            started_at=self._started_at,
            first=not self._welcomed,
            secret_key=loaded.secret_key,
            workers=self._serving(),
            flags=dict(self._flags),
        )
        # The lock lives as long as either of us.
        child = await _start(self._commands.node, pass_fds=(self._lock,), stdout=asyncio.subprocess.PIPE)
        child.tell(lifecycle.encode(orders))
        return child

    async def _listen(self, child: Child) -> None:
        """Hear a node until it ends."""
        assert child.process.stdout is not None
        while line := await child.process.stdout.readline():
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
                self._tell_workforce()
            case lifecycle.Reload():
                self._reload()
            case lifecycle.Stop():
                self._stop()

    def _serving(self) -> tuple[int, ...]:
        return tuple(
            child.pid for child in (*self._workers.values(), *self._draining) if child.ready.is_set() and child.process.returncode is None
        )

    def _tell_workforce(self) -> None:
        if self._node is not None:
            self._node.tell(lifecycle.encode(lifecycle.Update(self._serving())))

    def _print_banner(self, ready: lifecycle.Ready) -> None:
        text = welcome.banner(
            gateway=_url(*self._addresses["gateway"]),
            console=_url(*self._addresses["console"]),
            home=str(self._loaded.home.path),
            first_key=ready.first_key,
            engines=ready.engines,
        )
        with contextlib.suppress(OSError):
            self._out.write(text + "\n")
            self._out.flush()

    # Workers.

    async def _keep_worker(self, number: int) -> None:
        pauses = Pauses()
        child = self._workers[number] = await self._start_worker(number)
        while True:
            status = await child.process.wait()
            if self._end.is_set():
                return
            if self._workers[number] is not child:
                # A reload put another one in its place, and ends this one by itself.
                child = self._workers[number]
                continue
            self._tell_workforce()
            log.error("a worker fell; a new one is started", extra={"worker": number, "child": child.pid, "end": _describe(status)})
            await asyncio.sleep(pauses.after(was_ready=child.ready.is_set()))
            if self._end.is_set():
                return
            child = self._workers[number] = await self._start_worker(number)

    async def _start_worker(self, number: int) -> Child:
        home, configured = self._loaded.home, self._loaded.settings
        orders = WorkerSettings(
            worker=number,
            journal_directory=str(home.journal),
            link_path=str(home.link_socket),
            tunnel_path=str(home.tunnel_socket),
            listeners=tuple(Listener(bound.fileno(), door) for door, bound in self._sockets.items()),
            bounds=configured.bounds,
            trust=configured.trust,
            journal=Journal(segment_bytes=configured.journal.segment_bytes, on_full=configured.journal.on_full),
            log_level=configured.logs.level,
        )
        descriptors = tuple(bound.fileno() for bound in self._sockets.values())
        child = await _start(self._commands.worker, pass_fds=descriptors, stdout=_STDERR, fast=compiled.ready())
        child.tell(lifecycle.encode(orders))
        return child

    # Reload.

    def _reload(self) -> None:
        self._tasks.start(self._replace_workers(), "reload")

    async def _replace_workers(self) -> None:
        """Read the settings again; let new workers take the sockets, and only then the old ones drain. What fails changes nothing."""
        async with self._reloading:
            before = self._loaded
            try:
                read = settings.load(self._flags)
            except settings.SettingsError as error:
                log.error("nothing is reloaded: %s", error)
                return
            # Places and ports are bound to this life; they change with the next start.
            kept = {name: getattr(before.settings, name) for name in ("gateway", "console", "workers", "database", "engines")}
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
            await self._drain(old)
            self._draining.difference_update(old)
            self._tell_workforce()

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
        ended = self._tasks.start(child.process.wait(), f"end {child.pid}")
        try:
            await asyncio.wait((ready, ended), return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
            ended.cancel()
        return child.ready.is_set()

    # The end.

    async def _drain(self, workers: Sequence[Child]) -> None:
        """Let workers finish what runs, within the bound of the settings and a little more for their own end; at once where it hurries."""
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
        await self._drain([*self._workers.values(), *self._draining])
        if self._node is not None:
            assert self._node.process.stdin is not None
            self._node.process.stdin.close()
            await self._node.end(NODE_END_SECONDS)
        await self._tasks.stop()


async def _start(command: Sequence[str], *, pass_fds: tuple[int, ...], stdout: int, fast: Path | None = None) -> Child:
    environment = {name: value for name, value in os.environ.items() if name not in _KEPT_FROM_CHILDREN}
    if fast is not None:
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(fast), environment.get("PYTHONPATH"))))
    # A session of its own: an interrupt at the terminal is ours to pass on, in order.
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=stdout,
        pass_fds=pass_fds,
        start_new_session=True,
        env=environment,
    )
    return Child(process)


def _describe(status: int) -> str:
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"


def _url(host: str, port: int) -> str:
    """How a client on this host reaches a listening socket."""
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def bind(door: str, host: str, port: int, taken: Sequence[int] = ()) -> socket.socket:
    """A listening socket for a door; raises StartError that offers the next free port where this one is taken."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (OSError, UnicodeError) as error:
        flag = settings.FLAGS[f"{door}.host"]
        raise StartError(f"{door}.host: {host!r} is no address of this machine ({error}); choose one with {flag}") from error
    bound = socket.socket(family, kind, protocol)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(address)
        bound.listen(_BACKLOG)
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            raise StartError(_in_use(door, host, port, taken)) from error
        reason = error.strerror or str(error)
        remedy = f"choose an address of this machine with {settings.FLAGS[f'{door}.host']}"
        if error.errno == errno.EACCES:
            remedy = f"ports below 1024 need a right that this user lacks, choose another with {settings.FLAGS[f'{door}.port']}"
        raise StartError(f"cannot listen on {host} port {port}: {reason}; {remedy}") from error
    bound.setblocking(False)
    return bound


def _in_use(door: str, host: str, port: int, taken: Sequence[int]) -> str:
    flag = settings.FLAGS[f"{door}.port"]
    for other in range(port + 1, min(port + PORTS_TRIED, 65536)):
        if other not in taken:
            with contextlib.suppress(StartError), contextlib.closing(_probe(door, host, other)):
                return f"port {port} is in use; {other} is free: {flag} {other}"
    return f"port {port} is in use; choose a free one with {flag}"


def _probe(door: str, host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    probed = socket.socket(family, kind, protocol)
    try:
        probed.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probed.bind(address)
    except OSError as error:
        probed.close()
        raise StartError(f"{door}: port {port} is not free") from error
    return probed


def complain(message: str) -> None:
    """Say in one line why nothing started."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"sekisho: {message}\n")
        sys.stderr.flush()


def run(flags: Mapping[str, str] | None = None, *, commands: Commands | None = None, out: TextIO | None = None) -> int:
    """Serve until told to stop; the exit status. Settings come from file, environment and `flags` (dotted names)."""
    os.umask(0o077)
    try:
        loaded = settings.load(flags)
        logs.setup(loaded.settings.logs.level, loaded.settings.logs.loggers)
        loaded.home.create()
        with loaded.home.locked() as lock, contextlib.ExitStack() as stack:
            gateway, console = loaded.settings.gateway, loaded.settings.console
            sockets = {
                "gateway": stack.enter_context(contextlib.closing(bind("gateway", gateway.host, gateway.port, (console.port,)))),
                "console": stack.enter_context(contextlib.closing(bind("console", console.host, console.port, (gateway.port,)))),
            }
            return asyncio.run(Supervisor(loaded, flags or {}, sockets, lock, commands or Commands(), out or sys.stdout).run())
    except (settings.SettingsError, homes.HomeError, StartError) as error:
        complain(str(error))
        return 1
