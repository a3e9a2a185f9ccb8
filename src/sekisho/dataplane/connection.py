"""One client connection: its requests in order, its deadlines, its end.

States, by what it waits for: a first head · a head · a body · an answer (the exchange's own deadlines) · the next request · the
client's reading · the client's leaving (after a refusal: what it still sends is thrown away, for a reset would take the answer with it).
"""

import asyncio
import logging
import math
import socket
import struct
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final, cast

from sekisho.core.model.errors import GONE, Fault, Kind, Refusal
from sekisho.core.wire import sse
from sekisho.core.wire.http1.events import Head
from sekisho.core.wire.http1.readers import RequestReader
from sekisho.core.wire.http1.writers import chunk
from sekisho.dataplane.relay import Client, Passage
from sekisho.dataplane.stages import Exchange, Plane, overloaded
from sekisho.kit.clock import monotonic_ns
from sekisho.kit.drive import END, Drive

SPEAK_NS: Final = 1_000_000_000
"""How long a fresh connection has to begin its first request while the worker drains."""
LINGER_S: Final = 2.0
"""After a refusal: how long the client may go on sending before the connection is reset."""
QUEUE_BYTES: Final = 256 * 1024
"""Body bytes of waiting pipelined requests, beyond which no more is read."""
MARGIN: Final = 4096
"""Bodies up to this many bytes are not counted against the worker's memory one by one."""

_RESET: Final = struct.pack("ii", 1, 0)
"""Of `SO_LINGER`: nothing is kept, the other side is told at once."""

NEVER: Final = math.inf
"""No deadline."""

_log = logging.getLogger(__name__)

Serve = Callable[[Exchange, Plane], Coroutine[Any, Any, None]]


