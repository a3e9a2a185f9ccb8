"""An OpenAI-compatible upstream that does what the test says, and remembers every byte and every connection.

    with Upstream() as upstream:
        upstream.script(Reply.json({"error": ...}, status=429), Reply.chat("fine"))
        ...
        assert upstream.calls[0].json()["model"] == "m"

Each reply of the script answers one request; when the script is empty (or was never given), `otherwise` answers: a well-behaved
server of one model by default. `GET /v1/models` is answered by it too, outside the script, unless `scripts_models` is set.
"""

import asyncio
import json
import random
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

from tests.support.authorities import Authority
from tests.support.messages import Message, Reader
from tests.support.threads import LoopThread

REASONS: Final = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    429: "Too Many Requests",
    500: "Internal Server Error",
}


@dataclass(frozen=True)
class Send:
    """Write bytes."""

    data: bytes


@dataclass(frozen=True)
class Pause:
    """Wait, in seconds; None waits until the peer leaves."""

    seconds: float | None = None


@dataclass(frozen=True)
class Repeat:
    """Write the same bytes for ever, with a pause in seconds between them."""

    data: bytes
    every: float


@dataclass(frozen=True)
class Close:
    """End the connection, in order or by a reset."""

    reset: bool = False


Step = Send | Pause | Repeat | Close


@dataclass(frozen=True)
class Reply:
    """What to do with one request, as steps on the bare connection."""

    steps: tuple[Step, ...]
    early: bool = False
    """Begin when the head of the request is in, instead of its whole body."""

    @classmethod
    def raw(cls, *data: bytes) -> Self:
        """These bytes and no others."""
        return cls(tuple(Send(each) for each in data))

    @classmethod
    def of(cls, body: bytes, status: int = 200, headers: Sequence[tuple[str, str]] = (), content_type: str = "application/json") -> Self:
        """A response with a length, in one write."""
        return cls.raw(head(status, [("content-type", content_type), ("content-length", str(len(body))), *headers]) + body)

    @classmethod
    def json(cls, value: Any, status: int = 200, headers: Sequence[tuple[str, str]] = ()) -> Self:
        return cls.of(json.dumps(value).encode(), status, headers)

    @classmethod
    def chunked(cls, pieces: Iterable[bytes], delay: float = 0.0, content_type: str = "application/json", **more: Any) -> Self:
        """A response in chunks, each a write of its own, `delay` seconds apart."""
        steps: list[Step] = [Send(head(more.get("status", 200), [("content-type", content_type), ("transfer-encoding", "chunked")]))]
        for piece in pieces:
            if delay:
                steps.append(Pause(delay))
            steps.append(Send(chunk(piece)))
        return cls((*steps, Send(b"0\r\n\r\n")))

    @classmethod
    def sse(cls, events: Iterable[Any], delay: float = 0.0, *, done: bool = True) -> Self:
        """A stream of server-sent events; a value that is no text is written as JSON."""
        pieces = [sse(event) for event in events]
        return cls.chunked([*pieces, sse("[DONE]")] if done else pieces, delay, "text/event-stream")

    @classmethod
    def chat(cls, text: str, model: str = "fake", usage: tuple[int, int] | None = (7, 3), **more: Any) -> Self:
        """A plain chat answer; `usage` is prompt and completion tokens."""
        return cls.json(chat(text, model, usage), **more)

    @classmethod
    def stream(
        cls, text: str, model: str = "fake", usage: tuple[int, int] | None = None, delay: float = 0.0, finish: str | None = "stop"
    ) -> Self:
        """A streamed chat answer, one event per word; the usage event comes only where usage is given."""
        return cls.sse(stream_events(text, model, usage, finish), delay)

    @classmethod
    def endless(cls, every: float = 0.01, text: str = "on ") -> Self:
        """A stream that never ends by itself."""
        opening = head(200, [("content-type", "text/event-stream"), ("transfer-encoding", "chunked")])
        return cls((Send(opening), Repeat(chunk(sse(_delta("fake", {"content": text}))), every)))

    @classmethod
    def hang(cls) -> Self:
        """Nothing, for as long as the peer stays."""
        return cls((Pause(),))

    @classmethod
    def closed(cls, *, reset: bool = False) -> Self:
        """The connection ends without an answer."""
        return cls((Close(reset),))

    @classmethod
    def garbage(cls, size: int = 500, seed: int = 1) -> Self:
        """Random bytes, then the end."""
        return cls((Send(random.Random(seed).randbytes(size)), Close()))

    def cut(self, at: int, *, reset: bool = False) -> Self:
        """The same reply, but the connection ends after this many bytes."""
        steps: list[Step] = []
        for step in self.steps:
            if isinstance(step, Send):
                steps.append(Send(step.data[:at]))
                at -= len(step.data)
                if at <= 0:
                    break
            else:
                steps.append(step)
        return replace(self, steps=(*steps, Close(reset)))

    def then(self, *steps: Step) -> Self:
        """The same reply with more steps after it."""
        return replace(self, steps=(*self.steps, *steps))

    def split(self, size: int, delay: float = 0.0) -> Self:
        """The same bytes, written `size` at a time with `delay` seconds between."""
        steps: list[Step] = []
        for step in self.steps:
            if not isinstance(step, Send):
                steps.append(step)
                continue
            for place in range(0, len(step.data), size):
                steps.append(Send(step.data[place : place + size]))
                steps.append(Pause(delay))
        return replace(self, steps=tuple(steps))

    @property
    def data(self) -> bytes:
        """All bytes that the reply writes."""
        return b"".join(step.data for step in self.steps if isinstance(step, Send))


