"""What a service notes down for the audit: JSON without secrets, small enough to be looked at."""

import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Final

MOST_LETTERS: Final = 1000
"""Of one text: what is longer (a bundle of certificates) is told by its beginning and its length."""
MOST_ENTRIES: Final = 100
"""Of one list or object."""
USER: Final = "user"
NAMES: Final = ("name", "label")
"""What a thing is called by people. A person's name stands in no row that is not about it."""


@dataclass(frozen=True)
class Entry:
    """One act, before it has its place in the chain."""

    action: str
    object_kind: str
    object_id: str
    project: str
    person_id: str
    before: str
    after: str


def entry(
    action: str,
    object_kind: str,
    object_id: str,
    *,
    project: str | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    person: str | None = None,
) -> Entry:
    """The entry of an act; raises TypeError where a value is no JSON, such as a Secret.

    Of two states only what differs is kept, and what a thing is called. `person` is the user whom the states tell something about, if
    that is not the object.
    """
    if before is not None and after is not None:
        kept = NAMES if object_kind != USER else ()
        before, after = (
            {name: value for name, value in one.items() if name in kept or name not in other or other[name] != value}
            for one, other in ((before, after), (after, before))
        )
    person_id = person or (object_id if object_kind == USER else "")
    return Entry(
        legible(action), legible(object_kind), legible(object_id), legible(project or ""), person_id, _encoded(before), _encoded(after)
    )


def legible(text: str) -> str:
    """The same text in letters that both databases store: no zeros, no halves of letters."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def _encoded(value: Mapping[str, Any] | None) -> str:
    return "" if value is None else json.dumps(_plain(value), sort_keys=True, separators=(",", ":"))


def _plain(value: object) -> Any:
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return str(value) if len(value) <= MOST_LETTERS else f"{value[:MOST_LETTERS]}... ({len(value)} letters)"
        case Mapping():
            return {str(name): _plain(each) for name, each in list(value.items())[:MOST_ENTRIES]}
        case Sequence() | Set() if not isinstance(value, bytes | bytearray | memoryview):
            entries = sorted(value) if isinstance(value, Set) else list(value)
            rest = [f"... ({len(entries)} entries)"] if len(entries) > MOST_ENTRIES else []
            return [*(_plain(each) for each in entries[:MOST_ENTRIES]), *rest]
    raise TypeError(f"a {type(value).__name__} does not go into the audit")
