"""OpenAI's chat completions, completions and embeddings: the envelope, usage, stream and errors of that dialect.

Same dialect on both sides means bytes through: of a request only the members below are read, of a response only its usage and its
end.
"""

import re
from typing import Any, Final

import msgspec
from msgspec import UNSET

from sekisho.core.dialects.base import Envelope, EnvelopeError, explain_json, invalid, locate_members
from sekisho.core.model.chat import Outcome, Usage, UsageSource
from sekisho.core.model.errors import Kind, Refusal
from sekisho.core.wire import openai as shapes
from sekisho.core.wire import sse

MOST_MESSAGE: Final = 2000
"""Characters of a provider's error message that are passed on."""
MOST_ERROR: Final = 64 * 1024
"""Bytes of an error answer that are worth reading."""
PLAUSIBLE_TOKENS: Final = 1_000_000_000
"""A count beyond it is a lie or a defect; the call is then estimated."""


_PROVIDER: Final = UsageSource.PROVIDER.value

_MODEL: Final = re.compile(rb'"model": ?("[^"\\]*")')
"""As nearly everybody spells it; any other spelling is walked."""
LONG_BODY: Final = 4096
"""Up to this many bytes a body cannot be costly; beyond it is looked over before it is trusted."""
HUGE_BODY: Final = 64 * 1024
FEW_QUOTES: Final = 10_000
"""As many top-level members as quotes would have: a walk over them stays well under a millisecond."""
MOST_DIGITS: Final = 4300
"""Python's own bound for reading an integer; a longer number is an attack on whoever converts it."""
_MEMBER: Final = re.compile(rb'"[ \t\r\n]*:')
_DIGITS: Final = re.compile(rb"[0-9]*")


def decode_request(body: bytes, most_keys: int) -> Envelope:
    """Read the envelope; raises EnvelopeError with a refusal that names the field.

    Where each name of the envelope stands in the body at most once and no ASCII letter is escaped, the one place of `"model"` is the
    top-level member, found without a walk. Anything else is walked exactly, and a name that comes twice is refused; so is a huge body
    with few strings (an image), where one walk costs less than a search for each name.
    """
    try:
        request = shapes.decode_request(body)
        if not body.isascii():
            body.decode()
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise _explain(body, error) from None
    few_strings = False
    if len(body) > LONG_BODY:
        few_strings = len(body) > HUGE_BODY and _has_few_quotes(body)
        _check_digits(body)
        if not few_strings:
            _check_members(body, most_keys)
    plain = (
        not few_strings
        and body.count(b'"model"') == 1
        and (request.stream is UNSET or body.count(b'"stream') <= 1)
        and ((request.max_tokens is UNSET and request.max_completion_tokens is UNSET) or body.count(b'"max_') <= 1)
        and body.count(b'"messages"') <= 1
        and (body.find(b"\\") < 0 or body.find(b"\\u00") < 0)
    )
    places: dict[str, tuple[int, int]] | None = None
    match = _MODEL.search(body) if plain else None
    if match is not None:
        span = match.span(1)
    else:
        places = locate_members(body)
        span = places["model"]
    if not request.model:
        raise invalid("model is empty; name one of GET /v1/models", "model", "model_missing")
    envelope = Envelope(body, request.model, span, request.stream is True)
    if envelope.stream:
        _ask_for_usage(envelope, request, places)
    return envelope


_LIMITS: Final = ("max_tokens", "max_completion_tokens")
"""Two names of one bound: a body that has either has it."""
_SYSTEM: Final = frozenset(("system", "developer"))


def add_defaults(envelope: Envelope, capability: str, defaults: tuple[tuple[str, bytes], ...], system_prompt: bytes) -> None:
    """Put an API's defaults into a request for chat or completions, each where the body has none; embeddings have none to take.

    `system_prompt` goes before the messages of a chat in which no system speaks. Raises EnvelopeError where a member comes twice.
    """
    if capability == "embeddings":
        return
    body = envelope.body
    places = locate_members(body)
    bounded = any(name in places for name in _LIMITS)
    chat = capability == "chat"
    members = b""
    for name, value in defaults:
        if name in _LIMITS:
            if not bounded:
                members += b'"%b":%b,' % (name.encode() if chat else b"max_tokens", value)
        elif name not in places:
            members += b'"%b":%b,' % (name.encode(), value)
    if members:
        at = body.index(b"{") + 1
        envelope.splices = (*envelope.splices, (at, at, members))
    if system_prompt and chat and "messages" in places:
        start, end = places["messages"]
        try:
            speakers = shapes.decode_speakers(body[start:end])
        except (msgspec.MsgspecError, RecursionError):
            # The provider says what is wrong with its messages.
            return
        if not any(each.role in _SYSTEM for each in speakers):
            at = start + 1
            envelope.splices = (*envelope.splices, (at, at, system_prompt + b"," if speakers else system_prompt))


