"""Links that open once: who was invited comes in as what was said, who forgot their password sets a new one, and nobody else does."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from sekisho.app.settings import Console, Settings
from sekisho.identity.sessions.settings import People
from sekisho.storage import restores
from sekisho.storage.urls import of_url
from tests.integration.management.house import House
from tests.integration.management.people import PASSWORD, Browser, claimed, logged_in, person

NEW = "another sentence of enough length"


def secret_of(told: Any) -> str:
    path = str(told["path"])
    assert path.startswith(("/invite#", "/reset#"))
    return path.partition("#")[2]


def invite(by: Browser, **fields: Any) -> Any:
    return by.good("POST", "/api/invitations", {"email": "Nina@Example.org", **fields})


def register(house: House, token: str, email: str = "nina@example.org") -> Browser:
    browser = Browser(house)
    browser.good("POST", "/api/auth/register", {"email": email, "name": "Nina", "password": PASSWORD, "invitation": token})
    return browser


def test_who_is_invited_comes_in_as_what_was_said(house: House) -> None:
    owner = claimed(house)
    owner.good("POST", "/api/projects", {"name": "alpha"})
    made = invite(owner, role="guest", project="alpha", project_role="viewer")
    token = secret_of(made)
    assert Browser(house).good("POST", "/api/invitations/open", {"token": token}) == {
        "email": "nina@example.org",
        "role": "guest",
        "project": "alpha",
        "expires_at": made["expires_at"],
    }
    nina = register(house, token)
    me = nina.good("GET", "/api/auth/me")["user"]
    assert (me["email"], me["role"]) == ("nina@example.org", "guest")
    assert [(each["name"], each["role"]) for each in nina.good("GET", "/api/projects")["projects"]] == [("alpha", "viewer")]
    (listed,) = owner.good("GET", "/api/invitations")["invitations"]
    assert listed["accepted_at"] is not None
    assert token.encode() not in house.stored()
    assert token not in house.ask("GET", "/api/audit").text


def test_an_invitation_opens_once_and_for_its_address_only(house: House) -> None:
    owner = claimed(house)
    token = secret_of(invite(owner))
    body = {"email": "mallory@example.org", "name": "M", "password": PASSWORD, "invitation": token}
    assert Browser(house).refused(422, "POST", "/api/auth/register", body)["code"] == "wrong_address"
    register(house, token, "NINA@example.org")
    body["email"] = "nina@example.org"
    assert Browser(house).refused(404, "POST", "/api/auth/register", body)["code"] == "link_dead"
    assert Browser(house).refused(404, "POST", "/api/invitations/open", {"token": token})["code"] == "link_dead"


def test_a_repeated_invitation_is_the_same_and_its_secret_is_told_again_for_minutes_only(house: House) -> None:
    owner = claimed(house)
    body = {"email": "nina@example.org"}
    first, again = (owner.good("POST", "/api/invitations", body, **{"idempotency-key": "a-word"}) for _ in range(2))
    assert first == again
    house.clock.at += 601_000_000
    late = owner.refused(409, "POST", "/api/invitations", body, **{"idempotency-key": "a-word"})
    assert late["code"] == "already_done"
    assert first["id"] in late["message"]
    assert secret_of(first).encode() not in house.stored()
    register(house, secret_of(first))


def test_a_newer_invitation_a_withdrawal_and_time_end_one(house: House) -> None:
    owner = claimed(house)
    first = secret_of(invite(owner))
    second = invite(owner, expires_in_s=60)
    third = invite(owner, email="other@example.org", expires_in_s=60)

    def opens(token: str) -> int:
        return Browser(house).ask("POST", "/api/invitations/open", {"token": token}).status_code

    assert [opens(each) for each in (first, secret_of(second), secret_of(third))] == [404, 200, 200]
    withdrawn = owner.good("DELETE", f"/api/invitations/{second['id']}")
    assert withdrawn["withdrawn_at"] is not None
    assert opens(secret_of(second)) == 404
    house.clock.at += 61_000_000
    assert opens(secret_of(third)) == 404
    for wrong in ("x", "ä" * 20, "A" * 200):
        assert opens(wrong) == 404


def test_an_invitation_is_worth_what_its_maker_may(house: House) -> None:
    owner = claimed(house)
    admin = person(house, "admin")
    token = secret_of(invite(admin, role="admin"))
    admin_id = admin.good("GET", "/api/auth/me")["user"]["id"]
    owner.good("PATCH", f"/api/users/{admin_id}", {"role": "user"})
    assert Browser(house).refused(404, "POST", "/api/invitations/open", {"token": token})["code"] == "link_dead"


def test_only_an_owner_invites_owners_and_only_who_looks_after_people_invites(house: House) -> None:
    owner = claimed(house)
    admin, user = person(house, "admin"), person(house, "user")
    assert admin.refused(403, "POST", "/api/invitations", {"email": "a@example.org", "role": "owner"})["code"] == "permission_denied"
    assert user.refused(403, "POST", "/api/invitations", {"email": "a@example.org"})["code"] == "permission_denied"
    assert owner.refused(409, "POST", "/api/invitations", {"email": "USER@example.org"})["code"] == "email_taken"
    assert owner.refused(404, "POST", "/api/invitations", {"email": "a@example.org", "project": "none"})["code"] == "project_not_found"
    made = invite(owner, role="owner")
    assert admin.refused(403, "DELETE", f"/api/invitations/{made['id']}")["code"] == "permission_denied"
    assert register(house, secret_of(made)).good("GET", "/api/auth/me")["user"]["role"] == "owner"
    assert owner.refused(409, "DELETE", f"/api/invitations/{made['id']}")["code"] == "invitation_used"


def test_where_registration_is_closed_no_invitation_opens(tmp_path: Any) -> None:
    house = House(tmp_path / "home")
    house.settings = Settings(console=Console(hosts=("sekisho",)), people=People(registration="closed"))
    with house:
        token = secret_of(invite(claimed(house)))
        body = {"email": "nina@example.org", "name": "N", "password": PASSWORD, "invitation": token}
        assert Browser(house).refused(403, "POST", "/api/auth/register", body)["code"] == "registration_closed"


def test_a_reset_link_sets_a_password_once_and_ends_all_sessions(house: House) -> None:
    owner = claimed(house)
    user = person(house, "user")
    user_id = user.good("GET", "/api/auth/me")["user"]["id"]
    stale = secret_of(owner.good("POST", f"/api/users/{user_id}/reset-link"))
    token = secret_of(owner.good("POST", f"/api/users/{user_id}/reset-link", {"expires_in_s": 3600}))
    assert Browser(house).refused(404, "POST", "/api/auth/reset", {"token": stale, "password": NEW})["code"] == "link_dead"
    assert Browser(house).refused(422, "POST", "/api/auth/reset", {"token": token, "password": "short"})["code"] == "password_too_short"
    assert Browser(house).good("POST", "/api/auth/reset", {"token": token, "password": NEW}) == {"email": "user@example.org"}
    assert user.refused(401, "GET", "/api/auth/me")["code"] == "authentication_required"
    assert Browser(house).refused(401, "POST", "/api/auth/login", {"email": "user@example.org", "password": PASSWORD})
    logged_in(house, "user@example.org", NEW)
    assert Browser(house).refused(404, "POST", "/api/auth/reset", {"token": token, "password": NEW})["code"] == "link_dead"
    assert token.encode() not in house.stored()


def test_a_reset_link_ends_with_time_with_the_account_and_with_its_makers_right(house: House) -> None:
    owner = claimed(house)
    user, admin = person(house, "user"), person(house, "admin")
    user_id, admin_id = (each.good("GET", "/api/auth/me")["user"]["id"] for each in (user, admin))

    def tries(token: str) -> int:
        return Browser(house).ask("POST", "/api/auth/reset", {"token": token, "password": NEW}).status_code

    late = secret_of(owner.good("POST", f"/api/users/{user_id}/reset-link", {"expires_in_s": 60}))
    house.clock.at += 61_000_000
    assert tries(late) == 404
    of_admin = secret_of(admin.good("POST", f"/api/users/{user_id}/reset-link"))
    owner.good("PATCH", f"/api/users/{admin_id}", {"role": "user"})
    assert tries(of_admin) == 404
    of_owner = secret_of(owner.good("POST", f"/api/users/{user_id}/reset-link"))
    owner.good("PATCH", f"/api/users/{user_id}", {"active": False})
    assert tries(of_owner) == 404
    assert owner.refused(409, "POST", f"/api/users/{user_id}/reset-link")["code"] == "user_deactivated"


def test_an_admin_resets_no_owner(house: House) -> None:
    owner = claimed(house)
    admin = person(house, "admin")
    owner_id = owner.good("GET", "/api/auth/me")["user"]["id"]
    assert admin.refused(403, "POST", f"/api/users/{owner_id}/reset-link")["code"] == "permission_denied"
    token = secret_of(house.good("POST", f"/api/users/{owner_id}/reset-link"))
    Browser(house).good("POST", "/api/auth/reset", {"token": token, "password": NEW})
    logged_in(house, "owner@example.org", NEW)


@pytest.mark.parametrize(
    ("field", "value"), [("email", "nobody"), ("role", "king"), ("project_role", "king"), ("expires_in_s", 0), ("id", "x")]
)
def test_what_cannot_be_is_refused_by_its_field(sqlite_house: House, field: str, value: Any) -> None:
    body = {"email": "nina@example.org", field: value}
    assert sqlite_house.refused(422, "POST", "/api/invitations", body)["param"] == field


def test_a_restore_brings_no_link_back(sqlite_house: House, tmp_path: Path) -> None:
    """One that was used since would open once more."""
    house = sqlite_house
    owner = claimed(house)
    used, unused = secret_of(invite(owner)), secret_of(invite(owner, email="other@example.org"))
    backup = house.good("POST", "/api/backups")["path"]
    register(house, used)
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    database = of_url(f"sqlite:///{other / 'sekisho.db'}")
    asyncio.run(restores.restore(Path(backup), database, house.ring, house.clock, restores.Home(other / "backups", other / "journal")))
    with House(other, house.ring) as restored:
        for token in (used, unused):
            assert Browser(restored).refused(404, "POST", "/api/invitations/open", {"token": token})["code"] == "link_dead"
        assert logged_in(restored, "owner@example.org").good("GET", "/api/invitations")["invitations"] == []
