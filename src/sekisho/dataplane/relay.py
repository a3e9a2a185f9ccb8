"""One upstream's answer on its way to one client. Bytes are passed as they come; only usage, the end and an error are looked for.

The exchange awaits `head` and then either `whole` (the body is kept, for it must be priced before its head is written) or `done`
(a stream: pieces go straight through, without waking the exchange).
"""

from collections.abc import Callable
from typing import Any, Final, Protocol

from sekisho.core.model.errors import Fault
from sekisho.core.wire import sse
from sekisho.core.wire.http1.events import RequestSink, ResponseSink
from sekisho.core.wire.http1.writers import LAST_CHUNK, chunk
from sekisho.kit.clock import monotonic_ns
from sekisho.kit.drive import Baton

SMALL: Final = 16 * 1024
"""An answer up to this many bytes is not counted against the worker's memory: its connection's own buffers weigh more."""


class Upstream(Protocol):
    """What carries the answer: a connection, or the sandbox."""

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def abort(self) -> None: ...


class Passage(Protocol):
    """Takes what a client sends once its connection has left HTTP."""

    def received(self, data: bytes) -> None: ...

    def client_congested(self) -> None: ...

    def client_relieved(self) -> None: ...

    def drain(self) -> None: ...


class Account(Protocol):
    """Where the bytes that an answer keeps are booked."""

    held: int


class Client(RequestSink):
    """Whom the answer is for: what the stages see of a connection."""

    def __init__(self) -> None:
        self.congested = False
        """Whether the client has more unread bytes than it may."""
        self.gone = False
        self.secure = False
        """Whether it speaks TLS with us."""
        self.last_credential = b""
        """The credential of the connection's last request, as sent."""
        self.last_digest = b""

    def write(self, data: bytes) -> None:
        """Send: in this very call, as much as the kernel takes."""
        raise NotImplementedError

    def pass_through(self, passage: Passage | None) -> None:
        """From here on what comes is no HTTP: it goes to the passage, and without one nowhere."""
        raise NotImplementedError


