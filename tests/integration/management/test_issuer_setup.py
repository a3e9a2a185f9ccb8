"""Setting up a login by another house: what cannot be is refused by its field, and a house that misbehaves is told and bounded."""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.integration.management.house import House
from tests.integration.management.houses_of_others import CONSOLE, add, begin, come_in, refusals, refused
from tests.integration.management.people import OVER_TLS, Browser
from tests.support.authorities import Authority
from tests.support.issuer import CLIENT, SECRET, Issuer

Change = Callable[[Issuer], None]


@pytest.fixture
def issuer(house: House) -> Iterator[Issuer]:
    with Issuer(lambda: house.clock.at) as running:
        yield running


@pytest.mark.parametrize(
    ("misbehave", "reason"),
    [
        (lambda issuer: issuer.discovery.update(issuer="https://elsewhere.example.org"), "discovery_mismatch"),
        (lambda issuer: issuer.discovery.update(jwks_uri="file:///etc/passwd"), "issuer_invalid"),
        (lambda issuer: issuer.discovery.update(token_endpoint=None), "issuer_invalid"),
        (lambda issuer: issuer.discovery.update(code_challenge_methods_supported=["plain"]), "pkce_unsupported"),
        (lambda issuer: issuer.discovery.update(jwks_uri="http://127.0.0.1:1/keys"), "issuer_unreachable"),
        (lambda issuer: issuer.answers.update({"/keys": b'{"keys": "' + b"x" * 300_000 + b'"}'}), "issuer_unreachable"),
        (lambda issuer: issuer.answers.update({"/keys": b"<html>"}), "issuer_invalid"),
        (lambda issuer: issuer.answers.update({"/keys": b"[" * 100_000}), "issuer_invalid"),
        (lambda issuer: issuer.answers.update({"/keys": json.dumps({"keys": [{}] * 101}).encode()}), "issuer_invalid"),
        (lambda issuer: issuer.answers.update({"/.well-known/openid-configuration": b"{}"}), "discovery_mismatch"),
    ],
)
def test_an_issuer_that_does_not_say_who_it_is_is_refused_when_it_is_added_and_when_it_is_used(
    sqlite_house: House, misbehave: Change, reason: str
) -> None:
    house = sqlite_house
    with Issuer(lambda: house.clock.at) as issuer:
        good = {"title": "Corp", "issuer": issuer.url, "client_id": CLIENT, "client_secret": SECRET, "console_url": CONSOLE}
        house.good("POST", "/api/issuers", {**good, "name": "corp", "probe": False})
        misbehave(issuer)
        assert house.refused(422, "POST", "/api/issuers", {**good, "name": "second"})["code"] == reason
        house.clock.at += 61_000_000
        browser = Browser(house)
        answer = browser.ask("GET", "/api/auth/oidc/corp/start")
        if answer.headers["location"].startswith(issuer.url):
            answer = browser.ask("GET", issuer.visit(answer.headers["location"]))
        assert answer.headers["location"] == f"/login?error={reason}"
        assert refusals(house)[0]["reason"] == reason


