"""A provider's end of real connections, in the hands of the test."""

import asyncio
import socket

from sekisho.dataplane.upstream.pool import Pool
from sekisho.dataplane.upstream.targets import Origin
from sekisho.kit.tasks import Tasks
from sekisho.kit.turn import Turn
from tests.unit.dataplane.loops import until

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class House:
    """A pool with a clock of the test's, and a listening socket to connect to."""

    def __init__(self, most: int = 10) -> None:
        self.now = 100.0
        self.crashes: list[BaseException] = []
        self.tasks = Tasks(lambda name, error: self.crashes.append(error))
        self.pool = Pool(self.tasks, Turn(lambda action: asyncio.get_running_loop().call_soon(action)), lambda: self.now, most, idle_s=30.0)
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.listening.setblocking(False)
        self.peers: list[socket.socket] = []
        port = self.listening.getsockname()[1]
        self.origin = Origin(f"http://127.0.0.1:{port}", "127.0.0.1", port, None)

    async def accept(self) -> socket.socket:
        peer, _ = await asyncio.get_running_loop().sock_accept(self.listening)
        peer.setblocking(False)
        self.peers.append(peer)
        return peer

    async def __aenter__(self) -> "House":
        return self

    async def __aexit__(self, *_: object) -> None:
        self.pool.close()
        for peer in [*self.peers, self.listening]:
            peer.close()
        await self.tasks.stop()
        await until(lambda: not self.pool.open)
        assert self.crashes == []
        assert self.origin.open == 0
