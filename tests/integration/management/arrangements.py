"""What each route needs to be told to say yes: the names of things that are there, secrets that open something, and who asks.

The rest of a request stays as it was drawn. A route without an entry takes what is drawn, with the names of things that are there in
its path.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.integration.management.drawn import NOWHERE, World
from tests.integration.management.house import House
from tests.integration.management.houses_of_others import CONSOLE
from tests.integration.management.people import PASSWORD, Browser
from tests.support.issuer import CLIENT, SECRET

NEW_PASSWORD = "another sentence that is long enough"


@dataclass
class Arranged:
    """What stands in the place of what was drawn."""

    path: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)
    """Fields that are sent whatever was drawn."""
    where: dict[str, Any] = field(default_factory=dict)
    """Fields that are sent where something was drawn for them."""
    nulls: bool = True
    """Whether a field that was drawn as null is sent; where null is no value, it is left out."""
    query: dict[str, str] = field(default_factory=dict)
    browser: Browser | None = None
    """Who asks; the owner, if nobody is named."""
    house: House | None = None
    """A house of its own that is asked by the local owner; closed after it."""


Arrangement = Callable[[World, int], Arranged]


def _oneself(world: World, number: int) -> Arranged:
    return Arranged(browser=world.newcomer()[0])


def _claim(world: World, number: int) -> Arranged:
    house = world.empty().__enter__()
    token = house.good("POST", "/api/setup/link")["token"]
    return Arranged(
        house=house, browser=Browser(house), body={"token": token, "email": "first@example.org", "name": "First", "password": PASSWORD}
    )


def _link(world: World, number: int) -> Arranged:
    return Arranged(house=world.empty().__enter__())


def _register(world: World, number: int) -> Arranged:
    made, secret = world.invitation()
    body = {"email": made["email"], "invitation": secret, "name": "Invited", "password": PASSWORD}
    return Arranged(browser=world.browser(), body=body)


def _change_me(world: World, number: int) -> Arranged:
    browser, _ = world.newcomer()
    where = {"current_password": PASSWORD, "email": f"moved-{number}@example.org", "name": "Moved", "language": "ja"}
    return Arranged(browser=browser, where=where, body={"current_password": PASSWORD}, nulls=False)


def _end_my_session(world: World, number: int) -> Arranged:
    browser, person = world.newcomer()
    world.logged_in(person)
    others = [each["id"] for each in browser.good("GET", "/api/auth/sessions")["sessions"] if not each["current"]]
    return Arranged(browser=browser, path={"session_id": others[0]})


def _end_a_session(world: World, number: int) -> Arranged:
    browser, person = world.newcomer()
    return Arranged(path={"user_id": person["id"], "session_id": browser.good("GET", "/api/auth/sessions")["sessions"][0]["id"]})


def _end_a_token(world: World, number: int) -> Arranged:
    browser, person = world.newcomer()
    return Arranged(path={"user_id": person["id"], "token_id": world.access_token(browser)})


def _confirm(world: World, number: int) -> Arranged:
    browser, _, secret = world.enrolled()
    return Arranged(browser=browser, body={"code": world.code(secret)})


def _with_code(world: World, number: int) -> Arranged:
    browser, _, secret = world.protected()
    return Arranged(browser=browser, body={"code": world.code(secret)})


def _reset_factor(world: World, number: int) -> Arranged:
    return Arranged(path={"user_id": world.protected()[1]["id"]})


def _callback(world: World, number: int) -> Arranged:
    browser, query = world.way_back()
    return Arranged(browser=browser, path={"name": "corp"}, query=query)


def _member(world: World, number: int) -> Arranged:
    project, person = world.member()
    return Arranged(path={"project_id": project, "user_id": person})


def _issuer(world: World, number: int) -> dict[str, Any]:
    """Fields that an issuer may have; what else it may have is drawn."""
    return {
        "title": "Corp",
        "issuer": world.issuer.url,
        "client_id": CLIENT,
        "client_secret": SECRET,
        "console_url": CONSOLE,
        "ca_bundle": None,
        "scopes": ["openid", "email"],
        "groups_claim": "groups",
        "group_roles": {"staff": "user"},
    }


def _plan(world: World, number: int) -> Arranged:
    providers = {"declared": {"kind": "custom", "base_url": NOWHERE}}
    where = {
        "projects": {f"declared-{number}": {"title": "Declared", "description": "by a file"}},
        "models": {"declared/m": {"context_length": 4096}},
        "apis": {f"declared-{number}": {"target": "declared/m", "defaults": {"temperature": 0.5}}},
        "issuers": {},
        "secrets": {},
    }
    # The model needs its provider; what is not declared would go with everything else in it.
    return Arranged(where=where, body={"prune": False, "providers": providers})


def _apply(world: World, number: int) -> Arranged:
    arranged = _plan(world, number)
    arranged.body["plan"] = None
    return arranged


ARRANGEMENTS: dict[str, Arrangement] = {
    # Getting in
    "POST /api/setup/claim": _claim,
    "POST /api/setup/link": _link,
    "POST /api/auth/login": lambda world, _: Arranged(
        browser=world.browser(), body={"email": "ann@example.org", "password": PASSWORD, "totp": None}
    ),
    "POST /api/auth/register": _register,
    "POST /api/auth/refresh": lambda world, _: Arranged(browser=world.browser(), body={"refresh_token": world.refresh_token()}),
    "POST /api/auth/reset": lambda world, _: Arranged(
        browser=world.browser(), body={"token": world.reset_link(), "password": NEW_PASSWORD}
    ),
    "POST /api/invitations/open": lambda world, _: Arranged(browser=world.browser(), body={"token": world.invitation()[1]}),
    "GET /api/auth/oidc/{name}/start": lambda world, _: Arranged(browser=world.browser(), path={"name": "corp"}),
    "GET /api/auth/oidc/{name}/callback": _callback,
    # Oneself
    "POST /api/auth/logout": _oneself,
    "PATCH /api/auth/me": _change_me,
    "POST /api/auth/me/erase": lambda world, _: Arranged(browser=world.newcomer()[0], body={"current_password": PASSWORD}),
    "POST /api/auth/password": lambda world, _: Arranged(
        browser=world.newcomer()[0], body={"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    ),
    "DELETE /api/auth/sessions/{session_id}": _end_my_session,
    "POST /api/auth/tokens": lambda world, number: Arranged(
        browser=world.newcomer()[0],
        body={"name": f"script {number}"},
        where={"scopes": [["keys:read"], ["account", "usage:read"]][number % 2]},
    ),
    "DELETE /api/auth/tokens/{token_id}": lambda world, _: Arranged(path={"token_id": world.access_token(world.owner)}),
    "POST /api/auth/totp": lambda world, _: Arranged(browser=world.newcomer()[0], body={"current_password": PASSWORD}),
    "POST /api/auth/totp/confirm": _confirm,
    "POST /api/auth/totp/recovery-codes": _with_code,
    "POST /api/auth/totp/disable": _with_code,
    # People
    "POST /api/users": lambda world, number: Arranged(
        body={"email": f"drawn-{number}@example.org", "name": "Drawn"}, where={"password": PASSWORD}
    ),
    "PATCH /api/users/{user_id}": lambda world, _: Arranged(path={"user_id": world.person()["id"]}, where={"name": "Renamed"}),
    "POST /api/users/{user_id}/password": lambda world, _: Arranged(
        path={"user_id": world.person()["id"]}, body={"password": NEW_PASSWORD}
    ),
    "DELETE /api/users/{user_id}/sessions": lambda world, _: Arranged(path={"user_id": world.newcomer()[1]["id"]}),
    "DELETE /api/users/{user_id}/sessions/{session_id}": _end_a_session,
    "DELETE /api/users/{user_id}/tokens/{token_id}": _end_a_token,
    "DELETE /api/users/{user_id}/totp": _reset_factor,
    "POST /api/users/{user_id}/reset-link": lambda world, _: Arranged(path={"user_id": world.person()["id"]}),
    "POST /api/users/{user_id}/erase": lambda world, _: Arranged(path={"user_id": world.person()["id"]}),
    "POST /api/invitations": lambda world, number: Arranged(body={"email": f"asked-{number}@example.org"}, where={"project": "default"}),
    "DELETE /api/invitations/{invitation_id}": lambda world, _: Arranged(path={"invitation_id": world.invitation()[0]["id"]}),
    "POST /api/issuers": lambda world, number: Arranged(
        body={"name": f"drawn-{number}"}
        | {name: value for name, value in _issuer(world, number).items() if name in ("title", "issuer", "client_id", "console_url")},
        where=_issuer(world, number),
    ),
    "PATCH /api/issuers/{name}": lambda world, number: Arranged(
        path={"name": world.issuer_named(f"changed-{number}")}, where=_issuer(world, number)
    ),
    "DELETE /api/issuers/{name}": lambda world, number: Arranged(path={"name": world.issuer_named(f"gone-{number}")}),
    # Projects
    "POST /api/projects": lambda world, number: Arranged(body={"name": f"drawn-{number}"}, where={"title": "Drawn", "description": "a\nb"}),
    "PUT /api/projects/{project_id}": lambda world, _: Arranged(
        path={"project_id": world.project()}, body={"title": "Changed"}, where={"description": "a\nb"}
    ),
    "DELETE /api/projects/{project_id}": lambda world, _: Arranged(path={"project_id": world.project()}),
    "POST /api/projects/{project_id}/members": lambda world, _: Arranged(
        path={"project_id": world.project()}, body={"email": world.person()["email"]}
    ),
    "PUT /api/projects/{project_id}/members/{user_id}": _member,
    "DELETE /api/projects/{project_id}/members/{user_id}": _member,
    # Keys
    "POST /api/keys": lambda world, number: Arranged(
        body={"label": f"drawn {number}"}, where={"project": "default", "models": [["sandbox/*"], ["up/m", "sandbox/echo"]][number % 2]}
    ),
    "PATCH /api/keys/{key_id}": lambda world, _: Arranged(
        path={"key_id": world.keys[0]}, where={"label": "changed", "models": ["sandbox/*"], "expires_at": "2199-01-01T00:00:00Z"}
    ),
    "POST /api/keys/{key_id}/revoke": lambda world, _: Arranged(path={"key_id": world.key()}),
    "POST /api/keys/{key_id}/rotate": lambda world, _: Arranged(path={"key_id": world.keys[1]}, where={"label": "turned"}),
    # The catalog
    "POST /api/providers": lambda world, number: Arranged(
        body={"name": f"drawn-{number}", "ca_bundle": None}, where={"timeouts": None, "api_key": "sk-drawn"}
    ),
    "PATCH /api/providers/{name}": lambda world, number: Arranged(
        path={"name": world.provider()},
        where={"name": f"renamed-{number}", "base_url": NOWHERE, "ca_bundle": None, "timeouts": None},
        nulls=False,
    ),
    "DELETE /api/providers/{name}": lambda world, _: Arranged(path={"name": world.provider()}),
    "POST /api/models": lambda world, number: Arranged(
        body={"id": f"up/drawn-{number}", "input_price": "1", "output_price": "2"},
        where={"capabilities": ["chat"], "currency": "USD", "cached_input_price": None},
    ),
    "PUT /api/models/{model_id}/rate": lambda world, _: Arranged(
        path={"model_id": "up/m"}, body={"input_price": "1", "output_price": "2.5"}, where={"currency": "USD", "cached_input_price": "0.1"}
    ),
    "DELETE /api/models/{model_id}": lambda world, _: Arranged(path={"model_id": world.model()}),
    "POST /api/apis": lambda world, number: Arranged(
        body={"name": f"drawn-{number}", "target": "up/m"},
        where={"title": "Drawn", "description": "a\nb", "defaults": {"temperature": 0.5, "stop": ["END"]}},
    ),
    "PATCH /api/apis/{name}": lambda world, _: Arranged(
        path={"name": world.api()},
        where={"target": "up/m", "title": "Changed", "description": "a\nb", "defaults": {"max_tokens": 9}},
        nulls=False,
    ),
    "DELETE /api/apis/{name}": lambda world, _: Arranged(path={"name": world.api()}),
    # The installation
    "POST /api/proxy/listeners": lambda world, number: Arranged(where={"name": f"drawn-{number}", "host": "127.0.0.1", "mode": None}),
    "DELETE /api/proxy/listeners/{name}": lambda world, _: Arranged(path={"name": world.listener()}),
    "POST /api/configuration/plan": _plan,
    "POST /api/configuration/apply": _apply,
}

NEVER_DRAWN: dict[str, dict[str, Any]] = {
    "POST /api/providers": {"kind": "custom", "base_url": NOWHERE, "probe": False},
    "POST /api/issuers": {"probe": False},
    "POST /api/backups": {"path": None},
    "POST /api/configuration/apply": {"prune": False},
}
"""Fields of which nothing drawn is ever sent, so that nothing is asked and nothing written beyond the house, and what is in it stays."""


def known(world: World, route: str, parameter: str, number: int) -> str | None:
    """The name of something that is there, for a parameter of a path of which nobody arranged anything."""
    if "/calls/" in route:
        return ("b00t-1", "req-3")[number % 2]
    names = {
        "key_id": world.keys,
        "user_id": world.people,
        "project_id": ["default"],
        "model_id": ["up/m"],
        "name": ["corp"] if "/issuers/" in route else ["helper"] if "/apis/" in route else ["up"],
    }.get(parameter)
    return None if names is None else names[number % len(names)]
