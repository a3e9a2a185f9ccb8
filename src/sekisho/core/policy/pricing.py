"""What a call costs, in integers of 1e-10 currency units."""

from typing import Final

from sekisho.core.model.chat import Usage, UsageSource
from sekisho.core.model.snapshot import Rate

BYTES_PER_TOKEN: Final = 4
"""The usual ratio for English text; an estimate made with it is always marked as one."""


def cost(usage: Usage, rate: Rate) -> int:
    """Exact: counts times price, cached input at its own price."""
    cached = usage.cached
    price = usage.input * rate.input + usage.output * rate.output
    if cached and rate.cached is not None:
        price += cached * (rate.cached - rate.input)
    return price


def estimate(request_bytes: int, output_tokens: int) -> Usage:
    """For a call whose provider did not say: bytes over four in, and what was counted out."""
    return Usage(request_bytes // BYTES_PER_TOKEN, output_tokens, 0, 0, UsageSource.ESTIMATED.value)
