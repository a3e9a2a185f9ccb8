"""People at the console's real door, as a browser or a script comes."""

import re
import ssl
from typing import Any, Final, Self

import httpx

from tests.support.product import Product, eventually

PASSWORD: Final = "a sentence that is long enough"
LINK: Final = re.compile(r"(https?://\S+)/setup#([A-Za-z0-9_-]{43})")
LONG_S: Final = 30.0
"""The machine may stand still for seconds."""


def link_of(product: Product) -> tuple[str, str]:
    """The console's address and the secret of the newest setup link that a start has printed."""
    found = eventually(lambda: LINK.findall(product.stdout), "a setup link", LONG_S, explain=lambda: product.output)
    return str(found[-1][0]), str(found[-1][1])


class Visitor:
    """One browser. Close it."""

    def __init__(self, product: Product, context: ssl.SSLContext | None = None) -> None:
        origin = product.console_url
        headers = {"origin": origin, "sec-fetch-site": "same-origin"}
        self.client = httpx.Client(base_url=origin, headers=headers, verify=context or True, timeout=LONG_S, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """One request."""
        answer = self.client.request(method, path, json=body, headers=headers)
        if answer.is_success and answer.content and "csrf" in answer.text:
            self.client.headers["x-csrf-token"] = answer.json()["csrf"] or ""
        return answer

    def good(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The body of an answer that has to be a success."""
        answer = self.ask(method, path, body, **headers)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def claim(self, token: str) -> httpx.Response:
        """Try to become the owner."""
        body = {"token": token, "email": "owner@example.org", "name": "Olga Owner", "password": PASSWORD, "language": "en"}
        return self.ask("POST", "/api/setup/claim", body)

    def log_in(self, email: str, password: str = PASSWORD) -> httpx.Response:
        """Try to log in."""
        return self.ask("POST", "/api/auth/login", {"email": email, "password": password})

    @property
    def is_in(self) -> bool:
        """Whether this browser is known."""
        status = self.ask("GET", "/api/auth/me").status_code
        assert status in (200, 401), status
        return status == 200