class Answer(ResponseSink):
    """The sink of one attempt."""

    status = 0
    fault: Fault | None = None
    completed = False
    """Whether the client has, or may have, all of the answer."""
    ended = False
    """Whether the upstream has ended its response."""
    streaming = False
    body_bytes = 0
    scanner: Any = None
    first_ns = 0
    """When the head came."""
    _splitter: sse.Splitter | None = None
    _chunked = True
    _on_final: Callable[[], None] | None = None
    _paused = False

    def __init__(
        self, client: Client, upstream: Upstream, most: int, now: Callable[[], float], account: Account, hold: Callable[[int], bool]
    ) -> None:
        self.headers: dict[bytes, bytes] = {}
        self._client = client
        self._upstream = upstream
        self._most = most
        self._account = account
        self._hold = hold
        self.now = now
        self.last_at = now()
        """Monotonic time of the last byte from the upstream."""
        self.baton = Baton()
        """Handed over when what is awaited is here: the head for who wants it, else the end."""
        self._wants_head = False
        self._kept: list[bytes] = []

    # What the exchange awaits.

    async def head(self) -> None:
        """Return when the head is here, or a fault."""
        if not self.status and self.fault is None:
            self._wants_head = True
            await self.baton
            self.baton = Baton()

    async def whole(self) -> bytes:
        """Return the whole body; look at `fault` first."""
        if not self.completed and self.fault is None:
            await self.baton
        return self.take()

    def take(self) -> bytes:
        """The body, once it is whole."""
        kept = self._kept
        return kept[0] if len(kept) == 1 else b"".join(kept)

    async def done(self) -> None:
        """Return when the stream has ended, one way or the other."""
        if not self.completed and self.fault is None:
            await self.baton

    def stream(self, scanner: Any, most_event: int, *, chunked: bool, on_final: Callable[[], None]) -> None:
        """From here on pieces go to the client. `on_final` is called once, before the last byte is written."""
        self.streaming = True
        self.scanner = scanner
        self._splitter = sse.Splitter(most_event)
        self._chunked = chunked
        self._on_final = on_final
        kept, self._kept = self._kept, []
        for piece in kept:
            self._relay(piece)

    def fail(self, fault: Fault) -> None:
        """End the wait: a deadline passed, or the client left. The upstream is closed."""
        if self.completed or self.fault is not None:
            return
        self.fault = fault
        self._upstream.abort()
        self.baton.hand()

    def client_congested(self) -> None:
        """The client reads slower than the upstream sends."""
        if not self._paused and self.streaming:
            self._paused = True
            self._upstream.pause()

    def client_relieved(self) -> None:
        if self._paused:
            self._paused = False
            self.last_at = self.now()
            self._upstream.resume()

    @property
    def waiting_for_client(self) -> bool:
        return self._paused

    # Called by the upstream.

    def response_head(self, status: int, headers: dict[bytes, bytes]) -> None:
        self.status = status
        self.headers = headers
        self.first_ns = monotonic_ns()
        self.last_at = self.now()
        if b"content-encoding" in headers and headers[b"content-encoding"].lower() != b"identity":
            self._give_up("upstream_invalid_response", "the provider compressed its answer although it was asked not to")
        elif self._wants_head:
            self.baton.hand()

    def response_body(self, data: bytes) -> None:
        if self.fault is not None:
            return
        size = len(data)
        self.body_bytes += size
        if self.streaming:
            self.last_at = self.now()
            self._relay(data)
            return
        self.last_at = self.now()
        self._kept.append(data)
        if self.body_bytes > self._most or (self.body_bytes > SMALL and not self._book(size)):
            self._give_up("upstream_response_too_large", f"the provider's answer is larger than {self._most} bytes")

    def _book(self, size: int) -> bool:
        """Count kept bytes against the worker's memory; False where there is no more of it."""
        self._account.held += size
        return self._hold(size)

    def response_completed(self) -> None:
        self.ended = True
        if self.completed or self.fault is not None:
            return
        if self.streaming:
            self._end_stream()
            return
        self.completed = True
        self.baton.hand()

    def response_failed(self, code: str, message: str) -> None:
        if self.completed or self.fault is not None:
            return
        self.fault = Fault(code, message)
        self._upstream.abort()
        self.baton.hand()

    # The stream.

    def _relay(self, data: bytes) -> None:
        splitter = self._splitter
        assert splitter is not None
        if self.completed or self.fault is not None:
            return
        try:
            events = splitter.feed(data)
        except sse.EventTooLargeError:
            self._give_up("upstream_event_too_large", "an event of the provider's stream is beyond all bounds")
            return
        if not events:
            return
        scanner = self.scanner
        out = scanner.scan(events)
        if scanner.failed is not None:
            if out:
                self._write(out)
            self._tell_failure()
            return
        if scanner.finished:
            self._finish(out)
        elif out:
            self._write(out)

    def _write(self, out: bytes) -> None:
        client = self._client
        client.write(b"%x\r\n%b\r\n" % (len(out), out) if self._chunked else out)
        if client.congested:
            self.client_congested()

    def _finish(self, out: bytes) -> None:
        """The record comes before the last byte: a client that has read the end is then surely recorded."""
        self.completed = True
        self.scanner.close()
        if self._on_final is not None:
            self._on_final()
        if self._chunked:
            self._client.write(chunk(out) + LAST_CHUNK if out else LAST_CHUNK)
        elif out:
            self._client.write(out)
        self.baton.hand()

    def _end_stream(self) -> None:
        """The upstream ended its response without the dialect's own end."""
        splitter, scanner = self._splitter, self.scanner
        assert splitter is not None
        # An event that lacks no more than its blank line is passed on; one that was cut off inside is not.
        rest = splitter.rest.strip()
        out = scanner.scan(rest + b"\n\n") if scanner.is_whole(rest) else b""
        scanner.close()
        if scanner.failed is not None:
            self._tell_failure()
            return
        if not (scanner.finished or scanner.outcome.finish_reason):
            self._give_up("upstream_cut", "the provider ended its stream before the answer was complete")
            return
        self._finish(out)

    def _tell_failure(self) -> None:
        code, message = self.scanner.failed
        self._give_up("upstream_error", message or "the provider reported an error inside its stream", code)

    def _give_up(self, code: str, message: str, detail: str = "") -> None:
        self.fault = Fault(code, f"{message} ({detail})" if detail else message)
        self._upstream.abort()
        self.baton.hand()
