"""Logins by another house's word: who behaves comes in, and only who began the login."""

import asyncio
import base64
import json
from collections.abc import Iterator
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from sekisho.identity.logins.failures import ROWS_PER_MINUTE
from tests.integration.management.house import House
from tests.integration.management.houses_of_others import CONSOLE, add, begin, come_in, refusals, refused
from tests.integration.management.people import OVER_TLS, PASSWORD, Browser, claimed, logged_in, person
from tests.support.issuer import SECRET, Issuer, Key

OTHER = Key("first")
"""Another key that calls itself the same."""


@pytest.fixture
def issuer(house: House) -> Iterator[Issuer]:
    with Issuer(lambda: house.clock.at) as running:
        yield running


def test_who_behaves_comes_in(house: House, issuer: Issuer) -> None:
    made = add(house, issuer)
    assert made["redirect_uri"] == f"{CONSOLE}/api/auth/oidc/corp/callback"
    assert SECRET not in json.dumps(made)
    browser = Browser(house)
    assert browser.good("GET", "/api/auth/oidc") == {"issuers": [{"name": "corp", "title": "Corp", "start": "/api/auth/oidc/corp/start"}]}
    answer = browser.ask("GET", "/api/auth/oidc/corp/start?next=/usage%3Frange%3D7d")
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith("__host-sekisho-oidc=")
    assert {"secure", "httponly", "samesite=lax", "path=/", "max-age=600"} <= {part.strip() for part in cookie.split(";")}
    asked = parse_qs(urlsplit(answer.headers["location"]).query)
    assert asked["scope"] == ["openid email profile"]
    assert asked["redirect_uri"] == [made["redirect_uri"]]
    back = browser.ask("GET", issuer.visit(answer.headers["location"]))
    assert (back.status_code, back.headers["location"]) == (303, "/usage?range=7d")
    assert set(browser.cookies) == {"__Host-sekisho"}, "what the browser kept on the way is gone"
    me = browser.good("GET", "/api/auth/me")["user"]
    assert (me["email"], me["name"], me["role"]) == ("erika@example.org", "Erika", "user")
    (user,) = [each for each in house.good("GET", "/api/users")["users"] if each["id"] == me["id"]]
    assert user["has_password"] is False
    assert SECRET.encode() not in house.stored()


def test_who_was_here_before_is_the_same_person_whatever_the_address(house: House, issuer: Issuer) -> None:
    add(house, issuer)
    first = come_in(house, issuer)[0].good("GET", "/api/auth/me")["user"]
    issuer.claims = {"email": "erika.new@example.org", "email_verified": False}
    again = come_in(house, issuer)[0].good("GET", "/api/auth/me")["user"]
    assert again == first
    issuer.subject, issuer.claims = "subject-2", {"email": "other@example.org", "email_verified": True}
    assert come_in(house, issuer)[0].good("GET", "/api/auth/me")["user"]["id"] != first["id"]


def test_an_answer_for_another_browser_opens_nothing(house: House, issuer: Issuer) -> None:
    add(house, issuer)
    assert refused(house, issuer, state="guessed") == "wrong_state"
    assert issuer.asked["/token"] == 0
    mallory, victim = Browser(house), Browser(house)
    prepared = issuer.visit(begin(mallory))
    # The victim is led to the attacker's answer: without a login of their own, and with one.
    assert victim.ask("GET", prepared).headers["location"] == "/login?error=state_missing"
    begin(victim)
    assert victim.ask("GET", prepared).headers["location"] == "/login?error=wrong_state"
    assert victim.cookies == {}
    assert issuer.asked["/token"] == 0


def test_a_login_lasts_ten_minutes_and_its_code_opens_once(house: House, issuer: Issuer) -> None:
    add(house, issuer)
    browser = Browser(house)
    back = issuer.visit(begin(browser))
    kept = dict(browser.cookies)
    assert browser.ask("GET", back).headers["location"] == "/"
    replaying = Browser(house, cookies=kept)
    assert replaying.ask("GET", back).headers["location"] == "/login?error=code_refused"
    late = Browser(house)
    back = issuer.visit(begin(late))
    house.clock.at += 601_000_000
    assert late.ask("GET", back).headers["location"] == "/login?error=state_expired"


def test_what_the_browser_keeps_cannot_be_made_or_moved(house: House, issuer: Issuer) -> None:
    add(house, issuer)
    add(house, issuer, name="other")
    browser = Browser(house)
    back = issuer.visit(begin(browser))
    (name,) = browser.cookies
    kept = browser.cookies[name]
    for forged in ("", "x", "@@@@", kept[:-2], kept[:-2] + "AA", base64.urlsafe_b64encode(b"{}").decode()):
        assert Browser(house, cookies={name: forged}).ask("GET", back).headers["location"] == "/login?error=state_missing"
    moved_on = back.replace("/corp/", "/other/")
    assert Browser(house, cookies={name: kept}).ask("GET", moved_on).headers["location"] == "/login?error=wrong_state"


def test_an_answer_of_another_issuer_is_none_of_this_one(house: House, issuer: Issuer) -> None:
    add(house, issuer)
    assert refused(house, issuer, iss="https://evil.example.org") == "wrong_issuer"
    assert issuer.asked["/token"] == 0
    assert refused(house, issuer, error="access_denied") == "issuer_refused"
    assert come_in(house, issuer, iss=issuer.url)[1] == "/"


