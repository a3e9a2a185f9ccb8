"""The neutral form of what a model is asked and answers, as far as the gateway looks into it."""

import enum


class UsageSource(enum.IntEnum):
    """Where token counts come from; a price is never charged on an unknown one in silence."""

    UNKNOWN = 0
    PROVIDER = 1
    ESTIMATED = 2


class Usage:
    """Token counts of one call, in disjoint classes but for `cached`, which is a part of `input`, and `reasoning`, of `output`."""

    __slots__ = ("cached", "input", "output", "reasoning", "source")

    def __init__(self, input: int, output: int, cached: int = 0, reasoning: int = 0, source: int = 0) -> None:
        self.input = input
        self.output = output
        self.cached = cached
        self.reasoning = reasoning
        self.source = source
        """A `UsageSource`."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Usage) and self._all() == other._all()

    def __hash__(self) -> int:
        return hash(self._all())

    def __repr__(self) -> str:
        return f"Usage{self._all()}"

    def _all(self) -> tuple[int, ...]:
        return self.input, self.output, self.cached, self.reasoning, self.source


class Outcome:
    """What a response said about itself."""

    __slots__ = ("finish_reason", "usage")

    def __init__(self, usage: Usage | None, finish_reason: str) -> None:
        self.usage = usage
        self.finish_reason = finish_reason
