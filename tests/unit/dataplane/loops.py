"""The worker's own kind of loop for a test, and a way for its coroutine to await what a baton brings."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import uvloop

from sekisho.kit.drive import Baton, Drive

T = TypeVar("T")
LONG_S = 10.0
"""A test that takes so long hangs."""


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run to the end on uvloop, as the worker does; fails where it hangs."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(asyncio.wait_for(coroutine, LONG_S))


async def brought(baton: Baton) -> Any:
    """What the baton brings, awaited by a task (which only a drive can await directly)."""
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def wait() -> None:
        future.set_result(await baton)

    Drive(wait(), future.set_exception).step()
    return await future


async def until(happened: Callable[[], object]) -> None:
    """Let the loop turn until it happened, where nobody would set an event; `run` ends it where it never does."""
    while not happened():  # noqa: ASYNC110
        await asyncio.sleep(0)
