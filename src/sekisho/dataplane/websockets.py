"""A WebSocket on its way between a client of the console's port and the node: bytes both ways, within bounds, and an end in order.

The client says next to nothing, so what it may send is bounded by frame and by second. The node's frames pass as they come, as fast as
the client reads. Whoever of the two is gone or falls silent ends it for the other; a worker that stops says goodbye between two frames.
"""

import asyncio
from typing import Final, cast

from sekisho.core.model.errors import Fault
from sekisho.core.wire import websocket
from sekisho.core.wire.http1.events import ResponseSink
from sekisho.core.wire.http1.readers import ResponseReader
from sekisho.dataplane.relay import Client
from sekisho.kit.drive import Baton

HEAD_BYTES: Final = 16 * 1024
"""Of the node's answer to the handshake."""
CLIENT_FRAME_BYTES: Final = 4 * 1024
CLIENT_BYTES_PER_S: Final = 1024
CLIENT_BURST_BYTES: Final = 16 * 1024
NODE_FRAME_BYTES: Final = 1024 * 1024
SILENCE_S: Final = 60.0
"""The node asks for a sign of life each 20 s: who says nothing for so long is gone, be it the client or the node."""

_SWITCHING: Final = b"HTTP/1.1 101 "
_PASSED: Final = frozenset((b"sec-websocket-accept", b"sec-websocket-protocol"))


class WebSocket(asyncio.Protocol):
    """The node's end of one client's WebSocket; the protocol of the connection to the node."""

    def __init__(self, client: Client, loop: asyncio.AbstractEventLoop) -> None:
        self._client = client
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._early = b""
        """What came of the head of the node's answer."""
        self._reader: ResponseReader | None = None
        """Reads the answer where it is a refusal."""
        self._refusal: ResponseSink | None = None
        self._open = False
        self._paused = False
        self._from_client = websocket.Frames(masked=True, most=CLIENT_FRAME_BYTES)
        self._from_node = websocket.Frames(masked=False, most=NODE_FRAME_BYTES)
        self._client_at = self._node_at = self._allowed_at = 0.0
        self._allowance = float(CLIENT_BURST_BYTES)
        self._silence: asyncio.TimerHandle | None = None
        self.fields: dict[bytes, bytes] = {}
        """What of the node's handshake concerns the client."""
        self.answered = Baton()
        """True: it is open. False: the node refused, and the sink has its answer. Or the fault for which there is no answer."""
        self.ended = Baton()
        """The code to tell the client, or the fault that ended it."""

    async def open(self, path: str, head: bytes, refusal: ResponseSink, within: float) -> None:
        """Connect to the node and send it the handshake; what comes of it is told by `answered`, or to `refusal`."""
        self._refusal = refusal
        try:
            async with asyncio.timeout(within):
                await self._loop.create_unix_connection(lambda: self, path)
        except (OSError, TimeoutError):
            self.answered.hand(Fault("upstream_unreachable", "the node cannot be reached"))
            return
        if self.answered.handed:
            self.abort()
        elif self._transport is not None:
            self._transport.write(head)

    # Called by the loop: the node's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are transports by behaviour, not by descent.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._open:
            self._pass(data)
        elif self._reader is not None:
            if self._reader.busy:
                self._reader.feed(data)
        elif not self.ended.handed:
            self._early += data
            if not self.answered.handed:
                self._answer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._reader is not None and self._refusal is not None:
            if self._reader.busy and not self._reader.ended():
                self._refusal.response_failed("upstream_cut", "the node closed the connection inside its answer")
        elif not self._open:
            self.answered.hand(Fault("upstream_cut", "the node closed the connection before its answer"))
        self.ended.hand(websocket.RESTARTED)

    def _answer(self) -> None:
        """See what the node says to the handshake."""
        head, mark, rest = self._early.partition(b"\r\n\r\n")
        if not mark:
            if len(self._early) > HEAD_BYTES:
                self.answered.hand(Fault("upstream_invalid_response", "the node's answer has no end"))
                self.abort()
            return
        if not head.startswith(_SWITCHING):
            assert self._refusal is not None
            reader = self._reader = ResponseReader(HEAD_BYTES)
            reader.expect(self._refusal)
            self.answered.hand(False)
            reader.feed(self._early)
            return
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() in _PASSED:
                self.fields[name.lower()] = value.strip()
        self._early = rest
        # Whoever awaits this lets the client know, and calls `begin`.
        self.answered.hand(True)

    # Called by the tunnel.

    def begin(self) -> None:
        """The client has been told that it may begin."""
        self._open = True
        self._client_at = self._node_at = self._allowed_at = self._loop.time()
        self._silence = self._loop.call_later(SILENCE_S / 4, self._listen)
        early, self._early = self._early, b""
        if early:
            self._pass(early)

    def end(self, why: object) -> None:
        """It is over, for what `ended` brought: tell the client what is to be told, and let go of the node."""
        if self._silence is not None:
            self._silence.cancel()
        self._open = False
        # A fault is the worker's own: the client has gone, or the time to drain is up.
        code = why if isinstance(why, int) else websocket.GOING_AWAY
        if not self._client.gone and not self._from_node.closed and self._from_node.between:
            self._client.write(websocket.close_frame(code))
        self.abort()

    # Called by the client's connection.

    def received(self, data: bytes) -> None:
        """The client says something."""
        now = self._client_at = self._loop.time()
        self._allowance = min(CLIENT_BURST_BYTES, self._allowance + (now - self._allowed_at) * CLIENT_BYTES_PER_S) - len(data)
        self._allowed_at = now
        fault = websocket.POLICY if self._allowance < 0 else self._from_client.follow(data)
        if fault is not None:
            self.ended.hand(fault)
        elif self._transport is not None:
            self._transport.write(data)

    def client_congested(self) -> None:
        """It reads slower than the node sends."""
        if not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def client_relieved(self) -> None:
        if self._paused and self._transport is not None:
            self._paused = False
            self._node_at = self._loop.time()
            self._transport.resume_reading()

    def drain(self) -> None:
        """The worker stops. Between two frames the client is told so; called again and again until then."""
        if self._from_node.between:
            self.ended.hand(websocket.GOING_AWAY)

    # An upstream in the sense of `relay`.

    def pause(self) -> None:
        self.client_congested()

    def resume(self) -> None:
        self.client_relieved()

    def abort(self) -> None:
        """Close the connection to the node at once."""
        if self._transport is not None:
            self._transport.abort()

    # What passes.

    def _pass(self, data: bytes) -> None:
        """The node says something."""
        self._node_at = self._loop.time()
        fault = self._from_node.follow(data)
        if fault is not None:
            self.ended.hand(websocket.RESTARTED)
            return
        self._client.write(data)
        if self._client.congested:
            self.client_congested()

    def _listen(self) -> None:
        """End it where somebody has fallen silent."""
        now = self._loop.time()
        if now - self._client_at > SILENCE_S or (not self._paused and now - self._node_at > SILENCE_S):
            self.ended.hand(websocket.RESTARTED)
            return
        self._silence = self._loop.call_later(SILENCE_S / 4, self._listen)
