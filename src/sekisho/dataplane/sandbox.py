"""A provider inside the worker: deterministic, streaming, metered, free. Any client can be tried before an engine or a cloud key exists.

It speaks OpenAI's dialect as a provider would, in bytes, and everything behind it (relay, scanner, usage, record) is the real thing.
A token is a word here.
"""

import asyncio
import base64
import hashlib
import struct
from typing import Any, Final

import msgspec

from sekisho.core.dialects.registry import Action
from sekisho.core.wire import sse
from sekisho.core.wire.http1.events import ResponseSink

CREATED: Final = 1_700_000_000
"""The time in every answer, so that equal requests get equal answers."""
_LOREM_TEXT: Final = (
    "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore et dolore "
    "magna aliqua ut enim ad minim veniam quis nostrud exercitation ullamco laboris nisi ut aliquip ex ea commodo consequat"
)
LOREM: Final = tuple(_LOREM_TEXT.split())
LOREM_TOKENS: Final = 32
SLOW_FIRST_S: Final = 1.0
SLOW_NEXT_S: Final = 0.25
EMBEDDING_SIZE: Final = 16
MOST_TOKENS: Final = 4096
MOST_INPUTS: Final = 2048

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode


class Sandbox:
    """One answer of the sandbox; it takes the place of an upstream connection."""

    __slots__ = ("_aborted", "_chunks", "_delay", "_loop", "_paused", "_sink", "_timer", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._sink: ResponseSink | None = None
        self._chunks: list[bytes] = []
        self._delay = 0.0
        self._timer: asyncio.Handle | None = None
        self._paused = False
        self._waiting = False
        """Whether the next piece would be due but for the pause."""
        self._aborted = False

    def send(self, model: str, action: Action, body: bytes, *, stream: bool, sink: ResponseSink) -> None:
        """Answer a request body as the model of that name would; the answer begins in the next turn of the loop."""
        self._sink = sink
        request: dict[str, Any] = _decode(body)
        if model.startswith("error-"):
            self._fail(int(model.removeprefix("error-")))
        elif action is Action.EMBEDDING:
            self._whole(200, _embed(model, request))
        else:
            words, prompt = _words(model, request, action)
            if model == "slow":
                self._delay = SLOW_NEXT_S
            if stream:
                self._stream(model, words, prompt, request, action)
            else:
                self._whole(200, _completion(model, words, prompt, request, action), SLOW_FIRST_S if model == "slow" else 0.0)

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        if self._paused:
            self._paused = False
            if self._waiting:
                self._next()

    def abort(self) -> None:
        self._aborted = True
        self._sink = None
        if self._timer is not None:
            self._timer.cancel()

    def _fail(self, status: int) -> None:
        kind = "rate_limit_error" if status == 429 else "invalid_request_error" if status < 500 else "server_error"
        body = {"error": {"message": f"the sandbox answers {status} as asked", "type": kind, "param": None, "code": f"sandbox_{status}"}}
        self._whole(status, body)

    def _whole(self, status: int, answer: dict[str, Any], delay: float = 0.0) -> None:
        body = _encode(answer)

        def tell() -> None:
            sink = self._sink
            if sink is None:
                return
            fields = {b"content-type": b"application/json"}
            if status == 429:
                fields[b"retry-after"] = b"1"
            sink.response_head(status, fields)
            sink.response_body(body)
            sink.response_completed()

        self._timer = self._loop.call_later(delay, tell) if delay else self._loop.call_soon(tell)

    def _stream(self, model: str, words: list[str], prompt: int, request: dict[str, Any], action: Action) -> None:
        frame = _frame(model, action)
        usage = {"prompt_tokens": prompt, "completion_tokens": len(words), "total_tokens": prompt + len(words)}
        reason = "length" if _limit(request) <= len(words) and model != "echo" else "stop"
        pieces = [(word if index == 0 else f" {word}") for index, word in enumerate(words)]
        if action is Action.CHAT:
            choices: list[dict[str, Any]] = [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]
            choices += [{"index": 0, "delta": {"content": piece}, "finish_reason": None} for piece in pieces]
            end = {"index": 0, "delta": {}, "finish_reason": reason}
        else:
            choices = [{"index": 0, "text": piece, "finish_reason": None, "logprobs": None} for piece in pieces]
            end = {"index": 0, "text": "", "finish_reason": reason, "logprobs": None}
        chunks = [sse.encode(_encode({**frame, "choices": [choice]})) for choice in choices]
        if model == "cut":
            chunks = chunks[: len(chunks) // 2]
        else:
            chunks.append(sse.encode(_encode({**frame, "choices": [end]})))
            if (request.get("stream_options") or {}).get("include_usage"):
                chunks.append(sse.encode(_encode({**frame, "choices": [], "usage": usage})))
            chunks.append(sse.encode(b"[DONE]"))
        chunks.reverse()
        self._chunks = chunks

        def begin() -> None:
            if self._sink is not None:
                self._sink.response_head(200, {b"content-type": b"text/event-stream; charset=utf-8"})
                self._next()

        self._timer = self._loop.call_later(SLOW_FIRST_S, begin) if model == "slow" else self._loop.call_soon(begin)

    def _next(self) -> None:
        sink = self._sink
        self._waiting = self._paused
        if sink is None or self._paused:
            return
        if not self._chunks:
            self._sink = None
            sink.response_completed()
            return
        sink.response_body(self._chunks.pop())
        if not self._aborted:
            self._timer = self._loop.call_later(self._delay, self._next) if self._delay else self._loop.call_soon(self._next)


def _frame(model: str, action: Action) -> dict[str, Any]:
    chat = action is Action.CHAT
    return {
        "id": f"{'chatcmpl' if chat else 'cmpl'}-sandbox-{model}",
        "object": "chat.completion.chunk" if chat else "text_completion",
        "created": CREATED,
        "model": f"sandbox/{model}",
    }


def _completion(model: str, words: list[str], prompt: int, request: dict[str, Any], action: Action) -> dict[str, Any]:
    text = " ".join(words)
    reason = "length" if _limit(request) <= len(words) and model != "echo" else "stop"
    answer = _frame(model, action)
    if action is Action.CHAT:
        answer["object"] = "chat.completion"
        message = {"role": "assistant", "content": text, "refusal": None}
        answer["choices"] = [{"index": 0, "message": message, "finish_reason": reason, "logprobs": None}]
    else:
        answer["choices"] = [{"index": 0, "text": text, "finish_reason": reason, "logprobs": None}]
    answer["usage"] = {"prompt_tokens": prompt, "completion_tokens": len(words), "total_tokens": prompt + len(words)}
    return answer


def _limit(request: dict[str, Any]) -> int:
    asked = request.get("max_completion_tokens") or request.get("max_tokens")
    return min(asked, MOST_TOKENS) if isinstance(asked, int) and asked > 0 else MOST_TOKENS


def _words(model: str, request: dict[str, Any], action: Action) -> tuple[list[str], int]:
    """What the model says, and the words of the prompt."""
    if action is Action.CHAT:
        messages = request.get("messages")
        texts = [_text(message.get("content")) for message in messages if isinstance(message, dict)] if isinstance(messages, list) else []
        said = next(
            (
                _text(message.get("content"))
                for message in reversed(messages if isinstance(messages, list) else [])
                if isinstance(message, dict) and message.get("role") == "user"
            ),
            "",
        )
    else:
        texts = [_text(request.get("prompt"))]
        said = texts[0]
    prompt = sum(len(text.split()) for text in texts)
    if model in ("lorem", "slow", "cut"):
        count = min(_limit(request), LOREM_TOKENS if model != "slow" else 12)
        return [LOREM[index % len(LOREM)] for index in range(count)], prompt
    return said.split()[: _limit(request)] or ["(nothing", "to", "echo)"], prompt


def _text(content: Any) -> str:
    """The text of a message's content: a string, or the text parts of a list."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = [part if isinstance(part, str) else part.get("text", "") if isinstance(part, dict) else "" for part in content]
        return " ".join(part for part in parts if isinstance(part, str))
    return ""


def _embed(model: str, request: dict[str, Any]) -> dict[str, Any]:
    """A unit-like vector per input, made of the input's digest."""
    given = request.get("input")
    inputs = given if isinstance(given, list) and not all(isinstance(item, int) for item in given) else [given]
    data = []
    tokens = 0
    for index, item in enumerate(inputs[:MOST_INPUTS]):
        text = item if isinstance(item, str) else str(item)
        tokens += len(text.split())
        digest = hashlib.sha256(text.encode("utf-8", "replace")).digest()
        vector = [(byte - 127.5) / 512 for byte in digest[:EMBEDDING_SIZE]]
        if request.get("encoding_format") == "base64":
            embedding: Any = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
        else:
            embedding = vector
        data.append({"object": "embedding", "index": index, "embedding": embedding})
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": f"sandbox/{model}", "usage": usage}
