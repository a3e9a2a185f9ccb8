"""The bodies of `/api/issuers`, and what the login page is told."""

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field

from sekisho.identity.issuers.model import Issuer
from sekisho.kit.crypto import Secret
from sekisho.rest.permissions import Role
from sekisho.rest.schemas import Asked, OneLine, Time, Told, spelled

NAME: Final = r"^[a-z0-9][a-z0-9-]{0,40}$"
Name = Annotated[
    str,
    Field(pattern=NAME, description="Stands in the address that people come back to."),
    spelled(NAME, "use 1 to 41 of the characters a-z, 0-9 and -, beginning with a letter or a digit"),
]
Title = Annotated[str, Field(min_length=1, max_length=100), OneLine]
Url = Annotated[str, Field(min_length=8, max_length=500), OneLine]
Short = Annotated[str, Field(min_length=1, max_length=300), OneLine]
ClientSecret = Annotated[str, Field(min_length=1, max_length=1000), OneLine]
Algorithm = Literal["RS256", "PS256", "ES256", "ES384", "EdDSA"]
GroupRole = Literal["admin", "user", "guest"]
DefaultRole = Literal["user", "guest"]
Groups = Annotated[dict[Short, GroupRole], Field(max_length=200)]
Bundle = Annotated[str, Field(max_length=512 * 1024)]


def _scope(value: str) -> str:
    if not value.isascii() or any(letter in ' "\\' for letter in value):
        raise ValueError("a scope is one word")
    return value


Scopes = Annotated[list[Annotated[Short, AfterValidator(_scope)]], Field(max_length=30)]

SCOPES: Final = ("openid", "email", "profile")


class CreateIssuer(Asked):
    name: Name
    title: Title = Field(description="What the login page calls it.")
    issuer: Url = Field(description="Exactly as its discovery document spells it.")
    client_id: Short
    client_secret: ClientSecret | None = Field(default=None, description="None for a public client.")
    console_url: Url = Field(description="Where people reach this console, such as https://gateway.example.com.")
    algorithm: Algorithm = Field(default="RS256", description="What its tokens are signed with; nothing else is taken.")
    scopes: Scopes = Field(default_factory=lambda: list(SCOPES))
    groups_claim: Short = "groups"
    group_roles: Groups = Field(default={}, description="Group → role; where there is one, each login sets the role anew.")
    default_role: DefaultRole | None = Field(default="user", description="Of who is in none of the groups; null lets them not in.")
    link_by_email: Annotated[bool, Field(strict=True)] = Field(
        default=False, description="Whether a verified address opens an account that is there already. An owner's it never opens."
    )
    ca_bundle: Bundle | None = Field(default=None, description="PEM of the authorities to trust instead of the system's.")
    enabled: Annotated[bool, Field(strict=True)] = True
    probe: Annotated[bool, Field(strict=True)] = Field(default=True, description="Whether it is asked for its addresses first.")


class ChangeIssuer(Asked):
    """What is left out stays as it is."""

    title: Title | None = None
    issuer: Url | None = None
    client_id: Short | None = None
    client_secret: ClientSecret | None = None
    console_url: Url | None = None
    algorithm: Algorithm | None = None
    scopes: Scopes | None = None
    groups_claim: Short | None = None
    group_roles: Groups | None = None
    default_role: DefaultRole | None = None
    link_by_email: Annotated[bool, Field(strict=True)] | None = None
    ca_bundle: Bundle | None = None
    enabled: Annotated[bool, Field(strict=True)] | None = None


class IssuerTold(Told):
    """An issuer, without its client secret."""

    id: str
    name: str
    title: str
    issuer: str
    client_id: str
    has_secret: bool
    console_url: str
    redirect_uri: str = Field(description="To be registered over there.")
    algorithm: str
    scopes: list[str]
    groups_claim: str
    group_roles: dict[str, str]
    default_role: str | None
    link_by_email: bool
    ca_bundle: str | None
    enabled: bool
    created_at: Time
    updated_at: Time

    @classmethod
    def of(cls, issuer: Issuer) -> "IssuerTold":
        values: dict[str, Any] = {
            **vars(issuer),
            "redirect_uri": issuer.redirect_uri,
            "scopes": list(issuer.scopes),
            "group_roles": dict(issuer.group_roles),
        }
        return cls(**values)


class IssuerList(Told):
    issuers: list[IssuerTold]
    next_cursor: str | None = None


class IssuerRemoved(Told):
    id: str
    removed: bool


class WayTold(Told):
    name: str
    title: str
    start: str = Field(description="Where the browser goes to log in by it.")


class WayList(Told):
    """Ways in besides a password."""

    issuers: list[WayTold]


def draft(asked: CreateIssuer) -> tuple[Issuer, Secret | None]:
    """What is to be added, and its client secret."""
    issuer = Issuer(
        id="",
        has_secret=asked.client_secret is not None,
        created_at=0,
        updated_at=0,
        **_fields(asked.model_dump(exclude={"client_secret", "probe"})),
    )
    return issuer, None if asked.client_secret is None else Secret(asked.client_secret)


def changes(asked: ChangeIssuer) -> tuple[dict[str, Any], Secret | None]:
    """The fields that were given, and the new client secret. Only `default_role` and `ca_bundle` may become null."""
    given = asked.model_dump(include=asked.model_fields_set - {"client_secret"})
    kept = {name: value for name, value in given.items() if value is not None or name in ("default_role", "ca_bundle")}
    return _fields(kept), None if asked.client_secret is None else Secret(asked.client_secret)


def _fields(values: dict[str, Any]) -> dict[str, Any]:
    made = dict(values)
    if "scopes" in made:
        made["scopes"] = tuple(made["scopes"])
    if "group_roles" in made:
        made["group_roles"] = {group: Role(role) for group, role in made["group_roles"].items()}
    if made.get("default_role") is not None:
        made["default_role"] = Role(made["default_role"])
    return made
