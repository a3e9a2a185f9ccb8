"""An event loop whose clock jumps to the next timer instead of waiting for it: an hour passes in a millisecond, and always the same way.

For code without threads and without real peers. The loop's clock and `VirtualClock` are the same time.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

EPOCH = 1_800_000_000_000_000
"""Wall time at the start, in microseconds."""


class VirtualClock:
    """A `kit.clock.Clock` that stands still but for the timers of its loop, or when told to."""

    def __init__(self) -> None:
        self.passed = 0.0
        """Seconds since the start."""

    def now(self) -> int:
        return EPOCH + round(self.passed * 1_000_000)

    def monotonic(self) -> float:
        return self.passed


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("everything waits for something that cannot come: no timer is set")
        if not ready and timeout:
            self._clock.passed += timeout
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, clock: VirtualClock) -> None:
        self._virtual = clock
        super().__init__(_JumpingSelector(clock))

    def time(self) -> float:
        return self._virtual.passed


def run(coroutine: Coroutine[Any, Any, T], clock: VirtualClock) -> T:
    """Run a coroutine to its end in virtual time."""
    with asyncio.Runner(loop_factory=lambda: _Loop(clock)) as runner:
        return runner.run(coroutine)
