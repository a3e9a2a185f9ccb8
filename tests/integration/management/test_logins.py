"""Getting in: the setup link, passwords, registrations, tokens, and everything that is refused on the way."""

import asyncio
from typing import Any, ClassVar

import pytest

from sekisho.app.settings import Console, Settings
from sekisho.identity.logins import failures, throttles
from sekisho.identity.sessions.settings import People
from tests.integration.management.house import House
from tests.integration.management.people import ADDRESS, LOOPBACK, OVER_TLS, PASSWORD, Browser, claimed, logged_in, person

SECOND = 1_000_000


def actions(house: House) -> list[tuple[str, str | None]]:
    """What the audit tells, oldest first: action and actor."""
    rows = house.good("GET", "/api/audit", params={"limit": 1000})["rows"]
    return [(row["action"], row["actor"]) for row in reversed(rows)]


def test_the_setup_link_makes_the_first_owner_and_lets_them_in(house: House) -> None:
    browser = Browser(house)
    assert browser.good("GET", "/api/setup") == {"claimed": False, "registration": "invite-only"}
    token = house.good("POST", "/api/setup/link")["token"]
    assert len(token) == 43
    body = {"token": token, "email": "Olga@Example.org", "name": "Olga", "password": PASSWORD, "language": "ja"}
    assert browser.ask("POST", "/api/setup/claim", body).status_code == 201
    me = browser.good("GET", "/api/auth/me")
    assert me["user"] == {"id": me["user"]["id"], "email": "olga@example.org", "name": "Olga", "role": "owner", "language": "ja"}
    assert browser.good("GET", "/api/setup")["claimed"] is True
    assert browser.good("GET", "/api/users")["users"][0]["email"] == "olga@example.org"
    # Used up, and never made again.
    assert Browser(house).refused(409, "POST", "/api/setup/claim", body)["code"] == "already_claimed"
    assert house.refused(409, "POST", "/api/setup/link")["code"] == "already_claimed"
    stored = house.stored()
    assert token.encode() not in stored
    assert PASSWORD.encode() not in stored
    assert browser.cookies["__Host-sekisho"].encode() not in stored


def test_a_newer_setup_link_ends_the_one_before(house: House) -> None:
    old, new = (house.good("POST", "/api/setup/link")["token"] for _ in range(2))
    body = {"email": "o@example.org", "name": "O", "password": PASSWORD}
    assert Browser(house).refused(403, "POST", "/api/setup/claim", {**body, "token": old})["code"] == "setup_link_invalid"
    Browser(house).good("POST", "/api/setup/claim", {**body, "token": new})


def test_of_two_claims_at_once_one_wins(house: House) -> None:
    token = house.good("POST", "/api/setup/link")["token"]

    async def both() -> list[Any]:
        bodies = [{"token": token, "email": f"o{n}@example.org", "name": "O", "password": PASSWORD} for n in range(2)]
        return await asyncio.gather(
            *(house._ask("POST", "/api/setup/claim", "tunnel", {"json": body, "headers": OVER_TLS}) for body in bodies)
        )

    answers = house.run(both())
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    assert len(house.good("GET", "/api/users")["users"]) == 1


def test_guessing_the_setup_link_is_slowed_down_before_a_password_is_hashed(house: House) -> None:
    house.good("POST", "/api/setup/link")
    body = {"token": "x" * 43, "email": "o@example.org", "name": "O", "password": PASSWORD}
    codes = [Browser(house).ask("POST", "/api/setup/claim", body).status_code for _ in range(throttles.FREE + 3)]
    assert codes == [403] * throttles.FREE + [429] * 3


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"password": "short"}, "password_too_short", "password"),
        ({"password": "o@example.org"}, "password_too_common", "password"),
        ({"email": "nowhere"}, "invalid_value", "email"),
        ({"email": "two words@example.org"}, "invalid_value", "email"),
        ({"name": ""}, "invalid_value", "name"),
        ({"name": "a\nb"}, "invalid_value", "name"),
        ({"language": "fr"}, "invalid_value", "language"),
        ({"role": "owner"}, "unknown_field", "role"),
    ],
)
def test_a_claim_says_which_field_is_wrong_and_uses_nothing_up(house: House, change: dict[str, str], code: str, param: str) -> None:
    token = house.good("POST", "/api/setup/link")["token"]
    body = {"token": token, "email": "o@example.org", "name": "O", "password": PASSWORD}
    error = Browser(house).refused(422, "POST", "/api/setup/claim", {**body, **change})
    assert (error["code"], error["param"]) == (code, param)
    Browser(house).good("POST", "/api/setup/claim", body)


