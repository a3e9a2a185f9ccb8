"""TLS of one upstream connection, over the plain transport: OpenSSL through memory, and nothing between.

The loop's own TLS costs as much as all the rest of a request; this asks OpenSSL once per read and once per write. Certificates and
names are verified by the context that made the object, as everywhere.
"""

import ssl
from typing import Final

from sekisho.dataplane.upstream.targets import Origin

READ_BYTES: Final = 16 * 1024
"""One record's worth (RFC 8446, 5.1): OpenSSL gives no more at once, and a larger buffer would be fetched from the kernel each time."""


class Session:
    """Turns what arrives into plain bytes, and plain bytes into what is to be sent. Raises ssl.SSLError on whatever is not right."""

    def __init__(self, origin: Origin) -> None:
        assert origin.tls is not None
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = origin.tls.wrap_bio(self._incoming, self._outgoing, server_hostname=origin.host)
        self.established = False
        self.ended = False
        """Whether the peer has said that nothing follows: only then is an end of the connection an end of the data."""

    def start(self) -> bytes:
        """The first bytes of the handshake."""
        self._handshake()
        return self._outgoing.read()

    def _handshake(self) -> None:
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return
        self.established = True

    def receive(self, data: bytes) -> tuple[bytes, bytes]:
        """Take what arrived. Returns the plain bytes, and what is to be sent because of it (parts of a handshake, mostly nothing)."""
        incoming = self._incoming
        incoming.write(data)
        if not self.established:
            self._handshake()
            if not self.established:
                return b"", self._outgoing.read()
        plain = b""
        try:
            while incoming.pending or self._object.pending():
                piece = self._object.read(READ_BYTES)
                if not piece:
                    self.ended = True
                    break
                plain = plain + piece if plain else piece
        except ssl.SSLWantReadError:
            # A record that is not all here yet, or one that held no data.
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True
        outgoing = self._outgoing
        return plain, outgoing.read() if outgoing.pending else b""

    def send(self, data: bytes | memoryview) -> bytes:
        """What is to be sent for plain bytes."""
        self._object.write(data)
        return self._outgoing.read()
