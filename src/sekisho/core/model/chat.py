"""The neutral form of what a model is asked and answers, as far as the gateway looks into it."""

import enum

import msgspec


class UsageSource(enum.IntEnum):
    """Where token counts come from; a price is never charged on an unknown one in silence."""

    UNKNOWN = 0
    PROVIDER = 1
    ESTIMATED = 2


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Token counts of one call, in disjoint classes but for `cached`, which is a part of `input`, and `reasoning`, of `output`."""

    input: int = 0
    output: int = 0
    cached: int = 0
    reasoning: int = 0
    source: UsageSource = UsageSource.UNKNOWN