def test_a_login_is_a_new_session_with_a_cookie_for_this_host_alone(house: House) -> None:
    owner = claimed(house)
    first = dict(owner.cookies)
    browser = Browser(house, cookies=dict(first))
    answer = browser.ask("POST", "/api/auth/login", {"email": "OWNER@example.org ", "password": PASSWORD})
    assert answer.status_code == 200
    attributes = {part.strip().lower() for part in answer.headers["set-cookie"].split(";")[1:]}
    assert attributes == {"httponly", "secure", "samesite=strict", "path=/", "max-age=604800"}
    assert list(browser.cookies) == ["__Host-sekisho"]
    # Whatever cookie a browser brings along, a login gives it another.
    assert browser.cookies != first
    assert len(browser.good("GET", "/api/auth/sessions")["sessions"]) == 2
    assert "password" not in answer.text


def test_in_plain_http_the_cookie_stays_on_this_host(house: House) -> None:
    claimed(house)
    local = Browser(house, way=dict(LOOPBACK))
    answer = local.ask("POST", "/api/auth/login", {"email": "owner@example.org", "password": PASSWORD})
    attributes = {part.strip().lower() for part in answer.headers["set-cookie"].split(";")[1:]}
    assert attributes == {"httponly", "samesite=strict", "path=/", "max-age=604800"}
    assert list(local.cookies) == ["sekisho-4001"]
    assert local.good("GET", "/api/auth/me")["user"]["email"] == "owner@example.org"
    for way in ({"x-sekisho-client-address": ADDRESS}, {"host": "10.0.0.1:4001", "origin": "http://10.0.0.1:4001"}):
        stranger = Browser(house, way=dict(LOOPBACK))
        error = stranger.refused(403, "POST", "/api/auth/login", {"email": "owner@example.org", "password": PASSWORD}, **way)
        assert error["code"] == "secure_connection_required"


def test_whoever_accepts_plain_http_may_log_in_by_it(tmp_path: Any) -> None:
    house = House(tmp_path / "home")
    house.settings = Settings(console=Console(insecure=True))
    with house:
        claimed(house)
        far = Browser(house, way={"x-sekisho-client-address": ADDRESS, "x-sekisho-scheme": "http", "host": "box:4001"})
        far.good("POST", "/api/auth/login", {"email": "owner@example.org", "password": PASSWORD})


def test_nobody_learns_from_a_refusal_whether_an_account_exists(house: House) -> None:
    claimed(house)
    house.good("POST", "/api/users", {"email": "nopass@example.org", "name": "N", "role": "user"})
    house.good("POST", "/api/users", {"email": "gone@example.org", "name": "G", "role": "user", "password": PASSWORD})
    gone = next(each for each in house.good("GET", "/api/users")["users"] if each["email"] == "gone@example.org")
    house.good("PATCH", f"/api/users/{gone['id']}", {"active": False})
    told = []
    for email in ("owner@example.org", "nobody@example.org", "nopass@example.org", "gone@example.org", "no address"):
        answer = Browser(house).ask("POST", "/api/auth/login", {"email": email, "password": "not the password"})
        error = answer.json()["error"]
        told.append((answer.status_code, error["code"], error["message"], error["param"], answer.headers.get("set-cookie")))
    assert set(told) == {(401, "invalid_credentials", "the e-mail or the password is wrong", None, None)}
    # Who knows the password of a deactivated account may know that it is one.
    assert Browser(house).refused(403, "POST", "/api/auth/login", {"email": "gone@example.org", "password": PASSWORD})["code"] == (
        "account_deactivated"
    )


def test_wrong_passwords_slow_an_account_down_and_its_neighbours_not(house: House) -> None:
    claimed(house)
    person(house, "user")
    answers = [Browser(house).ask("POST", "/api/auth/login", {"email": "owner@example.org", "password": "wrong"}) for _ in range(7)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429] * 2
    assert answers[-1].headers["retry-after"] == "1"
    assert answers[-1].json()["error"]["code"] == "too_many_attempts"
    # The right password does not get past either, and nothing tells it from a wrong one.
    assert Browser(house).ask("POST", "/api/auth/login", {"email": "owner@example.org", "password": PASSWORD}).status_code == 429
    logged_in(house, "user@example.org")
    house.clock.at += 2 * SECOND
    logged_in(house, "owner@example.org")


def test_two_hundred_at_once_are_looked_at_a_few_at_a_time(house: House) -> None:
    claimed(house)

    async def attack() -> list[int]:
        tries = [
            house._ask(
                "POST", "/api/auth/login", "tunnel", {"json": {"email": f"guess{n % 60}@example.org", "password": "x"}, "headers": OVER_TLS}
            )
            for n in range(200)
        ]
        return [answer.status_code for answer in await asyncio.gather(*tries)]

    codes = house.run(attack())
    assert set(codes) <= {401, 429, 503}
    assert 0 < codes.count(401) <= throttles.BUDGET
    # The office's address has lost nobody.
    logged_in(house, "owner@example.org")


