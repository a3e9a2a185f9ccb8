"""People who come in through the tunnel, as a browser or a script does: with what each request of theirs carries."""

from dataclasses import dataclass, field
from typing import Any

import httpx

from sekisho.dataplane.tunnel import JOINTS
from tests.integration.management.house import House

PASSWORD = "a sentence that is long enough"
ADDRESS = "203.0.113.7"
LOOPBACK = {"x-sekisho-client-address": "127.0.0.1", "x-sekisho-scheme": "http", "host": "localhost:4001"}
OVER_TLS = {"x-sekisho-client-address": ADDRESS, "x-sekisho-scheme": "https", "host": "console.example.org"}


@dataclass
class Browser:
    """One browser of one person."""

    house: House
    way: dict[str, str] = field(default_factory=lambda: dict(OVER_TLS))
    cookies: dict[str, str] = field(default_factory=dict)
    csrf: str | None = None

    def carries(self, method: str) -> dict[str, str]:
        """The headers of a request: cookie, origin and CSRF token where a page of ours would send them."""
        given = {**self.way, "user-agent": "Browser/1"}
        if method not in ("GET", "HEAD"):
            given |= {"origin": f"{self.way['x-sekisho-scheme']}://{self.way['host']}", "sec-fetch-site": "same-origin"}
            if self.csrf is not None:
                given["x-csrf-token"] = self.csrf
        if self.cookies:
            given["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return given

    def learns(self, answer: httpx.Response) -> None:
        """Keep the cookies and the CSRF token of an answer."""
        joined = answer.headers.get("set-cookie", "")
        for line in (each.decode() for each in JOINTS.split(joined.encode()) if each):
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value
            if "max-age=0" in line.lower():
                del self.cookies[name]
        if answer.is_success and answer.headers.get("content-type") == "application/json" and "csrf" in answer.json():
            self.csrf = answer.json()["csrf"]

    def ask(self, method: str, path: str, json: Any = None, **headers: str) -> httpx.Response:
        """One request."""
        answer = self.house.ask(method, path, json, through="tunnel", headers={**self.carries(method), **headers})
        self.learns(answer)
        return answer

    def good(self, method: str, path: str, json: Any = None, **headers: str) -> Any:
        """The body of an answer that has to be a success."""
        answer = self.ask(method, path, json, **headers)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def refused(self, status: int, method: str, path: str, json: Any = None, **headers: str) -> Any:
        """The error of an answer that has to be this refusal."""
        answer = self.ask(method, path, json, **headers)
        assert answer.status_code == status, answer.text
        return answer.json()["error"]


def claimed(house: House, email: str = "owner@example.org") -> Browser:
    """The first owner, in a browser."""
    browser = Browser(house)
    token = house.good("POST", "/api/setup/link")["token"]
    browser.good("POST", "/api/setup/claim", {"token": token, "email": email, "name": "Olga Owner", "password": PASSWORD, "language": "en"})
    return browser


def person(house: House, role: str, email: str | None = None) -> Browser:
    """Somebody of this role, made by the local owner, in a browser."""
    email = email or f"{role}@example.org"
    house.good("POST", "/api/users", {"email": email, "name": role.title(), "role": role, "password": PASSWORD})
    return logged_in(house, email)


def logged_in(house: House, email: str, password: str = PASSWORD) -> Browser:
    """Another browser of somebody."""
    browser = Browser(house)
    browser.good("POST", "/api/auth/login", {"email": email, "password": password})
    return browser
