"""The doors: inherited sockets, and how many may come through them."""

import asyncio
import itertools
import logging
import resource
import socket
from collections.abc import Callable
from typing import Final, cast

from sekisho.dataplane.acceptors import Acceptor
from sekisho.dataplane.connection import Connection, Serve
from sekisho.dataplane.contexts import Certificate
from sekisho.dataplane.redirects import to_https
from sekisho.dataplane.secured import Secured
from sekisho.dataplane.settings import Listener
from sekisho.dataplane.stages import Plane
from sekisho.kit.net import is_loopback, source_group

BACKLOG: Final = 4096
RESERVED_DESCRIPTORS: Final = 128
"""Kept for upstreams, journal and link when clients come in masses."""
SAMPLE: Final = 1024
"""Connections looked at when one must make room: a flood must not cost a walk over all of them each time."""
TICK_S: Final = 0.25

_log = logging.getLogger(__name__)


class Door:
    """One kind of listener: the gateway's or the console's."""

    def __init__(self, plane: Plane, serve: Serve, certificate: Certificate | None = None, *, alone: bool = True) -> None:
        """`alone` where no other worker accepts on the same sockets."""
        self._plane = plane
        self._serve = serve
        self._certificate = certificate
        self._alone = alone
        self._connections: set[Connection] = set()
        self._by_source: dict[str, int] = {}
        self._acceptors: list[Acceptor] = []
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._most = min(plane.bounds.connections, max(16, (soft - RESERVED_DESCRIPTORS) // 2))

    async def open(self, listener: Listener) -> None:
        """Accept on an inherited listening socket."""
        listening = socket.socket(fileno=listener.descriptor)
        listening.setblocking(False)
        acceptor = Acceptor(asyncio.get_running_loop(), self._plane.tasks, listening, BACKLOG, self._maker(listener))
        await acceptor.start(alone=self._alone)
        self._acceptors.append(acceptor)

    def _maker(self, listener: Listener) -> Callable[[], asyncio.Protocol]:
        """What makes the protocol of each client of a listener."""
        if listener.scheme == "http":
            return lambda: cast(asyncio.Protocol, self._connection(self._serve))
        redirect = to_https(listener.https_port)
        if listener.scheme == "redirect":
            return lambda: cast(asyncio.Protocol, self._connection(redirect))
        certificate = self._certificate
        assert certificate is not None
        return lambda: cast(asyncio.Protocol, Secured(self._connection(self._serve), certificate, redirect))

    def _connection(self, serve: Serve) -> Connection:
        return Connection(self._plane, serve, self._admit, self._left)

    def _admit(self, connection: Connection) -> bool:
        """Whether one more may come in; loopback and trusted proxies speak for many and are not counted by address."""
        if len(self._connections) >= self._most and not self._make_room():
            return False
        peer = connection.peer
        proxies = self._plane.proxies
        if not is_loopback(peer) and (proxies is None or peer not in proxies):
            source = source_group(peer)
            count = self._by_source.get(source, 0)
            if count >= self._plane.bounds.connections_per_address:
                return False
            self._by_source[source] = count + 1
        self._connections.add(connection)
        self._plane.counters.connections += 1
        return True

    def _make_room(self) -> bool:
        """Close whoever has been idle longest, of a sample; False where nobody is."""
        idle = [connection for connection in itertools.islice(self._connections, SAMPLE) if connection.idle]
        if not idle:
            return False
        oldest = min(idle, key=lambda connection: connection.due)
        self._left(oldest)
        oldest.abort()
        return True

    def _left(self, connection: Connection) -> None:
        if connection not in self._connections:
            return
        self._connections.discard(connection)
        self._plane.counters.connections -= 1
        source = source_group(connection.peer)
        count = self._by_source.get(source)
        if count is not None:
            if count > 1:
                self._by_source[source] = count - 1
            else:
                del self._by_source[source]

    def check(self, now: float) -> None:
        """Look at every connection's deadline; called each `TICK_S`."""
        for connection in list(self._connections):
            try:
                connection.check(now)
            except Exception:
                # One connection's accident is not the others': their deadlines stand.
                _log.exception("a connection's deadlines could not be checked; it is closed")
                connection.abort()

    def stop_accepting(self) -> None:
        for acceptor in self._acceptors:
            acceptor.close()
        self._acceptors.clear()

    def drain(self) -> None:
        for connection in list(self._connections):
            connection.drain()

    def cut(self) -> None:
        """The drain time is up: running calls end with an error."""
        for connection in list(self._connections):
            connection.cut()

    def __len__(self) -> int:
        return len(self._connections)
