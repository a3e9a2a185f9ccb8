"""A server on an event loop of its own thread, and waiting for what it sees without sleeping."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")


class LoopThread:
    """Base of the fakes that listen: `_open` and `_close` run on the loop; `changed` wakes whoever waits in another thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=type(self).__name__, daemon=True)
        self._condition = threading.Condition()

    def start(self) -> Self:
        """Open for business; returns itself."""
        self._thread.start()
        self.run(self._open())
        return self

    def stop(self) -> None:
        """Close everything; may be called twice."""
        if self._loop.is_closed():
            return
        self.run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop of this thread from another one."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    def changed(self) -> None:
        """Tell those who wait that there is something new to look at."""
        with self._condition:
            self._condition.notify_all()

    def wait(self, happened: Callable[[], T], what: str, timeout: float = 10.0) -> T:
        """Return the first true value of `happened`, which is asked again whenever something changed; fails after the timeout."""
        with self._condition:
            value = self._condition.wait_for(happened, timeout)
        assert value, f"{what} did not happen within {timeout} s; seen so far: {self}"
        return value

    async def _open(self) -> None:
        raise NotImplementedError

    async def _close(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
