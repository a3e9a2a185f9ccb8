"""One connection to an upstream: a request goes out, its response comes back to a sink. Others decide about reuse; it tells the truth."""

import asyncio
import errno
import select
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final, cast

from sekisho.core.wire.http1.events import ResponseSink
from sekisho.core.wire.http1.readers import ResponseReader
from sekisho.dataplane.upstream.targets import Origin
from sekisho.dataplane.upstream.tls import Session
from sekisho.kit.turn import Turn

HEAD_BYTES: Final = 64 * 1024
"""Largest response head taken from an upstream."""
JOIN_BYTES: Final = 64 * 1024
"""Requests up to this size are joined into one buffer; larger ones go out in pieces, uncopied."""


class UpstreamConnection:
    """Carries one request at a time. A protocol in asyncio's sense by behaviour, not by descent."""

    def __init__(self, origin: Origin, turn: Turn, on_lost: Callable[["UpstreamConnection"], None]) -> None:
        self.origin = origin
        self._turn = turn
        self._unsent = b""
        """A request that leaves at the end of the loop's turn."""
        self._on_lost = on_lost
        self._reader = ResponseReader(HEAD_BYTES)
        self._sink: ResponseSink | None = None
        self._transport: asyncio.Transport | None = None
        self._poll: Any = None
        """Looks at the descriptor alone, as long as it is ours."""
        self._tls = Session(origin) if origin.tls is not None else None
        self.ready: asyncio.Future[None] | None = None
        """Done when TLS is established, or failed; made by whoever waits for it."""
        self.closed = False
        self.idle_since = 0.0
        self.requests = 0

    # Called by the loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are transports by behaviour, not by descent.
        self._transport = cast(asyncio.Transport, transport)
        pseudo = transport.get_extra_info("socket")
        if self.origin.unix_path is None:
            pseudo.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._poll = select.poll()
        self._poll.register(pseudo.fileno(), select.POLLIN | select.POLLHUP | select.POLLERR)
        if self._tls is not None:
            self._transport.write(self._tls.start())

    def data_received(self, data: bytes) -> None:
        if self._tls is not None:
            data = self._open(self._tls, data)
            if not data:
                return
        if self._reader.busy:
            self._reader.feed(data)
        else:
            # Bytes that nobody asked for: whatever they are, they must not become the answer to the next request.
            self.abort()

    def _open(self, tls: Session, data: bytes) -> bytes:
        """The plain bytes of what arrived; empty where there are none."""
        try:
            plain, answer = tls.receive(data)
        except ssl.SSLError as error:
            if self.ready is not None and not self.ready.done():
                self.ready.set_exception(error)
            self._fail("upstream_cut", f"TLS with the provider broke: {error.reason}")
            return b""
        if answer and self._transport is not None:
            self._transport.write(answer)
        if tls.established and self.ready is not None and not self.ready.done():
            self.ready.set_result(None)
        return plain

    def _fail(self, code: str, message: str) -> None:
        """End the connection, and tell whoever waits for an answer."""
        sink = self._sink
        waits = self._reader.busy
        self.abort()
        if sink is not None and waits:
            sink.response_failed(code, message)

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        """The request is bounded and already in memory; there is nothing to hold back."""

    def resume_writing(self) -> None:
        """See `pause_writing`."""

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._poll = None
        self._on_lost(self)
        if self.ready is not None and not self.ready.done():
            self.ready.set_exception(exc or ConnectionResetError(errno.ECONNRESET, "the connection was closed inside the TLS handshake"))
        if exc is None and self._tls is not None and not self._tls.ended:
            # An end that TLS does not vouch for may be anybody's.
            exc = ConnectionAbortedError()
        sink, self._sink = self._sink, None
        if sink is not None and self._reader.busy and not (exc is None and self._reader.ended()):
            seen = self._reader.head_seen
            sink.response_failed("upstream_cut", f"the provider closed the connection {'inside' if seen else 'before'} its answer")

    # Called by the exchange.

    def send(self, pieces: list[bytes | memoryview], size: int, sink: ResponseSink) -> None:
        """Send one request; its response goes to the sink."""
        self._sink = sink
        self._reader.expect(sink)
        self.requests += 1
        assert self._transport is not None
        tls = self._tls
        if tls is not None:
            for piece in [b"".join(pieces)] if size <= JOIN_BYTES else pieces:
                if piece:
                    self._transport.write(tls.send(piece))
        elif size <= JOIN_BYTES:
            self._unsent = b"".join(pieces)
            self._turn.put_off(self._send_now)
        else:
            self._transport.writelines(pieces)

    def _send_now(self) -> None:
        transport, unsent = self._transport, self._unsent
        if unsent and transport is not None and not self.closed:
            self._unsent = b""
            transport.write(unsent)

    def hand_over(self, sink: ResponseSink) -> None:
        """Let another sink take what is left of the response."""
        self._sink = sink
        self._reader.hand_over(sink)

    @property
    def connected(self) -> bool:
        """Whether the transport was ever made: then `on_lost` will be, or was, called."""
        return self._transport is not None

    @property
    def answering(self) -> bool:
        """Whether a byte of the awaited answer has come."""
        return self._reader.started

    @property
    def reusable(self) -> bool:
        """Whether another request may follow: the response is whole, nothing surplus came, and all of the request was taken."""
        transport = self._transport
        return not self.closed and transport is not None and self._reader.reusable and transport.get_write_buffer_size() == 0

    def stale(self) -> bool:
        """Whether something came while it lay idle that the loop has not noticed yet. One system call.

        Either the peer has closed it (some close behind every stream although they promised to keep the connection), or it sent
        bytes that nobody asked for, which must not become the answer to the next request.
        """
        return self.closed or self._poll is None or bool(self._poll.poll(0))

    def pause(self) -> None:
        if self._transport is not None and not self.closed:
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport is not None and not self.closed:
            self._transport.resume_reading()

    def abort(self) -> None:
        """Close at once, without waiting for what is unsent."""
        self._sink = None
        self._poll = None
        self._unsent = b""
        if self._transport is not None:
            self._transport.abort()
