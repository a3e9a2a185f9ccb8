"""Who may use which route: the whole table, written by hand, against the routes that there are and the policy that decides.

A route without a row fails, and so does a row without a route. What a project's membership takes away from users and guests is tried in
`tests/integration/management`, as is every row through the real doors.
"""

from itertools import pairwise, product
from typing import Final

import pytest

from sekisho.api import live
from sekisho.api.app import ROUTERS
from sekisho.rest.permissions import RIGHTS, Caller, Permission, Role, allows
from sekisho.rest.routing import GuardedRoute, permission_of

ALL: Final = frozenset(Role)
KNOWN: Final = ALL - {Role.ANONYMOUS}
MEMBERS: Final = KNOWN - {Role.GUEST}
OFFICE: Final = frozenset({Role.ADMIN, Role.OWNER})

TABLE: Final[dict[str, frozenset[Role]]] = {
    # The installation
    "GET /health": ALL,
    "GET /api/openapi.json": ALL,
    "GET /api/status": OFFICE,
    "GET /api/settings": OFFICE,
    "POST /api/system/reload": OFFICE,
    "POST /api/system/stop": OFFICE,
    "GET /api/proxy": OFFICE,
    "POST /api/proxy/listeners": OFFICE,
    "DELETE /api/proxy/listeners/{name}": OFFICE,
    "POST /api/proxy/reload": OFFICE,
    "POST /api/backups": OFFICE,
    "GET /api/backups": OFFICE,
    "GET /api/backups/progress": OFFICE,
    "GET /api/check": OFFICE,
    "GET /api/doctor": OFFICE,
    "GET /api/certificates": OFFICE,
    "GET /metrics": OFFICE,
    "GET /api/configuration": OFFICE,
    "POST /api/configuration/plan": OFFICE,
    "POST /api/configuration/apply": OFFICE,
    # Keys
    "POST /api/keys": MEMBERS,
    "GET /api/keys": KNOWN,
    "GET /api/keys/{key_id}": KNOWN,
    "PATCH /api/keys/{key_id}": MEMBERS,
    "POST /api/keys/{key_id}/revoke": MEMBERS,
    "POST /api/keys/{key_id}/rotate": MEMBERS,
    # The catalog
    "POST /api/providers": OFFICE,
    "GET /api/providers": KNOWN,
    "GET /api/providers/{name}": KNOWN,
    "PATCH /api/providers/{name}": OFFICE,
    "DELETE /api/providers/{name}": OFFICE,
    "POST /api/providers/{name}/test": OFFICE,
    "POST /api/providers/{name}/refresh": OFFICE,
    "POST /api/models": OFFICE,
    "GET /api/models": KNOWN,
    "PUT /api/models/{model_id:path}/rate": OFFICE,
    "GET /api/models/{model_id:path}": KNOWN,
    "DELETE /api/models/{model_id:path}": OFFICE,
    "POST /api/apis": OFFICE,
    "GET /api/apis": KNOWN,
    "GET /api/apis/{name}": KNOWN,
    "PATCH /api/apis/{name}": OFFICE,
    "DELETE /api/apis/{name}": OFFICE,
    # What passed
    "GET /api/calls": KNOWN,
    "GET /api/calls/count": KNOWN,
    "GET /api/calls/export": KNOWN,
    "GET /api/calls/{name}": KNOWN,
    "GET /api/usage": KNOWN,
    "GET /api/refusals": KNOWN,
    "GET /api/live": KNOWN,
    "WS /api/live": KNOWN,
    # The audit
    "GET /api/audit": OFFICE,
    "GET /api/audit/count": OFFICE,
    "GET /api/audit/check": OFFICE,
    "GET /api/audit/export": OFFICE,
    # Getting in
    "GET /api/setup": ALL,
    "POST /api/setup/link": OFFICE,
    "POST /api/setup/claim": ALL,
    "POST /api/auth/register": ALL,
    "POST /api/auth/login": ALL,
    "POST /api/auth/refresh": ALL,
    "POST /api/auth/reset": ALL,
    "POST /api/invitations/open": ALL,
    "GET /api/auth/oidc": ALL,
    "GET /api/auth/oidc/{name}/start": ALL,
    "GET /api/auth/oidc/{name}/callback": ALL,
    # Oneself
    "POST /api/auth/logout": KNOWN,
    "GET /api/auth/me": KNOWN,
    "PATCH /api/auth/me": KNOWN,
    "POST /api/auth/me/erase": KNOWN,
    "GET /api/auth/export": KNOWN,
    "POST /api/auth/password": KNOWN,
    "GET /api/auth/sessions": KNOWN,
    "DELETE /api/auth/sessions/{session_id}": KNOWN,
    "POST /api/auth/tokens": KNOWN,
    "GET /api/auth/tokens": KNOWN,
    "DELETE /api/auth/tokens/{token_id}": KNOWN,
    "GET /api/auth/totp": KNOWN,
    "POST /api/auth/totp": KNOWN,
    "POST /api/auth/totp/confirm": KNOWN,
    "POST /api/auth/totp/recovery-codes": KNOWN,
    "POST /api/auth/totp/disable": KNOWN,
    # People
    "GET /api/users": OFFICE,
    "POST /api/users": OFFICE,
    "GET /api/users/{user_id}": OFFICE,
    "PATCH /api/users/{user_id}": OFFICE,
    "POST /api/users/{user_id}/password": OFFICE,
    "GET /api/users/{user_id}/sessions": OFFICE,
    "DELETE /api/users/{user_id}/sessions": OFFICE,
    "DELETE /api/users/{user_id}/sessions/{session_id}": OFFICE,
    "GET /api/users/{user_id}/tokens": OFFICE,
    "DELETE /api/users/{user_id}/tokens/{token_id}": OFFICE,
    "DELETE /api/users/{user_id}/totp": OFFICE,
    "POST /api/users/{user_id}/reset-link": OFFICE,
    "GET /api/users/{user_id}/export": OFFICE,
    "POST /api/users/{user_id}/erase": OFFICE,
    "POST /api/invitations": OFFICE,
    "GET /api/invitations": OFFICE,
    "DELETE /api/invitations/{invitation_id}": OFFICE,
    "GET /api/issuers": OFFICE,
    "POST /api/issuers": OFFICE,
    "GET /api/issuers/{name}": OFFICE,
    "PATCH /api/issuers/{name}": OFFICE,
    "DELETE /api/issuers/{name}": OFFICE,
    # Projects
    "POST /api/projects": MEMBERS,
    "GET /api/projects": KNOWN,
    "GET /api/projects/{project_id}": KNOWN,
    "PUT /api/projects/{project_id}": MEMBERS,
    "DELETE /api/projects/{project_id}": MEMBERS,
    "GET /api/projects/{project_id}/members": KNOWN,
    "POST /api/projects/{project_id}/members": MEMBERS,
    "PUT /api/projects/{project_id}/members/{user_id}": MEMBERS,
    # Anybody may leave.
    "DELETE /api/projects/{project_id}/members/{user_id}": KNOWN,
}
"""Method and path → the roles that get past the guard."""

