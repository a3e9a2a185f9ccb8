"""What bodies have in common: unknown fields are refused, times are RFC 3339, money is a decimal string."""

import re
from collections.abc import Iterable
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from sekisho.kit.clock import from_rfc3339, to_rfc3339
from sekisho.rest.texts import unstorable


class Asked(BaseModel):
    """A request body."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=False, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _require_storable(cls, value: object) -> object:
        place = unstorable(value)
        if place is not None:
            reason = PydanticCustomError("value_error", "control characters are not allowed: the character zero, or half a character")
            raise ValidationError.from_exception_data(
                cls.__name__, [InitErrorDetails(type=reason, loc=tuple(place.split(".")), input=None)]
            )
        return value


class Told(BaseModel):
    """A response body."""

    model_config = ConfigDict(frozen=True)


class Written(Told):
    """What every write answers besides its own fields."""

    revision: int = Field(description="The configuration's revision after this write.")
    warnings: list[str] = Field(default_factory=list, description="Workers that have not acknowledged the revision yet, by sentence.")


Time = Annotated[
    int,
    PlainSerializer(to_rfc3339, return_type=str),
    Field(json_schema_extra={"type": "string", "format": "date-time"}),
]
"""Microseconds inside, RFC 3339 UTC outside."""


_LATEST: Final = 221_845_392_000_000_000
"""9000-01-01T00:00:00Z."""


def _moment(value: object) -> object:
    try:
        at = from_rfc3339(value) if isinstance(value, str) else None
    except (ValueError, OverflowError):
        at = None
    if at is None:
        raise ValueError("write the time with its offset, such as 2026-01-31T09:00:00Z")
    if not 0 <= at < _LATEST:
        raise ValueError("times are from 1970 to 9000")
    return at


Moment = Annotated[int, BeforeValidator(_moment), Field(json_schema_extra={"type": "string", "format": "date-time"})]
"""A time that a request names; microseconds inside."""


def _one_line(value: str) -> str:
    # What is shown in terminals and logs carries no control characters.
    if any(ord(letter) < 32 or 0x7F <= ord(letter) <= 0x9F or letter in "\u2028\u2029" for letter in value):
        raise ValueError("control characters are not allowed")
    return value


OneLine: Final = AfterValidator(_one_line)
"""For texts of people. It stands behind the bounds, so that their messages speak of characters."""


def spelled(pattern: str, words: str) -> BeforeValidator:
    """Refuses, in words for people, a text that does not match as a whole.

    A `Field(pattern=...)` before it tells the OpenAPI document the same.
    """

    def check(value: object) -> object:
        if isinstance(value, str) and re.fullmatch(pattern, value) is None:
            raise ValueError(words)
        return value

    return BeforeValidator(check)


SHORT: Final = r"^[a-z0-9][a-z0-9_-]{0,62}$"
SHORT_WORDS: Final = "use 1 to 63 of the characters a-z, 0-9, - and _, beginning with a letter or a digit"
"""How names are spelled that stand in addresses and commands."""


def joined(values: Iterable[str]) -> str:
    """`a, b or c`, for messages that list what is allowed."""
    *rest, last = values
    return f"{', '.join(rest)} or {last}" if rest else last
