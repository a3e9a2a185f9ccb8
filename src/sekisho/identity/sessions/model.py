"""What a login is while it lasts. Times are wall times in microseconds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from sekisho.core.ports import SessionsEnded
from sekisho.kit.crypto import Secret
from sekisho.rest.permissions import Permission, ProjectRole, Role
from sekisho.storage.session import Session

CONSOLE: Final = "console"
"""A cookie in a browser."""

TOKENS: Final = "tokens"
"""An access and a refresh token of a script."""


@dataclass(frozen=True)
class LoginSession:
    """One login of one person."""

    id: str
    user_id: str
    kind: str
    created_at: int
    seen_at: int
    """To the minute."""
    expires_at: int
    address: str
    agent: str


@dataclass(frozen=True)
class Person:
    """Who somebody is to the rest of the house, read anew for each request."""

    id: str
    email: str
    name: str
    role: Role
    active: bool


@dataclass(frozen=True)
class Begun:
    """A session that has just begun, or was refreshed, with what opens it; shown once."""

    session: LoginSession
    access: Secret
    """The cookie's value, or the access token."""
    access_expires_at: int
    refresh: Secret | None = None


@dataclass(frozen=True)
class TokenHolder:
    """Whom an access token that somebody made for a script stands for."""

    user_id: str
    token_id: str
    scopes: frozenset[Permission] | None


class AccessTokens(Protocol):
    """Reads the access tokens that people make for their scripts."""

    @property
    def prefix(self) -> str:
        """What all of them begin with."""
        ...

    async def holder(self, session: Session, text: str, *, used: bool = True) -> TokenHolder | None:
        """Whom the token stands for; None where it opens nothing (any more). `used`: this is a use of it."""
        ...


class Memberships(Protocol):
    """Knows who belongs to which project."""

    async def memberships(self, session: Session, user_id: str) -> Mapping[str, ProjectRole]:
        """The projects that a person is a member of, by name."""
        ...


class Endings:
    """Tells everybody who keeps something open for a session that it ended."""

    def __init__(self) -> None:
        self._listeners: list[SessionsEnded] = []

    def subscribe(self, listener: SessionsEnded) -> Callable[[], None]:
        """Hear of every ending from now on; the answer ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def tell(self, sessions: frozenset[str], user: str | None = None) -> None:
        """Tell of sessions that ended, or of a user whose rights changed; after the commit."""
        if sessions or user is not None:
            for listener in tuple(self._listeners):
                listener.on_ended(sessions, user)
