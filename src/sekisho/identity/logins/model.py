"""What comes of an attempt to get in, and what others have a say in it."""

import enum
from dataclasses import dataclass
from typing import Protocol

from sekisho.identity.people.model import User
from sekisho.identity.sessions.model import Begun
from sekisho.kit.crypto import Secret
from sekisho.rest.permissions import Role
from sekisho.storage.session import Session


class Factor(enum.Enum):
    """What a second factor says to a login whose password was right."""

    PASSED = "passed"
    """There is none, or its code was right."""
    REQUIRED = "required"
    """There is one, and no code came."""
    INVALID = "invalid"
    """The code was wrong, or used before."""


class SecondFactor(Protocol):
    """Asks for more than a password."""

    async def verify(self, session: Session, user_id: str, code: str | None) -> Factor:
        """Look at a code, and remember that it was used; inside the transaction of the login."""
        ...


class Invitations(Protocol):
    """Redeems what lets somebody register who was invited."""

    async def promised(self, session: Session, invitation: str, email: str) -> Role:
        """What a new user of this address (folded) would become; nothing is used up. Raises ApiError where it opens nothing."""
        ...

    async def redeem(self, session: Session, invitation: str, email: str) -> Role:
        """Use an invitation up for this address (folded); what the new user becomes. Raises ApiError where it opens nothing."""
        ...

    async def redeemed(self, session: Session, invitation: str, user_id: str) -> None:
        """The user is there now: whatever the invitation promised besides the role is kept."""
        ...


@dataclass(frozen=True)
class Typed:
    """What somebody typed to get in."""

    email: str
    password: Secret
    code: str | None = None


@dataclass(frozen=True)
class Place:
    """Where an attempt comes from."""

    address: str
    agent: str


@dataclass(frozen=True)
class LoggedIn:
    """Somebody is in."""

    user: User
    begun: Begun
