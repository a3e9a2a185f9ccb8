"""Which connection carries a request. Idle ones are kept per origin and used last in, first out, so that the surplus grows old and goes."""

import asyncio
import errno
import ssl
from collections.abc import Callable
from typing import Any, Final, cast

from sekisho.core.model.errors import Fault
from sekisho.core.wire.http1.events import ResponseSink
from sekisho.dataplane.upstream.client import UpstreamConnection
from sekisho.dataplane.upstream.targets import Origin
from sekisho.kit.drive import Baton
from sekisho.kit.tasks import Tasks
from sekisho.kit.turn import Turn

TAIL_S: Final = 2.0
"""How long an upstream may take to end a response that the dialect calls finished, before its connection is given up."""


class _Tail(ResponseSink):
    """Takes what comes after the end that the client has already got."""

    __slots__ = ("_connection", "_pool", "due")

    def __init__(self, pool: "Pool", connection: UpstreamConnection, due: float) -> None:
        self._pool = pool
        self._connection = connection
        self.due = due

    def response_head(self, status: int, headers: dict[bytes, bytes]) -> None:
        """Cannot come: the head was taken before."""

    def response_body(self, data: bytes) -> None:
        """Whatever follows the end is of no use to anybody."""

    def response_completed(self) -> None:
        self._pool.end_tail(self._connection)
        self._pool.release(self._connection)

    def response_failed(self, code: str, message: str) -> None:
        self._pool.end_tail(self._connection)
        self._connection.abort()


def _busy() -> Fault:
    return Fault("upstream_busy", "all connections to providers are in use; try again", retry_after=1)


class Pool:
    """All upstream connections of one worker."""

    def __init__(self, tasks: Tasks, turn: Turn, clock: Callable[[], float], most: int, idle_s: float) -> None:
        self._tasks = tasks
        self._turn = turn
        self._clock = clock
        self._most = most
        self._idle_s = idle_s
        self._idle: dict[Origin, list[UpstreamConnection]] = {}
        self._tails: dict[UpstreamConnection, _Tail] = {}
        self.open = 0

    def take(self, origin: Origin) -> UpstreamConnection | None:
        """An idle connection, or None: then `connect`."""
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            if not connection.reusable:
                connection.abort()
                continue
            if connection.stale():
                connection.abort()
                continue
            return connection
        return None

    def connect(self, origin: Origin, within: float) -> Baton:
        """Open a connection; the baton brings an `UpstreamConnection` or a `Fault`, within so many seconds."""
        baton = Baton()
        if self.open >= self._most and not self._make_room():
            baton.hand(_busy())
            return baton
        self.open += 1
        origin.open += 1
        self._tasks.start(self._connect(origin, within, baton), f"connect {origin.name}")
        return baton

    async def _connect(self, origin: Origin, within: float, baton: Baton) -> None:
        connection = UpstreamConnection(origin, self._turn, self._lost)
        loop = asyncio.get_running_loop()

        def make() -> asyncio.Protocol:
            return cast(asyncio.Protocol, connection)

        try:
            async with asyncio.timeout(within):
                if origin.unix_path is not None:
                    await loop.create_unix_connection(make, origin.unix_path)
                else:
                    connection.ready = loop.create_future() if origin.tls is not None else None
                    await loop.create_connection(make, origin.host, origin.port)
                    if connection.ready is not None:
                        await connection.ready
        except TimeoutError:
            result: Any = Fault("connect_timeout", f"the provider did not accept a connection within {within:g} s")
        except ssl.SSLCertVerificationError as error:
            result = Fault("upstream_tls_failed", f"the provider's certificate is not trusted: {error.verify_message}")
        except ssl.SSLError as error:
            result = Fault("upstream_tls_failed", f"TLS with the provider failed: {error.reason}")
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                # No descriptor is left for it: that is about us, not about the provider.
                result = _busy()
            else:
                result = Fault("upstream_unreachable", f"the provider cannot be reached: {error.strerror or type(error).__name__}")
        else:
            result = connection
        if result is not connection and connection.connected:
            # The connection stands, TLS does not; its end is counted when it is told.
            connection.abort()
        elif result is not connection:
            self.open -= 1
            origin.open -= 1
        elif baton.handed:
            # Whoever asked has gone; the connection is good for the next.
            self.release(connection)
        baton.hand(result)

    def _make_room(self) -> bool:
        """Close the connection that has been idle longest, wherever it leads; False where all are in use."""
        oldest = min((idle[0] for idle in self._idle.values() if idle), key=lambda connection: connection.idle_since, default=None)
        if oldest is None:
            return False
        self._idle[oldest.origin].remove(oldest)
        oldest.abort()
        return True

    def _lost(self, connection: UpstreamConnection) -> None:
        self.open -= 1
        connection.origin.open -= 1
        self._tails.pop(connection, None)
        idle = self._idle.get(connection.origin)
        if idle and connection in idle:
            idle.remove(connection)

    def release(self, connection: UpstreamConnection) -> None:
        """Keep a connection for the next request, or close it where it cannot carry one."""
        if not connection.reusable:
            connection.abort()
            return
        connection.idle_since = self._clock()
        origin = connection.origin
        idle = self._idle.get(origin)
        if idle is None:
            idle = self._idle[origin] = []
        if origin.thread_bound and origin.open - len(idle) > 1:
            # Another request may be waiting over there for the very thread that this idle connection would hold.
            connection.abort()
            return
        idle.append(connection)

    def forget(self, origin: Origin) -> None:
        """Close what lies idle there: its fellow turned out to be dead."""
        for connection in self._idle.pop(origin, ()):
            connection.abort()

    def leave(self, connection: UpstreamConnection) -> None:
        """The client has all it wants; let the response run out, for a short while."""
        tail: ResponseSink = _Tail(self, connection, self._clock() + TAIL_S)
        connection.hand_over(tail)
        self._tails[connection] = tail  # type: ignore[assignment]

    def end_tail(self, connection: UpstreamConnection) -> None:
        self._tails.pop(connection, None)

    def tend(self) -> None:
        """Close what lay idle too long and what does not end; called every second or so."""
        now = self._clock()
        for connection, tail in list(self._tails.items()):
            if tail.due < now:
                connection.abort()
        for origin, idle in list(self._idle.items()):
            kept = [connection for connection in idle if not connection.closed]
            for connection in kept:
                if now - connection.idle_since > self._idle_s:
                    connection.abort()
            self._idle[origin] = [connection for connection in kept if now - connection.idle_since <= self._idle_s]
            if not self._idle[origin]:
                del self._idle[origin]

    def close(self) -> None:
        """Close all that is idle."""
        for idle in self._idle.values():
            for connection in idle:
                connection.abort()
        self._idle.clear()
