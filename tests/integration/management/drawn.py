"""A lived-in house for requests that are drawn: its owner in a browser, and makers of whatever a request may name.

Everything is made through the management API, as people make it, so a secret (a link, a session, a code) is one that somebody was given.
"""

import base64
import itertools
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sekisho.identity.factors import codes
from tests.integration.management.house import START, House
from tests.integration.management.houses_of_others import CONSOLE
from tests.integration.management.people import OVER_TLS, PASSWORD, Browser, claimed
from tests.integration.management.records import record
from tests.support.issuer import CLIENT, SECRET, Issuer
from tests.support.upstream import Upstream

STEP_US = 31_000_000
"""After so long an authenticator shows another code."""

NOWHERE = "http://127.0.0.1:9/v1"
"""Nothing listens there: what asks a provider is answered at once."""


class World:
    """The house and who lives in it. `empty` opens a house that nobody has claimed."""

    def __init__(self, house: House, upstream: Upstream, issuer: Issuer, empty: Callable[[Path], House]) -> None:
        self.house = house
        self.issuer = issuer
        self._empty = empty
        self._numbers = itertools.count(1)
        self.owner = claimed(house)
        self.keys = [self.key() for _ in range(3)]
        house.good("POST", "/api/providers", {"name": "up", "kind": "custom", "base_url": upstream.base_url, "probe": False})
        house.good("POST", "/api/models", {"id": "up/m", "input_price": "1", "output_price": "2"})
        house.good("POST", "/api/apis", {"name": "helper", "target": "up/m"})
        record(house, *({"seq": number, "key_id": self.keys[0], "started_at": START + number} for number in range(1, 30)))
        self.people = [self.person()["id"] for _ in range(2)]
        house.good("POST", "/api/users", {"email": "ann@example.org", "name": "Ann", "password": PASSWORD})
        self.issuer_named("corp", default_role="user")

    def number(self) -> int:
        """One that no other thing has."""
        return next(self._numbers)

    def browser(self) -> Browser:
        """Of a stranger at an address of their own, so that what others got wrong holds nobody up."""
        number = self.number()
        return Browser(
            self.house, OVER_TLS | {"x-sekisho-client-address": f"198.{18 + number // 62_500}.{number // 250 % 250}.{number % 250}"}
        )

    def empty(self) -> House:
        """A house without an owner, not opened yet; it goes when it is closed."""
        return self._empty(Path(tempfile.mkdtemp(dir=self.house.home)))

    # What a request may name

    def key(self) -> str:
        return str(self.house.good("POST", "/api/keys", {"label": f"key {self.number()}"})["id"])

    def provider(self) -> str:
        body = {"name": f"up-{self.number()}", "kind": "custom", "base_url": NOWHERE, "probe": False}
        return str(self.house.good("POST", "/api/providers", body)["name"])

    def model(self) -> str:
        return str(self.house.good("POST", "/api/models", {"id": f"up/m-{self.number()}"})["id"])

    def api(self) -> str:
        return str(self.house.good("POST", "/api/apis", {"name": f"api-{self.number()}", "target": "up/m"})["name"])

    def project(self) -> str:
        return str(self.owner.good("POST", "/api/projects", {"name": f"project-{self.number()}"})["id"])

    def person(self, **more: Any) -> Any:
        """A new user as they are told; without a password unless one is given."""
        return self.house.good("POST", "/api/users", {"email": f"person-{self.number()}@example.org", "name": "Somebody", **more})

    def member(self) -> tuple[str, str]:
        """A new project's id and that of somebody who is a member of it."""
        project, person = self.project(), self.person()
        self.owner.good("POST", f"/api/projects/{project}/members", {"email": person["email"], "role": "viewer"})
        return project, person["id"]

    def newcomer(self) -> tuple[Browser, Any]:
        """Another owner, whom it does not matter to lose, in a browser; and what is told of them."""
        person = self.person(role="owner", password=PASSWORD)
        return self.logged_in(person), person

    def logged_in(self, person: Any) -> Browser:
        browser = self.browser()
        browser.good("POST", "/api/auth/login", {"email": person["email"], "password": PASSWORD})
        return browser

    def access_token(self, browser: Browser) -> str:
        return str(browser.good("POST", "/api/auth/tokens", {"name": "script"})["id"])

    def refresh_token(self) -> str:
        body = {"email": "ann@example.org", "password": PASSWORD, "tokens": True}
        return str(self.browser().good("POST", "/api/auth/login", body)["tokens"]["refresh_token"])

    def invitation(self) -> tuple[Any, str]:
        """What is told of a new invitation, and the secret of its link."""
        made = self.house.good("POST", "/api/invitations", {"email": f"invited-{self.number()}@example.org"})
        return made, made["path"].partition("#")[2]

    def reset_link(self) -> str:
        """The secret of a new link for somebody."""
        return str(self.house.good("POST", f"/api/users/{self.person()['id']}/reset-link")["path"].partition("#")[2])

    def issuer_named(self, name: str, **more: Any) -> str:
        fields = {"name": name, "title": "Corp", "issuer": self.issuer.url, "client_id": CLIENT, "client_secret": SECRET}
        return str(self.house.good("POST", "/api/issuers", {**fields, "console_url": CONSOLE, "probe": False, **more})["name"])

    def way_back(self) -> tuple[Browser, dict[str, str]]:
        """A browser on its way to the issuer and back, and the query with which it comes back."""
        browser = self.browser()
        location = browser.ask("GET", "/api/auth/oidc/corp/start").headers["location"]
        query = self.issuer.visit(location).partition("?")[2]
        return browser, dict(pair.split("=", 1) for pair in query.split("&"))

    def listener(self) -> str:
        body = {"name": f"more-{self.number()}", "port": 5000}
        return str(self.owner.good("POST", "/api/proxy/listeners", body)["name"])

    # Second factors

    def code(self, secret: str) -> str:
        """What an authenticator shows now that knows this secret."""
        padded = secret + "=" * (-len(secret) % 8)
        return codes.code_at(base64.b32decode(padded), codes.step_of(self.house.clock.at))

    def enrolled(self) -> tuple[Browser, Any, str]:
        """Somebody with an authenticator that was not confirmed yet, and its secret."""
        browser, person = self.newcomer()
        return browser, person, browser.good("POST", "/api/auth/totp", {"current_password": PASSWORD})["secret"]

    def protected(self) -> tuple[Browser, Any, str]:
        """Somebody with an authenticator in force, and its secret; it shows a code that was not used."""
        browser, person, secret = self.enrolled()
        browser.good("POST", "/api/auth/totp/confirm", {"code": self.code(secret)})
        self.house.clock.at += STEP_US
        return browser, person, secret

    # Between requests

    def tidy(self) -> None:
        """Let the disk not fill with backups."""
        for path in sorted((self.house.home / "backups").glob("*"))[:-3]:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
