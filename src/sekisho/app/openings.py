"""Listeners beside those of the settings, opened and closed while the product runs: bound here, served by every worker.

The supervisor listens on a Unix socket of the home. The node gives it commands there, and each worker comes for its orders; sockets
travel as descriptors. What is opened here lives as long as the supervisor: the settings are the place for what is to come back.
"""

import asyncio
import contextlib
import logging
import re
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from sekisho.app import homes
from sekisho.app.doors import Told
from sekisho.app.handover import Opening
from sekisho.dataplane.openings import Done, Order
from sekisho.kit.tasks import Tasks

log = logging.getLogger(__name__)

WORKER_SECONDS: Final = 2.0
"""How long a worker may take to open or close a listener; then the answer names it."""
COMMAND_SECONDS: Final = 10.0
ACCEPT_PAUSE_S: Final = 0.2
MOST_LINE: Final = 64 * 1024
MOST_OPENINGS: Final = 64
NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}\Z")
RESERVED: Final = ("gateway", "console", "gateway-https")

Bind = Callable[[str, int], socket.socket]
"""Makes a listening socket; raises OSError or an error of the supervisor's, whose text is for people."""


class Ask(msgspec.Struct, frozen=True):
    """A command of the node, or a worker's word that it is there (`serve`)."""

    do: str
    """`open`, `close`, `list` or `serve`."""
    name: str = ""
    scheme: str = "http"
    host: str = ""
    port: int = 0
    pid: int = 0


class Answer(msgspec.Struct, frozen=True):
    """What became of it."""

    error: str = ""
    code: str = ""
    param: str | None = None
    listeners: tuple[Told, ...] = ()
    """With `list` all that are open, with `open` the new one."""
    warnings: tuple[str, ...] = ()


class OpeningsError(Exception):
    """The supervisor cannot be asked."""


class _Worker:
    """One worker that takes orders."""

    def __init__(self, line: socket.socket, pid: int) -> None:
        self._line = line
        self.pid = pid
        self._answer: asyncio.Future[Done] | None = None
        self._turn = asyncio.Lock()

    async def tell(self, order: Order, descriptor: int | None = None) -> str:
        """Give an order and wait for its answer; what is wrong, or nothing."""
        async with self._turn:
            self._answer = asyncio.get_running_loop().create_future()
            try:
                socket.send_fds(self._line, [msgspec.json.encode(order) + b"\n"], [] if descriptor is None else [descriptor])
                async with asyncio.timeout(WORKER_SECONDS):
                    error = (await self._answer).error
            except (OSError, TimeoutError):
                return f"worker {self.pid} has not answered yet"
            return f"worker {self.pid}: {error}" if error else ""

    def heard(self, line: bytes) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(msgspec.json.decode(line, type=Done))


