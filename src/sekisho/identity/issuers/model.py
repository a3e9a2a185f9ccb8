"""What is known of a house whose word lets people in. Times are wall times in microseconds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sekisho.rest.permissions import Role

CALLBACK: Final = "/api/auth/oidc/{name}/callback"


@dataclass(frozen=True)
class Issuer:
    """An OpenID provider as an administrator set it up. Its client secret is told to nobody."""

    id: str
    name: str
    """Stands in the address that people come back to."""
    title: str
    issuer: str
    """As its tokens spell it."""
    client_id: str
    has_secret: bool
    console_url: str
    algorithm: str
    scopes: tuple[str, ...]
    groups_claim: str
    group_roles: Mapping[str, Role]
    default_role: Role | None
    """Of who is in none of the groups; None lets them not in."""
    link_by_email: bool
    ca_bundle: str | None
    enabled: bool
    created_at: int
    updated_at: int

    @property
    def redirect_uri(self) -> str:
        """Where it sends people back to; has to be registered over there."""
        return self.console_url + CALLBACK.format(name=self.name)

    def role_for(self, groups: frozenset[str]) -> Role | None:
        """The highest role that these groups give, else the default; None lets nobody in."""
        given = {self.group_roles[group] for group in groups if group in self.group_roles}
        return next((role for role in (Role.ADMIN, Role.USER, Role.GUEST) if role in given), self.default_role)


@dataclass(frozen=True)
class Identity:
    """Somebody of that house, and who they are here."""

    id: str
    issuer: str
    subject: str
    user_id: str
    created_at: int
    last_login_at: int


def shown(issuer: Issuer) -> dict[str, Any]:
    """What an administrator set up, as JSON has it, but for the name and the secret."""
    return {
        "title": issuer.title,
        "issuer": issuer.issuer,
        "client_id": issuer.client_id,
        "console_url": issuer.console_url,
        "algorithm": issuer.algorithm,
        "scopes": list(issuer.scopes),
        "groups_claim": issuer.groups_claim,
        "group_roles": {group: role.value for group, role in issuer.group_roles.items()},
        "default_role": None if issuer.default_role is None else issuer.default_role.value,
        "link_by_email": issuer.link_by_email,
        "ca_bundle": issuer.ca_bundle,
        "enabled": issuer.enabled,
    }


def place(issuer_id: str) -> str:
    """What a sealed client secret is bound to."""
    return f"issuers.sealed_secret.{issuer_id}"