def test_a_slow_issuer_is_given_up(sqlite_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sekisho.identity.issuers.discoveries.TOTAL_SECONDS", 0.5)
    with Issuer(lambda: sqlite_house.clock.at) as issuer:
        add(sqlite_house, issuer)
        issuer.delay["/token"] = 60.0
        assert refused(sqlite_house, issuer) == "issuer_unreachable"
        assert "0.5 s" in refusals(sqlite_house)[0]["message"]


def test_a_slow_issuer_holds_up_a_bounded_number_of_logins(sqlite_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sekisho.identity.issuers.discoveries.MOST_EXCHANGES", 2)
    monkeypatch.setattr("sekisho.identity.issuers.discoveries.TOTAL_SECONDS", 2.0)
    house = sqlite_house
    with Issuer(lambda: house.clock.at) as issuer:
        add(house, issuer)
        issuer.delay["/token"] = 60.0
        browsers = [Browser(house) for _ in range(5)]
        paths = [issuer.visit(begin(browser)) for browser in browsers]

        async def all_at_once() -> list[str]:
            requests = [
                house._ask(
                    "GET", path, "tunnel", {"headers": {**OVER_TLS, "cookie": "; ".join(f"{n}={v}" for n, v in browser.cookies.items())}}
                )
                for browser, path in zip(browsers, paths, strict=True)
            ]
            return [answer.headers["location"].rpartition("=")[2] for answer in await asyncio.gather(*requests)]

        assert sorted(house.run(all_at_once())) == ["issuer_busy"] * 3 + ["issuer_unreachable"] * 2
        del issuer.delay["/token"]
        assert come_in(house, issuer)[1] == "/"


def test_an_issuer_that_cannot_be_asked_is_left_alone_for_a_while(sqlite_house: House) -> None:
    house = sqlite_house
    with Issuer(lambda: house.clock.at) as issuer:
        add(house, issuer, probe=False)
        issuer.answers["/.well-known/openid-configuration"] = b"down"
        for _ in range(5):
            assert begin(Browser(house)) == "/login?error=issuer_invalid"
        assert issuer.asked["/.well-known/openid-configuration"] == 1
        del issuer.answers["/.well-known/openid-configuration"]
        house.clock.at += 11_000_000
        assert come_in(house, issuer)[1] == "/"


def test_an_issuer_is_managed_by_who_may_and_its_secret_never_shown(house: House, issuer: Issuer) -> None:
    made = add(house, issuer, group_roles={"ops": "admin"})
    assert house.good("GET", f"/api/issuers/{made['id']}") == made == house.good("GET", "/api/issuers/corp")
    assert house.refused(409, "POST", "/api/issuers", {**body_of(issuer), "name": "corp"})["code"] == "name_taken"
    changed = house.good("PATCH", "/api/issuers/corp", {"title": "Corp Inc.", "default_role": None})
    assert (changed["title"], changed["default_role"], changed["group_roles"]) == ("Corp Inc.", None, {"ops": "admin"})
    # Its secret does not follow it elsewhere.
    assert house.refused(422, "PATCH", "/api/issuers/corp", {"issuer": "https://evil.example.org"})["param"] == "client_secret"
    assert house.good("PATCH", "/api/issuers/corp", {"issuer": "https://new.example.org", "client_secret": "another"})["has_secret"] is True
    house.good("PATCH", "/api/issuers/corp", {"enabled": False})
    house.good("PATCH", "/api/issuers/corp", {"ca_bundle": Authority().pem})
    assert Browser(house).good("GET", "/api/auth/oidc") == {"issuers": []}
    assert Browser(house).ask("GET", "/api/auth/oidc/corp/start").status_code == 404
    assert house.good("DELETE", "/api/issuers/corp")["removed"] is True
    assert house.refused(404, "GET", "/api/issuers/corp")["code"] == "issuer_not_found"
    rows = house.good("GET", "/api/audit")["rows"]
    audit = json.dumps(rows)
    # A bundle of authorities decides whom we believe: which one it was stands there, though not the whole of it.
    bundles = [row["after"]["ca_bundle"] for row in rows if row["action"] == "issuer.changed" and "ca_bundle" in row["after"]]
    assert [bundle.partition(":")[0] for bundle in bundles] == ["sha256"]
    assert "BEGIN CERTIFICATE" not in audit
    assert SECRET not in audit
    assert "another" not in audit


def body_of(issuer: Issuer) -> dict[str, Any]:
    return {"title": "Corp", "issuer": issuer.url, "client_id": CLIENT, "console_url": CONSOLE, "probe": False}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("issuer", "http://issuer.example.org"),
        ("issuer", "ftp://issuer.example.org"),
        ("issuer", "https://user:pass@issuer.example.org"),
        ("issuer", "https://issuer.example.org?x=1"),
        ("console_url", "http://console.example.org"),
        ("console_url", "https://console.example.org/"),
        ("algorithm", "HS256"),
        ("algorithm", "none"),
        ("group_roles", {"ops": "owner"}),
        ("default_role", "admin"),
        ("name", "Corp"),
        ("name", "a/b"),
        ("scopes", ["openid email"]),
    ],
)
def test_what_cannot_be_is_refused_by_its_field(sqlite_house: House, field: str, value: Any) -> None:
    body = {
        "name": "corp",
        "title": "Corp",
        "issuer": "https://issuer.example.org",
        "client_id": "c",
        "console_url": CONSOLE,
        "probe": False,
    }
    error = sqlite_house.refused(422, "POST", "/api/issuers", {**body, field: value})
    assert str(error["param"]).startswith(field)
