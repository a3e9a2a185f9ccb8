"""The bodies of `/api/users`."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from sekisho.identity.people.model import User
from sekisho.identity.people.settings import LONGEST
from sekisho.identity.sessions.model import LoginSession
from sekisho.kit.crypto import Secret
from sekisho.rest.permissions import Role
from sekisho.rest.schemas import Asked, OneLine, Time, Told


def _address(value: str) -> str:
    """What can be an address; whether somebody reads there, only a letter could tell."""
    local, at, domain = value.strip().rpartition("@")
    if not at or not local or not domain or any(letter.isspace() or letter in '<>,;:"' for letter in local + domain) or "@" in local:
        raise ValueError("write an e-mail address, such as name@example.org")
    return value.strip()


Email = Annotated[str, Field(min_length=3, max_length=254), OneLine, AfterValidator(_address)]
PersonName = Annotated[str, Field(min_length=1, max_length=200), OneLine]
Language = Literal["en", "ja"]
PlainPassword = Annotated[str, Field(min_length=1, max_length=4 * LONGEST)]
GivenRole = Literal["owner", "admin", "user", "guest"]


class PersonTold(Told):
    """Who somebody is, for themselves and for lists."""

    id: str
    email: str
    name: str
    role: Role
    language: Language | None


class UserTold(PersonTold):
    active: bool
    has_password: bool = Field(description="Whether a password lets this person in.")
    created_at: Time
    updated_at: Time
    last_login_at: Time | None
    deactivated_at: Time | None

    @classmethod
    def of(cls, user: User) -> "UserTold":
        return cls(**vars(user), active=user.deactivated_at is None)


def person(user: User) -> PersonTold:
    return PersonTold(**{name: getattr(user, name) for name in PersonTold.model_fields})


class UserPage(Told):
    users: list[UserTold]
    next_cursor: str | None


class CreateUser(Asked):
    email: Email
    name: PersonName
    role: GivenRole = "user"
    password: PlainPassword | None = Field(
        default=None, description="Without one a reset link or another house's login lets this person in."
    )
    language: Language | None = None


class ChangeUser(Asked):
    """What is left out stays as it is."""

    role: GivenRole | None = None
    active: bool | None = None
    name: PersonName | None = None


class Confirmed(Asked):
    """What is asked for has to be confirmed by whoever it concerns."""

    current_password: PlainPassword | None = Field(
        default=None, description="Needed by whoever has one; of who has none, the login has to be a fresh one."
    )

    def password(self) -> Secret | None:
        """What was typed."""
        return None if self.current_password is None else Secret(self.current_password)


class SetPassword(Asked):
    password: PlainPassword


class SessionTold(Told):
    id: str
    kind: str = Field(description="`console` (a browser) or `tokens` (a script).")
    created_at: Time
    seen_at: Time = Field(description="When it was used last, to the minute.")
    expires_at: Time
    address: str
    agent: str = Field(description="What the browser or script calls itself.")
    current: bool = Field(description="Whether this very request belongs to it.")

    @classmethod
    def of(cls, login: LoginSession, current: str | None) -> "SessionTold":
        values = {name: value for name, value in vars(login).items() if name != "user_id"}
        return cls(**values, current=login.id == current)


class SessionList(Told):
    sessions: list[SessionTold]
    next_cursor: str | None = None


class SessionsEndedTold(Told):
    ended: int = Field(description="How many sessions ended.")
