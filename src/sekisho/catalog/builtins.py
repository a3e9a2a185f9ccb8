"""The providers that are a part of the program and no rows: the sandbox, and the built-in engine.

The sandbox is deterministic, streams, is metered and free, so that every client can be tried before any engine exists.
"""

import re
from collections.abc import Callable
from typing import Final

from sekisho.core.model.ids import BUILTIN, SANDBOX, canonical_model
from sekisho.core.model.snapshot import Model, Provider, Rate

BuiltinModels = Callable[[], tuple[Model, ...]]
"""Gives the models of the built-in engine as they are now."""

RESERVED: Final = (SANDBOX, BUILTIN)
"""Names of providers that exist always."""

FREE: Final = Rate(input=0, output=0, cached=0)

_CHAT: Final = ("chat", "completions")
_SANDBOX: Final = (
    ("echo", _CHAT),
    ("lorem", _CHAT),
    ("slow", _CHAT),
    ("cut", _CHAT),
    ("embed", ("embeddings",)),
    ("error-429", _CHAT),
    ("error-500", _CHAT),
    ("error-503", _CHAT),
)
_ERROR: Final = re.compile(r"error-[45][0-9][0-9]")


def sandbox_models() -> tuple[Model, ...]:
    """The models of the sandbox that are listed; it answers to any `error-400` to `error-599`."""
    return tuple(
        Model(
            id=canonical_model(SANDBOX, name),
            provider=SANDBOX,
            upstream_model=name,
            capabilities=capabilities,
            rate=FREE,
        )
        for name, capabilities in _SANDBOX
    )


def providers() -> tuple[Provider, ...]:
    """Both, as the hot path sees them."""
    return tuple(Provider(name=name, kind=name) for name in RESERVED)


def is_sandbox_model(name: str) -> bool:
    """Whether the sandbox answers to this name, without its provider."""
    return any(name == listed for listed, _ in _SANDBOX) or _ERROR.fullmatch(name) is not None
