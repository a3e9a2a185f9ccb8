"""Every route that changes something leaves rows that say who, from where and in which request, and no secret; one story goes through
all of them.
"""

import base64
import json
from typing import Any, Final

import pytest
from fastapi.routing import APIRoute

from sekisho.api.app import ROUTERS
from sekisho.identity.factors import codes
from tests.integration.management.house import House
from tests.support.upstream import Upstream

PASSWORD: Final = "a planted password of the owner"
OTHER: Final = "a planted password of berta"
CREDENTIAL: Final = "sk-planted-credential-of-a-provider"
ADDRESS: Final = "192.0.2.7"
OWNER: Final = "anna@example.com"

WITHOUT: Final = {
    ("POST", "/api/auth/refresh"): "a script gets new tokens every few minutes, for a session that began with a row",
    ("POST", "/api/invitations/open"): "shows what an invitation is for, and changes nothing",
    ("POST", "/api/configuration/plan"): "tells what would be changed, and changes nothing",
    ("POST", "/api/auth/totp"): "a secret that asks for nothing before it is confirmed, which has its row",
}
"""Routes that do nothing worth a row."""


class Person:
    """Somebody who comes through the tunnel, and what all of them did: the routes, and the secrets that were in it."""

    def __init__(self, house: House, done: set[tuple[str, str]], secrets: list[str]) -> None:
        self._house = house
        self.headers = {"x-sekisho-client-address": ADDRESS, "x-sekisho-scheme": "https"}
        self.done = done
        self.secrets = secrets
        self.session_id = ""

    def does(self, method: str, path: str, json: Any = None, *, by: str | None = OWNER, like: str | None = None) -> Any:
        """One change, that succeeds and leaves rows; `like` is the route where it is not the path, `by` whom the rows name."""
        answer = self._house.ask(method, path, json, through="tunnel", headers=self.headers)
        assert answer.is_success, (method, path, answer.text)
        rows = self._house.good("GET", f"/api/audit?request_id={answer.headers['x-request-id']}")["rows"]
        assert rows or (method, like or path) in WITHOUT, f"{method} {path} left no row"
        if by is not None:
            assert {(row["actor"], row["address"]) for row in rows} <= {(by, ADDRESS)}, rows
        self.done.add((method, like or path))
        told = None if answer.status_code == 204 else answer.json()
        self.secrets += _secrets_in(told)
        return told

    def logs_in(self, email: str, password: str, **more: Any) -> str:
        """As a script does; the user's id."""
        self.headers.pop("authorization", None)
        told = self.does("POST", "/api/auth/login", {"email": email, "password": password, "tokens": True, **more}, by=email)
        self.headers["authorization"] = f"Bearer {told['tokens']['access_token']}"
        self.session_id = told["tokens"]["session_id"]
        return str(told["user"]["id"])


def _secrets_in(told: Any) -> list[str]:
    """What an answer shows this once."""
    found: list[str] = []
    if isinstance(told, dict):
        for name, value in told.items():
            if name in ("plain_key", "plain_token", "access_token", "refresh_token", "csrf", "secret", "otpauth_url") and value:
                found.append(str(value))
            elif name == "path" and isinstance(value, str) and "#" in value:
                found.append(value.partition("#")[2])
            elif name == "recovery_codes" and isinstance(value, list):
                found += value
            else:
                found += _secrets_in(value)
    return found


@pytest.fixture
def owner(house: House) -> Person:
    """The first of the house, who is in."""
    link = house.good("POST", "/api/setup/link")["token"]
    person = Person(house, {("POST", "/api/setup/link")}, [PASSWORD, OTHER, CREDENTIAL, link])
    person.does("POST", "/api/setup/claim", {"token": link, "email": OWNER, "name": "Anna", "password": PASSWORD})
    person.logs_in(OWNER, PASSWORD)
    return person


