"""Words of the command line that need more than Typer's own types. Each raises CommandError with the flag and an example."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from sekisho.cli.failures import usage
from sekisho.kit import clock, money


def seconds(text: str | None, flag: str) -> int | None:
    """A duration such as 30d in seconds."""
    if text is None:
        return None
    try:
        return clock.parse_duration(text)
    except ValueError as error:
        raise usage(f"{flag}: {error}") from error


def moment(text: str | None, flag: str, now: int) -> str | None:
    """A time (RFC 3339), or a duration such as 24h that means so long ago."""
    if text is None:
        return None
    try:
        return clock.to_rfc3339(clock.from_rfc3339(text))
    except ValueError:
        pass
    try:
        return clock.to_rfc3339(now - clock.parse_duration(text) * clock.SECOND)
    except ValueError:
        raise usage(f"{flag}: write how long ago, such as 24h, or a time with its offset, such as 2026-01-31T09:00:00Z") from None


def ahead(text: str, flag: str, now: int) -> str:
    """The time (RFC 3339) that a duration such as 30d leads to from now."""
    try:
        return clock.to_rfc3339(now + clock.parse_duration(text) * clock.SECOND)
    except ValueError as error:
        raise usage(f"{flag}: {error}") from error


def price(text: str | None, flag: str) -> str | None:
    """A price in USD per million tokens, as a decimal string."""
    if text is None:
        return None
    try:
        money.parse_price_per_million(text)
    except ValueError as error:
        raise usage(f"{flag}: {error}") from error
    return text


def words(text: str | None) -> list[str] | None:
    """A list written with commas; empty entries fall out."""
    return None if text is None else [each.strip() for each in text.split(",") if each.strip()]


def given(**fields: Any) -> dict[str, Any]:
    """The fields that were given: those that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def segment(text: str) -> str:
    """A name as one segment of a path."""
    return quote(text, safe="")


def model_path(text: str) -> str:
    """A model's id as the rest of a path: its slashes stay."""
    return quote(text, safe="/:")


def nested(fields: Mapping[str, float | None]) -> dict[str, float] | None:
    """A group of fields of which at least one was given; None where none was."""
    return {name: value for name, value in fields.items() if value is not None} or None
