"""The bodies of `/api/setup` and `/api/auth`."""

from typing import Annotated

from pydantic import Field

from sekisho.identity.logins.model import LoggedIn
from sekisho.identity.people.schemas import Confirmed, Email, Language, PersonName, PersonTold, PlainPassword, person
from sekisho.identity.sessions.model import Begun
from sekisho.rest.schemas import Asked, OneLine, Time, Told

Token = Annotated[str, Field(min_length=1, max_length=200)]


class SetupTold(Told):
    claimed: bool = Field(description="Whether there is an owner with a login already.")
    registration: str = Field(description="`closed`, `invite-only` or `open`.")


class SetupLink(Told):
    token: str = Field(description="What stands behind # in the setup link; shown this once.")


class Claim(Asked):
    token: Token
    email: Email
    name: PersonName
    password: PlainPassword
    language: Language | None = None


class Register(Asked):
    email: Email
    name: PersonName
    password: PlainPassword
    language: Language | None = None
    invitation: Token | None = None


class Login(Asked):
    # What is typed is compared, not judged: an address that is none is an account that is none.
    email: Annotated[str, Field(min_length=1, max_length=254), OneLine]
    password: PlainPassword
    totp: Annotated[str, Field(min_length=1, max_length=40)] | None = Field(default=None, description="The code of the second factor.")
    tokens: bool = Field(default=False, description="Whether a script asks, which keeps tokens instead of a cookie.")


class Refresh(Asked):
    refresh_token: Token


class ChangeMe(Confirmed):
    """What is left out stays as it is. A new address needs the password."""

    name: PersonName | None = None
    email: Email | None = None
    language: Language | None = None


class ChangePassword(Asked):
    current_password: PlainPassword
    new_password: PlainPassword


class TokensTold(Told):
    access_token: str = Field(description="For `Authorization: Bearer`.")
    access_expires_at: Time
    refresh_token: str = Field(description="Opens new tokens once; sent twice, it ends the session.")
    session_id: str
    session_expires_at: Time

    @classmethod
    def of(cls, begun: Begun) -> "TokensTold":
        assert begun.refresh is not None
        return cls(
            access_token=begun.access.reveal(),
            access_expires_at=begun.access_expires_at,
            refresh_token=begun.refresh.reveal(),
            session_id=begun.session.id,
            session_expires_at=begun.session.expires_at,
        )


class Me(Told):
    user: PersonTold
    csrf: str | None = Field(description="For the header `x-csrf-token` of every change; null for who has no cookie.")
    tokens: TokensTold | None = None

    @classmethod
    def of(cls, done: LoggedIn, csrf: str) -> "Me":
        tokens = None if done.begun.refresh is None else TokensTold.of(done.begun)
        return cls(user=person(done.user), csrf=csrf if tokens is None else None, tokens=tokens)


class LoggedOut(Told):
    logged_out: bool