def _has_few_quotes(body: bytes) -> bool:
    """Found by jumps from quote to quote, which pass a picture at the speed of memory; given up where there are many."""
    at = body.find(b'"')
    for _ in range(FEW_QUOTES):
        if at < 0:
            return True
        at = body.find(b'"', at + 1)
    return False


def _check_members(body: bytes, most_keys: int) -> None:
    """Refuse members without number: they cost a reader more than their size."""
    # A member has a colon; only where colons abound, those that follow a name are counted.
    if body.count(b":") > most_keys and sum(1 for _ in _MEMBER.finditer(body)) > most_keys:
        raise invalid(f"the body has more than {most_keys} members; send fewer", code="body_too_complex")


def _check_digits(body: bytes) -> None:
    """Refuse a number without end."""
    # A run so long covers one of these places with digits on both sides.
    for at in range(LONG_BODY - 1, len(body), LONG_BODY):
        if body[at - 16 : at + 16].isdigit():
            start = at
            while start and body[start - 1 : start].isdigit():
                start -= 1
            match = _DIGITS.match(body, start)
            if match is not None and match.end() - start > MOST_DIGITS:
                raise invalid(f"the body holds a number of more than {MOST_DIGITS} digits", code="number_too_long")


def _ask_for_usage(envelope: Envelope, request: shapes.Request, places: dict[str, tuple[int, int]] | None) -> None:
    """Have the provider send the usage event always; the scanner takes it out for a client that did not ask."""
    options = request.stream_options
    if isinstance(options, shapes.StreamOptions) and options.include_usage:
        envelope.include_usage = True
        return
    body = envelope.body
    if options is UNSET:
        at = body.index(b"{") + 1
        envelope.splices = ((at, at, b'"stream_options":{"include_usage":true},'),)
        return
    start, end = (places or locate_members(body))["stream_options"]
    kept: dict[str, Any] = msgspec.json.decode(body[start:end]) or {}
    envelope.splices = ((start, end, shapes.encode({**kept, "include_usage": True})),)


def _explain(body: bytes, error: Exception) -> EnvelopeError:
    """Name the field that is wrong, where the decoder says which."""
    if not body.strip():
        return invalid("the body is empty; send a JSON object", code="body_missing")
    if isinstance(error, msgspec.ValidationError):
        text = str(error)
        if "missing required field" in text:
            return invalid("model is missing; name one of GET /v1/models", "model", "model_missing")
        path = re.search(r"`\$\.([a-z_.]+)`", text)
        if path:
            return invalid(f"{path[1]}: {text.split(' - ')[0]}", path[1], "invalid_type")
        return invalid(f"the body must be a JSON object: {text}")
    return invalid(explain_json(error), code="invalid_json")


def read_answer(body: bytes) -> Outcome | None:
    """Usage and finish reason of a whole response; None where it is no JSON object. A usage that makes no sense is left out."""
    try:
        answer = shapes.decode_response(body)
        if not body.isascii():
            body.decode()
    except msgspec.ValidationError:
        try:
            shapes.decode_any_object(body)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            return None
        return Outcome(None, "")
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None
    choices, usage = answer.choices, answer.usage
    return Outcome(
        _usage(usage) if usage is not None else None,
        (choices[0].finish_reason or "")[:64] if choices else "",
    )


def _usage(usage: shapes.Usage) -> Usage | None:
    prompt, completion = usage.prompt_tokens, usage.completion_tokens or 0
    cached = reasoning = 0
    details = usage.prompt_tokens_details
    if details is not None:
        cached = details.cached_tokens or 0
    more = usage.completion_tokens_details
    if more is not None:
        reasoning = more.reasoning_tokens or 0
    if not (0 <= cached <= prompt <= PLAUSIBLE_TOKENS and 0 <= completion <= PLAUSIBLE_TOKENS and 0 <= reasoning <= PLAUSIBLE_TOKENS):
        return None
    return Usage(prompt, completion, cached, reasoning, _PROVIDER)


