"""Who asks, and what each route demands of them. A route that declares no permission does not exist (see `rest.routing`).

Who asks is decided by the door that the request came through, never by anything that the request says.
"""

import enum
from dataclasses import dataclass
from typing import Final

from fastapi import Request

from sekisho.rest.errors import forbidden, unauthenticated

DOOR: Final = "sekisho.door"
"""The key in the ASGI scope under which a server says which door it is."""

LOCAL: Final = "local"
"""The node's own socket, which only the owner of the home can open."""

TUNNEL: Final = "tunnel"
"""What the workers pass on from the console's port."""


class Permission(enum.StrEnum):
    """What may be done."""

    PUBLIC = "public"
    KEYS_READ = "keys:read"
    KEYS_WRITE = "keys:write"
    CATALOG_READ = "catalog:read"
    CATALOG_WRITE = "catalog:write"
    USAGE_READ = "usage:read"
    SYSTEM_READ = "system:read"
    SYSTEM_WRITE = "system:write"


class Role(enum.StrEnum):
    """The part that a caller plays; people with logins come later."""

    OWNER = "owner"
    ANONYMOUS = "anonymous"


RIGHTS: Final[dict[Role, frozenset[Permission]]] = {
    Role.OWNER: frozenset(Permission),
    Role.ANONYMOUS: frozenset({Permission.PUBLIC}),
}
"""The whole policy."""


@dataclass(frozen=True)
class Caller:
    """Who asks."""

    role: Role


def caller_of(request: Request) -> Caller:
    """The caller by the door; one without a name is nobody's."""
    return Caller(Role.OWNER if request.scope.get(DOOR) == LOCAL else Role.ANONYMOUS)


class Requires:
    """A dependency that lets through who has the permission: `caller: Annotated[Caller, Depends(Requires(…))]`."""

    def __init__(self, permission: Permission) -> None:
        self.permission = permission

    def __call__(self, request: Request) -> Caller:
        """The caller; raises ApiError 401 or 403."""
        caller = caller_of(request)
        if self.permission not in RIGHTS[caller.role]:
            raise unauthenticated() if caller.role is Role.ANONYMOUS else forbidden(self.permission)
        return caller
