"""Listeners that are opened and closed while the worker runs: the supervisor binds them and hands the sockets over a Unix socket.

One order at a time, each answered by one line. A worker that was away asks again, and hears of all that are open.
"""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from sekisho.kit.tasks import Tasks

AGAIN_S: Final = 0.5
"""Pause before the supervisor is asked again."""
MOST_ORDER_BYTES: Final = 16 * 1024

_log = logging.getLogger(__name__)


class Hello(msgspec.Struct, frozen=True):
    """The first line of a worker."""

    pid: int
    do: str = "serve"


class Order(msgspec.Struct, frozen=True):
    """What the supervisor wants; with `open` comes the descriptor."""

    do: str
    """`open` or `close`."""
    name: str
    scheme: str = "http"
    port: int = 0


class Done(msgspec.Struct, frozen=True):
    """The answer: empty where it was done, else what was wrong."""

    error: str = ""


class Openings:
    """The worker's side."""

    def __init__(
        self,
        path: str,
        tasks: Tasks,
        open_: Callable[[Order, int], Awaitable[None]],
        close: Callable[[str], None],
    ) -> None:
        self._path = path
        self._tasks = tasks
        self._open = open_
        self._close = close
        self._known: set[str] = set()

    async def keep(self) -> None:
        """Take orders for as long as the worker serves. Never returns."""
        while True:
            with contextlib.suppress(OSError):
                await self._listen()
            await asyncio.sleep(AGAIN_S)

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.setblocking(False)
            await loop.sock_connect(line, self._path)
            line.send(msgspec.json.encode(Hello(os.getpid())) + b"\n")
            arrived = asyncio.Event()
            loop.add_reader(line.fileno(), arrived.set)
            try:
                while True:
                    await arrived.wait()
                    arrived.clear()
                    try:
                        data, descriptors, _, _ = socket.recv_fds(line, MOST_ORDER_BYTES, 1)
                    except BlockingIOError:
                        # The loop may tell of one arrival twice.
                        continue
                    if not data:
                        return
                    error = await self._obey(data, descriptors)
                    line.send(msgspec.json.encode(Done(error)) + b"\n")
            finally:
                loop.remove_reader(line.fileno())

    async def _obey(self, data: bytes, descriptors: list[int]) -> str:
        try:
            order = msgspec.json.decode(data, type=Order)
            if order.do == "close":
                self._known.discard(order.name)
                self._close(order.name)
            elif order.name not in self._known:
                # The server owns it from here on.
                await self._open(order, descriptors.pop())
                self._known.add(order.name)
        except (OSError, IndexError, msgspec.MsgspecError) as error:
            _log.error("a listener is not served: %s", error)
            return str(error)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        return ""
