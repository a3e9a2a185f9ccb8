"""What a published API is to people, and to the compiler."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

READY: Final = "ready"
DISABLED: Final = "disabled"
BROKEN: Final = "broken"

SYSTEM_PROMPT: Final = "system_prompt"
MEMBERS: Final = (
    *("temperature", "top_p", "max_tokens", "max_completion_tokens", "stop", "seed"),
    *("presence_penalty", "frequency_penalty"),
)
"""Defaults that are members of the request's body, in the order in which they are told and sent."""
NAMES: Final = (*MEMBERS, SYSTEM_PROMPT)


@dataclass(frozen=True)
class Api:
    """A name for one model. Times are wall times in microseconds."""

    name: str
    title: str
    description: str
    target: str
    """Canonical id."""
    enabled: bool
    defaults: Mapping[str, Any]
    """By `NAMES`; only those that are set."""
    created_at: int
    updated_at: int


@dataclass(frozen=True)
class Published:
    """An API, and whether it can be called."""

    api: Api
    state: str
    reason: str | None = None
    """A sentence for people where it is broken."""


@dataclass(frozen=True)
class Draft:
    """An API as it is to be."""

    name: str
    target: str
    title: str = ""
    description: str = ""
    enabled: bool = True
    defaults: Mapping[str, Any] = field(default_factory=dict)


def told_api(api: Api) -> dict[str, Any]:
    """An API as the audit tells of it."""
    return {
        "name": api.name,
        "title": api.title,
        "description": api.description,
        "target": api.target,
        "enabled": api.enabled,
        "defaults": dict(api.defaults),
    }


def ordered(defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Those that are set, in one order."""
    return {name: defaults[name] for name in NAMES if defaults.get(name) is not None}
