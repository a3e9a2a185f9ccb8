"""What a login is at the real door, by TLS and in plain HTTP; and that a client cannot say by which of them it came."""

from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.people.visitors import PASSWORD, Visitor, link_of
from tests.e2e.tls.houses import SecureProduct
from tests.support.product import Product

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def claimed() -> Iterator[Product]:
    """A product with its owner, in plain HTTP on this host."""
    with Product() as running:
        with Visitor(running) as owner:
            assert owner.claim(link_of(running)[1]).status_code == 201
        yield running


def test_by_tls_the_cookie_is_for_this_host_and_for_tls_alone() -> None:
    with SecureProduct() as product, Visitor(product, product.trust) as owner, Visitor(product, product.trust) as other:
        address, token = link_of(product)
        assert address.startswith("https://")
        answer = owner.claim(token)
        assert answer.status_code == 201, answer.text
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-sekisho=")
        assert {"HttpOnly", "SameSite=strict", "Path=/", "Secure"} <= {part.strip() for part in cookie.split(";")}
        assert "domain" not in cookie.lower()
        assert owner.is_in
        assert not other.is_in
        assert other.log_in("owner@example.org").status_code == 200
        assert owner.client.cookies["__Host-sekisho"] != other.client.cookies["__Host-sekisho"]
        gone = owner.ask("POST", "/api/auth/logout")
        assert {"HttpOnly", "SameSite=strict", "Path=/", "Secure", "Max-Age=0"} <= {
            part.strip() for part in gone.headers["set-cookie"].split(";")
        }
        assert not owner.is_in
        assert other.is_in
        # In clear nothing is taken at all, so no password crosses the network by mistake.
        plain = f"http://127.0.0.1:{product.console_port}/api/auth/login"
        answer = httpx.post(plain, json={"email": "owner@example.org", "password": PASSWORD}, trust_env=False)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "https_required")


@pytest.mark.parametrize(
    "headers",
    [
        {"x-sekisho-scheme": "https"},
        {"x-forwarded-proto": "https"},
        {"x-sekisho-client-address": "203.0.113.1"},
        {"x-forwarded-for": "203.0.113.1", "forwarded": "for=203.0.113.1;proto=https"},
    ],
)
def test_a_client_does_not_say_by_which_way_it_came(claimed: Product, headers: dict[str, str]) -> None:
    with Visitor(claimed) as visitor:
        answer = visitor.ask("POST", "/api/auth/login", {"email": "owner@example.org", "password": PASSWORD}, **headers)
        assert answer.headers["set-cookie"].startswith("sekisho-")
        assert visitor.good("GET", "/api/auth/sessions")["sessions"][0]["address"] == "127.0.0.1"


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"host": "evil.example"}, 421, "unknown_host"),
        ({"origin": "http://evil.example"}, 403, "cross_site_request"),
        ({"origin": "null"}, 403, "cross_site_request"),
        ({"sec-fetch-site": "cross-site"}, 403, "cross_site_request"),
        ({"sec-fetch-site": "same-site"}, 403, "cross_site_request"),
        ({"content-type": "text/plain"}, 415, "unsupported_media_type"),
        ({"x-csrf-token": "x"}, 403, "csrf_token_invalid"),
        ({"authorization": "Bearer x"}, 400, "ambiguous_credentials"),
    ],
)
def test_what_another_site_can_make_a_browser_send_changes_nothing(
    claimed: Product, headers: dict[str, str], status: int, code: str
) -> None:
    with Visitor(claimed) as owner:
        assert owner.log_in("owner@example.org").status_code == 200
        before = owner.good("GET", "/api/keys")["api_keys"]
        answer = owner.ask("POST", "/api/keys", {"label": "stolen"}, **headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
        assert owner.good("GET", "/api/keys")["api_keys"] == before


def test_a_script_has_tokens_instead_of_a_cookie(claimed: Product) -> None:
    with Visitor(claimed) as script:
        body = {"email": "owner@example.org", "password": PASSWORD, "tokens": True}
        answer = script.ask("POST", "/api/auth/login", body)
        assert "set-cookie" not in answer.headers
        tokens = answer.json()["tokens"]
        bearer = {"authorization": f"Bearer {tokens['access_token']}"}
        assert script.good("POST", "/api/keys", {"label": "by a script"}, **bearer)["label"] == "by a script"
        newer = script.good("POST", "/api/auth/refresh", {"refresh_token": tokens["refresh_token"]})
        assert script.ask("POST", "/api/auth/refresh", {"refresh_token": tokens["refresh_token"]}).status_code == 401
        bearer = {"authorization": f"Bearer {newer['access_token']}"}
        assert script.ask("GET", "/api/keys", **bearer).status_code == 401, "seen twice, it ended the session"


def test_a_key_of_the_gateway_opens_nothing_here(claimed: Product) -> None:
    with Visitor(claimed) as visitor:
        assert visitor.ask("GET", "/api/keys", **claimed.authorization).status_code == 401
        assert visitor.ask("GET", "/api/keys", **{"x-api-key": claimed.key}).status_code == 401
