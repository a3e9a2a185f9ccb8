"""What bodies have in common: unknown fields are refused, times are RFC 3339, money is a decimal string."""

from collections.abc import Iterable
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer

from sekisho.kit.clock import to_rfc3339


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


Time = Annotated[
    int,
    PlainSerializer(to_rfc3339, return_type=str),
    Field(json_schema_extra={"type": "string", "format": "date-time"}),
]
"""Microseconds inside, RFC 3339 UTC outside."""


def _one_line(value: str) -> str:
    # What is shown in terminals and logs carries no control characters.
    if any(ord(letter) < 32 or 0x7F <= ord(letter) <= 0x9F or letter in "\u2028\u2029" for letter in value):
        raise ValueError("control characters are not allowed")
    return value


OneLine: Final = AfterValidator(_one_line)
"""For texts of people. It stands behind the bounds, so that their messages speak of characters."""


def joined(values: Iterable[str]) -> str:
    """`a, b or c`, for messages that list what is allowed."""
    *rest, last = values
    return f"{', '.join(rest)} or {last}" if rest else last
