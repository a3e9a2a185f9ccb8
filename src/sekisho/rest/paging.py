"""Lists are paged by key, never by offset: a page costs the same wherever it lies, and new rows shift nothing.

A cursor is opaque to its holder. It is not secret and not trusted: whatever it decodes to is only compared with.
"""

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Annotated, Final

from fastapi import Query

from sekisho.rest.errors import invalid
from sekisho.rest.texts import is_storable

MOST: Final = 1000
USUAL: Final = 100

Limit = Annotated[int, Query(ge=1, le=MOST, description="Entries in one page at most.")]
Cursor = Annotated[str | None, Query(max_length=500, description="The `next_cursor` of the page before.")]

_INTEGER: Final = 2**63


def encode(*position: int | str) -> str:
    """The cursor of a row's position in its order."""
    return base64.urlsafe_b64encode(json.dumps(position, separators=(",", ":")).encode()).decode().rstrip("=")


def decode(cursor: str, kinds: Sequence[type], param: str = "cursor") -> tuple[int | str, ...]:
    """The position that a cursor names; raises ApiError where it is none of ours."""
    try:
        position = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        position = None
    if (
        not isinstance(position, list)
        or [type(part) for part in position] != list(kinds)
        or any(isinstance(part, str) and not is_storable(part) for part in position)
        or any(isinstance(part, int) and not -_INTEGER <= part < _INTEGER for part in position)
    ):
        raise invalid(f"{param} is not one that this list gave out; begin without it", param, "invalid_cursor")
    return tuple(position)
