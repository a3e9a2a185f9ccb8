"""uvicorn, tamed: on a socket that we bound, deaf to forwarded headers and signals, asleep while nobody asks."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any, Final

import uvicorn

GRACE_SECONDS: Final = 5
"""How long running requests may finish at the end; without a bound an endless one would hold the end up for ever."""
TICK_SECONDS: Final = 1.0
"""How often the `date` header is renewed."""


class Server(uvicorn.Server):
    """One door."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ending = asyncio.Event()

    def end(self) -> None:
        """Finish what runs, and return from `serve`."""
        self.should_exit = True
        self._ending.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals of the process to the process."""
        yield

    async def main_loop(self) -> None:
        """Wait for the end. uvicorn looks for it ten times a second, which an idle house pays for with its sleep."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_SECONDS):
                    await self._ending.wait()


def make(app: Any) -> Server:
    """A server of an ASGI application; give its `serve` a listening socket."""
    return Server(
        uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            lifespan="off",
            proxy_headers=False,
            server_header=False,
            access_log=False,
            log_config=None,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )
