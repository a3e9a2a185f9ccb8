"""How long an event loop's thread works without a turn for anybody else.

The work of that thread is what counts, not the clock: a busy machine, and what other threads do, make no turn longer.
"""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager


class Turns:
    """What `watched` has seen."""

    def __init__(self) -> None:
        self.longest = 0.0
        """Seconds of the thread's work."""


@asynccontextmanager
async def watched() -> AsyncIterator[Turns]:
    """Take every turn that the loop gives, for the length of the block. The loop is never idle meanwhile."""
    turns = Turns()

    async def take() -> None:
        last = time.thread_time()
        while True:
            await asyncio.sleep(0)
            now = time.thread_time()
            turns.longest = max(turns.longest, now - last)
            last = now

    taking = asyncio.ensure_future(take())
    try:
        yield turns
    finally:
        taking.cancel()


@contextmanager
def settled_heap() -> Iterator[None]:
    """Keep what lives already from the collector, as the node does when its doors are open: else it looks at all of that now and then."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
