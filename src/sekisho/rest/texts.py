"""What can be asked about and kept: texts without the character zero, which PostgreSQL cannot hold, and without halves of characters.

They are refused where they come in (address, body, cursor), the same for every route and both databases.
"""

from collections.abc import Mapping
from typing import Final

ZERO: Final = "\0"


def is_storable(text: str) -> bool:
    """Whether a text can stand in a database."""
    return ZERO not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def unstorable(value: object, place: str = "") -> str | None:
    """Where in a body (`field`, `field.0`) the first text stands that cannot; None where all can."""
    if isinstance(value, str):
        return None if is_storable(value) else place
    if isinstance(value, Mapping):
        pairs = [(str(name), each) for name, each in value.items()]
        if not all(is_storable(name) for name, _ in pairs):
            return place or "body"
    elif isinstance(value, list):
        pairs = [(str(number), each) for number, each in enumerate(value)]
    else:
        return None
    for name, each in pairs:
        found = unstorable(each, f"{place}.{name}" if place else name)
        if found is not None:
            return found
    return None
