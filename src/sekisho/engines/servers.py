"""One model's server through all its lives: asleep until the first use, awake, and up again by itself when it falls.

    asleep ──wake──► starting ──► awake ──falls──► starting …
       ▲                │                             │
       └── refused ◄────┴── cannot be loaded, or fell too often

One task leads a server from `starting` on and is the only one that changes it; everyone else waits for the outcome of an attempt.
"""

import asyncio
import enum
import logging
import math
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from sekisho.core.ports import EngineError
from sekisho.engines.processes import Order, Process
from sekisho.kit.clock import Clock
from sekisho.kit.tasks import Tasks

DELAYS: Final = (0.0, 0.5, 1.0, 2.0, 4.0)
"""Seconds before a start after the first, second, ... fall in a row; after the last one it is not tried again until it is used."""
STEADY_SECONDS: Final = 60.0
"""Who stayed up so long falls for the first time."""
REFUSE_SECONDS: Final = 5.0
"""How long after a failed start the same answer is given without a try, so that clients cannot keep the machine busy with it."""

_STOPPED: Final = "the model was stopped while it was asked for; ask again"

log = logging.getLogger(__name__)

Starter = Callable[[Order, Tasks], Awaitable[Process]]


class Phase(enum.Enum):
    """Where a server stands."""

    ASLEEP = "asleep"
    STARTING = "starting"
    AWAKE = "awake"
    REFUSED = "refused"


class State(msgspec.Struct, frozen=True):
    """What can be told of one server."""

    model: str
    phase: Phase
    pid: int | None
    falls: int
    """How often it ended by itself since the node started."""
    last_error: str
    """In words for people; empty where nothing was wrong yet."""


class _Attempt:
    """What those who wait for a start wait for."""

    def __init__(self) -> None:
        self.over = asyncio.Event()
        self.failure = ""


class Server:
    """The server of one model; see the module."""

    def __init__(
        self, order: Order, *, tasks: Tasks, clock: Clock, on_change: Callable[[], Awaitable[None]], start: Starter = Process.start
    ) -> None:
        self._order = order
        self._tasks = tasks
        self._clock = clock
        self._on_change = on_change
        self._start = start
        self._process: Process | None = None
        self._leader: asyncio.Task[None] | None = None
        self._attempt = _Attempt()
        self._refused_until = -math.inf
        self._last_error = ""
        self._falls = 0

    @property
    def process(self) -> Process | None:
        """The process that answers now; None while there is none."""
        return self._process

    def state(self) -> State:
        if self._process is not None:
            phase = Phase.AWAKE
        elif self._leader is not None and not self._leader.done():
            phase = Phase.STARTING
        else:
            phase = Phase.REFUSED if self._refused_until > self._clock.monotonic() else Phase.ASLEEP
        return State(self._order.model, phase, self._process.pid if self._process else None, self._falls, self._last_error)

    async def wake(self) -> None:
        """Return when the model answers and `on_change` was told; all who ask meanwhile share one start. Raises EngineError."""
        while not (self._process is not None and self._attempt.over.is_set()):
            rest = self._refused_until - self._clock.monotonic()
            if rest > 0:
                raise EngineError(f"{self._last_error}; it will be tried again in {math.ceil(rest)} s")
            if self._leader is None or self._leader.done():
                self._attempt = _Attempt()
                self._leader = self._tasks.start(self._lead(), f"engine of {self._order.model}")
            attempt = self._attempt
            await attempt.over.wait()
            if attempt.failure:
                raise EngineError(attempt.failure)

    async def stop(self) -> None:
        """End the process, if there is one, and let those who wait know."""
        if self._leader is not None:
            self._leader.cancel()
            await asyncio.gather(self._leader, return_exceptions=True)
            self._fail(_STOPPED)  # a leader that had not begun yet could not say so itself

    async def _lead(self) -> None:
        try:
            await self._live()
        finally:
            self._fail(_STOPPED)

    async def _live(self) -> None:
        """Start the process, and again whenever it falls, until it cannot be started or falls too often."""
        row = 0
        while True:
            try:
                process = await self._start(self._order, self._tasks)
            except EngineError as error:
                return self._refuse(str(error))
            born = self._clock.monotonic()
            try:
                self._process = process
                await self._on_change()
                self._attempt.over.set()
                log.info("engine of %s is up", self._order.model, extra={"pid": process.pid})
                self._last_error = f"{self._order.model} fell: {await process.ended()}"
            finally:
                self._process = None
                if self._attempt.over.is_set():
                    self._attempt = _Attempt()
                await process.stop()
            row = 1 if self._clock.monotonic() - born >= STEADY_SECONDS else row + 1
            self._falls += 1
            log.warning("%s", self._last_error)
            await self._on_change()
            if row > len(DELAYS):
                return self._refuse(f"{self._last_error}, {row} times in a row")
            await asyncio.sleep(DELAYS[row - 1])

    def _refuse(self, reason: str) -> None:
        log.warning("%s", reason)
        self._last_error = reason
        self._refused_until = self._clock.monotonic() + REFUSE_SECONDS
        self._fail(reason)

    def _fail(self, reason: str) -> None:
        if not self._attempt.over.is_set():
            self._attempt.failure = reason
            self._attempt.over.set()
