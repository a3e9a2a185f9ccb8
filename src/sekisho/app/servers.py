"""uvicorn, tamed: on a socket that we bound, deaf to forwarded headers and signals, asleep while nobody asks."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any, Final

import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

GRACE_SECONDS: Final = 5
"""How long running requests may finish at the end; without a bound an endless one would hold the end up for ever."""
MOST_FRAME_BYTES: Final = 4 * 1024
"""Of a WebSocket's client, which has nothing to say here."""
PING_SECONDS: Final = 20.0
"""Between two questions whether a WebSocket's client is there, and for its answer."""
TICK_SECONDS: Final = 1.0
"""How often the `date` header is renewed."""


class Sockets(WebSocketsSansIOProtocol):
    """One WebSocket. A handshake that the application refused with an answer is complete: nobody has to be told of an error."""

    async def send(self, message: Any) -> None:
        """Send what the application says. A goodbye is the last there is: it waits for nobody's reading, it lies ready."""
        if message["type"] == "websocket.close":
            self.writable.set()
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            self.handshake_complete = True


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
            ws=Sockets,
            ws_max_size=MOST_FRAME_BYTES,
            ws_ping_interval=PING_SECONDS,
            ws_ping_timeout=PING_SECONDS,
            ws_per_message_deflate=False,
            lifespan="off",
            proxy_headers=False,
            server_header=False,
            access_log=False,
            log_config=None,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )
