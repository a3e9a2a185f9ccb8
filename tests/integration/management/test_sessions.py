"""Being in: what a session opens, what it does not, and that its end is an end."""

from typing import Any

import pytest
from starlette.requests import HTTPConnection

from sekisho.rest.permissions import DOOR, TUNNEL, Role, identify, unidentified
from sekisho.storage.errors import UnavailableError
from tests.integration.management.house import House
from tests.integration.management.people import LOOPBACK, OVER_TLS, PASSWORD, Browser, claimed, logged_in, person

SECOND = 1_000_000
COOKIE = "__Host-sekisho"


class Ears:
    """Somebody who keeps something open for sessions."""

    def __init__(self, house: House) -> None:
        self.heard: list[tuple[frozenset[str], str | None]] = []
        house.services.people.sessions.endings.subscribe(self)

    def on_ended(self, sessions: frozenset[str], user: str | None) -> None:
        self.heard.append((sessions, user))


def sessions_of(browser: Browser) -> list[Any]:
    found: list[Any] = browser.good("GET", "/api/auth/sessions")["sessions"]
    return found


def test_logging_out_ends_the_session_here_and_in_the_browser(house: House) -> None:
    browser = claimed(house)
    ears, kept = Ears(house), dict(browser.cookies)
    current = sessions_of(browser)[0]["id"]
    answer = browser.ask("POST", "/api/auth/logout")
    assert answer.json() == {"logged_out": True}
    attributes = {part.strip().lower() for part in answer.headers["set-cookie"].split(";")[1:]}
    assert {"httponly", "secure", "samesite=strict", "path=/", "max-age=0"} <= attributes, "the same attributes that it was given with"
    assert browser.cookies == {}
    assert ears.heard == [(frozenset({current}), None)]
    # A copy that somebody kept opens nothing.
    assert Browser(house, cookies=kept).refused(401, "GET", "/api/auth/me")["code"] == "authentication_required"


def test_an_idle_session_ends_and_a_used_one_goes_on_to_its_end(house: House) -> None:
    idle, busy = claimed(house), logged_in(house, "owner@example.org")
    for _ in range(28):
        house.clock.at += 6 * 3600 * SECOND - SECOND
        if busy.ask("GET", "/api/auth/me").status_code != 200:
            break
        house.run(_settled(house))
    else:
        house.clock.at += 60 * SECOND
        busy.refused(401, "GET", "/api/auth/me")
    idle.refused(401, "GET", "/api/auth/me")
    assert house.clock.at >= 1_767_225_600 * SECOND + 7 * 86400 * SECOND


def test_what_nobody_does_keeps_no_session_alive(house: House) -> None:
    """A socket that is looked at again, and what an open page asks by a timer."""
    claimed(house)
    browser = person(house, "user")
    cookie, token = browser.carries("GET"), browser.good("POST", "/api/auth/tokens", {"name": "script"})
    script = {**OVER_TLS, "authorization": f"Bearer {token['plain_token']}"}

    async def look(headers: dict[str, str]) -> Role:
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        scope = {"type": "websocket", "headers": [*raw, (b"origin", b"https://console.example.org")], "app": house.app, DOOR: TUNNEL}
        return (await identify(unidentified(HTTPConnection(scope)))).role

    for _ in range(11):
        house.clock.at += 3600 * SECOND
        before = house.run(look(cookie))
        browser.ask("GET", "/api/projects", **{"x-by-itself": "1"})
        assert house.run(look(script)) is Role.USER
        house.run(_settled(house))
    house.clock.at += 3600 * SECOND
    assert (before, house.run(look(cookie))) == (Role.USER, Role.ANONYMOUS)
    browser.refused(401, "GET", "/api/auth/me")
    again = logged_in(house, "user@example.org")
    assert again.good("GET", "/api/auth/tokens")["tokens"][0]["last_used_at"] is None


async def _settled(house: House) -> None:
    for task in tuple(house.services.people.sessions._tasks._held):
        await task


