"""Every background task has a name and a holder; one that falls is heard, never lost.

A bare `asyncio.create_task` keeps only a weak reference, so a task may vanish while it runs, and its exception with it.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Tasks:
    """Holds named tasks of one owner and ends them together."""

    def __init__(self, on_crash: Callable[[str, BaseException], None]) -> None:
        self._on_crash = on_crash
        self._held: set[asyncio.Task[Any]] = set()

    def start(self, coroutine: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Run a coroutine in the background; a crash is reported to `on_crash(name, error)`."""
        task = asyncio.get_running_loop().create_task(coroutine, name=name)
        self._held.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._held.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_crash(task.get_name(), error)

    async def stop(self) -> None:
        """Cancel all that still run and wait for them."""
        held = list(self._held)
        for task in held:
            task.cancel()
        await asyncio.gather(*held, return_exceptions=True)

    def __len__(self) -> int:
        return len(self._held)
