"""Numbers, times and foreign text as people read them. Pure: the time is an argument.

Whatever came from outside (names, models, error texts) passes through `clean` before it reaches a terminal: an escape sequence in a
model's answer must not move the cursor, rename the window or hide a line.
"""

import re
from decimal import Decimal
from typing import Any, Final

from sekisho.kit import clock

UNSAFE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""Control characters but for tab and newline, marks that turn the direction of text, separators that some tools take for a newline."""

NONE: Final = "–"
"""What stands where there is no value."""

CURRENCY_SIGNS: Final = {"USD": "$", "EUR": "€", "JPY": "¥", "GBP": "£"}


def escape(match: re.Match[str]) -> str:
    """One unsafe character in the spelling of JSON."""
    return f"\\u{ord(match.group()):04x}"


def clean(value: object) -> str:
    """Foreign text with its unsafe characters spelled out; None becomes a dash."""
    return NONE if value is None or value == "" else UNSAFE.sub(escape, str(value))


def clean_line(value: object) -> str:
    """The same on one line, for a cell of a table or an error."""
    return clean(value).replace("\n", " ").replace("\t", " ")


def count(value: int | None) -> str:
    """A whole number with thousands apart: 12,345."""
    return NONE if value is None else f"{value:,}"


def limit(value: int | None) -> str:
    """A limit; none means unlimited."""
    return "∞" if value is None else f"{value:,}"


def duration_ms(value: float | None) -> str:
    """A duration in milliseconds in the unit that fits: 840 µs, 12.3 ms, 1.24 s, 2m 05s."""
    if value is None:
        return NONE
    if value < 1:
        return f"{value * 1000:.0f} µs"
    if value < 1000:
        return f"{value:.1f} ms" if value < 100 else f"{value:.0f} ms"
    seconds = value / 1000
    if seconds < 60:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m {rest:02d}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes:02d}m"


def size(value: int | None) -> str:
    """Bytes in decimal units: 512 B, 1.2 kB, 64.0 MB."""
    if value is None:
        return NONE
    number = float(value)
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def money(amount: str | None, currency: str | None) -> str:
    """A decimal string with its currency, without the zeros that say nothing: $0.000123."""
    if amount is None:
        return NONE
    whole, _, fraction = f"{Decimal(amount):f}".partition(".")
    text = f"{whole}.{fraction.rstrip('0').ljust(2, '0')}"
    sign = CURRENCY_SIGNS.get(currency or "")
    return f"{sign}{text}" if sign else f"{text} {clean_line(currency)}"


def price(value: str | None, currency: str | None) -> str:
    """A price per million tokens."""
    return NONE if value is None else money(value, currency)


_STEPS: Final = ((60, 1, "s"), (3600, 60, "m"), (86_400, 3600, "h"), (60 * 86_400, 86_400, "d"), (730 * 86_400, 30 * 86_400, "mo"))


def span(seconds: float) -> str:
    """A length of time in its one largest unit: 5s, 12m, 3h, 40d, 8mo, 3y."""
    whole = int(seconds)
    for below, unit, letter in _STEPS:
        if whole < below:
            return f"{whole // unit}{letter}"
    return f"{whole // (365 * 86_400)}y"


def relative(moment: str | None, now: int) -> str:
    """A time (RFC 3339) as its distance from `now` (microseconds since the epoch): `3m ago`, `in 30d`, `now`."""
    if moment is None:
        return NONE
    try:
        seconds = (clock.from_rfc3339(moment) - now) / clock.SECOND
    except ValueError:
        return clean_line(moment)
    if abs(seconds) < 1:
        return "now"
    return f"in {span(seconds)}" if seconds > 0 else f"{span(-seconds)} ago"


def moment(value: str | None) -> str:
    """A time (RFC 3339) without its fraction, readable: 2026-01-31 09:00:00 UTC."""
    if value is None:
        return NONE
    try:
        text = clock.to_rfc3339(clock.from_rfc3339(value))
    except ValueError:
        return clean_line(value)
    return f"{text[:10]} {text[11:19]} UTC"


def joined(values: Any, none: str = NONE) -> str:
    """A list in one cell; an absent or empty one is `none`."""
    return ", ".join(clean_line(each) for each in values) if values else none
