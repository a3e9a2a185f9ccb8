"""Accepting on a listening socket that all workers share, with a breath within a burst.

The loop accepts one connection a turn, and a turn takes some 50 µs: on a busy machine one worker has taken dozens before another one that
was woken with it comes to a processor. So a worker that takes many in a row lets go of the socket for a moment, and whoever waits comes to
the others. Breaths are few: under a steady rush, which spreads by itself, they cost next to nothing, and a worker that is alone takes
none (docs/decisions/0014).
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Final

from sekisho.kit.tasks import Tasks

IN_A_ROW: Final = 4
"""Connections that are taken before a breath."""
ROW_S: Final = 0.01
"""Later than this after the first of them it is no row any more."""
BREATH_S: Final = 0.002
MOST_BREATHS: Final = 20
"""In a second."""
AGAIN_S: Final = 0.05
"""Between two attempts to go on where there is no descriptor for it."""


class Acceptor:
    """One listening socket, until `close`. `make` gives the protocol of each client."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, tasks: Tasks, listening: socket.socket, backlog: int, make: Callable[[], asyncio.Protocol]
    ) -> None:
        self._loop = loop
        self._tasks = tasks
        self._listening = listening
        self._backlog = backlog
        self._make = make
        self._server: asyncio.Server | None = None
        self._taken = 0
        self._first_at = 0.0
        self._breaths = 0
        self._second = 0

    async def start(self, *, alone: bool) -> None:
        """Accept from now on; `alone` where no other worker has the same socket."""
        await self._serve(self._make if alone else self._make_in_turn)

    async def _serve(self, make: Callable[[], asyncio.Protocol]) -> None:
        # A copy: the loop closes what it serves together with its server.
        server = await self._loop.create_server(make, sock=self._listening.dup(), backlog=self._backlog)
        if self._listening.fileno() < 0:
            server.close()
        else:
            self._server = server

    def close(self) -> None:
        """Let go of the socket; what was accepted goes on. May be called twice."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self._listening.close()

    def _make_in_turn(self) -> asyncio.Protocol:
        now = self._loop.time()
        if now - self._first_at > ROW_S:
            self._first_at = now
            self._taken = 0
        self._taken += 1
        if self._taken == IN_A_ROW:
            self._loop.call_soon(self._breathe)
        return self._make()

    def _breathe(self) -> None:
        """Let go of the socket for a moment."""
        second = int(self._loop.time())
        if second != self._second:
            self._second, self._breaths = second, 0
        if self._server is None or self._breaths >= MOST_BREATHS:
            return
        self._breaths += 1
        self._server.close()
        self._server = None
        self._loop.call_later(BREATH_S, self._go_on)

    def _go_on(self) -> None:
        if self._listening.fileno() >= 0:
            self._tasks.start(self._serve_again(), "accepting again")

    async def _serve_again(self) -> None:
        self._first_at = 0.0
        try:
            await self._serve(self._make_in_turn)
        except OSError:
            # No descriptor is left for the copy; whoever comes waits, or is taken by another worker.
            self._loop.call_later(AGAIN_S, self._go_on)
