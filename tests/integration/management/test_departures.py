"""A person leaves: with all that concerns them, leaving what they did and not who they were, while the audit's chain still verifies."""

import json
from typing import Any

from tests.integration.management.house import House
from tests.integration.management.people import ADDRESS, PASSWORD, Browser, claimed, logged_in, person

EMAIL = "leaver@example.org"


def busy(house: House) -> tuple[Browser, Browser, str]:
    """An owner, and somebody who has left traces everywhere; their id."""
    owner = claimed(house)
    leaver = person(house, "user", EMAIL)
    leaver.good("PATCH", "/api/auth/me", {"name": "Lena Leaver"})
    user_id = leaver.good("GET", "/api/auth/me")["user"]["id"]
    leaver.good("POST", "/api/projects", {"name": "alpha"})
    leaver = logged_in(house, EMAIL)
    leaver.good("POST", "/api/keys", {"label": "a key", "project": "alpha"})
    leaver.good("POST", "/api/auth/tokens", {"name": "a token"})
    leaver.good("POST", "/api/auth/totp", {"current_password": PASSWORD})
    owner.good("POST", f"/api/users/{user_id}/reset-link")
    Browser(house).ask("POST", "/api/auth/login", {"email": EMAIL, "password": "wrong wrong wrong"})
    return owner, leaver, user_id


def exported(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_an_export_holds_everything_and_no_secret(house: House) -> None:
    owner, leaver, user_id = busy(house)
    answer = leaver.ask("GET", "/api/auth/export")
    assert answer.headers["content-type"].startswith("application/jsonl")
    pieces = exported(answer.text)
    kinds = {each["record"] for each in pieces}
    assert kinds == {"account", "session", "access_token", "authenticator", "membership", "project", "key", "link", "audit"}
    (account,) = [each for each in pieces if each["record"] == "account"]
    assert (account["email"], account["name"]) == (EMAIL, "Lena Leaver")
    assert account["created_at"].startswith("2026-01-01T00:00:")
    assert "argon2" not in answer.text
    assert not {"password", "digest", "sealed"} & {name for each in pieces for name in each}
    assert {"key.created", "project.created", "login.failed"} <= {each["action"] for each in pieces if each["record"] == "audit"}
    assert {each["record"] for each in exported(owner.ask("GET", f"/api/users/{user_id}/export").text)} == kinds
    assert leaver.refused(403, "GET", f"/api/users/{user_id}/export")["code"] == "permission_denied"
    assert owner.refused(404, "GET", "/api/users/nobody/export")["code"] == "user_not_found"


def test_who_is_erased_is_nowhere_any_more_and_the_chain_still_verifies(house: House) -> None:
    owner, leaver, user_id = busy(house)
    told = owner.good("POST", f"/api/users/{user_id}/erase")
    assert leaver.refused(401, "GET", "/api/auth/me")["code"] == "authentication_required"
    assert Browser(house).refused(401, "POST", "/api/auth/login", {"email": EMAIL, "password": PASSWORD})["code"] == "invalid_credentials"
    assert owner.refused(404, "GET", f"/api/users/{user_id}")["code"] == "user_not_found"
    everything = house.ask("GET", "/api/audit?limit=1000").text
    for trace in (EMAIL, "Lena"):
        assert trace not in everything
        assert trace not in house.ask("GET", "/api/users").text
    rows = house.good("GET", f"/api/audit?actor={told['pseudonym']}")["rows"]
    assert {"key.created", "project.created"} <= {each["action"] for each in rows}
    assert not any(each["address"] == ADDRESS for each in rows)
    checked = house.good("GET", "/api/audit/check")
    assert (checked["ok"], checked["fault"]) == (True, None)
    # What was made stays: it is the team's.
    (key,) = house.good("GET", "/api/keys")["api_keys"]
    assert key["label"] == "a key"
    assert house.good("GET", "/api/projects/alpha")["owner_id"] is None
    # The address is free for whoever comes.
    assert person(house, "user", EMAIL).good("GET", "/api/auth/me")["user"]["id"] != user_id


def test_people_erase_themselves_with_their_password(house: House) -> None:
    _, leaver, _ = busy(house)
    assert leaver.refused(403, "POST", "/api/auth/me/erase", {"current_password": "not the password"})["code"] == "wrong_password"
    assert leaver.refused(422, "POST", "/api/auth/me/erase", {})["param"] == "current_password"
    assert leaver.good("POST", "/api/auth/me/erase", {"current_password": PASSWORD})["pseudonym"].startswith("erased-")
    assert leaver.cookies == {}
    assert house.good("GET", "/api/audit/check")["ok"] is True


def test_the_last_owner_stays_and_an_admin_erases_no_owner(house: House) -> None:
    owner = claimed(house)
    admin = person(house, "admin")
    owner_id = owner.good("GET", "/api/auth/me")["user"]["id"]
    assert owner.refused(409, "POST", "/api/auth/me/erase", {"current_password": PASSWORD})["code"] == "last_owner"
    assert house.refused(409, "POST", f"/api/users/{owner_id}/erase")["code"] == "last_owner"
    assert admin.refused(403, "POST", f"/api/users/{owner_id}/erase")["code"] == "permission_denied"
    person(house, "owner", "second@example.org")
    assert owner.good("POST", "/api/auth/me/erase", {"current_password": PASSWORD})["id"] == owner_id


def test_a_copy_does_not_tell_where_others_were_when_they_did_something_to_somebody(house: House) -> None:
    owner, user = claimed(house), person(house, "user")
    owner.way["x-sekisho-client-address"] = "198.51.100.77"
    user_id = user.good("GET", "/api/auth/me")["user"]["id"]
    owner.good("PATCH", f"/api/users/{user_id}", {"name": "Another Name"})
    pieces = [json.loads(line) for line in user.ask("GET", "/api/auth/export").text.splitlines()]
    rows = {each["action"]: each for each in pieces if each["record"] == "audit"}
    assert (rows["user.changed"]["actor"], rows["user.changed"]["address"]) == ("owner@example.org", "")
    assert rows["session.started"]["address"] == ADDRESS
    assert "198.51.100.77" not in json.dumps(pieces)