def test_reading_goes_on_where_nothing_can_be_written(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = claimed(house)
    house.clock.at += 120 * SECOND
    house.database.freeze("a migration failed")
    assert browser.ask("GET", "/api/auth/me").status_code == 200
    house.run(_settled(house))
    assert browser.refused(503, "POST", "/api/keys", {"label": "x"})["code"] == "migration_failed"


def test_a_database_that_is_away_is_no_reason_to_log_anybody_out(house: House) -> None:
    browser = claimed(house)
    house.database.shut("the database is away")
    error = browser.refused(503, "GET", "/api/keys")
    assert error["code"] == "database_unavailable"
    assert browser.ask("GET", "/api/nowhere").status_code == 503
    assert browser.ask("GET", "/health").status_code in (200, 503)
    house.database.unshut()
    browser.good("GET", "/api/keys")
    assert UnavailableError


@pytest.mark.parametrize("path", ["/api/keys", "/api/nowhere", "/api/auth/me"])
@pytest.mark.parametrize("cookie", ["", "x", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "%00", "x" * 3000])
def test_a_cookie_that_is_none_of_ours_is_nobodys(house: House, cookie: str, path: str) -> None:
    assert Browser(house, cookies={COOKIE: cookie}).refused(401, "GET", path)["code"] == "authentication_required"


def test_the_plain_cookies_name_opens_nothing_over_tls_and_the_other_way_round(house: House) -> None:
    browser = claimed(house)
    value = browser.cookies[COOKIE]
    for way, name in ((OVER_TLS, "sekisho-4001"), (OVER_TLS, "sekisho"), (LOOPBACK, COOKIE)):
        Browser(house, way=dict(way), cookies={name: value}).refused(401, "GET", "/api/auth/me")


@pytest.mark.parametrize(
    "headers",
    [
        {"x-csrf-token": ""},
        {"x-csrf-token": "x" * 43},
        {"x-csrf-token": "x" * 400},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"host": "evil.example"},
    ],
)
def test_what_another_site_can_make_a_browser_send_changes_nothing(house: House, headers: dict[str, str]) -> None:
    browser = claimed(house)
    answer = browser.ask("POST", "/api/keys", {"label": "stolen"}, **headers)
    assert answer.status_code in (403, 415), answer.text
    assert answer.json()["error"]["code"] in ("csrf_token_invalid", "cross_site_request", "unsupported_media_type")
    assert browser.good("GET", "/api/keys")["api_keys"] == []


def test_the_token_of_another_session_is_not_this_ones(house: House) -> None:
    first, second = claimed(house), logged_in(house, "owner@example.org")
    assert first.csrf != second.csrf
    assert first.refused(403, "POST", "/api/keys", {"label": "x"}, **{"x-csrf-token": second.csrf or ""})["code"] == "csrf_token_invalid"


def test_a_name_that_points_here_by_trickery_is_told_so(house: House) -> None:
    browser = Browser(house, way={**LOOPBACK, "host": "evil.example:4001"})
    for method, path in (("GET", "/api/keys"), ("GET", "/api/nowhere"), ("POST", "/api/setup/claim"), ("POST", "/api/auth/login")):
        error = browser.refused(421, method, path)
        assert error["code"] == "unknown_host"
        assert "console.hosts" in error["message"]
    browser.good("GET", "/health")


def test_two_credentials_are_one_too_many(house: House) -> None:
    browser = claimed(house)
    assert browser.refused(400, "GET", "/api/keys", authorization="Bearer x")["code"] == "ambiguous_credentials"
    answer = house.ask(
        "GET", "/api/keys", through="tunnel", headers=[*OVER_TLS.items(), ("authorization", "Bearer a"), ("authorization", "b")]
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "ambiguous_credentials")


@pytest.mark.parametrize("value", ["Basic b3duZXI6cGFzcw==", "Bearer", "Bearer ", "bearer x", "Bearer sk-sek-a-b", "Bearer " + "x" * 3000])
def test_other_kinds_of_authorisation_are_nobodys(house: House, value: str) -> None:
    claimed(house)
    Browser(house).refused(401, "GET", "/api/keys", authorization=value)


def test_people_see_and_end_their_own_sessions_and_nobody_elses(house: House) -> None:
    owner, user = claimed(house), person(house, "user")
    other = logged_in(house, "user@example.org")
    mine = sessions_of(user)
    assert len(mine) == 2
    assert [each["current"] for each in mine] == [False, True]
    assert set(mine[0]) == {"id", "kind", "created_at", "seen_at", "expires_at", "address", "agent", "current"}
    assert (mine[0]["kind"], mine[0]["agent"]) == ("console", "Browser/1")
    theirs = sessions_of(owner)[0]["id"]
    assert user.refused(404, "DELETE", f"/api/auth/sessions/{theirs}")["code"] == "session_not_found"
    ears = Ears(house)
    user.good("DELETE", f"/api/auth/sessions/{mine[0]['id']}")
    assert ears.heard == [(frozenset({mine[0]["id"]}), None)]
    other.refused(401, "GET", "/api/auth/me")
    assert user.refused(404, "DELETE", f"/api/auth/sessions/{mine[0]['id']}")["code"] == "session_not_found"
    owner.good("GET", "/api/auth/me")


