"""Server-sent events as bytes (WHATWG HTML, 9.2): found, bounded, relayed, never rebuilt.

Events are passed on whole: a piece that ends inside one waits for its end, which costs the client nothing, since it could not have
dispatched it. Line ends may be LF, CRLF or CR; a JSON text holds none of them raw.
"""

import re
from typing import Final

_BOUNDARY: Final = re.compile(rb"\r\n\r\n|\n\n|\r\r")


class EventTooLargeError(Exception):
    """An event grew beyond the bound without an end."""


class Splitter:
    """Cuts a byte stream at event boundaries. Holds at most one unfinished event."""

    __slots__ = ("_most", "_rest")

    def __init__(self, most: int) -> None:
        self._most = most
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """All whole events that are here now, as they came; empty where none is whole. Raises EventTooLargeError."""
        if not self._rest and data.endswith(b"\n\n"):
            return data
        if self._rest:
            data = self._rest + data
        end = _last_boundary(data)
        self._rest = data[end:]
        if len(self._rest) > self._most:
            raise EventTooLargeError
        return data[:end]

    @property
    def rest(self) -> bytes:
        """What came after the last whole event."""
        return self._rest


def _last_boundary(data: bytes) -> int:
    """The offset after the last event boundary, 0 where there is none."""
    end = data.rfind(b"\n\n") + 2
    if b"\r" in data:
        for mark in (b"\r\n\r\n", b"\r\r"):
            at = data.rfind(mark)
            if at >= 0:
                end = max(end, at + len(mark))
    return end if end > 1 else 0


def split(events: bytes) -> list[bytes]:
    """Whole events one by one, each with its boundary."""
    parts: list[bytes] = []
    start = 0
    for match in _BOUNDARY.finditer(events):
        parts.append(events[start : match.end()])
        start = match.end()
    if start < len(events):
        parts.append(events[start:])
    return parts


def data_of(event: bytes) -> bytes:
    """The data of one event: its `data` lines joined by LF, without the one blank after the colon. Empty where it has none."""
    lines = []
    for line in re.split(rb"\r\n|\n|\r", event):
        if line.startswith(b"data:"):
            value = line[5:]
            lines.append(value[1:] if value.startswith(b" ") else value)
    return b"\n".join(lines)


def encode(data: bytes) -> bytes:
    """One event with one line of data."""
    return b"data: %b\n\n" % data


def comment(text: bytes) -> bytes:
    """A line that clients ignore and middleboxes count as traffic."""
    return b": %b\n\n" % text
