"""Texts that no database can hold are refused where they come in, on every route alike, and never a fault of ours."""

import base64
import json
from typing import Any

import pytest

from sekisho.api.app import ROUTERS
from sekisho.rest.routing import GuardedRoute
from tests.integration.management.house import House

ROUTES = sorted(
    (method, route.path)
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, GuardedRoute)
    for method in route.methods or ()
)


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_no_address_holds_a_zero(sqlite_house: House, method: str, path: str) -> None:
    """Before anything of it is looked at, so that one database is enough."""
    named = "/".join("a%00b" if part.startswith("{") else part for part in path.split("/"))
    for address in {f"{path}?q=%00", named if named != path else f"{path}?cursor=a%00"}:
        answer = sqlite_house.ask(method, address)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")


BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/api/keys"): {"label": "l"},
    ("POST", "/api/projects"): {"name": "n"},
    ("PUT", "/api/projects/default"): {"title": "t", "description": "d"},
    ("POST", "/api/projects/default/members"): {"email": "a@b", "role": "viewer"},
    ("POST", "/api/users"): {"email": "a@b", "name": "n"},
    ("POST", "/api/invitations"): {"email": "a@b", "project": "p"},
    ("POST", "/api/invitations/open"): {"token": "t"},
    ("POST", "/api/auth/reset"): {"token": "t", "password": "p"},
    ("POST", "/api/auth/login"): {"email": "e", "password": "p"},
    ("POST", "/api/providers"): {"name": "n", "kind": "custom", "base_url": "u"},
    ("POST", "/api/issuers"): {"name": "n", "title": "t", "issuer": "i", "client_id": "c", "console_url": "u"},
}


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
@pytest.mark.parametrize(("method", "path"), BODIES)
def test_no_field_holds_what_cannot_be_kept(house: House, method: str, path: str, text: str) -> None:
    good = BODIES[method, path]
    for field in good:
        content = json.dumps({**good, field: text})
        answer = house.ask(method, path, content=content, headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json()["error"]["param"]) == (422, field)


@pytest.mark.parametrize("position", [["\0"], ["\ud800"], ["a\0"]])
@pytest.mark.parametrize("path", ["/api/projects", "/api/projects/default/members", "/api/providers"])
def test_no_cursor_does(house: House, path: str, position: list[str]) -> None:
    cursor = base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")
    assert house.refused(422, "GET", f"{path}?cursor={cursor}")["code"] == "invalid_cursor"
