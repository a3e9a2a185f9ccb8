"""The bodies of `/api/auth/tokens`."""

from typing import Annotated, Any, Final

from pydantic import Field

from sekisho.identity.tokens.model import AccessToken, IssuedToken
from sekisho.rest.permissions import Permission
from sekisho.rest.schemas import Asked, OneLine, Time, Told

MAX_LIFE: Final = 366 * 86400
USUAL_LIFE: Final = 90 * 86400


class CreateToken(Asked):
    name: Annotated[str, Field(min_length=1, max_length=200), OneLine]
    scopes: Annotated[list[Permission], Field(min_length=1, max_length=len(Permission))] | None = Field(
        default=None, description="What it may do, of what you may do; none means all of that, whatever it is at each use."
    )
    expires_in_s: Annotated[int, Field(ge=60, le=MAX_LIFE, strict=True)] = Field(default=USUAL_LIFE, description="Seconds from now.")


class TokenTold(Told):
    """An access token, without its secret."""

    id: str
    name: str
    last4: str
    scopes: list[str] | None
    created_at: Time
    expires_at: Time
    last_used_at: Time | None = Field(description="To the minute.")

    @classmethod
    def of(cls, found: AccessToken) -> "TokenTold":
        return cls(**facts(found))


class TokenCreated(TokenTold):
    plain_token: str = Field(description="The secret; it is shown this once.")

    @classmethod
    def issued(cls, issued: IssuedToken) -> "TokenCreated":
        return cls(**facts(issued.token), plain_token=issued.plain.reveal())


class TokenList(Told):
    tokens: list[TokenTold]
    next_cursor: str | None = None


class TokenRevoked(Told):
    id: str
    revoked: bool


def facts(found: AccessToken) -> dict[str, Any]:
    """The fields of `TokenTold`."""
    values = {**vars(found), "scopes": None if found.scopes is None else list(found.scopes)}
    return {name: values[name] for name in TokenTold.model_fields}
