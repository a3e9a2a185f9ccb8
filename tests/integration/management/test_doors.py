"""Every route through every door: what is not public by name answers a stranger with 401, before it looks at anything else."""

from typing import Any

import pytest

from sekisho.api.app import ROUTERS
from sekisho.rest.permissions import Permission
from sekisho.rest.routing import GuardedRoute, permission_of
from tests.integration.management.house import House

ROUTES = [
    (method, route.path, permission_of(route).permission)
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, GuardedRoute)
    for method in sorted(route.methods or ())
]
PUBLIC = {("GET", "/health"), ("GET", "/api/openapi.json")}


def filled(path: str) -> str:
    return path.replace("{key_id}", "k").replace("{name}", "n").replace("{model_id:path}", "a/b")


def test_what_is_public_is_these_two() -> None:
    assert {(method, path) for method, path, permission in ROUTES if permission is Permission.PUBLIC} == PUBLIC
    assert len(ROUTES) > 25


@pytest.mark.parametrize(("method", "path", "permission"), ROUTES)
@pytest.mark.parametrize("through", ["tunnel", None])
def test_a_stranger_gets_the_public_routes_and_nothing_else(
    house: House, method: str, path: str, permission: Permission, through: str | None
) -> None:
    if permission is Permission.PUBLIC:
        assert house.ask(method, path, through=through).status_code == 200
        return
    # A body that is no JSON would be a 400 to anyone whose body is read.
    answer = house.ask(method, filled(path), through=through, content=b"{", headers={"content-type": "application/json"})
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "authentication_required"
    assert house.workers.publications == []


@pytest.mark.parametrize(("method", "path", "permission"), ROUTES)
def test_the_local_owner_gets_past_every_guard(house: House, method: str, path: str, permission: Permission) -> None:
    assert house.ask(method, filled(path)).status_code not in (401, 403)


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
    assert house.ask("GET", "/api/keys", through="tunnel", headers=headers).status_code == 401


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
    assert described == {
        (method, path.replace("{model_id:path}", "{model_id}")) for method, path, _ in ROUTES if path != "/api/openapi.json"
    }
    for methods in document["paths"].values():
        for operation in methods.values():
            assert operation["responses"]["4XX"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/ErrorTold"}
            assert "422" not in operation["responses"]
