"""What bodies have in common: unknown fields are refused, times are RFC 3339, money is a decimal string."""

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from sekisho.kit.clock import from_rfc3339, to_rfc3339


class Asked(BaseModel):
    """A request body."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=False, allow_inf_nan=False)


class Told(BaseModel):
    """A response body."""

    model_config = ConfigDict(frozen=True)


class Written(Told):
    """What every write answers besides its own fields."""

    revision: int = Field(description="The configuration's revision after this write.")
    warnings: list[str] = Field(default_factory=list, description="Workers that have not acknowledged the revision yet, by sentence.")


def _read_time(value: object) -> object:
    if isinstance(value, str):
        try:
            return from_rfc3339(value)
        except ValueError:
            raise ValueError("write the time with its offset, such as 2026-01-31T09:00:00Z") from None
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("write the time with its offset, such as 2026-01-31T09:00:00Z")
    return value


Time = Annotated[
    int,
    BeforeValidator(_read_time),
    PlainSerializer(to_rfc3339, return_type=str),
    Field(json_schema_extra={"type": "string", "format": "date-time"}),
]
"""Microseconds inside, RFC 3339 UTC outside."""


def _check_text(value: str) -> str:
    # What is shown in terminals and logs carries no control characters, and no lone surrogate survives UTF-8.
    if any(ord(letter) < 32 or 0x7F <= ord(letter) <= 0x9F or 0xD800 <= ord(letter) <= 0xDFFF for letter in value):
        raise ValueError("control characters are not allowed")
    return value


def _plain(value: Any) -> Any:
    return _check_text(value) if isinstance(value, str) else value


Text = Annotated[str, BeforeValidator(_plain)]
"""One line for people: no control characters."""


def joined(values: Iterable[str]) -> str:
    """`a, b or c`, for messages that list what is allowed."""
    *rest, last = values
    return f"{', '.join(rest)} or {last}" if rest else last