def test_a_new_password_ends_all_other_sessions_and_opens_the_next(house: House) -> None:
    claimed(house)
    user = person(house, "user")
    other, ears = logged_in(house, "user@example.org"), Ears(house)
    new = "another sentence, longer than before"
    wrong = user.refused(403, "POST", "/api/auth/password", {"current_password": "wrong", "new_password": new})
    assert (wrong["code"], wrong["param"]) == ("wrong_password", "current_password")
    short = user.refused(422, "POST", "/api/auth/password", {"current_password": PASSWORD, "new_password": "short"})
    assert (short["code"], short["param"]) == ("password_too_short", "new_password")
    user.good("POST", "/api/auth/password", {"current_password": PASSWORD, "new_password": new})
    assert len(ears.heard) == 1
    assert len(ears.heard[0][0]) == 1
    user.good("GET", "/api/auth/me")
    other.refused(401, "GET", "/api/auth/me")
    Browser(house).refused(401, "POST", "/api/auth/login", {"email": "user@example.org", "password": PASSWORD})
    logged_in(house, "user@example.org", new)


def test_a_stolen_session_is_no_way_to_guess_the_password(house: House) -> None:
    user = claimed(house)
    body = {"current_password": "guess", "new_password": "another sentence, longer than before"}
    codes = [user.ask("POST", "/api/auth/password", body).status_code for _ in range(7)]
    assert codes == [403] * 5 + [429] * 2


def test_people_change_what_is_theirs(house: House) -> None:
    claimed(house)
    user = person(house, "user")
    changed = user.good("PATCH", "/api/auth/me", {"name": "Uta", "language": "ja"})
    assert (changed["name"], changed["language"], changed["role"]) == ("Uta", "ja", "user")
    assert user.good("PATCH", "/api/auth/me", {"language": None})["language"] is None
    assert user.refused(422, "PATCH", "/api/auth/me", {"email": "uta@example.org"})["param"] == "current_password"
    moved = user.good("PATCH", "/api/auth/me", {"email": "Uta@example.org", "current_password": PASSWORD})
    assert moved["email"] == "uta@example.org"
    taken = user.refused(409, "PATCH", "/api/auth/me", {"email": "owner@example.org", "current_password": PASSWORD})
    assert taken["code"] == "email_taken"
    logged_in(house, "uta@example.org")


def test_nothing_that_is_told_of_oneself_can_be_written_back_to_become_more(house: House) -> None:
    claimed(house)
    user = person(house, "user")
    told = user.good("PATCH", "/api/auth/me", {"name": "Uta"})
    for field in set(told) - {"name", "language", "email"}:
        value = "owner" if field == "role" else told[field]
        assert user.refused(422, "PATCH", "/api/auth/me", {field: value})["code"] == "unknown_field", field
    assert user.refused(422, "PATCH", "/api/auth/me", {"name": None})["code"] == "invalid_value"


def test_the_local_owner_has_no_account_to_change(house: House) -> None:
    assert house.good("GET", "/api/auth/me")["user"] == {
        "id": "local",
        "email": "",
        "name": "local owner",
        "role": "owner",
        "language": None,
    }
    assert house.refused(409, "PATCH", "/api/auth/me", {"name": "x"})["code"] == "no_account"
    body = {"current_password": "x", "new_password": "y"}
    assert house.refused(409, "POST", "/api/auth/password", body)["code"] == "no_account"
    assert house.good("GET", "/api/auth/sessions")["sessions"] == []
    assert house.good("POST", "/api/auth/logout") == {"logged_out": False}


def test_a_person_has_so_many_sessions_and_the_oldest_makes_room(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sekisho.identity.sessions.service.MOST", 3)
    first = claimed(house)
    ears = Ears(house)
    others = [logged_in(house, "owner@example.org") for _ in range(3)]
    first.refused(401, "GET", "/api/auth/me")
    assert len(ears.heard) == 1
    assert [len(sessions_of(each)) for each in others] == [3, 3, 3]
