"""The members of OpenAI's JSON that the gateway reads, as typed shapes: everything else is skipped at the decoder's speed.

After the `openai` SDK's types `CompletionCreateParams`, `ChatCompletion`, `ChatCompletionChunk`, `CompletionUsage`.
"""

from typing import Final

import msgspec
from msgspec import UNSET, UnsetType


class StreamOptions(msgspec.Struct, gc=False):
    include_usage: bool | None = None


class Request(msgspec.Struct, gc=False):
    model: str
    stream: bool | UnsetType | None = UNSET
    stream_options: StreamOptions | UnsetType | None = UNSET
    max_tokens: int | UnsetType | None = UNSET
    max_completion_tokens: int | UnsetType | None = UNSET


class PromptDetails(msgspec.Struct, gc=False):
    cached_tokens: int | None = None


class CompletionDetails(msgspec.Struct, gc=False):
    reasoning_tokens: int | None = None


class Usage(msgspec.Struct, gc=False):
    prompt_tokens: int
    completion_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None


class Choice(msgspec.Struct, gc=False):
    finish_reason: str | None = None


class Response(msgspec.Struct, gc=False):
    choices: list[Choice] | None = None
    usage: Usage | None = None


class Speaker(msgspec.Struct, gc=False):
    """Who says a message."""

    role: str | None = None


class AnyObject(msgspec.Struct, gc=False):
    """Accepts any JSON object: validates the syntax, keeps nothing."""


decode_request: Final = msgspec.json.Decoder(Request).decode
decode_response: Final = msgspec.json.Decoder(Response).decode
decode_speakers: Final = msgspec.json.Decoder(list[Speaker]).decode
decode_any_object: Final = msgspec.json.Decoder(AnyObject).decode
encode: Final = msgspec.json.Encoder().encode
