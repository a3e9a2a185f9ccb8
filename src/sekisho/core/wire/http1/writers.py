"""Values to bytes. Nothing that a client or an upstream chose is written without passing `field_value`."""

import http
import re
from typing import Final

REASONS: Final = {status.value: status.phrase.encode() for status in http.HTTPStatus} | {499: b"Client Closed Request"}
STATUS_LINES: Final = {status: b"HTTP/1.1 %d %b\r\n" % (status, reason) for status, reason in REASONS.items()}
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK: Final = b"0\r\n\r\n"

_UNSAFE: Final = re.compile(r"[^!-~ ]|%")


def status_line(status: int) -> bytes:
    return STATUS_LINES.get(status) or b"HTTP/1.1 %d Unknown\r\n" % status


def field_value(text: str) -> bytes:
    """A text as a header value: whatever is not printable ASCII is percent-encoded, so that no line can be broken."""
    return _UNSAFE.sub(lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode()), text).encode("ascii").strip()


def fields(pairs: tuple[tuple[str, str], ...]) -> bytes:
    """Header lines of our own making."""
    return b"".join(b"%b: %b\r\n" % (name.encode("ascii"), field_value(value)) for name, value in pairs)


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body; the data must not be empty, for that would end the body."""
    return b"%x\r\n%b\r\n" % (len(data), data)
