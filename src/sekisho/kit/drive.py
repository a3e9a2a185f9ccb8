"""A coroutine stepped from protocol callbacks, without a task.

An `asyncio.Task` costs a trip through the loop's queue for every wake-up; on a path of thirty microseconds that is felt. Here a
callback that has the awaited value steps the coroutine at once, in its own call. What is awaited is a `Baton`, or an asyncio
future for the rare wait on the loop's own services. There is no cancellation: whoever wants to end a wait passes a value that says so.
"""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Final


class Baton:
    """A value that will be handed over once. Awaiting it returns the value; a second `hand` is ignored."""

    __slots__ = ("_drive", "_handed", "_value")

    def __init__(self) -> None:
        self._drive: Drive | None = None
        self._handed = False
        self._value: Any = None

    @property
    def handed(self) -> bool:
        return self._handed

    def hand(self, value: Any = None) -> None:
        """Give the value; who awaits it runs on inside this call."""
        if self._handed:
            return
        self._handed = True
        self._value = value
        drive = self._drive
        if drive is not None:
            self._drive = None
            drive.step()

    # A generator, not an iterator of our own: one that is compiled returns its value without raising StopIteration, whose traceback
    # costs more than the generator.

    def __await__(self) -> Generator["Baton", None, Any]:
        if not self._handed:
            yield self
        return self._value


END: Final = Baton()
"""What a driven coroutine may await as its last act: it is dropped there, without the cost of the exception by which one returns."""


class Drive:
    """Runs one coroutine to its end; a crash goes to `on_crash`, which must not raise."""

    __slots__ = ("_on_crash", "_send")

    def __init__(self, coroutine: Coroutine[Any, Any, None], on_crash: Callable[[BaseException], None]) -> None:
        self._send = coroutine.send
        self._on_crash = on_crash

    def step(self, _: object = None) -> None:
        """Run until the next wait."""
        try:
            waited = self._send(None)
        except StopIteration:
            return
        except BaseException as error:
            self._on_crash(error)
            return
        if waited is END:
            return
        if type(waited) is Baton:
            waited._drive = self
        else:
            self._follow(waited)

    def _follow(self, future: "asyncio.Future[Any]") -> None:
        # The protocol between a future and a task: the flag says that `__await__` yielded it, and is put down by whoever drives.
        future._asyncio_future_blocking = False
        future.add_done_callback(self.step)