class Openings:
    """The supervisor's side."""

    def __init__(self, path: Path, bind: Bind) -> None:
        self._path = path
        self._bind = bind
        # Its own: what falls here must not take the supervisor with it.
        self._tasks = Tasks(lambda name, error: log.error("a part of the listeners fell", extra={"part": name}, exc_info=error))
        self._open: dict[str, tuple[Told, socket.socket]] = {}
        self._workers: set[_Worker] = set()
        self._one_by_one = asyncio.Lock()

    def start(self) -> None:
        """Take commands and give orders from now on."""
        self._tasks.start(self._serve(), "listeners")

    async def _serve(self) -> None:
        try:
            bound = homes.bind_socket(self._path)
        except homes.HomeError as error:
            log.error("no listeners can be opened while the product runs: %s", error)
            return
        loop = asyncio.get_running_loop()
        with bound:
            while True:
                try:
                    line, _ = await loop.sock_accept(bound)
                except OSError:
                    # No descriptor is left: those who ask wait.
                    await asyncio.sleep(ACCEPT_PAUSE_S)
                    continue
                line.setblocking(False)
                self._tasks.start(self._meet(line), "listeners")

    async def _meet(self, line: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=line, limit=MOST_LINE)
        try:
            with contextlib.suppress(OSError, msgspec.MsgspecError, ValueError):
                first = await reader.readline()
                if not first:
                    return
                ask = msgspec.json.decode(first, type=Ask)
                if ask.do == "serve":
                    await self._lead(_Worker(line, ask.pid), reader)
                else:
                    writer.write(msgspec.json.encode(await self._do(ask)) + b"\n")
                    await writer.drain()
        finally:
            writer.close()

    async def _lead(self, worker: _Worker, reader: asyncio.StreamReader) -> None:
        """Hear a worker until it is gone; at first it is told of all that is open."""
        self._workers.add(worker)
        told = self._tasks.start(self._tell_all(worker), "openings of a worker")
        try:
            while line := await reader.readline():
                worker.heard(line)
        finally:
            self._workers.discard(worker)
            told.cancel()

    async def _tell_all(self, worker: _Worker) -> None:
        for told, bound in list(self._open.values()):
            await worker.tell(Order("open", told.name, told.scheme, told.port), bound.fileno())

    async def _do(self, ask: Ask) -> Answer:
        async with self._one_by_one:
            match ask.do:
                case "open":
                    return await self._add(ask)
                case "close":
                    return await self._remove(ask.name)
                case _:
                    return Answer(listeners=tuple(told for told, _ in self._open.values()))

    async def _add(self, ask: Ask) -> Answer:
        if not NAME.match(ask.name) or ask.name in RESERVED:
            return Answer(f"{ask.name!r} is no name for a listener; write small letters, digits and hyphens", "invalid_value", "name")
        if ask.name in self._open:
            return Answer(f"a listener {ask.name} is open already; stop it first, or choose another name", "name_taken", "name")
        if len(self._open) >= MOST_OPENINGS:
            return Answer(f"{MOST_OPENINGS} listeners are open already; stop one first", "too_many_listeners")
        try:
            bound = self._bind(ask.host, ask.port)
        except Exception as error:
            return Answer(str(error), "address_unavailable", "port")
        told = Told(ask.name, "gateway", ask.scheme, ask.host, int(bound.getsockname()[1]))
        self._open[ask.name] = told, bound
        log.info("a listener is open", extra={"listener": told.name, "host": told.host, "port": told.port})
        order = Order("open", told.name, told.scheme, told.port)
        return Answer(listeners=(told,), warnings=await self._tell(order, bound.fileno()))

    async def _remove(self, name: str) -> Answer:
        found = self._open.pop(name, None)
        if found is None:
            return Answer(f"there is no listener {name!r} that was started here; see: sekisho proxy status", "listener_not_found")
        told, bound = found
        bound.close()
        log.info("a listener is closed", extra={"listener": name})
        return Answer(listeners=(told,), warnings=await self._tell(Order("close", name)))

    async def _tell(self, order: Order, descriptor: int | None = None) -> tuple[str, ...]:
        """Tell every worker at once; what they have to say against it."""
        said = await asyncio.gather(*(worker.tell(order, descriptor) for worker in list(self._workers)))
        return tuple(each for each in said if each)

    def kept(self) -> tuple[Opening, ...]:
        """All that is open, for the program that comes after us."""
        return tuple(Opening(told.name, told.scheme, told.host, bound.fileno()) for told, bound in self._open.values())

    def adopt(self, kept: Sequence[Opening]) -> None:
        """Go on with what the program before us had open."""
        for each in kept:
            bound = socket.socket(fileno=each.descriptor)
            self._open[each.name] = Told(each.name, "gateway", each.scheme, each.host, int(bound.getsockname()[1])), bound

    async def close(self) -> None:
        """Let go of every socket, and take no more commands."""
        for _, bound in self._open.values():
            bound.close()
        self._open.clear()
        await self._tasks.stop()


async def command(path: Path, ask: Ask) -> Answer:
    """Ask the supervisor of a home; raises OpeningsError where it does not answer."""
    try:
        async with asyncio.timeout(COMMAND_SECONDS):
            reader, writer = await asyncio.open_unix_connection(str(path), limit=MOST_LINE)
            try:
                writer.write(msgspec.json.encode(ask) + b"\n")
                line = await reader.readline()
            finally:
                writer.close()
            return msgspec.json.decode(line, type=Answer)
    except (OSError, TimeoutError, msgspec.MsgspecError, ValueError) as error:
        raise OpeningsError(f"the supervisor does not answer ({error or type(error).__name__}); see its log") from error
