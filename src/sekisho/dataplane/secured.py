"""TLS between a client's transport and its connection: to each of the two it is the other, and neither knows.

OpenSSL works in memory and is asked once per read and once per write; the loop's own TLS costs as much as all the rest of a request.
The connection's deadlines, framing and lingering close hold unchanged, the handshake included: it is part of the time that a first
head may take. Whoever speaks HTTP in clear here is told where to go (`divert`).
"""

import asyncio
import contextlib
import ssl
from typing import Any, Final, cast

from sekisho.dataplane.connection import Connection, Serve
from sekisho.dataplane.contexts import Certificate

READ_BYTES: Final = 16 * 1024
"""One record's worth (RFC 8446, 5.1)."""
PIECE_BYTES: Final = 64 * 1024
"""Plain bytes that are sealed at once: OpenSSL's buffer never shrinks again, and an idle connection should not keep a large one."""
HANDSHAKE_BYTES: Final = 32 * 1024
"""Most bytes from a client until its handshake is done; a greeting with every extension in use takes three."""
AFTERWARDS_BYTES: Final = 64 * 1024
"""Most bytes that OpenSSL sends by itself in the life of a connection (answers to key updates, 27 bytes each, and tickets)."""
GREETING: Final = 0x16
"""The first byte of every TLS connection, and of no HTTP request."""

NEW: Final = 0
CLEAR: Final = 1
SHAKING: Final = 2
OPEN: Final = 3
ENDED: Final = 4


class Secured:
    """One client's TLS."""

    def __init__(self, connection: Connection, certificate: Certificate, in_clear: Serve) -> None:
        self._connection = connection
        self._certificate = certificate
        self._in_clear = in_clear
        """What serves requests that come without TLS."""
        self._transport: Any = None
        self._incoming: Any = None
        self._outgoing: Any = None
        self._tls: Any = None
        self._state = NEW
        self._taken = 0
        self._afterwards = 0

    # Called by the loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._connection.connection_made(cast(asyncio.BaseTransport, self))

    def data_received(self, data: bytes) -> None:
        state = self._state
        if state == OPEN:
            self._incoming.write(data)
            self._deliver()
        elif state == CLEAR:
            self._connection.data_received(data)
        elif state != ENDED:
            self._shake(data)

    def eof_received(self) -> bool:
        return self._connection.eof_received()

    def pause_writing(self) -> None:
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        self._connection.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._state = ENDED
        self._connection.connection_lost(exc)
        self._transport = None

    # The handshake.

    def _shake(self, data: bytes) -> None:
        if self._state == NEW and not self._begin(data[0]):
            if self._state == CLEAR:
                self._connection.data_received(data)
            return
        self._taken += len(data)
        self._incoming.write(data)
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            # Asked here: a client's last word of the handshake may come in one read with a large body.
            if self._taken > HANDSHAKE_BYTES:
                self.abort()
            else:
                self._send_own()
            return
        except ssl.SSLError:
            # A stranger, a scanner, or a client that does not trust us: it is told by an alert, and nobody else has to hear of it.
            self._break()
            return
        self._state = OPEN
        self._connection.secure = True
        self._send_own()
        self._deliver()

    def _begin(self, first: int) -> bool:
        """Choose by the first byte; False where there is no handshake to go on with."""
        if first != GREETING:
            self._state = CLEAR
            self._connection.divert(self._in_clear)
            return False
        context = self._certificate.context
        if context is None:
            self.abort()
            return False
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._state = SHAKING
        return True

    # Data.

    def _deliver(self) -> None:
        """Hand on what can be read, record by record."""
        tls, incoming, connection = self._tls, self._incoming, self._connection
        while incoming.pending or tls.pending():
            try:
                piece = tls.read(READ_BYTES)
            except ssl.SSLWantReadError:
                # A record that is not all here yet, or one that held no data.
                break
            except ssl.SSLZeroReturnError:
                piece = b""
            except ssl.SSLError:
                self._break()
                connection.eof_received()
                return
            if not piece:
                # The client has said that nothing follows; without TLS the end of its stream says the same.
                connection.eof_received()
                self.close()
                return
            connection.data_received(piece)
            if self._state != OPEN:
                return
        if self._outgoing.pending:
            self._send_own()

    def _send_own(self) -> None:
        """Send what OpenSSL has to say by itself."""
        own = self._outgoing.read()
        if self._state == OPEN:
            self._afterwards += len(own)
            if self._afterwards > AFTERWARDS_BYTES:
                self.abort()
                return
        if own and self._transport is not None:
            self._transport.write(own)

    def _break(self) -> None:
        """What came is no TLS that can be gone on with: send the alert and end."""
        self._state = ENDED
        transport = self._transport
        if transport is not None:
            alert = self._outgoing.read()
            if alert:
                transport.write(alert)
            transport.close()

    # What the connection calls.

    def write(self, data: bytes) -> None:
        state = self._state
        if state == CLEAR:
            self._transport.write(data)
        elif state == OPEN:
            if len(data) <= PIECE_BYTES:
                self._tls.write(data)
                self._transport.write(self._outgoing.read())
            else:
                self._write_long(data)

    def _write_long(self, data: bytes) -> None:
        view = memoryview(data)
        for start in range(0, len(data), PIECE_BYTES):
            self._tls.write(view[start : start + PIECE_BYTES])
            self._transport.write(self._outgoing.read())

    def _say_goodbye(self) -> None:
        """Tell the client that nothing follows. What it still sends is thrown away unread."""
        if self._state != OPEN:
            return
        self._state = ENDED
        # It has not answered yet, and need not.
        with contextlib.suppress(ssl.SSLError):
            self._tls.unwrap()
        goodbye = self._outgoing.read()
        if goodbye:
            self._transport.write(goodbye)

    def close(self) -> None:
        transport = self._transport
        if transport is not None:
            self._say_goodbye()
            transport.close()

    def write_eof(self) -> None:
        self._say_goodbye()
        self._transport.write_eof()

    def can_write_eof(self) -> bool:
        return bool(self._transport.can_write_eof())

    def abort(self) -> None:
        self._state = ENDED
        if self._transport is not None:
            self._transport.abort()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def get_write_buffer_size(self) -> int:
        return int(self._transport.get_write_buffer_size())

    def set_write_buffer_limits(self, high: int, low: int) -> None:
        self._transport.set_write_buffer_limits(high, low)

    def get_extra_info(self, name: str) -> Any:
        return self._transport.get_extra_info(name)
