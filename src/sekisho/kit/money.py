"""Money is an integer of 1e-10 currency units, never a float.

1e-10 makes a price of 0.0001 per million tokens exactly one unit per token; a 64-bit integer then holds 900 million units of
currency, and Python's integers more.
"""

from decimal import Decimal, InvalidOperation
from typing import Final

SCALE: Final = 10
UNIT: Final = 10**SCALE
"""Our integers in one whole unit of currency (one dollar, one euro, one yen)."""

MOST_DIGITS: Final = 18
"""Digits before the point that an amount may have; `1e999999999` is not worth computing."""
MILLION: Final = 1_000_000


def parse_amount(text: str) -> int:
    """Read a decimal string exactly; raises ValueError where it has more than ten decimals or is no number."""
    try:
        amount = Decimal(text)
        scaled = amount * UNIT if amount.is_finite() and amount.adjusted() < MOST_DIGITS else Decimal("nan")
    except InvalidOperation:
        raise ValueError(f"{text!r} is not an amount; write it as a decimal, such as 12.50") from None
    # The product is rounded to the context's 28 digits: what it lost shows only beside the amount itself.
    if not scaled.is_finite() or scaled != scaled.to_integral_value() or scaled.scaleb(-SCALE) != amount:
        raise ValueError(f"{text!r} is finer than 1e-10, the smallest amount kept")
    return int(scaled)


def format_amount(amount: int) -> str:
    """Write an amount as a decimal string with all ten decimals, such as 0.0001234500."""
    sign = "-" if amount < 0 else ""
    whole, fraction = divmod(abs(amount), UNIT)
    return f"{sign}{whole}.{fraction:0{SCALE}d}"


def parse_price_per_million(text: str) -> int:
    """Read a price per million tokens as an integer per token (1e-10 units).

    >>> parse_price_per_million("0.15")
    1500
    """
    per_million = parse_amount(text)
    per_token, rest = divmod(per_million, MILLION)
    if per_million < 0 or rest:
        raise ValueError(f"{text!r} is no price per million tokens; give a number from 0 with at most 4 decimals, such as 0.15")
    return per_token


def format_price_per_million(per_token: int) -> str:
    """Write a price per token as the price per million that people know, such as 0.15."""
    text = format_amount(per_token * MILLION).rstrip("0")
    return text + "0" if text.endswith(".") else text