def test_a_login_and_a_failed_one_are_in_the_audit(house: House) -> None:
    claimed(house)
    Browser(house).ask("POST", "/api/auth/login", {"email": "owner@example.org", "password": "wrong"})
    Browser(house).ask("POST", "/api/auth/login", {"email": "secret typed here@example.org", "password": "wrong"})
    logged_in(house, "owner@example.org")
    told = actions(house)
    assert told[-3:] == [("login.failed", ""), ("login.failed", ""), ("session.started", "owner@example.org")]
    assert b"secret typed here" not in house.stored()
    rows = house.good("GET", "/api/audit", params={"limit": 3})["rows"]
    assert {row["address"] for row in rows} == {ADDRESS}


def test_a_flood_of_failed_logins_is_told_by_its_number(house: House) -> None:
    claimed(house)
    elsewhere = {**OVER_TLS, "x-sekisho-client-address": "198.51.100.9"}

    def fails(number: int, way: dict[str, str]) -> None:
        for count in range(number):
            Browser(house, way).refused(401, "POST", "/api/auth/login", {"email": f"guess{count}@example.org", "password": "wrong"})

    fails(failures.ROWS_PER_MINUTE + 7, OVER_TLS)
    fails(2, elsewhere)
    assert [action for action, _ in actions(house)].count("login.failed") == failures.ROWS_PER_MINUTE + 2
    house.run(house.services.people.logins.failures.tell())
    assert left_out(house) == [], "the minute is not over"
    house.clock.at += 60 * SECOND
    house.run(house.services.people.logins.failures.tell())
    assert left_out(house) == [("sekisho", "address", ADDRESS, 7)]
    # In the next minute there are rows again, and a failure finds what nobody looked after.
    fails(failures.ROWS_PER_MINUTE + 3, OVER_TLS)
    house.clock.at += 60 * SECOND
    fails(1, elsewhere)
    assert left_out(house) == [("sekisho", "address", ADDRESS, 3), ("sekisho", "address", ADDRESS, 7)]
    assert house.good("GET", "/api/audit/check")["ok"]


def left_out(house: House) -> list[tuple[str, str, str, int]]:
    rows = house.good("GET", "/api/audit", params={"action": "login.failed", "limit": 1000})["rows"]
    return [(row["actor"], row["object_kind"], row["object_id"], row["after"]["left_out"]) for row in rows if "left_out" in row["after"]]


def test_an_owner_is_claimed_in_the_audit_under_their_own_name(house: House) -> None:
    claimed(house)
    told = actions(house)
    assert ("setup.claimed", "owner@example.org") in told
    assert ("user.created", "owner@example.org") in told


class TestRegistration:
    """Who may make an account by themselves."""

    BODY: ClassVar[Any] = {"email": "new@example.org", "name": "New", "password": PASSWORD}

    def house(self, tmp_path: Any, **people: Any) -> House:
        house = House(tmp_path / "home")
        house.settings = Settings(people=People(**people))
        return house

    def test_by_default_only_who_was_invited(self, house: House) -> None:
        claimed(house)
        assert Browser(house).refused(403, "POST", "/api/auth/register", self.BODY)["code"] == "invitation_required"
        error = Browser(house).refused(404, "POST", "/api/auth/register", {**self.BODY, "invitation": "made up"})
        assert error["code"] == "link_dead"
        assert len(house.good("GET", "/api/users")["users"]) == 1

    def test_closed_means_nobody(self, tmp_path: Any) -> None:
        with self.house(tmp_path, registration="closed") as house:
            claimed(house)
            error = Browser(house).refused(403, "POST", "/api/auth/register", {**self.BODY, "invitation": "x"})
            assert error["code"] == "registration_closed"

    def test_open_means_anybody_as_the_settings_say(self, tmp_path: Any) -> None:
        with self.house(tmp_path, registration="open", registration_role="guest") as house:
            assert Browser(house).refused(409, "POST", "/api/auth/register", self.BODY)["code"] == "setup_required"
            claimed(house)
            browser = Browser(house)
            assert browser.good("POST", "/api/auth/register", self.BODY)["user"]["role"] == "guest"
            assert browser.good("GET", "/api/auth/me")["user"]["email"] == "new@example.org"
            again = Browser(house).refused(409, "POST", "/api/auth/register", {**self.BODY, "email": "NEW@example.org"})
            assert (again["code"], again["param"]) == ("email_taken", "email")
            for field in ("role", "id", "active", "created_at"):
                error = Browser(house).refused(422, "POST", "/api/auth/register", {**self.BODY, field: "owner"})
                assert error["code"] == "unknown_field"

    def test_making_accounts_is_slowed_down(self, tmp_path: Any) -> None:
        with self.house(tmp_path, registration="open") as house:
            claimed(house)
            bodies = [{**self.BODY, "email": "owner@example.org"} for _ in range(throttles.FREE + 1)]
            codes = [Browser(house).ask("POST", "/api/auth/register", body).status_code for body in bodies]
            assert codes == [409] * throttles.FREE + [429]

    def test_whoever_tries_from_many_places_keeps_nobody_from_registering(self, tmp_path: Any) -> None:
        with self.house(tmp_path) as house:
            browser = claimed(house)
            for number in range(3 * throttles.FREE_EVERYWHERE):
                way = {**OVER_TLS, "x-sekisho-client-address": f"198.51.100.{number}"}
                Browser(house, way).refused(404, "POST", "/api/auth/register", {**self.BODY, "invitation": "made up"})
            path = browser.good("POST", "/api/invitations", {"email": "new@example.org"})["path"]
            invited = {**self.BODY, "invitation": path.partition("#")[2]}
            assert Browser(house).good("POST", "/api/auth/register", invited)["user"]["email"] == "new@example.org"