class Scanner:
    """Looks through a stream of chat or completion chunks. Whole events in, what the client shall get out.

    An event is decoded only where it may matter: one with a usage object, the end, or an error. `finish_reason` is looked for in
    the last events only, when the stream ends.
    """

    __slots__ = ("_include_usage", "_last", "events", "failed", "finished", "outcome", "secret")

    def __init__(self, include_usage: bool) -> None:
        self._include_usage = include_usage
        self._last: tuple[bytes, ...] = ()
        self.outcome = Outcome(None, "")
        self.finished = False
        self.failed: tuple[str, str] | None = None
        self.secret = b""
        """The provider's credential, which its error texts must not tell."""
        self.events = 0
        """Events that carried data: about one token each, for an estimate."""

    def scan(self, events: bytes) -> bytes:
        self.events += events.count(b"data:")
        at = events.find(b'"usage"')
        tells_usage = at >= 0 and not (events.startswith(b'"usage":null', at) and events.count(b'"usage"') == 1)
        if not tells_usage and b"[DONE]" not in events and b'"error"' not in events:
            self._last = (*self._last[-1:], events)
            return events
        return b"".join(self._look(event) for event in sse.split(events))

    def _look(self, event: bytes) -> bytes:
        data = sse.data_of(event)
        if not data or self.finished:
            return b"" if self.finished else event
        if data == b"[DONE]":
            self.events -= 1
            self.finished = True
            return event
        self._last = (*self._last[-1:], event)
        try:
            chunk = msgspec.json.decode(data)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            return event
        if not isinstance(chunk, dict):
            return event
        if chunk.get("error"):
            code, message, _ = error_words(data.replace(self.secret, b"...") if self.secret else data)
            self.failed = (code, message)
            return b""
        raw = chunk.get("usage")
        if not isinstance(raw, dict):
            return event
        try:
            usage: Usage | None = _usage(msgspec.convert(raw, shapes.Usage))
        except msgspec.ValidationError:
            usage = None
        if usage is not None:
            self.outcome.usage = usage
        if chunk.get("choices") == []:
            self.events -= 1
        if not self._include_usage and chunk.get("choices") == []:
            return b""
        return event

    def is_whole(self, event: bytes) -> bool:
        """Whether an event without its blank line has all its data."""
        data = sse.data_of(event)
        if data == b"[DONE]":
            return True
        try:
            shapes.decode_any_object(data)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            return False
        return True

    def close(self) -> None:
        """The stream is over; find out how it ended."""
        for events in reversed(self._last):
            for event in reversed(sse.split(events)):
                try:
                    answer = shapes.decode_response(sse.data_of(event))
                except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
                    continue
                for choice in answer.choices or ():
                    if choice.finish_reason:
                        self.outcome.finish_reason = choice.finish_reason[:64]
                        return


def error_words(body: bytes) -> tuple[str, str, dict[str, Any] | None]:
    """Code, message and all members of a provider's error answer, whatever its exact shape (OpenAI's, llama.cpp's, vLLM's, a bare text).

    OpenAI's `code` is a text; where a provider puts a number there (its own HTTP status, mostly), its `type` says more.
    """
    if len(body) > MOST_ERROR:
        return "", "", None
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return "", "", None
    if not isinstance(answer, dict):
        return "", "", None
    # vLLM and others put the members side by side, without `error` around them.
    error = answer.get("error") or (answer if answer.get("object") == "error" else None)
    if isinstance(error, dict):
        code, kind, message = error.get("code"), error.get("type"), error.get("message")
        word = code if isinstance(code, str) else kind if isinstance(kind, str) else ""
        return word[:100], message[:MOST_MESSAGE] if isinstance(message, str) else "", error
    for text in (error, answer.get("message"), answer.get("detail")):
        if isinstance(text, str):
            return "", text[:MOST_MESSAGE], None
    return "", "", None


_TYPES: Final = {
    Kind.INVALID: "invalid_request_error",
    Kind.AUTHENTICATION: "authentication_error",
    Kind.PERMISSION: "permission_error",
    Kind.NOT_FOUND: "invalid_request_error",
    Kind.RATE_LIMIT: "rate_limit_error",
    Kind.QUOTA: "insufficient_quota",
    Kind.UPSTREAM: "upstream_error",
    Kind.OVERLOADED: "server_error",
    Kind.TIMEOUT: "server_error",
    Kind.INTERNAL: "server_error",
}


def render_error(refusal: Refusal, request_id: str) -> bytes:
    """OpenAI's error body, with our request id beside its four members; a provider's own error keeps its type and further members."""
    error: dict[str, Any] = {
        "message": refusal.message,
        "type": _TYPES[refusal.kind],
        "param": refusal.param,
        "code": refusal.code,
        "request_id": request_id,
    }
    if refusal.details is not None:
        error = {**error, **refusal.details, "message": refusal.message, "code": refusal.code, "request_id": request_id}
    return shapes.encode({"error": error})


def render_stream_error(refusal: Refusal, request_id: str) -> bytes:
    """The event that ends a broken stream; no `[DONE]` follows it."""
    return sse.encode(render_error(refusal, request_id))
