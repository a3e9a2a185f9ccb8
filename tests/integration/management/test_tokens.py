"""Access tokens: as far as their person and their scopes reach, until they end, and never a way to more."""

import hashlib
from typing import Any

import httpx
import pytest

from tests.integration.management.house import House
from tests.integration.management.people import OVER_TLS, Browser, claimed, person


def script(house: House, plain: str, method: str, path: str, json: Any = None) -> httpx.Response:
    """What a script sends: no cookie, no origin, no CSRF token."""
    return house.ask(method, path, json, through="tunnel", headers={**OVER_TLS, "authorization": f"Bearer {plain}"})


def create(browser: Browser, **fields: Any) -> Any:
    return browser.good("POST", "/api/auth/tokens", {"name": "ci", **fields})


def test_a_token_is_shown_once_and_kept_as_its_digest(house: House) -> None:
    browser = claimed(house)
    made = create(browser)
    plain = made["plain_token"]
    assert plain.startswith(f"sekpat_{made['id']}_")
    assert len(plain) == len("sekpat_") + 16 + 1 + 43
    (told,) = browser.good("GET", "/api/auth/tokens")["tokens"]
    assert told == {name: value for name, value in made.items() if name != "plain_token"}
    assert plain.encode() not in house.stored()
    assert plain[-43:].encode() not in house.stored()
    assert hashlib.sha256(plain.encode()).digest() in house.stored()


def test_a_token_does_what_its_person_may(house: House) -> None:
    claimed(house)
    plain = create(person(house, "user"))["plain_token"]
    me = script(house, plain, "GET", "/api/auth/me").json()
    assert me["user"]["email"] == "user@example.org"
    assert script(house, plain, "GET", "/api/keys").status_code == 200
    assert script(house, plain, "GET", "/api/users").status_code == 403


def test_a_token_does_no_more_than_its_scopes(house: House) -> None:
    browser = claimed(house)
    plain = create(browser, scopes=["keys:read"])["plain_token"]
    assert script(house, plain, "GET", "/api/keys").status_code == 200
    for method, path, body in (
        ("POST", "/api/keys", {"label": "k"}),
        ("GET", "/api/users", None),
        ("GET", "/api/auth/me", None),
        ("GET", "/api/projects", None),
    ):
        answer = script(house, plain, method, path, body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "permission_denied")


def test_a_token_that_may_only_look_takes_nobody_out_of_a_project(house: House) -> None:
    claimed(house)
    user, other = person(house, "user"), person(house, "user", "other@example.org")
    ids = [each.good("GET", "/api/auth/me")["user"]["id"] for each in (user, other)]
    user.good("POST", "/api/projects", {"name": "alpha"})
    user.good("POST", "/api/projects/alpha/members", {"email": "other@example.org", "role": "maintainer"})
    looking, writing = (create(user, scopes=scopes)["plain_token"] for scopes in (["projects:read"], ["projects:read", "projects:write"]))
    for user_id in ids:
        assert script(house, looking, "DELETE", f"/api/projects/alpha/members/{user_id}").status_code == 403
    assert script(house, writing, "DELETE", f"/api/projects/alpha/members/{ids[0]}").status_code == 200
    assert script(house, writing, "DELETE", f"/api/projects/alpha/members/{ids[1]}").status_code == 404


def test_a_token_is_never_wider_than_its_maker(house: House) -> None:
    claimed(house)
    browser = person(house, "user")
    error = browser.refused(422, "POST", "/api/auth/tokens", {"name": "x", "scopes": ["users:read"]})
    assert (error["param"], error["code"]) == ("scopes", "scope_not_allowed")
    assert browser.refused(422, "POST", "/api/auth/tokens", {"name": "x", "scopes": ["everything"]})["param"] == "scopes.0"
    assert browser.refused(422, "POST", "/api/auth/tokens", {"name": "x", "scopes": []})["param"] == "scopes"


def test_a_demotion_and_a_deactivation_narrow_a_token_at_once(house: House) -> None:
    claimed(house)
    browser = person(house, "admin")
    user_id = browser.good("GET", "/api/auth/me")["user"]["id"]
    plain = create(browser, scopes=["users:read", "keys:read"])["plain_token"]
    assert script(house, plain, "GET", "/api/users").status_code == 200
    house.good("PATCH", f"/api/users/{user_id}", {"role": "user"})
    assert script(house, plain, "GET", "/api/users").status_code == 403
    assert script(house, plain, "GET", "/api/keys").status_code == 200
    house.good("PATCH", f"/api/users/{user_id}", {"active": False})
    assert script(house, plain, "GET", "/api/keys").status_code == 401