class TestTokens:
    """Sessions of scripts."""

    def tokens(self, house: House) -> Any:
        answer = Browser(house).ask("POST", "/api/auth/login", {"email": "owner@example.org", "password": PASSWORD, "tokens": True})
        assert answer.status_code == 200
        assert "set-cookie" not in answer.headers
        assert answer.json()["csrf"] is None
        return answer.json()["tokens"]

    def me(self, house: House, token: str) -> int:
        return Browser(house).ask("GET", "/api/auth/me", authorization=f"Bearer {token}").status_code

    def test_an_access_token_opens_until_its_end_and_a_refresh_token_gives_the_next(self, house: House) -> None:
        claimed(house)
        first = self.tokens(house)
        assert self.me(house, first["access_token"]) == 200
        assert self.me(house, first["refresh_token"]) == 401
        house.clock.at += 900 * SECOND
        assert self.me(house, first["access_token"]) == 401
        second = Browser(house).good("POST", "/api/auth/refresh", {"refresh_token": first["refresh_token"]})
        assert second["session_id"] == first["session_id"]
        assert self.me(house, second["access_token"]) == 200
        stored = house.stored()
        assert not any(each[name].encode() in stored for each in (first, second) for name in ("access_token", "refresh_token"))

    def test_a_script_needs_no_csrf_token(self, house: House) -> None:
        claimed(house)
        token = self.tokens(house)["access_token"]
        answer = Browser(house).ask("POST", "/api/keys", {"label": "by a script"}, authorization=f"Bearer {token}")
        assert answer.status_code == 201

    def test_a_refresh_token_that_is_seen_twice_ends_the_whole_session(self, house: House) -> None:
        claimed(house)
        first = self.tokens(house)
        second = Browser(house).good("POST", "/api/auth/refresh", {"refresh_token": first["refresh_token"]})
        error = Browser(house).refused(401, "POST", "/api/auth/refresh", {"refresh_token": first["refresh_token"]})
        assert error["code"] == "invalid_refresh_token"
        assert self.me(house, second["access_token"]) == 401
        Browser(house).refused(401, "POST", "/api/auth/refresh", {"refresh_token": second["refresh_token"]})
        assert "session.revoked" in dict(actions(house))

    def test_two_refreshes_at_once_end_in_one_winner_or_none(self, house: House) -> None:
        claimed(house)
        token = self.tokens(house)["refresh_token"]

        async def both() -> list[int]:
            ask = {"json": {"refresh_token": token}, "headers": OVER_TLS}
            return [
                each.status_code for each in await asyncio.gather(*(house._ask("POST", "/api/auth/refresh", "tunnel", ask) for _ in "12"))
            ]

        assert sorted(house.run(both())) == [200, 401]

    def test_what_was_never_a_refresh_token_opens_nothing(self, house: House) -> None:
        claimed(house)
        for text in ("x", "sekrt_", "sekrt_" + "x" * 43, self.tokens(house)["access_token"][:200]):
            Browser(house).refused(401, "POST", "/api/auth/refresh", {"refresh_token": text})

    def test_a_cookie_is_no_token_and_a_token_no_cookie(self, house: House) -> None:
        owner = claimed(house)
        assert self.me(house, owner.cookies["__Host-sekisho"]) == 401
        swapped = Browser(house, cookies={"__Host-sekisho": self.tokens(house)["access_token"]})
        assert swapped.ask("GET", "/api/auth/me").status_code == 401