ROUTES: Final[dict[str, Permission]] = {
    f"{method} {route.path}": permission_of(route).permission
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, GuardedRoute)
    for method in route.methods or ()
} | {f"WS {live.PATH}": Permission.USAGE_READ}


def test_every_route_has_a_row_and_every_row_a_route() -> None:
    assert set(ROUTES) - set(TABLE) == set(), "these routes have no row"
    assert set(TABLE) - set(ROUTES) == set(), "these rows have no route"


@pytest.mark.parametrize(("route", "role"), [pair for pair in product(sorted(ROUTES), Role) if pair[0] in TABLE])
def test_the_policy_is_what_the_table_says(route: str, role: Role) -> None:
    assert allows(Caller(role), ROUTES[route]) is (role in TABLE[route])


def test_no_role_may_less_than_the_one_below_it() -> None:
    order = [Role.ANONYMOUS, Role.GUEST, Role.USER, Role.ADMIN, Role.OWNER]
    assert set(order) == set(RIGHTS) == set(Role)
    for lower, higher in pairwise(order):
        assert RIGHTS[lower] < RIGHTS[higher], (lower, higher)


def test_all_that_an_owner_has_before_an_admin_is_making_owners() -> None:
    assert RIGHTS[Role.OWNER] - RIGHTS[Role.ADMIN] == {Permission.OWNERS_WRITE}


@pytest.mark.parametrize("role", list(Role))
def test_a_scope_only_ever_takes_away(role: Role) -> None:
    for permission, scope in product(Permission, Permission):
        narrowed = allows(Caller(role, scopes=frozenset({scope})), permission)
        assert narrowed is (allows(Caller(role), permission) and permission in (scope, Permission.PUBLIC))
    assert {each for each in Permission if allows(Caller(role, scopes=frozenset()), each)} == {Permission.PUBLIC}
