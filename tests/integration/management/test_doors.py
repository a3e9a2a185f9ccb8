"""Every route through every door: what is not public by name answers a stranger with 401, before it looks at anything else."""

import itertools
import re
from typing import Any

import pytest

from sekisho.api.app import ROUTERS
from sekisho.rest.permissions import Caller, Permission, Role, allows
from sekisho.rest.routing import GuardedRoute, permission_of
from tests.integration.management.house import House
from tests.integration.management.people import OVER_TLS, claimed, person

ROUTES = [
    (method, route.path, permission_of(route).permission)
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, GuardedRoute)
    for method in sorted(route.methods or ())
]
UNDESCRIBED = {
    route.path for router in ROUTERS for route in router.routes if isinstance(route, GuardedRoute) and not route.include_in_schema
}
"""Named in the documents instead: no client is generated for them."""
ENDS_THE_SESSION = {("POST", "/api/auth/logout")}
PRINCIPALS = ("guest", "user", "admin", "owner")


def filled(path: str) -> str:
    """The path with names that nothing has."""
    return re.sub(r"\{[a-z_]+(:path)?\}", lambda match: "a/b" if match[1] else "nothing", path)


def knock(house: House, method: str, path: str, through: str | None, headers: dict[str, str]) -> Any:
    """A request whose body would be a 400 to anyone whose body is read; the answer's status and, of a refusal, the code."""
    answer = house.ask(method, filled(path), through=through, content=b"{", headers={"content-type": "application/json", **headers})
    return answer.status_code, answer.json()["error"]["code"] if answer.status_code >= 400 else None


@pytest.mark.parametrize("through", ["tunnel", None])
def test_a_stranger_gets_the_public_routes_and_nothing_else(house: House, through: str | None) -> None:
    for method, path, permission in ROUTES:
        status, code = knock(house, method, path, through, {})
        if permission is Permission.PUBLIC:
            assert status < 500, (method, path, code)
            assert code not in ("authentication_required", "permission_denied"), (method, path)
        else:
            assert (status, code) == (401, "authentication_required"), (method, path)
    assert house.workers.publications == []


def test_each_principal_gets_past_the_guards_that_the_table_names_and_no_other(house: House) -> None:
    """The rows of `tests/arch/test_matrix.py`, through the tunnel, with real sessions."""
    browsers = {"owner": claimed(house)} | {role: person(house, role) for role in PRINCIPALS if role != "owner"}
    for (role, browser), (method, path, permission) in itertools.product(browsers.items(), ROUTES):
        if (method, path) in ENDS_THE_SESSION:
            continue
        headers = {**OVER_TLS, "x-csrf-token": browser.csrf or "", "cookie": f"__Host-sekisho={browser.cookies['__Host-sekisho']}"}
        status, code = knock(house, method, path, "tunnel", headers)
        assert status != 401, (role, method, path)
        assert (code == "permission_denied") is not allows(Caller(Role(role)), permission), (role, method, path, status, code)
        assert status < 500, (role, method, path, code)


def test_the_local_owner_gets_past_every_guard(house: House) -> None:
    for method, path, _ in ROUTES:
        _, code = knock(house, method, path, "local", {})
        assert code not in ("authentication_required", "permission_denied"), (method, path)


@pytest.mark.parametrize(
    "headers",
    [
        {"x-sekisho-client-address": "127.0.0.1"},
        {"sekisho.door": "local"},
        {"x-forwarded-for": "127.0.0.1", "forwarded": "for=127.0.0.1"},
        {"host": "node.sock"},
        {"authorization": "Bearer local"},
        {"cookie": "sekisho.door=local"},
    ],
)
def test_nothing_that_a_request_says_makes_it_local(house: House, headers: dict[str, str]) -> None:
    assert house.ask("GET", "/api/keys", through="tunnel", headers=headers).status_code in (401, 421)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api",
        "/api/",
        "/api/nope",
        "/api/keys/",
        "/API/keys",
        "/health/",
        "//health",
        "/health/../api/keys",
        "/api/openapi.json/x",
        "/docs",
    ],
)
def test_a_stranger_cannot_tell_what_is_there_from_what_is_not(house: House, path: str) -> None:
    known = house.refused(401, "GET", "/api/keys", through="tunnel")
    answer = house.refused(401, "GET", path, through="tunnel")
    assert {**answer, "request_id": ""} == {**known, "request_id": ""}


def test_a_stranger_does_not_learn_methods_either(house: House) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        house.refused(401, method, "/health", through="tunnel")


def test_the_description_of_the_api_has_every_route_and_the_one_error_body(house: House) -> None:
    document: Any = house.good("GET", "/api/openapi.json", through="tunnel")
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert described == {(method, path.replace("{model_id:path}", "{model_id}")) for method, path, _ in ROUTES if path not in UNDESCRIBED}
    for methods in document["paths"].values():
        for operation in methods.values():
            assert operation["responses"]["4XX"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/ErrorTold"}
            assert "422" not in operation["responses"]
