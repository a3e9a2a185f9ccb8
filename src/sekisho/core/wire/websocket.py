"""WebSocket (RFC 6455) as far as one has to know it to let it pass: who may begin, where a frame ends, how one says goodbye.

Payloads are not read and extensions are not negotiated, so every frame says its own length and nothing more is needed.
"""

import base64
import binascii
import struct
from typing import Final

from sekisho.core.model.errors import Kind, Refusal
from sekisho.core.wire.http1.events import Head

VERSION: Final = b"13"

GOING_AWAY: Final = 1001
"""The worker ends; another one takes over."""
PROTOCOL_ERROR: Final = 1002
ABNORMAL: Final = 1006
"""Never sent: the connection was cut without a word."""
POLICY: Final = 1008
"""The client sends more than there is anything to say."""
TOO_BIG: Final = 1009
RESTARTED: Final = 1012
"""The node went away; it will be back."""

_CLOSE: Final = 0x8
_OPCODES: Final = frozenset((0x0, 0x1, 0x2, _CLOSE, 0x9, 0xA))
_CONTROL_BYTES: Final = 125
_KEY_BYTES: Final = 16


def asks(head: Head) -> bool:
    """Whether a request wants to become a WebSocket."""
    return head.noted and head.headers.get(b"upgrade", b"").lower() == b"websocket"


def refuse(head: Head) -> Refusal | None:
    """Why a request cannot become one; None where it can. Raises nothing."""
    headers = head.headers
    if head.method != "GET" or head.version != "1.1" or head.content_length or head.chunked:
        return _malformed("a WebSocket begins with a GET of HTTP/1.1 without a body", param="method")
    if not any(token.strip().lower() == b"upgrade" for token in headers.get(b"connection", b"").split(b",")):
        return _malformed("a WebSocket begins with `connection: Upgrade`", param="connection")
    if headers.get(b"sec-websocket-version") != VERSION:
        version = (("sec-websocket-version", VERSION.decode()),)
        return Refusal(
            426, Kind.INVALID, "websocket_version", "only version 13 of WebSocket is spoken here", "sec-websocket-version", headers=version
        )
    if not _is_key(headers.get(b"sec-websocket-key", b"")):
        return _malformed("sec-websocket-key is not 16 bytes in base64", param="sec-websocket-key")
    return None


def _malformed(message: str, *, param: str) -> Refusal:
    return Refusal(400, Kind.INVALID, "websocket_handshake_invalid", message, param, should_retry=False, close=True)


def _is_key(text: bytes) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == _KEY_BYTES
    except binascii.Error:
        return False


def close_frame(code: int) -> bytes:
    """A server's last frame."""
    return struct.pack("!BBH", 0x80 | _CLOSE, 2, code)


class Frames:
    """Follows one direction of a connection from frame to frame."""

    def __init__(self, *, masked: bool, most: int) -> None:
        """`masked` is what all frames are that a client sends, and none that a server does; `most` bounds the bytes of one frame."""
        self._masked = masked
        self._most = most
        self._head = b""
        """What has come of a frame's head."""
        self._left = 0
        """Bytes of the running frame that are still to come."""
        self.closed = False
        """Whether a close frame has begun."""

    @property
    def between(self) -> bool:
        """Whether the next byte begins a frame."""
        return not self._left and not self._head

    def follow(self, data: bytes) -> int | None:
        """Take note of bytes. The code to close with where they are no frames that may pass; None where they are."""
        at, size = 0, len(data)
        while at < size:
            if self._left:
                step = min(self._left, size - at)
                self._left -= step
                at += step
                continue
            self._head += data[at : at + 1]
            at += 1
            fault = self._begin()
            if fault is not None:
                return fault
        return None

    def _begin(self) -> int | None:
        """Understand a frame's head, once it is all here."""
        head = self._head
        if len(head) == 1:
            # No extension was agreed upon, so the reserved bits say nothing.
            return PROTOCOL_ERROR if head[0] & 0x70 or head[0] & 0x0F not in _OPCODES else None
        length = head[1] & 0x7F
        if len(head) == 2 and (bool(head[1] & 0x80) is not self._masked or (head[0] & _CLOSE and length > _CONTROL_BYTES)):
            return PROTOCOL_ERROR
        if length >= 126:
            wide = 2 if length == 126 else 8
            if len(head) < 2 + wide:
                return None
            length = int.from_bytes(head[2:], "big")
        if length > self._most:
            return TOO_BIG
        if head[0] & 0x0F == _CLOSE:
            self.closed = True
        self._head = b""
        self._left = length + (4 if self._masked else 0)
        return None