def test_a_token_ends_by_its_time_and_by_being_revoked(house: House) -> None:
    browser = claimed(house)
    short, other = create(browser, expires_in_s=60), create(browser)
    house.clock.at += 61_000_000
    assert script(house, short["plain_token"], "GET", "/api/keys").status_code == 401
    assert script(house, other["plain_token"], "GET", "/api/keys").status_code == 200
    assert browser.good("DELETE", f"/api/auth/tokens/{other['id']}") == {"id": other["id"], "revoked": True}
    assert script(house, other["plain_token"], "GET", "/api/keys").status_code == 401
    assert browser.refused(404, "DELETE", f"/api/auth/tokens/{other['id']}")["code"] == "token_not_found"
    assert [each["id"] for each in browser.good("GET", "/api/auth/tokens")["tokens"]] == [short["id"]]


def test_nobody_ends_or_sees_anothers_token_but_who_looks_after_people(house: House) -> None:
    owner = claimed(house)
    user, admin = person(house, "user"), person(house, "admin")
    made, owners = create(user), create(owner)
    user_id, owner_id = (each.good("GET", "/api/auth/me")["user"]["id"] for each in (user, owner))
    other = person(house, "user", "other@example.org")
    assert other.refused(404, "DELETE", f"/api/auth/tokens/{made['id']}")["code"] == "token_not_found"
    assert other.refused(403, "GET", f"/api/users/{user_id}/tokens")["code"] == "permission_denied"
    assert admin.refused(403, "DELETE", f"/api/users/{owner_id}/tokens/{owners['id']}")["code"] == "permission_denied"
    assert admin.refused(404, "DELETE", f"/api/users/{user_id}/tokens/{owners['id']}")["code"] == "token_not_found"
    assert [each["id"] for each in admin.good("GET", f"/api/users/{user_id}/tokens")["tokens"]] == [made["id"]]
    admin.good("DELETE", f"/api/users/{user_id}/tokens/{made['id']}")
    assert script(house, made["plain_token"], "GET", "/api/keys").status_code == 401
    assert admin.refused(404, "GET", "/api/users/nobody/tokens")["code"] == "user_not_found"


def test_a_token_makes_nothing_that_outlives_it(house: House) -> None:
    plain = create(claimed(house))["plain_token"]
    for method, path, body in (
        ("POST", "/api/auth/tokens", {"name": "child"}),
        ("GET", "/api/auth/tokens", None),
        ("POST", "/api/auth/totp", None),
        ("POST", "/api/auth/totp/confirm", {"code": "123456"}),
        ("POST", "/api/auth/totp/disable", {"code": "123456"}),
    ):
        answer = script(house, plain, method, path, body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "login_required"), path


def test_the_local_owner_has_no_tokens(house: House) -> None:
    assert house.refused(409, "POST", "/api/auth/tokens", {"name": "x"})["code"] == "no_account"


@pytest.mark.parametrize(
    "change", [lambda plain: plain[:-1], lambda plain: plain + "A", lambda plain: plain.upper(), lambda plain: plain[7:]]
)
def test_what_is_nearly_a_token_opens_nothing(sqlite_house: House, change: Any) -> None:
    plain = create(claimed(sqlite_house))["plain_token"]
    assert script(sqlite_house, change(plain), "GET", "/api/keys").status_code == 401


def test_the_last_use_is_noted_to_the_minute(house: House) -> None:
    browser = claimed(house)
    made = create(browser)
    assert made["last_used_at"] is None
    used = [each_use(house, browser, made["plain_token"]) for _ in range(2)]
    assert used[0] is not None
    assert used[0] == used[1]
    house.clock.at += 61_000_000
    assert each_use(house, browser, made["plain_token"]) > used[0]


def each_use(house: House, browser: Browser, plain: str) -> Any:
    script(house, plain, "GET", "/api/keys")
    house.run(settled(house))
    return browser.good("GET", "/api/auth/tokens")["tokens"][0]["last_used_at"]


async def settled(house: House) -> None:
    """The note is written beside the request: by a writer that takes its turn before this one."""
    import asyncio

    for _ in range(200):
        if all(task is asyncio.current_task() for task in asyncio.all_tasks()):
            return
        await asyncio.sleep(0.05)
    raise AssertionError("something is still under way")


def test_the_audit_names_the_token_and_never_its_secret(house: House) -> None:
    browser = claimed(house)
    made = create(browser, scopes=["keys:read", "keys:write"])
    key = script(house, made["plain_token"], "POST", "/api/keys", {"label": "by a token"}).json()
    (row,) = house.good("GET", "/api/audit?action=key.created")["rows"]
    assert row["object_id"] == key["id"]
    assert made["id"] in str(row)
    assert made["plain_token"][-43:] not in house.ask("GET", "/api/audit").text
