"""A login by another house through the real door: redirects and cookies of both kinds pass the tunnel as they are, and the feed of access
tokens, roles and audit behind them is the product's own.
"""

import time

import httpx
import pytest

from tests.e2e.people.visitors import Visitor, link_of
from tests.support.issuer import CLIENT, SECRET, Issuer
from tests.support.product import Product

pytestmark = pytest.mark.e2e


def begin(browser: Visitor) -> httpx.Response:
    answer = browser.ask("GET", "/api/auth/oidc/corp/start?next=/keys")
    assert answer.status_code == 303, answer.text
    return answer


def test_there_and_back_again(product: Product) -> None:
    with (
        Issuer(lambda: time.time_ns() // 1000) as issuer,
        Visitor(product) as owner,
        Visitor(product) as browser,
        Visitor(product) as script,
    ):
        assert owner.claim(link_of(product)[1]).status_code == 201
        made = owner.good(
            "POST",
            "/api/issuers",
            {
                "name": "corp",
                "title": "Corp",
                "issuer": issuer.url,
                "client_id": CLIENT,
                "client_secret": SECRET,
                "console_url": product.console_url,
                "group_roles": {"staff": "user"},
                "default_role": None,
            },
        )
        assert made["redirect_uri"] == f"{product.console_url}/api/auth/oidc/corp/callback"
        cookie = begin(browser).headers["set-cookie"]
        assert cookie.startswith(f"sekisho-{product.console_port}-oidc=")
        assert "samesite=lax" in cookie.lower()
        # None of the groups, and so nobody; the audit says why.
        refused = browser.ask("GET", issuer.visit(begin(browser).headers["location"]))
        assert (refused.status_code, refused.headers["location"]) == (303, "/login?error=no_role")
        (row,) = owner.good("GET", "/api/audit?action=login.refused")["rows"]
        assert "no_role" in str(row["after"])
        issuer.claims["groups"] = ["staff"]
        back = browser.ask("GET", issuer.visit(begin(browser).headers["location"]))
        assert (back.status_code, back.headers["location"]) == (303, "/keys")
        # Two cookies of one answer come as two lines: one that lets in, and one that ends what was kept on the way.
        given, taken = back.headers.get_list("set-cookie")
        assert given.startswith(f"sekisho-{product.console_port}=")
        assert "samesite=strict" in given.lower()
        assert taken.startswith(f"sekisho-{product.console_port}-oidc=")
        assert {"max-age=0", "samesite=lax"} <= set(taken.lower().split("; "))
        me = browser.good("GET", "/api/auth/me")["user"]
        assert (me["email"], me["role"]) == ("erika@example.org", "user")
        # Who came so makes a token like anybody, and loses everything with the account.
        plain = browser.good("POST", "/api/auth/tokens", {"name": "a script"})["plain_token"]
        bearer = {"authorization": f"Bearer {plain}"}
        assert script.ask("GET", "/api/keys", **bearer).status_code == 200
        owner.good("PATCH", f"/api/users/{me['id']}", {"active": False})
        assert script.ask("GET", "/api/keys", **bearer).status_code == 401
        assert not browser.is_in
        again = browser.ask("GET", issuer.visit(begin(browser).headers["location"]))
        assert again.headers["location"] == "/login?error=account_deactivated"
        assert SECRET not in product.output