def test_every_change_over_the_api_leaves_a_row_and_no_secret(house: House, owner: Person, upstream: Upstream) -> None:
    catalog(owner, upstream)
    system(owner, house)
    keys(owner)
    projects(owner, house)
    people(owner, house)
    factors(owner, house)
    issuers(owner)
    departures(owner, house)

    routes = {
        (method, route.path)
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    changes = {(method, path) for method, path in routes if method not in ("GET", "HEAD")}
    assert sorted(changes - owner.done - set(WITHOUT)) == [], "a route that changes something needs its act in this story"
    stored = json.dumps(house.good("GET", "/api/audit?limit=1000")["rows"], ensure_ascii=False)
    assert len(owner.secrets) > 20
    assert [secret for secret in owner.secrets if secret in stored] == []
    assert house.good("GET", "/api/audit/check")["ok"]


def catalog(owner: Person, upstream: Upstream) -> None:
    does = owner.does
    does("POST", "/api/providers", {"name": "up", "kind": "custom", "base_url": upstream.base_url, "api_key": CREDENTIAL})
    does("PATCH", "/api/providers/up", {"api_key": f"{CREDENTIAL}-2"}, like="/api/providers/{name}")
    does("POST", "/api/providers/up/test", like="/api/providers/{name}/test")
    does("POST", "/api/providers/up/refresh", like="/api/providers/{name}/refresh")
    does("POST", "/api/models", {"id": "up/mine"})
    does("PUT", "/api/models/up/mine/rate", {"input_price": "1", "output_price": "2"}, like="/api/models/{model_id:path}/rate")
    does("POST", "/api/apis", {"name": "helper", "target": "up/mine"})
    does("PATCH", "/api/apis/helper", {"enabled": False}, like="/api/apis/{name}")
    does("DELETE", "/api/apis/helper", like="/api/apis/{name}")
    does("DELETE", "/api/models/up/mine", like="/api/models/{model_id:path}")
    does("DELETE", "/api/providers/up", like="/api/providers/{name}")


def system(owner: Person, house: House) -> None:
    does = owner.does
    wanted = {"version": 1, "providers": {"file": {"kind": "openai", "credential": "env:X"}}, "secrets": {"env:X": CREDENTIAL}}
    does("POST", "/api/configuration/plan", wanted)
    does("POST", "/api/configuration/apply", wanted)
    does("POST", "/api/proxy/listeners", {"port": 4711})
    # The played product knows no listener by name: the order has its row, and so has what became of it.
    refused = house.refused(404, "DELETE", "/api/proxy/listeners/gone", through="tunnel", headers=owner.headers)
    rows = house.good("GET", f"/api/audit?request_id={refused['request_id']}")["rows"]
    assert [(row["action"], row["actor"]) for row in rows] == [("listener.close_refused", OWNER), ("listener.close", OWNER)]
    owner.done.add(("DELETE", "/api/proxy/listeners/{name}"))
    does("POST", "/api/proxy/reload")
    does("POST", "/api/system/reload")
    does("POST", "/api/system/stop")
    does("POST", "/api/backups")


def keys(owner: Person) -> None:
    key = owner.does("POST", "/api/keys", {"label": "one"})
    owner.does("PATCH", f"/api/keys/{key['id']}", {"label": "two"}, like="/api/keys/{key_id}")
    owner.does("POST", f"/api/keys/{key['id']}/rotate", like="/api/keys/{key_id}/rotate")
    owner.does("POST", f"/api/keys/{key['id']}/revoke", like="/api/keys/{key_id}/revoke")


def projects(owner: Person, house: House) -> None:
    does = owner.does
    member = house.good("POST", "/api/users", {"email": "member@example.com", "name": "M", "role": "user", "password": OTHER})["id"]
    project = does("POST", "/api/projects", {"name": "shop"})["id"]
    at = f"/api/projects/{project}"
    does("PUT", at, {"title": "The shop"}, like="/api/projects/{project_id}")
    does("POST", f"{at}/members", {"email": "member@example.com", "role": "viewer"}, like="/api/projects/{project_id}/members")
    does("PUT", f"{at}/members/{member}", {"role": "editor"}, like="/api/projects/{project_id}/members/{user_id}")
    does("DELETE", f"{at}/members/{member}", like="/api/projects/{project_id}/members/{user_id}")
    does("DELETE", at, like="/api/projects/{project_id}")


def people(owner: Person, house: House) -> None:
    does = owner.does
    berta = does("POST", "/api/users", {"email": "berta@example.com", "name": "Berta", "role": "user", "password": OTHER})["id"]
    at = f"/api/users/{berta}"
    does("PATCH", at, {"role": "admin"}, like="/api/users/{user_id}")
    does("POST", f"{at}/password", {"password": f"{OTHER} 2"}, like="/api/users/{user_id}/password")
    hers = Person(house, owner.done, owner.secrets)
    hers.logs_in("berta@example.com", f"{OTHER} 2")
    token = hers.does("POST", "/api/auth/tokens", {"name": "mine", "expires_in_s": 3600}, by="berta@example.com")
    does("DELETE", f"{at}/tokens/{token['id']}", like="/api/users/{user_id}/tokens/{token_id}")
    does("DELETE", f"{at}/sessions/{hers.session_id}", like="/api/users/{user_id}/sessions/{session_id}")
    hers.logs_in("berta@example.com", f"{OTHER} 2")
    does("DELETE", f"{at}/sessions", like="/api/users/{user_id}/sessions")

    path = does("POST", f"{at}/reset-link", like="/api/users/{user_id}/reset-link")["path"]
    del hers.headers["authorization"]
    hers.does("POST", "/api/auth/reset", {"token": path.partition("#")[2], "password": f"{OTHER} 3"}, by=None)
    gone = does("POST", "/api/invitations", {"email": "nobody@example.com"})["id"]
    does("DELETE", f"/api/invitations/{gone}", like="/api/invitations/{invitation_id}")
    invited = does("POST", "/api/invitations", {"email": "carl@example.com"})["path"].partition("#")[2]
    carl = {"email": "carl@example.com", "name": "Carl", "password": OTHER, "invitation": invited}
    hers.does("POST", "/api/auth/register", carl, by="carl@example.com")

    token = does("POST", "/api/auth/tokens", {"name": "mine", "expires_in_s": 3600})
    does("DELETE", f"/api/auth/tokens/{token['id']}", like="/api/auth/tokens/{token_id}")
    does("PATCH", "/api/auth/me", {"name": "Anna A."})
    does("POST", "/api/auth/password", {"current_password": PASSWORD, "new_password": f"{PASSWORD} 2"})
    first = owner.session_id
    owner.logs_in(OWNER, f"{PASSWORD} 2")
    does("DELETE", f"/api/auth/sessions/{first}", like="/api/auth/sessions/{session_id}")
    does("POST", "/api/auth/logout")
    owner.logs_in(OWNER, f"{PASSWORD} 2")


def factors(owner: Person, house: House) -> None:
    does = owner.does
    asked = {"current_password": f"{PASSWORD} 2"}
    secret = base64.b32decode(does("POST", "/api/auth/totp", asked)["secret"].replace(" ", ""))

    def code() -> dict[str, str]:
        # Each code opens once: the next one comes with the next half minute.
        house.clock.at += 30_000_000
        return {"code": codes.code_at(secret, codes.step_of(house.clock.now()))}

    does("POST", "/api/auth/totp/confirm", code())
    does("POST", "/api/auth/totp/recovery-codes", code())
    does("POST", "/api/auth/totp/disable", code())
    hers = Person(house, owner.done, owner.secrets)
    berta = hers.logs_in("berta@example.com", f"{OTHER} 3")
    asked = {"current_password": f"{OTHER} 3"}
    secret = base64.b32decode(hers.does("POST", "/api/auth/totp", asked, by="berta@example.com")["secret"].replace(" ", ""))
    hers.does("POST", "/api/auth/totp/confirm", code(), by="berta@example.com")
    does("DELETE", f"/api/users/{berta}/totp", like="/api/users/{user_id}/totp")


def issuers(owner: Person) -> None:
    issuer = {
        "name": "sso",
        "title": "SSO",
        "issuer": "https://sso.example.com",
        "client_id": "us",
        "client_secret": "a-planted-client-secret",
        "console_url": "https://gateway.example.com",
        "probe": False,
    }
    owner.secrets.append("a-planted-client-secret")
    owner.does("POST", "/api/issuers", issuer)
    owner.does("PATCH", "/api/issuers/sso", {"title": "Our SSO"}, like="/api/issuers/{name}")
    owner.does("DELETE", "/api/issuers/sso", like="/api/issuers/{name}")


def departures(owner: Person, house: House) -> None:
    """Two people leave, one by herself; nothing in the audit names them any more."""
    hers = Person(house, owner.done, owner.secrets)
    hers.logs_in("berta@example.com", f"{OTHER} 3")
    erased = hers.does("POST", "/api/auth/me/erase", {"current_password": f"{OTHER} 3"}, by=None)
    carl = next(each["id"] for each in house.good("GET", "/api/users")["users"] if each["email"] == "carl@example.com")
    owner.does("POST", f"/api/users/{carl}/erase", like="/api/users/{user_id}/erase")
    stored = json.dumps(house.good("GET", "/api/audit?limit=1000")["rows"])
    assert erased["pseudonym"] in stored
    assert [name for name in ("berta@example.com", "carl@example.com", "Berta", "Carl") if name in stored] == []
    assert house.good("GET", "/api/audit/check")["ok"]
