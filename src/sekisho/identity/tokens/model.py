"""What an access token is to people. Its text exists only in the moment of issue."""

from dataclasses import dataclass
from typing import Final

from sekisho.kit.crypto import Secret

PREFIX: Final = "sekpat_"
"""Tells it from a gateway's key, for people and for scanners of leaked secrets."""


@dataclass(frozen=True)
class AccessToken:
    """Without its secret. Times are wall times in microseconds."""

    id: str
    user_id: str
    name: str
    last4: str
    scopes: tuple[str, ...] | None
    """Permissions; None means all that the person may."""
    created_at: int
    expires_at: int
    last_used_at: int | None
    revoked_at: int | None


@dataclass(frozen=True)
class IssuedToken:
    """A token with its text, to be shown once."""

    token: AccessToken
    plain: Secret
