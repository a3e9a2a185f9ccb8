"""Who asks, and what each route demands of them. A route that declares no permission does not exist (see `rest.routing`).

Who asks is found once per request and before its body is read: the node's own socket is the local owner, whoever comes through the
tunnel is who their cookie or token says, and nobody otherwise. What they may do is decided by `allows`, for routes and sockets alike.
"""

import enum
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from fastapi import Request
from starlette.requests import HTTPConnection

from sekisho.rest.errors import forbidden, unauthenticated

DOOR: Final = "sekisho.door"
"""The key in the ASGI scope under which a server says which door it is."""

LOCAL: Final = "local"
"""The node's own socket, which only the owner of the home can open."""

TUNNEL: Final = "tunnel"
"""What the workers pass on from the console's port."""

REQUEST_ID: Final = "sekisho.request_id"
"""The key in the ASGI scope of the request's id, as header, log and audit name it."""

DEMANDED: Final = "sekisho.demanded"
"""The key in the ASGI scope of the permission that the matched route demands."""

LOOKED_AGAIN: Final = "sekisho.looked_again"
"""The key in the ASGI scope of a connection that stays open and is asked again who is behind it: nobody uses a login by that."""

_CALLER: Final = "sekisho.caller"
"""The key in the ASGI scope of who was found to ask."""

LOCAL_OWNER: Final = "local owner"


class Permission(enum.StrEnum):
    """What may be done."""

    PUBLIC = "public"
    ACCOUNT = "account"
    """One's own account: name, password, sessions."""
    KEYS_READ = "keys:read"
    KEYS_WRITE = "keys:write"
    CATALOG_READ = "catalog:read"
    CATALOG_WRITE = "catalog:write"
    USAGE_READ = "usage:read"
    PROJECTS_READ = "projects:read"
    PROJECTS_WRITE = "projects:write"
    USERS_READ = "users:read"
    USERS_WRITE = "users:write"
    OWNERS_WRITE = "owners:write"
    """Making and unmaking owners, and whatever would let one become an owner by a detour."""
    AUDIT_READ = "audit:read"
    SETTINGS_READ = "settings:read"
    SETTINGS_WRITE = "settings:write"
    SYSTEM_READ = "system:read"
    SYSTEM_WRITE = "system:write"


class Role(enum.StrEnum):
    """The part that a caller plays in the whole installation."""

    OWNER = "owner"
    ADMIN = "admin"
    USER = "user"
    GUEST = "guest"
    ANONYMOUS = "anonymous"


class ProjectRole(enum.StrEnum):
    """The part that a member plays in one project."""

    MAINTAINER = "maintainer"
    EDITOR = "editor"
    VIEWER = "viewer"


_GUEST: Final = frozenset(
    {
        Permission.PUBLIC,
        Permission.ACCOUNT,
        Permission.KEYS_READ,
        Permission.CATALOG_READ,
        Permission.USAGE_READ,
        Permission.PROJECTS_READ,
    },
)
_USER: Final = _GUEST | {Permission.KEYS_WRITE, Permission.PROJECTS_WRITE}

RIGHTS: Final[dict[Role, frozenset[Permission]]] = {
    Role.OWNER: frozenset(Permission),
    Role.ADMIN: frozenset(Permission) - {Permission.OWNERS_WRITE},
    Role.USER: _USER,
    Role.GUEST: _GUEST,
    Role.ANONYMOUS: frozenset({Permission.PUBLIC}),
}
"""What each role may do at all. Users and guests do it within their projects: see `Caller.within` and `Caller.may_write_in`."""

_EVERYWHERE: Final = frozenset({Role.OWNER, Role.ADMIN})
"""The roles that no project bounds."""


@dataclass(frozen=True)
class Caller:
    """Who asks."""

    role: Role
    name: str = ""
    """The e-mail address, or `local owner`; empty where nobody is known."""
    user_id: str | None = None
    """None for the local owner and for strangers."""
    session_id: str | None = None
    """The login that this request belongs to; None without one."""
    token_id: str | None = None
    """The access token that this request came with; None without one."""
    scopes: frozenset[Permission] | None = None
    """What an access token is narrowed to; None: all that the role may."""
    projects: Mapping[str, ProjectRole] = field(default_factory=dict)
    """The projects that the person is a member of, by name."""
    address: str = ""
    """Where the request came from; empty for the node's own socket."""
    request_id: str = ""

    def within(self) -> frozenset[str] | None:
        """The names of the projects whose keys, calls and usage this caller may see; None means all."""
        return None if self.role in _EVERYWHERE else frozenset(self.projects)

    def may_write_in(self, project: str) -> bool:
        """Whether this caller may change what belongs to the project of this name."""
        if self.role in _EVERYWHERE:
            return True
        return self.role is Role.USER and self.projects.get(project) in (ProjectRole.MAINTAINER, ProjectRole.EDITOR)


def allows(caller: Caller, permission: Permission) -> bool:
    """The one policy: whether this caller may do what needs this permission."""
    if permission is Permission.PUBLIC:
        return True
    return permission in RIGHTS[caller.role] and (caller.scopes is None or permission in caller.scopes)


def require(caller: Caller, permission: Permission) -> None:
    """Raises ApiError 401 for a stranger and 403 for a known caller who may not."""
    if not allows(caller, permission):
        raise unauthenticated() if caller.role is Role.ANONYMOUS else forbidden(permission)


class Identifies(Protocol):
    """Finds out who stands behind a cookie or a token."""

    def __call__(self, connection: HTTPConnection, stranger: Caller) -> Awaitable[Caller]:
        """The caller, or `stranger` where no one is known; it carries the address and the request's id already.

        Raises ApiError where the request is one that no browser of ours and no script would send, and StorageError.
        """
        ...


async def identify(connection: HTTPConnection) -> Caller:
    """Who asks, for a request or a socket. Found once: asking again costs nothing. Raises ApiError and StorageError."""
    known = connection.scope.get(_CALLER)
    if isinstance(known, Caller):
        return known
    request_id = str(connection.scope.get(REQUEST_ID, ""))
    if connection.scope.get(DOOR) == LOCAL:
        caller = Caller(Role.OWNER, LOCAL_OWNER, request_id=request_id)
    else:
        stranger = Caller(Role.ANONYMOUS, address=connection.headers.get("x-sekisho-client-address", ""), request_id=request_id)
        identifies: Identifies | None = getattr(connection.app.state, "identifies", None)
        caller = stranger if identifies is None else await identifies(connection, stranger)
    connection.scope[_CALLER] = caller
    return caller


def unidentified(connection: HTTPConnection) -> HTTPConnection:
    """The same connection, of which nobody has found out who asks: for those that stay open and ask again later."""
    scope = {name: value for name, value in connection.scope.items() if name != _CALLER}
    return HTTPConnection({**scope, LOOKED_AGAIN: True})


def caller_of(request: HTTPConnection) -> Caller:
    """Who was found to ask; `identify` comes first, and a guarded route has done it."""
    caller = request.scope[_CALLER]
    assert isinstance(caller, Caller)
    return caller


class Requires:
    """A dependency that lets through who has the permission: `caller: Annotated[Caller, Depends(Requires(…))]`."""

    def __init__(self, permission: Permission) -> None:
        self.permission = permission

    async def __call__(self, request: Request) -> Caller:
        """The caller; raises ApiError 401 or 403."""
        caller = caller_of(request)
        require(caller, self.permission)
        return caller
