"""The values that dialects give back, and the helpers that concern JSON as such.

A dialect is a module. It offers `decode_request` (body to `Envelope`), `add_defaults` (an API's, where the body has none of them),
`read_answer` (whole response to `Outcome`), `Scanner` (looks through a stream), `error_words` (a provider's error), `render_error` and
`render_stream_error` (ours, for its clients).
"""

import re
from typing import Any, Final

import msgspec

from sekisho.core.model.errors import Kind, Refusal

COPY_BYTES: Final = 64 * 1024
"""Bodies up to this size are cut by copying, which is cheaper there than a view."""


class Envelope:
    """What the gateway read of a request body, and the places where it changes bytes."""

    __slots__ = ("body", "include_usage", "model", "model_span", "splices", "stream")

    def __init__(self, body: bytes, model: str, model_span: tuple[int, int], stream: bool) -> None:
        self.body = body
        self.model = model
        self.model_span = model_span
        self.stream = stream
        self.include_usage = False
        """Whether the client itself asked for the usage event of a stream."""
        self.splices: tuple[tuple[int, int, bytes], ...] = ()
        """Changes besides the model: start, end, replacement, in the order of their places."""

    def encode(self, upstream_model: bytes) -> list[bytes | memoryview]:
        """The body for the provider, in pieces: the client's bytes, but for the model and the splices. Large pieces are not copied."""
        start, end = self.model_span
        body: bytes | memoryview = self.body if len(self.body) <= COPY_BYTES else memoryview(self.body)
        if not self.splices:
            return [body[:start], upstream_model, body[end:]]
        pieces: list[bytes | memoryview] = []
        at = 0
        for place, after, text in sorted((*self.splices, (start, end, upstream_model))):
            pieces.append(body[at:place])
            pieces.append(text)
            at = after
        pieces.append(body[at:])
        return pieces


_KEY: Final = re.compile(rb'[ \t\r\n]*("(?:[^"\\]|\\.)*")[ \t\r\n]*:[ \t\r\n]*')
_NEXT: Final = re.compile(rb"[ \t\r\n]*([,}])")
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_string: Final = msgspec.json.Decoder(str)


class EnvelopeError(Exception):
    """The body cannot be taken; holds the refusal."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


def invalid(message: str, param: str | None = None, code: str = "invalid_body", status: int = 400) -> EnvelopeError:
    return EnvelopeError(Refusal(status, Kind.INVALID, code, message, param, should_retry=False))


def locate_members(body: bytes) -> dict[str, tuple[int, int]]:
    """Where the value of each top-level member stands, escapes in names resolved. Raises EnvelopeError on a name that comes twice.

    Values are skipped at the decoder's speed: it gives them in order, and their lengths tell where the next name begins. A decoder
    keeps only the last of two equal names, so a value that does not stand where it should betrays the first.
    """
    members: dict[str, Any] = _members.decode(body)
    places: dict[str, tuple[int, int]] = {}
    at = body.index(b"{") + 1
    while match := _KEY.match(body, at):
        name = _string.decode(match[1])
        value = bytes(members[name])
        start = match.end()
        after = _NEXT.match(body, start + len(value)) if body.startswith(value, start) else None
        if name in places or after is None:
            raise invalid(f"the body names {name[:64]!r} twice; send it once", name[:64], "duplicate_field")
        places[name] = (start, start + len(value))
        at = after.end()
    return places


def explain_json(error: Exception) -> str:
    """What is wrong with a JSON body, in a sentence for people."""
    if isinstance(error, RecursionError):
        return "the body is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return f"the body is not UTF-8 at byte {error.start}"
    return f"the body is no valid JSON object: {error}"