def test_rotated_keys_are_fetched_and_a_flood_of_unknown_ones_is_not(house: House, issuer: Issuer) -> None:
    add(house, issuer)
    assert come_in(house, issuer)[1] == "/"
    issuer.keys = [OTHER]
    OTHER.kid = "second"
    try:
        house.clock.at += 61_000_000
        asked = issuer.asked["/keys"]
        assert come_in(house, issuer)[1] == "/"
        assert issuer.asked["/keys"] == asked + 1
        issuer.sign = lambda header, claims: issuer.signed({**header, "kid": f"never-{len(claims)}"}, claims)
        for _ in range(10):
            assert come_in(house, issuer)[1] == "/login?error=unknown_key"
        assert issuer.asked["/keys"] == asked + 1
        house.clock.at += 61_000_000
        assert come_in(house, issuer)[1] == "/login?error=unknown_key"
        assert issuer.asked["/keys"] == asked + 2
    finally:
        OTHER.kid = "first"


def test_who_has_no_password_confirms_what_is_grave_by_a_fresh_login(house: House, issuer: Issuer) -> None:
    add(house, issuer)
    claimed(house)
    browser = come_in(house, issuer)[0]
    browser.good("GET", "/api/auth/me")
    browser.good("POST", "/api/auth/totp")
    assert browser.good("PATCH", "/api/auth/me", {"email": "erika.new@example.org"})["email"] == "erika.new@example.org"
    house.clock.at += 601_000_000
    for method, path, body in (
        ("POST", "/api/auth/totp", None),
        ("POST", "/api/auth/totp", {"current_password": "any word"}),
        ("PATCH", "/api/auth/me", {"email": "erika@example.org"}),
        ("POST", "/api/auth/me/erase", {}),
    ):
        assert browser.refused(403, method, path, body)["code"] == "fresh_login_required", path
    # A first password is not to be had by any word in the place of one, however fresh the login.
    browser = come_in(house, issuer)[0]
    browser.good("GET", "/api/auth/me")
    error = browser.refused(403, "POST", "/api/auth/password", {"current_password": "any word", "new_password": "a sentence of a stranger"})
    assert error["code"] == "wrong_password"
    assert browser.good("POST", "/api/auth/me/erase", {})["pseudonym"].startswith("erased-")


def test_a_crowd_asks_the_issuer_once(house: House, issuer: Issuer) -> None:
    add(house, issuer, probe=False)
    path = "/.well-known/openid-configuration"

    async def crowd() -> list[str]:
        asking = [house._ask("GET", "/api/auth/oidc/corp/start", "tunnel", {"headers": OVER_TLS}) for _ in range(40)]
        return [answer.headers["location"].partition("?")[0] for answer in await asyncio.gather(*asking)]

    before = issuer.asked[path]
    assert len(set(house.run(crowd()))) == 1
    assert issuer.asked[path] == before + 1


def test_refused_logins_do_not_fill_the_audit(house: House, issuer: Issuer) -> None:
    add(house, issuer)
    for _ in range(ROWS_PER_MINUTE + 5):
        assert Browser(house).ask("GET", "/api/auth/oidc/corp/callback?code=x&state=y").headers["location"] == "/login?error=state_missing"
    assert len(refusals(house)) == ROWS_PER_MINUTE
    house.clock.at += 60_000_000
    house.run(house.services.people.logins.failures.tell())
    assert refusals(house)[0] == {"left_out": 5}
    Browser(house).ask("GET", "/api/auth/oidc/corp/callback?code=x&state=y")
    assert refusals(house)[0]["reason"] == "state_missing"


def test_an_address_opens_no_account_that_is_there_unless_it_may_and_an_owners_never(house: House, issuer: Issuer) -> None:
    add(house, issuer)
    claimed(house, "owner@example.org")
    person(house, "user", "erika@example.org")
    assert refused(house, issuer) == "account_exists"
    house.good("PATCH", "/api/issuers/corp", {"link_by_email": True})
    issuer.claims["email"] = "owner@example.org"
    assert refused(house, issuer) == "account_exists"
    issuer.claims["email"] = "ERIKA@example.org"
    browser, location = come_in(house, issuer)
    assert location == "/"
    assert browser.good("GET", "/api/auth/me")["user"]["email"] == "erika@example.org"
    # The password goes on opening it.
    logged_in(house, "erika@example.org", PASSWORD)


def test_groups_give_roles_anew_with_each_login(house: House, issuer: Issuer) -> None:
    add(house, issuer, groups_claim="teams", group_roles={"ops": "admin", "devs": "user", "visitors": "guest"}, default_role=None)
    assert refused(house, issuer) == "no_role"
    for teams, role in ((["devs"], "user"), (["visitors", "ops"], "admin"), ("visitors", "guest"), (["devs", 5, None], "user")):
        issuer.claims["teams"] = teams
        assert come_in(house, issuer)[0].good("GET", "/api/auth/me")["user"]["role"] == role
    issuer.claims["teams"] = ["nobody's"]
    assert refused(house, issuer) == "no_role"


def test_who_is_deactivated_does_not_come_in(house: House, issuer: Issuer) -> None:
    add(house, issuer)
    me = come_in(house, issuer)[0].good("GET", "/api/auth/me")["user"]
    house.good("PATCH", f"/api/users/{me['id']}", {"active": False})
    assert "deactivated" in refused(house, issuer)


def test_where_somebody_wanted_to_go_is_a_place_of_ours(sqlite_house: House) -> None:
    house = sqlite_house
    with Issuer(lambda: house.clock.at) as issuer:
        add(house, issuer)
        for wanted in (
            "https://evil.example.org",
            "//evil.example.org",
            "/\\evil.example.org",
            "/x\\evil",
            "javascript:alert(1)",
            "/api/auth/me",
            "/a\tb",
        ):
            browser = Browser(house)
            location = str(browser.ask("GET", f"/api/auth/oidc/corp/start?next={quote(wanted)}").headers["location"])
            assert browser.ask("GET", issuer.visit(location)).headers["location"] == "/"
