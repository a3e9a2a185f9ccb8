"""An upstream whose every answer is chosen by the request itself, and what a healthy engine would have said.

Which reply is played is named by the request's own field `user`, that the gateway passes through untouched; so one provider serves
a thousand scripts at once, in any order.
"""

import json
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Final

from tests.support.messages import Message
from tests.support.upstream import Close, Connection, Pause, Repeat, Reply, Send, Step, Upstream

__all__ = ["HANG", "Close", "Pause", "Repeat", "ScriptedUpstream", "Seen", "Send", "Step"]

HANG: Final = Pause(None)
RESET: Final = Close(reset=True)


@dataclass
class Seen:
    """One whole request as it arrived, and the connection that it came on."""

    request: Message
    connection: Connection


class ScriptedUpstream(Upstream):
    """Replies by name; what arrived is kept by name too."""

    def __init__(self) -> None:
        super().__init__()
        self.replies: dict[str, Reply] = {}
        self.seen: dict[str, list[Seen]] = defaultdict(list)
        self.otherwise = self.choose

    def play(self, user: str, *steps: Step) -> None:
        """Answer requests of this `user` with these steps from now on."""
        self.replies[user] = Reply(steps)

    def of(self, user: str) -> list[Seen]:
        """What arrived under this name so far."""
        return list(self.seen.get(user, ()))

    def wait_for(self, user: str) -> Seen:
        """The first request of this name, once it is there."""
        return self.wait(lambda: self.of(user), f"a request of {user}")[0]

    def wait_stalled(self, connection: Connection) -> None:
        """Return when what we write is no longer taken: half a second without a byte leaving."""
        sent, since = -1, time.monotonic()
        while time.monotonic() - since < 0.5:
            if connection.sent != sent:
                sent, since = connection.sent, time.monotonic()
            time.sleep(0.02)

    def wait_closed(self, connection: Connection) -> float:
        """The time at which this connection was over, whoever ended it."""
        self.wait(lambda: connection.closed_at is not None, "the end of the connection")
        assert connection.closed_at is not None
        return connection.closed_at

    def choose(self, request: Message) -> Reply:
        """The reply named by the request, or what a healthy engine says."""
        document: dict[str, Any] = json.loads(bytes(request.body)) if request.body else {}
        user = str(document.get("user", ""))
        connection = next(each for each in reversed(self.connections) if any(message is request for message in each.reader.messages))
        self.seen[user].append(Seen(request, connection))
        self.changed()
        return self.replies.get(user) or healthy(document)


# What a healthy engine says, from which the faults are cut.

USAGE: Final = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}


def head(status: str, *lines: str) -> bytes:
    """A response head, its lines as given."""
    return "\r\n".join((f"HTTP/1.1 {status}", *lines, "", "")).encode("utf-8")


def json_answer(document: object, status: str = "200 OK", *lines: str) -> bytes:
    """A whole JSON response with its length."""
    body = document if isinstance(document, bytes) else json.dumps(document, ensure_ascii=False).encode()
    return head(status, "content-type: application/json", f"content-length: {len(body)}", *lines) + body


def completion(text: str = "関所を通る", usage: object = USAGE, **more: object) -> dict[str, object]:
    """A chat completion; `usage=None` leaves usage out."""
    document: dict[str, object] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        **more,
    }
    if usage is not None:
        document["usage"] = usage
    return document


def chunk(delta: dict[str, object] | None, finish: str | None = None, usage: object = None) -> bytes:
    """One frame of a stream; without a delta it is the frame that carries usage only."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    document: dict[str, object] = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices}
    if usage is not None:
        document["usage"] = usage
    return b"data: " + json.dumps(document, ensure_ascii=False).encode() + b"\n\n"


WORDS: Final = ("関所", "を通る", " a b", " ü", "!")
SSE_HEAD: Final = head("200 OK", "content-type: text/event-stream", "transfer-encoding: chunked")
SSE_HEAD_TO_CLOSE: Final = head("200 OK", "content-type: text/event-stream", "connection: close")
DONE: Final = b"data: [DONE]\n\n"


def chunked(data: bytes) -> bytes:
    """One chunk of the chunked coding."""
    return b"%x\r\n%s\r\n" % (len(data), data)


LAST_CHUNK: Final = b"0\r\n\r\n"


def frames(usage: object = USAGE) -> list[bytes]:
    """The frames of a healthy stream, `[DONE]` included; `usage=None` leaves the usage frame out."""
    spoken = [chunk({"role": "assistant", "content": ""}), *(chunk({"content": word}) for word in WORDS), chunk({}, "stop")]
    if usage is not None:
        spoken.append(chunk(None, usage=usage))
    return [*spoken, DONE]


def stream(usage: object = USAGE) -> bytes:
    """A healthy streamed response as one run of bytes, each frame a chunk."""
    return SSE_HEAD + b"".join(map(chunked, frames(usage))) + LAST_CHUNK


def healthy(asked: dict[str, Any]) -> Reply:
    """The answer of a healthy engine, for requests that name no script."""
    if asked.get("stream"):
        return Reply.raw(stream(USAGE if (asked.get("stream_options") or {}).get("include_usage") else None))
    if not asked:
        return Reply.raw(json_answer({"object": "list", "data": [{"id": "m", "object": "model", "created": 1, "owned_by": "x"}]}))
    return Reply.raw(json_answer(completion()))