def head(status: int, headers: Sequence[tuple[str, str]]) -> bytes:
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}", *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def sse(event: Any) -> bytes:
    return b"data: " + (event if isinstance(event, str) else json.dumps(event)).encode() + b"\n\n"


def chat(text: str, model: str = "fake", usage: tuple[int, int] | None = (7, 3)) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "id": "chatcmpl-fake",
        "object": "chat.completion",
        "created": 1700000000,
        "model": model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop", "logprobs": None}],
    }
    if usage:
        answer["usage"] = _usage(usage)
    return answer


def stream_events(
    text: str, model: str = "fake", usage: tuple[int, int] | None = None, finish: str | None = "stop"
) -> list[dict[str, Any]]:
    words = [word if place == 0 else " " + word for place, word in enumerate(text.split(" "))]
    events = [_delta(model, {"role": "assistant", "content": ""}), *(_delta(model, {"content": word}) for word in words)]
    if finish:
        events.append(_delta(model, {}, finish))
    if usage:
        events.append({**_delta(model, {}), "choices": [], "usage": _usage(usage)})
    return events


def _delta(model: str, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {
        "id": "chatcmpl-fake",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": model,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}],
    }


def _usage(usage: tuple[int, int]) -> dict[str, int]:
    return {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}


def well_behaved(request: Message) -> Reply:
    """One model, `fake`, that answers everything with `a fake answer`."""
    if request.path.endswith("/models"):
        return Reply.json({"object": "list", "data": [{"id": "fake", "object": "model", "created": 1700000000, "owned_by": "tests"}]})
    if request.path.endswith("/embeddings"):
        return Reply.json(
            {
                "object": "list",
                "model": "fake",
                "data": [{"object": "embedding", "index": 0, "embedding": [0.5, -0.5]}],
                "usage": {"prompt_tokens": 2, "total_tokens": 2},
            }
        )
    if request.path.endswith("/chat/completions"):
        asked = request.json()
        if asked.get("stream"):
            wanted = (asked.get("stream_options") or {}).get("include_usage")
            return Reply.stream("a fake answer", usage=(7, 3) if wanted else None)
        return Reply.chat("a fake answer")
    if request.path.endswith("/completions"):
        choice = {"index": 0, "text": "a fake answer", "finish_reason": "stop", "logprobs": None}
        completion = {"id": "cmpl-fake", "object": "text_completion", "created": 1700000000, "model": "fake"}
        return Reply.json({**completion, "choices": [choice], "usage": _usage((7, 3))})
    return Reply.json({"error": {"message": "no such route", "type": "not_found_error", "code": 404}}, status=404)


@dataclass
class Connection:
    """One connection as the upstream saw it; times are monotonic seconds."""

    opened_at: float
    reader: Reader = field(default_factory=Reader)
    received: int = 0
    sent: int = 0
    closed_at: float | None = None
    """When the connection was over, whoever ended it."""
    left_at: float | None = None
    """When the peer ended it, while we had not."""
    reset: bool = False
    """The peer left by a reset."""


class Upstream(LoopThread):
    """The server; see the module."""

    def __init__(self, *, authority: Authority | None = None, context: ssl.SSLContext | None = None) -> None:
        super().__init__()
        self.authority = authority
        """Where given, the upstream speaks TLS with a certificate of this authority for 127.0.0.1 and localhost."""
        self._context = context or (authority.server_context() if authority else None)
        self.connections: list[Connection] = []
        self.otherwise: Callable[[Message], Reply] = well_behaved
        self.scripts_models = False
        self._script: deque[Reply] = deque()
        self._open_protocols: set[_Protocol] = set()
        self.port = 0
        self._since = 0.0
        self._received_before = 0

    @property
    def origin(self) -> str:
        return f"{'https' if self._context else 'http'}://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        return self.origin + "/v1"

    def script(self, *replies: Reply) -> None:
        """Answer the next requests so, one reply each."""
        self._script.extend(replies)

    @property
    def requests(self) -> list[Message]:
        """All requests whose head is whole, in order of arrival."""
        seen = (each for connection in list(self.connections) for each in list(connection.reader.messages))
        return sorted((each for each in seen if each.began_at > self._since), key=lambda each: each.began_at)

    @property
    def calls(self) -> list[Message]:
        """The requests without those for the model list, which Sekisho makes by itself."""
        return [each for each in self.requests if not each.path.endswith("/models")]

    @property
    def received(self) -> int:
        """Bytes that came in over all connections, since they were last forgotten."""
        return sum(connection.received for connection in list(self.connections)) - self._received_before

    @property
    def open(self) -> list[Connection]:
        return [connection for connection in list(self.connections) if connection.closed_at is None]

    def forget(self) -> None:
        """Count requests and bytes afresh from here; connections stay listed."""
        self._since = time.monotonic()
        self._received_before += self.received

    def wait_calls(self, count: int, timeout: float = 10.0) -> list[Message]:
        """The calls, once there are so many and each is whole."""
        return self.wait(
            lambda: self.calls if len(self.calls) >= count and all(each.complete for each in self.calls) else [], f"{count} calls", timeout
        )

    def wait_left(self, connection: Connection, timeout: float = 10.0) -> float:
        """The time at which the peer left this connection."""
        self.wait(lambda: connection.left_at is not None, "the peer leaving", timeout)
        assert connection.left_at is not None
        return connection.left_at

    def scripted(self, request: Message) -> Reply | None:
        """The next reply of the script, if it is for such a request."""
        if self._script and (self.scripts_models or not request.path.endswith("/models")):
            return self._script.popleft()
        return None

    async def _open(self) -> None:
        self._server = await self._loop.create_server(lambda: _Protocol(self), "127.0.0.1", 0, ssl=self._context)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._server.close()
        for protocol in list(self._open_protocols):
            await protocol.abort()

    def adopt(self, protocol: "_Protocol") -> None:
        self._open_protocols.add(protocol)
        self.connections.append(protocol.connection)
        self.changed()

    def lose(self, protocol: "_Protocol") -> None:
        self._open_protocols.discard(protocol)
        self.changed()

    def __repr__(self) -> str:
        seen = ", ".join(f"{each.start!r}{'' if each.complete else ' (not whole)'}" for each in self.requests)
        return f"<Upstream {self.origin}: {len(self.connections)} connections, {len(self.open)} open; {seen or 'no request'}>"


class _Protocol(asyncio.Protocol):
    """One connection; a task plays the replies in order."""

    transport: asyncio.Transport

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._closing = False
        self._moved = asyncio.Event()
        self._gone = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.connection = Connection(time.monotonic())
        self._upstream.adopt(self)
        self._player = asyncio.get_running_loop().create_task(self._play())

    def data_received(self, data: bytes) -> None:
        self.connection.received += len(data)
        self.connection.reader.feed(data)
        self._moved.set()
        self._upstream.changed()

    def eof_received(self) -> bool:
        self._leave()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.connection.reset = isinstance(error, ConnectionResetError)
        self._leave()
        self.connection.closed_at = time.monotonic()
        self.connection.reader.eof()
        self._gone.set()
        self._player.cancel()
        self._upstream.lose(self)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    async def abort(self) -> None:
        self._closing = True
        self.transport.abort()
        await self._gone.wait()

    def _leave(self) -> None:
        if not self._closing and self.connection.left_at is None:
            self.connection.left_at = time.monotonic()
            self._upstream.changed()

    async def _play(self) -> None:
        place = 0
        while True:
            messages = self.connection.reader.messages
            if len(messages) == place:
                await self._more()
                continue
            request = messages[place]
            place += 1
            reply = self._upstream.scripted(request)
            while not request.complete and not (reply and reply.early):
                await self._more()
            for step in (reply or self._upstream.otherwise(request)).steps:
                await self._do(step)

    async def _more(self) -> None:
        self._moved.clear()
        await self._moved.wait()

    async def _do(self, step: Step) -> None:
        match step:
            case Send(data):
                await self._write(data)
            case Pause(None):
                await self._gone.wait()
            case Pause(seconds):
                await asyncio.sleep(seconds or 0)
            case Repeat(data, every):
                while True:
                    await self._write(data)
                    await asyncio.sleep(every)
            case Close(reset):
                self._closing = True
                if reset:
                    self.transport.abort()
                else:
                    self.transport.close()
                await self._gone.wait()

    async def _write(self, data: bytes) -> None:
        self.transport.write(data)
        self.connection.sent += len(data)
        await self._writable.wait()
