"""Going to another house and back, and what the audit keeps of who was refused on the way."""

import json
from typing import Any

from tests.integration.management.house import House
from tests.integration.management.people import OVER_TLS, Browser
from tests.support.issuer import CLIENT, SECRET, Issuer

CONSOLE = f"https://{OVER_TLS['host']}"


def add(house: House, issuer: Issuer, **fields: Any) -> Any:
    body = {"name": "corp", "title": "Corp", "issuer": issuer.url, "client_id": CLIENT, "client_secret": SECRET, "console_url": CONSOLE}
    return house.good("POST", "/api/issuers", {**body, **fields})


def begin(browser: Browser, query: str = "") -> str:
    answer = browser.ask("GET", f"/api/auth/oidc/corp/start{query}")
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def come_in(house: House, issuer: Issuer, **changed: str) -> tuple[Browser, str]:
    """A new browser that goes there and back, and where it ends."""
    browser = Browser(house)
    answer = browser.ask("GET", issuer.visit(begin(browser), **changed))
    assert answer.status_code == 303, answer.text
    return browser, answer.headers["location"]


def refusals(house: House) -> list[dict[str, Any]]:
    """What the audit keeps of refused logins, newest first."""
    rows = house.good("GET", "/api/audit?action=login.refused")["rows"]
    return [json.loads(row["after"]) if isinstance(row["after"], str) else row["after"] for row in rows]


def refused(house: House, issuer: Issuer, **changed: str) -> str:
    """The reason for which a login is refused: the browser is told the word, the audit keeps it, nobody comes in."""
    before = len(refusals(house))
    browser, location = come_in(house, issuer, **changed)
    assert browser.cookies == {}
    assert browser.refused(401, "GET", "/api/auth/me")["code"] == "authentication_required"
    written = refusals(house)
    assert len(written) == before + 1
    reason = str(written[0]["reason"])
    assert location == f"/login?error={reason}"
    return reason
