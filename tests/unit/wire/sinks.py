"""Owners of readers that write down what they are told, and what they should not have been told."""

from dataclasses import dataclass, field

from sekisho.core.model.errors import Refusal
from sekisho.core.wire.http1.events import Head
from sekisho.core.wire.http1.readers import RequestReader, ResponseReader

HEADER_BYTES = 32 * 1024
HEADER_COUNT = 100
TARGET_BYTES = 8 * 1024


@dataclass
class Read:
    """One request as the reader told it."""

    head: Head
    body: bytes = b""
    whole: bool = False

    @property
    def target(self) -> str:
        return self.head.path + ("?" + self.head.query if self.head.query else "")

    @property
    def essence(self) -> tuple[str, str, bytes]:
        """Method, target and body."""
        return self.head.method, self.target, self.body


@dataclass
class Requests:
    """A sink that checks the order of calls while it records them.

    It raises nothing, for the parser would take an exception of its callbacks for a fault of the message.
    """

    read: list[Read] = field(default_factory=list)
    refusal: Refusal | None = None
    wrong: list[str] = field(default_factory=list)

    def head_received(self, head: Head) -> None:
        self._expect(not self.read or self.read[-1].whole, "a head inside a message")
        self.read.append(Read(head))

    def body_received(self, data: bytes) -> None:
        self._expect(bool(self.read) and not self.read[-1].whole, "a body outside a message")
        self.read[-1].body += data

    def message_completed(self) -> None:
        self._expect(bool(self.read) and not self.read[-1].whole, "a completion outside a message")
        self.read[-1].whole = True

    def message_refused(self, refusal: Refusal) -> None:
        self._expect(True, "")
        self._expect("callback" not in refusal.message, f"a crash inside the reader: {refusal.message}")
        self.refusal = refusal

    def _expect(self, truth: bool, otherwise: str) -> None:
        if self.refusal is not None:
            self.wrong.append("a call after the refusal")
        if not truth:
            self.wrong.append(otherwise)

    @property
    def whole(self) -> list[Read]:
        return [each for each in self.read if each.whole]


def requests_of(*pieces: bytes) -> Requests:
    """What a fresh reader with the default bounds makes of these pieces."""
    sink = Requests()
    reader = RequestReader(sink, HEADER_BYTES, HEADER_COUNT, TARGET_BYTES)
    for piece in pieces:
        reader.feed(piece)
    assert not sink.wrong
    return sink


@dataclass
class Response:
    """A sink of one response, likewise."""

    status: int = 0
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""
    whole: bool = False
    failure: str = ""
    wrong: list[str] = field(default_factory=list)

    def response_head(self, status: int, headers: dict[bytes, bytes]) -> None:
        self._expect(not self.status, "a second head")
        self.status, self.headers = status, headers

    def response_body(self, data: bytes) -> None:
        self._expect(bool(self.status), "a body before its head")
        self.body += data

    def response_completed(self) -> None:
        self._expect(bool(self.status), "a completion before the head")
        self.whole = True

    def response_failed(self, code: str, message: str) -> None:
        self._expect(bool(message), "a failure without words")
        self._expect("callback" not in message, f"a crash inside the reader: {message}")
        self.failure = code

    def _expect(self, truth: bool, otherwise: str) -> None:
        if self.whole or self.failure:
            self.wrong.append("a call after the end")
        if not truth:
            self.wrong.append(otherwise)


def response_of(*pieces: bytes, ended: bool = False) -> tuple[Response, ResponseReader]:
    """What a fresh reader makes of these pieces, and of the connection's end behind them."""
    sink = Response()
    reader = ResponseReader(32 * 1024)
    reader.expect(sink)
    for piece in pieces:
        reader.feed(piece)
    if ended:
        reader.ended()
    assert not sink.wrong
    return sink, reader
