"""Looking after people: who may change whom, and that it acts at once."""

from typing import Any

import pytest

from tests.integration.management.house import House
from tests.integration.management.people import PASSWORD, Browser, claimed, logged_in, person
from tests.integration.management.test_sessions import Ears


def id_of(house: House, email: str) -> str:
    found = next(each for each in house.good("GET", "/api/users", params={"q": email})["users"] if each["email"] == email)
    return str(found["id"])


def test_people_are_listed_newest_first_page_by_page_and_filtered(house: House) -> None:
    claimed(house)
    for n in range(7):
        house.good("POST", "/api/users", {"email": f"p{n}@example.org", "name": f"Person_{n}%", "role": "user" if n % 2 else "guest"})
    house.good("PATCH", f"/api/users/{id_of(house, 'p3@example.org')}", {"active": False})
    seen: list[str] = []
    cursor = None
    while True:
        page = house.good("GET", "/api/users", params={"limit": 3, **({"cursor": cursor} if cursor else {})})
        seen += [each["email"] for each in page["users"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [*(f"p{n}@example.org" for n in range(6, -1, -1)), "owner@example.org"]

    def emails(**query: Any) -> list[str]:
        return [each["email"] for each in house.good("GET", "/api/users", params=query)["users"]]

    assert emails(role="guest") == [f"p{n}@example.org" for n in (6, 4, 2, 0)]
    assert emails(active=False) == ["p3@example.org"]
    assert emails(q="PERSON_5") == ["p5@example.org"]
    assert emails(q="5%") == ["p5@example.org"]
    assert emails(q="5_") == []
    assert house.refused(422, "GET", "/api/users", params={"role": "king"})["param"] == "role"
    assert house.refused(422, "GET", "/api/users", params={"cursor": "x"})["code"] == "invalid_cursor"


def test_an_account_without_a_password_lets_nobody_in(house: House) -> None:
    claimed(house)
    made = house.good("POST", "/api/users", {"email": "n@example.org", "name": "N"})
    assert (made["role"], made["has_password"], made["active"]) == ("user", False, True)
    for password in ("", "x", PASSWORD, "None", "null"):
        assert Browser(house).ask("POST", "/api/auth/login", {"email": "n@example.org", "password": password}).status_code in (401, 422)
    house.good("POST", f"/api/users/{made['id']}/password", {"password": PASSWORD})
    logged_in(house, "n@example.org")


def test_an_address_belongs_to_one_person_however_it_is_spelled(house: House) -> None:
    claimed(house)
    for email in ("owner@example.org", "OWNER@Example.ORG", " owner@example.org "):
        assert house.refused(409, "POST", "/api/users", {"email": email, "name": "N"})["code"] == "email_taken"


def test_a_demotion_acts_at_once_and_is_heard(house: House) -> None:
    claimed(house)
    admin = person(house, "admin")
    ears, admin_id = Ears(house), id_of(house, "admin@example.org")
    assert admin.ask("GET", "/api/users").status_code == 200
    house.good("PATCH", f"/api/users/{admin_id}", {"role": "guest"})
    assert ears.heard == [(frozenset(), admin_id)]
    admin.refused(403, "GET", "/api/users")
    assert admin.good("GET", "/api/auth/me")["user"]["role"] == "guest", "the session goes on as what it is now"


def test_whoever_is_deactivated_is_out_at_once_everywhere(house: House) -> None:
    claimed(house)
    user = person(house, "user")
    script = Browser(house).good("POST", "/api/auth/login", {"email": "user@example.org", "password": PASSWORD, "tokens": True})["tokens"]
    ears, user_id = Ears(house), id_of(house, "user@example.org")
    assert house.good("PATCH", f"/api/users/{user_id}", {"active": False})["active"] is False
    assert [(len(sessions), user) for sessions, user in ears.heard] == [(2, None), (0, user_id)]
    user.refused(401, "GET", "/api/auth/me")
    Browser(house).refused(401, "GET", "/api/auth/me", authorization=f"Bearer {script['access_token']}")
    Browser(house).refused(401, "POST", "/api/auth/refresh", {"refresh_token": script["refresh_token"]})
    house.good("PATCH", f"/api/users/{user_id}", {"active": True})
    user.refused(401, "GET", "/api/auth/me")
    logged_in(house, "user@example.org")


def test_there_is_always_an_owner_who_can_come_in(house: House) -> None:
    claimed(house)
    owner_id = id_of(house, "owner@example.org")
    for change in ({"role": "admin"}, {"role": "guest"}, {"active": False}, {"active": False, "role": "user"}):
        assert house.refused(409, "PATCH", f"/api/users/{owner_id}", change)["code"] == "last_owner"
    second = house.good("POST", "/api/users", {"email": "two@example.org", "name": "Two", "role": "owner", "password": PASSWORD})
    house.good("PATCH", f"/api/users/{second['id']}", {"active": False})
    assert house.refused(409, "PATCH", f"/api/users/{owner_id}", {"role": "admin"})["code"] == "last_owner"
    house.good("PATCH", f"/api/users/{second['id']}", {"active": True})
    house.good("PATCH", f"/api/users/{owner_id}", {"role": "admin"})
    assert house.refused(409, "PATCH", f"/api/users/{second['id']}", {"role": "admin"})["code"] == "last_owner"


def test_two_owners_who_demote_each_other_at_once_leave_one(house: House) -> None:
    import asyncio

    claimed(house)
    second = house.good("POST", "/api/users", {"email": "two@example.org", "name": "Two", "role": "owner", "password": PASSWORD})
    ids = [id_of(house, "owner@example.org"), second["id"]]

    async def both() -> list[int]:
        asked = (house._ask("PATCH", f"/api/users/{each}", "local", {"json": {"role": "admin"}}) for each in ids)
        return [answer.status_code for answer in await asyncio.gather(*asked)]

    assert sorted(house.run(both())) == [200, 409]


def test_an_admin_makes_no_owner_and_touches_none(house: House) -> None:
    owner = claimed(house)
    admin = person(house, "admin")
    owner_id, admin_id = id_of(house, "owner@example.org"), id_of(house, "admin@example.org")
    session_id = owner.good("GET", "/api/auth/sessions")["sessions"][0]["id"]
    for method, path, body in (
        ("POST", "/api/users", {"email": "x@example.org", "name": "X", "role": "owner"}),
        ("PATCH", f"/api/users/{admin_id}", {"role": "owner"}),
        ("PATCH", f"/api/users/{owner_id}", {"role": "user"}),
        ("PATCH", f"/api/users/{owner_id}", {"active": False}),
        ("PATCH", f"/api/users/{owner_id}", {"name": "Renamed"}),
        ("POST", f"/api/users/{owner_id}/password", {"password": "another sentence, longer than before"}),
        ("DELETE", f"/api/users/{owner_id}/sessions", None),
        ("DELETE", f"/api/users/{owner_id}/sessions/{session_id}", None),
    ):
        assert admin.refused(403, method, path, body)["code"] == "permission_denied", (method, path)
    owner.good("GET", "/api/auth/me")
    made = admin.good("POST", "/api/users", {"email": "x@example.org", "name": "X", "role": "admin"})
    admin.good("PATCH", f"/api/users/{made['id']}", {"role": "user", "name": "Xaver"})


@pytest.mark.parametrize("role", ["user", "guest"])
def test_people_without_the_office_see_nobody(house: House, role: str) -> None:
    claimed(house)
    browser = person(house, role)
    owner_id = id_of(house, "owner@example.org")
    for method, path, body in (
        ("GET", "/api/users", None),
        ("POST", "/api/users", {"email": "x@example.org", "name": "X"}),
        ("GET", f"/api/users/{owner_id}", None),
        ("PATCH", f"/api/users/{owner_id}", {"name": "X"}),
        ("POST", f"/api/users/{owner_id}/password", {"password": PASSWORD}),
        ("GET", f"/api/users/{owner_id}/sessions", None),
        ("DELETE", f"/api/users/{owner_id}/sessions", None),
        ("DELETE", f"/api/users/{owner_id}/sessions/x", None),
    ):
        assert browser.refused(403, method, path, body)["code"] == "permission_denied", (method, path)


def test_an_admin_sees_and_ends_somebodys_sessions(house: House) -> None:
    claimed(house)
    admin, user = person(house, "admin"), person(house, "user")
    other, user_id = logged_in(house, "user@example.org"), id_of(house, "user@example.org")
    found = admin.good("GET", f"/api/users/{user_id}/sessions")["sessions"]
    assert [each["current"] for each in found] == [False, False]
    admin.good("DELETE", f"/api/users/{user_id}/sessions/{found[0]['id']}")
    other.refused(401, "GET", "/api/auth/me")
    user.good("GET", "/api/auth/me")
    assert admin.good("DELETE", f"/api/users/{user_id}/sessions") == {"ended": 1}
    user.refused(401, "GET", "/api/auth/me")
    assert admin.good("DELETE", f"/api/users/{user_id}/sessions") == {"ended": 0}
    for path in ("/api/users/nobody", "/api/users/nobody/sessions"):
        assert admin.refused(404, "GET", path)["code"] == "user_not_found"
    assert admin.refused(404, "DELETE", f"/api/users/{user_id}/sessions/nowhere")["code"] == "session_not_found"


def test_every_change_is_in_the_audit_without_a_secret(house: House) -> None:
    owner = claimed(house)
    made = owner.good("POST", "/api/users", {"email": "u@example.org", "name": "U", "role": "user", "password": PASSWORD})
    owner.good("PATCH", f"/api/users/{made['id']}", {"role": "admin"})
    owner.good("PATCH", f"/api/users/{made['id']}", {"name": "Uta"})
    owner.good("POST", f"/api/users/{made['id']}/password", {"password": "another sentence, longer than before"})
    owner.good("PATCH", f"/api/users/{made['id']}", {"active": False})
    owner.good("PATCH", f"/api/users/{made['id']}", {"active": True})
    owner.good("PATCH", f"/api/users/{made['id']}", {"active": True})
    rows = house.good("GET", "/api/audit", params={"limit": 6})["rows"]
    assert [row["action"] for row in rows] == [
        "user.reactivated",
        "user.deactivated",
        "user.password_changed",
        "user.changed",
        "user.role_changed",
        "user.created",
    ]
    assert {row["actor"] for row in rows} == {"owner@example.org"}
    assert (rows[4]["before"], rows[4]["after"]) == ({"role": "user"}, {"role": "admin"})
    assert b"argon2" not in b"".join(str(row).encode() for row in rows)


def test_nobody_gets_past_their_own_password_by_way_of_looking_after_people(house: House) -> None:
    """Whoever took over a login of an administrator has not taken over the account."""
    owner, admin = claimed(house), person(house, "admin")
    for browser, email in ((owner, "owner@example.org"), (admin, "admin@example.org")):
        at = f"/api/users/{id_of(house, email)}"
        for method, path, body in (
            ("POST", f"{at}/password", {"password": "a sentence of a stranger"}),
            ("POST", f"{at}/reset-link", None),
            ("DELETE", f"{at}/totp", None),
            ("POST", f"{at}/erase", None),
        ):
            assert browser.refused(409, method, path, body)["code"] == "own_account", path
    # On the host itself there is nobody's account in between.
    house.good("POST", f"/api/users/{id_of(house, 'owner@example.org')}/password", {"password": "a sentence of the host"})
