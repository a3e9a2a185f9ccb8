"""Reads HTTP/1.1 as it lies on the wire, for looking at it afterwards: nothing is refused, everything is kept with its time.

Not a judge of what is valid: tests of framing compare raw bytes. A message is listed as soon as its head is whole, and filled from there.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Message:
    """One request or response as it came in."""

    start: str
    """The request line or status line."""
    headers: list[tuple[str, str]]
    """Names as sent, in order."""
    raw: bytearray
    """Head and body as they lay on the wire, chunk framing included."""
    body: bytearray = field(default_factory=bytearray)
    """Without chunk framing."""
    pieces: list[tuple[float, bytes]] = field(default_factory=list)
    """What came of the body, as it came, each with its monotonic time."""
    complete: bool = False
    cut: bool = False
    """The connection ended before the message did."""
    began_at: float = 0.0
    ended_at: float | None = None

    @property
    def method(self) -> str:
        return self.start.split(" ", 1)[0]

    @property
    def target(self) -> str:
        return self.start.split(" ")[1]

    @property
    def path(self) -> str:
        return self.target.split("?", 1)[0]

    @property
    def status(self) -> int:
        return int(self.start.split(" ", 2)[1])

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for each, value in self.headers if each.lower() == name.lower()]

    def header(self, name: str) -> str | None:
        """The value of a header that comes once; None where it does not come; fails where it comes twice."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} came {len(values)} times: {values}"
        return values[0] if values else None

    def json(self) -> Any:
        return json.loads(bytes(self.body))

    def events(self) -> list[str]:
        """The data of each server-sent event."""
        return [
            "\n".join(line[5:].removeprefix(" ") for line in event.split("\n") if line.startswith("data:"))
            for event in self.body.decode().replace("\r\n", "\n").split("\n\n")
            if "data:" in event
        ]


class Reader:
    """Takes bytes of one direction of one connection."""

    def __init__(self, *, responses: bool = False, bodiless: Callable[[int], bool] = lambda place: False) -> None:
        self.messages: list[Message] = []
        self._responses = responses
        self._bodiless = bodiless
        """Whether the response at this place answers a HEAD."""
        self._held = bytearray()
        self._state: Callable[[], bool] = self._head
        self._left = 0

    @property
    def pending(self) -> bytes:
        """Bytes of a head that is not whole yet."""
        return bytes(self._held)

    def feed(self, data: bytes) -> None:
        self._held += data
        while self._state():
            pass

    def eof(self) -> None:
        """The connection is over; a body without a length ends here, any other unfinished one was cut."""
        if self.messages and not self.messages[-1].complete:
            if self._state == self._until_eof:
                self._finish()
            else:
                self.messages[-1].cut = True

    def _head(self) -> bool:
        end = self._held.find(b"\r\n\r\n")
        if end < 0:
            return False
        raw = self._held[: end + 4]
        del self._held[: end + 4]
        start, *lines = raw[:-4].decode("latin-1").split("\r\n")
        headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        message = Message(start, headers, raw, began_at=time.monotonic())
        self.messages.append(message)
        self._state = self._framing(message)
        if self._state == self._head:
            self._finish()
        return True

    def _framing(self, message: Message) -> Callable[[], bool]:
        if self._responses and (message.status < 200 or message.status in (204, 304) or self._bodiless(self._finals() - 1)):
            return self._head
        if "chunked" in ",".join(message.all("transfer-encoding")).lower():
            return self._chunk_size
        lengths = message.all("content-length")
        if lengths:
            self._left = int(lengths[0])
            return self._sized if self._left else self._head
        return self._until_eof if self._responses else self._head

    def _finals(self) -> int:
        return sum(message.status >= 200 for message in self.messages)

    def _finish(self) -> bool:
        self.messages[-1].complete = True
        self.messages[-1].ended_at = time.monotonic()
        self._state = self._head
        return True

    def _take(self, size: int, *, body: bool) -> bytes:
        data = bytes(self._held[:size])
        del self._held[:size]
        message = self.messages[-1]
        message.raw += data
        if body:
            message.body += data
            message.pieces.append((time.monotonic(), data))
        return data

    def _sized(self) -> bool:
        if not self._held:
            return False
        self._left -= len(self._take(self._left, body=True))
        return self._finish() if self._left == 0 else False

    def _until_eof(self) -> bool:
        if self._held:
            self._take(len(self._held), body=True)
        return False

    def _chunk_size(self) -> bool:
        end = self._held.find(b"\r\n")
        if end < 0:
            return False
        self._left = int(self._take(end + 2, body=False).split(b";")[0], 16)
        self._state = self._chunk if self._left else self._trailer
        return True

    def _chunk(self) -> bool:
        if not self._held:
            return False
        self._left -= len(self._take(self._left, body=True))
        if self._left:
            return False
        self._state = self._chunk_end
        return True

    def _chunk_end(self) -> bool:
        if len(self._held) < 2:
            return False
        self._take(2, body=False)
        self._state = self._chunk_size
        return True

    def _trailer(self) -> bool:
        end = self._held.find(b"\r\n")
        if end < 0:
            return False
        line = self._take(end + 2, body=False)
        return self._finish() if line == b"\r\n" else True
