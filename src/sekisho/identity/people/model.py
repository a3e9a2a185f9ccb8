"""What a person is to the installation. Times are wall times in microseconds."""

import unicodedata
from dataclasses import dataclass

from sekisho.rest.permissions import Role


@dataclass(frozen=True)
class User:
    """Somebody who may log in. Their password's hash is never a part of it."""

    id: str
    email: str
    """Folded: see `folded`."""
    name: str
    role: Role
    language: str | None
    created_at: int
    updated_at: int
    last_login_at: int | None
    deactivated_at: int | None
    has_password: bool
    """Without one, another house's word lets this person in, or a reset link."""


@dataclass(frozen=True)
class Found:
    """Users as a list shows them, filtered."""

    query: str | None = None
    """Part of the name or of the address."""
    role: Role | None = None
    active: bool | None = None


def folded(email: str) -> str:
    """An e-mail address in the one form that is compared and kept."""
    return unicodedata.normalize("NFKC", email.strip()).casefold()


def told(user: User) -> dict[str, object]:
    """What the audit keeps of a user's state."""
    return {"email": user.email, "name": user.name, "role": user.role.value, "active": user.deactivated_at is None}