class Connection(Client):
    """The protocol of one client: asyncio's by behaviour, not by descent, which would cost the speed of machine code."""

    def __init__(
        self, plane: Plane, serve: Serve, on_open: Callable[["Connection"], bool], on_close: Callable[["Connection"], None]
    ) -> None:
        super().__init__()
        bounds = plane.bounds
        self._plane = plane
        self._serve = serve
        self._fresh = on_open
        self._on_close = on_close
        self._reader = RequestReader(self, bounds.header_bytes, bounds.header_count, bounds.target_bytes)
        self._transport: asyncio.Transport | None = None
        self._active: Exchange | None = None
        self._newest: Exchange | None = None
        self._queue: deque[Exchange] = deque()
        self._running = False
        self._accepted_ns = 0
        self._head_started = 0
        self._due = math.inf
        self._last_input = 0.0
        self._lingering = False
        """Whether what comes is not read as HTTP any more."""
        self._passage: Passage | None = None
        """What it is for then; None where it is thrown away."""
        self._paused_reading = False
        self._sent = 0
        self._last_drained = 0
        self._progress_at = 0.0
        self.peer = ""

    def divert(self, serve: Serve) -> None:
        """Let another function serve; before the first request."""
        self._serve = serve

    # Called by the loop, or by whoever stands between (`secured`).

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are transports by behaviour, not by descent.
        self._transport = transport = cast(asyncio.Transport, transport)
        self._accepted_ns = monotonic_ns()
        peer = transport.get_extra_info("peername")
        self.peer = peer[0].partition("%")[0] if peer else ""
        if not self._fresh(self):
            self.gone = True
            transport.abort()
            return
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        bounds = self._plane.bounds
        transport.set_write_buffer_limits(bounds.write_buffer_bytes, bounds.write_buffer_bytes // 4)
        self._due = self._plane.loop.time() + bounds.head_timeout_s

    def data_received(self, data: bytes) -> None:
        if self._lingering:
            if self._passage is not None:
                self._passage.received(data)
            return
        reader = self._reader
        if not reader.in_message:
            self._head_started = monotonic_ns()
        reader.feed(data)
        if self._active is None and self._queue:
            self._advance()
        if reader.in_message:
            # Blank lines, which are no message, buy no time.
            self._watch_input()
        elif self._active is not None:
            # All is said: what is waited for now is the answer, and that has deadlines of its own.
            self._due = NEVER
        if self._queue and self._holds_too_much():
            self._pause_reading()

    def eof_received(self) -> bool:
        self._leave()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        self._transport = None
        self._on_close(self)

    def pause_writing(self) -> None:
        self.congested = True
        self._progress_at = self._plane.loop.time()
        active = self._active
        if self._passage is not None:
            self._passage.client_congested()
        elif active is not None and active.answer is not None:
            active.answer.client_congested()

    def resume_writing(self) -> None:
        self.congested = False
        active = self._active
        if self._passage is not None:
            self._passage.client_relieved()
        elif active is not None and active.answer is not None:
            active.answer.client_relieved()

    # Called by the reader.

    def head_received(self, head: Head) -> None:
        if self._lingering:
            return
        plane = self._plane
        now = monotonic_ns()
        started = self._accepted_ns or self._head_started
        self._accepted_ns = 0
        x = self._newest = Exchange(
            self,
            head,
            plane.next_request_id(),
            self.peer,
            started,
            now,
            plane.bounds.chat_body_bytes,
            not head.keep_alive,
        )
        if len(self._queue) >= plane.bounds.pipelining:
            self._queue_refusal("too_many_pipelined", f"more than {plane.bounds.pipelining} requests wait on this connection")
            return
        self._queue.append(x)

    def body_received(self, data: bytes) -> None:
        x = self._newest
        if x is None:
            return
        size = len(data)
        x.body_bytes += size
        if x.refusal is not None:
            return
        if x.body_bytes > x.body_bound:
            most = x.body_bound
            message = f"the body is larger than {most} bytes, this route's bound"
            self._refuse_body(x, Refusal(413, Kind.INVALID, "body_too_large", message, should_retry=False, close=True))
            return
        if size > MARGIN or x.held:
            x.held += size
            if not self._plane.hold(size):
                self._refuse_body(x, overloaded("the gateway holds as many bytes as it may; try again"))
                return
        x.body.append(data)

    def message_completed(self) -> None:
        x, self._newest = self._newest, None
        if x is None:
            return
        x.body_complete = True
        if x.body_wait is not None:
            x.body_wait.hand()

    def message_refused(self, refusal: Refusal) -> None:
        x, self._newest = self._newest, None
        if x is not None:
            self._refuse_body(x, refusal)
            return
        now = monotonic_ns()
        started = self._accepted_ns or self._head_started or now
        x = Exchange(self, None, self._plane.next_request_id(), self.peer, started, now, 0, closing=True)
        x.refusal = refusal
        self._queue.append(x)

    def _refuse_body(self, x: Exchange, refusal: Refusal) -> None:
        x.refusal = refusal
        x.closing = True
        x.body.clear()
        if x.body_wait is not None:
            x.body_wait.hand()

    def _queue_refusal(self, code: str, message: str) -> None:
        self._newest = None
        self.message_refused(Refusal(400, Kind.INVALID, code, message, should_retry=False, close=True))
        self._lingering = True

    # One exchange after the other.

    def _advance(self) -> None:
        """Serve what waits, until one has to wait itself."""
        if self._running:
            return
        self._running = True
        while self._active is None and self._queue and not self.gone:
            x = self._active = self._queue.popleft()
            Drive(self._run(x), _report).step()
        self._running = False
        if self._paused_reading and not self._holds_too_much():
            self._resume_reading()

    async def _run(self, x: Exchange) -> None:
        try:
            await self._serve(x, self._plane)
        except Exception as error:
            self._crashed(x, error)
        else:
            self._ended(x)
        await END

    def _ended(self, x: Exchange) -> None:
        """The answer is written, or nobody wants it."""
        self._active = None
        x.upstream = x.answer = None
        if self.gone:
            return
        if x.closing:
            # Whether or not we drain: a client that was not told by this answer's head may be sending its next request already.
            self._close(x.body_complete)
            return
        if not self._running:
            self._advance()
        self._watch_idle()

    def _crashed(self, x: Exchange, error: Exception) -> None:
        """A defect of ours: it is logged with the request's id, and the client is not left waiting."""
        _log.error("a request crashed", exc_info=error, extra={"request_id": x.request_id})
        self._active = None
        if x.upstream is not None:
            x.upstream.abort()
        transport = self._transport
        if transport is not None:
            if not x.head_written:
                transport.write(_CRASH % (x.request_id.encode(), len(_CRASH_BODY), _CRASH_BODY))
            transport.close()
        self.gone = True

    # What the exchange calls.

    def write(self, data: bytes) -> None:
        transport = self._transport
        if transport is not None and not self.gone:
            self._sent += len(data)
            transport.write(data)

    def pass_through(self, passage: Passage | None) -> None:
        self._passage = passage
        self._lingering = True
        self._due = NEVER

    # Its end.

    def _leave(self) -> None:
        """The client is gone, or as good as gone."""
        if self.gone:
            return
        self.gone = True
        self._due = math.inf
        for waiting in self._queue:
            self._forget(waiting)
        self._queue.clear()
        if self._newest is not None and self._newest is not self._active:
            self._forget(self._newest)
        active = self._active
        if active is not None:
            self._interrupt(active, Fault(GONE, "the client closed the connection"))

    def _forget(self, x: Exchange) -> None:
        """A request that nobody began to serve: only its memory is given back."""
        self._plane.let_go(x.held)
        x.held = 0

    def _interrupt(self, x: Exchange, fault: Fault) -> None:
        """End whatever the exchange waits for."""
        if x.answer is not None:
            x.answer.fail(fault)
        elif x.pending is not None:
            x.pending.hand(fault)
        elif x.body_wait is not None:
            x.refusal = fault.refusal()
            x.closing = True
            x.body_wait.hand()

    def _close(self, body_complete: bool) -> None:
        """Write what is unwritten and end. Where the client is still sending, hear it out for a moment."""
        transport = self._transport
        if transport is None:
            return
        self._queue.clear()
        if (body_complete and not self._lingering) or not transport.can_write_eof():
            self.gone = True
            transport.close()
            self._due = self._plane.loop.time() + self._plane.bounds.write_idle_s
            return
        self._lingering = True
        self._resume_reading()
        transport.write_eof()
        self._due = self._plane.loop.time() + LINGER_S

    @property
    def idle(self) -> bool:
        """Whether it was served before, and nothing is asked and nothing is answered now."""
        return not self._accepted_ns and self._active is None and not self._queue and not self._reader.in_message

    @property
    def due(self) -> float:
        """Loop time at which it will be closed if nothing happens: the less, the longer it has been idle."""
        return self._due

    def drain(self) -> None:
        """The worker stops: an idle connection ends now, a busy one after its answer, one that has left HTTP when it is told to."""
        if self._passage is not None:
            self._passage.drain()
            return
        if self._active is not None or self._queue or self._transport is None or self._reader.in_message:
            return
        # One that was accepted and has not spoken yet is about to: its client would take a close for a failure.
        if not self._accepted_ns or monotonic_ns() - self._accepted_ns > SPEAK_NS:
            self._transport.close()

    def cut(self) -> None:
        """The drain time is up: the running call ends with an error its client can read."""
        if self._active is not None:
            self._interrupt(self._active, Fault("draining", "the gateway is restarting; try again", retry_after=1))
        else:
            self.abort()

    def abort(self) -> None:
        transport = self._transport
        if transport is not None:
            if transport.get_write_buffer_size():
                # It does not read. Closed in order, the kernel would keep the unsent bytes, and the socket, for as long as it pleases.
                transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            transport.abort()

    # Its deadlines. The worker calls `check` four times a second.

    def _watch_idle(self) -> None:
        """Set the deadline of a next request, where none is being served."""
        if self._active is None:
            self._watch_input()

    def _watch_input(self) -> None:
        """Set the deadline of what the client should do next."""
        if self.gone or self._lingering:
            return
        now = self._plane.loop.time()
        reader = self._reader
        bounds = self._plane.bounds
        if not reader.in_message:
            if self._active is None:
                self._due = now + bounds.keepalive_s
            else:
                self._due = math.inf
        elif not reader.in_body:
            # From the head's first byte, however many follow.
            self._due = now + bounds.head_timeout_s - (monotonic_ns() - self._head_started) / 1e9
        else:
            self._last_input = now
            self._due = now + bounds.body_idle_s

    def check(self, now: float) -> None:
        """End what is overdue."""
        active = self._active
        if active is not None and active.answer is not None:
            self._check_answer(active, now)
        if self.congested:
            self._check_reading(now)
        elif now >= self._due:
            self._overdue()
        elif self._reader.in_body:
            self._check_rate(now)

    def _overdue(self) -> None:
        reader = self._reader
        if self.gone or self._lingering or not reader.in_message:
            self.abort()
            return
        what = "body" if reader.in_body else "head"
        message = f"the request's {what} did not come in time; send it without pauses"
        refusal = Refusal(408, Kind.INVALID, f"{what}_timeout", message, should_retry=True, close=True)
        self._due = math.inf
        if self._active is not None and self._newest is not self._active:
            # An earlier request is still being answered; the late one gets nothing.
            self._pause_reading()
            self._active.closing = True
            return
        self.message_refused(refusal)
        self._advance()

    def _check_rate(self, now: float) -> None:
        x = self._newest
        if x is None:
            return
        elapsed = (monotonic_ns() - x.t_head) / 1e9
        bounds = self._plane.bounds
        if elapsed > bounds.body_idle_s and x.body_bytes < bounds.body_min_rate * elapsed:
            self._overdue()

    def _check_answer(self, x: Exchange, now: float) -> None:
        answer, target = x.answer, x.target
        assert answer is not None
        if target is None:
            # A tunnelled request keeps its own time.
            return
        if answer.completed or answer.fault is not None:
            return
        timeouts = target.timeouts
        if not answer.status:
            if now - x.sent_at > timeouts.first_byte:
                answer.fail(Fault("request_timeout", f"the provider did not begin to answer within {timeouts.first_byte:g} s"))
        elif not answer.waiting_for_client and now - answer.last_at > timeouts.idle:
            answer.fail(Fault("idle_timeout", f"the provider fell silent for {timeouts.idle:g} s inside its answer"))
        elif now - x.sent_at > timeouts.total:
            answer.fail(Fault("total_timeout", f"the answer took longer than {timeouts.total:g} s in all"))
        elif answer.streaming and now - answer.last_at > self._plane.bounds.comment_s and not self.congested:
            self._comment(x, answer, now)

    def _comment(self, x: Exchange, answer: Any, now: float) -> None:
        """A sign of life in a silent stream."""
        if now - max(self._progress_at, answer.last_at) < self._plane.bounds.comment_s:
            return
        self._progress_at = now
        text = sse.comment(b"waiting for the provider")
        assert x.head is not None
        self.write(chunk(text) if x.head.version == "1.1" else text)

    def _check_reading(self, now: float) -> None:
        """A client that does not read what it asked for is let go."""
        transport = self._transport
        if transport is None:
            return
        drained = self._sent - transport.get_write_buffer_size()
        if drained != self._last_drained:
            self._last_drained = drained
            self._progress_at = now
        elif now - self._progress_at > self._plane.bounds.write_idle_s:
            if self._active is not None:
                self._interrupt(self._active, Fault("slow_reader", "the client did not read its answer"))
            self.abort()

    # Back-pressure.

    def _holds_too_much(self) -> bool:
        if len(self._queue) >= self._plane.bounds.pipelining:
            return True
        return sum(x.body_bytes for x in self._queue) > QUEUE_BYTES

    def _pause_reading(self) -> None:
        if not self._paused_reading and self._transport is not None:
            self._paused_reading = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._paused_reading and self._transport is not None:
            self._paused_reading = False
            self._transport.resume_reading()


def _report(error: BaseException) -> None:
    _log.error("an exchange could not be driven", exc_info=error)


_CRASH: Final = (
    b"HTTP/1.1 500 Internal Server Error\r\ncontent-type: application/json\r\nx-request-id: %b\r\n"
    b"connection: close\r\ncontent-length: %d\r\n\r\n%b"
)
_CRASH_BODY: Final = (
    b'{"error":{"message":"the gateway failed on this request; the operator finds the reason in its log by the request id",'
    b'"type":"server_error","param":null,"code":"internal_error"}}'
)
