"""A product with people who have logins, and how a visitor becomes one of them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import httpx

from tests.support.product import Product, eventually
from tests.support.upstream import Upstream

if TYPE_CHECKING:
    from tests.e2e.console.visitors import Visitor

NAME: Final = "青木 薫"
EMAIL: Final = "kaoru@example.jp"
PASSWORD: Final = "a gate with two posts"
LINK: Final = re.compile(r"http\S+/setup#(\S+)")


@dataclass
class House:
    """A running product and the upstream that its provider `up` is."""

    product: Product
    upstream: Upstream
    keys: dict[str, str]
    """Secrets of its first keys, by label."""

    def get(self, path: str, **query: Any) -> Any:
        """What the management API tells the local owner."""
        with self._api() as client:
            told = client.get(path, params=query)
            assert told.status_code == 200, told.text
            return told.json()

    def post(self, path: str, **body: Any) -> Any:
        with self._api() as client:
            told = client.post(path, json=body)
            assert told.status_code in (200, 201), told.text
            return told.json()

    def _api(self) -> httpx.Client:
        transport = httpx.HTTPTransport(uds=str(self.product.home / "run" / "node.sock"))
        return httpx.Client(transport=transport, base_url="http://sekisho", timeout=20)

    def call(self, key: str, model: str = "sandbox/echo", text: str = "hello") -> httpx.Response:
        """One call at the gateway's own port."""
        body = {"model": model, "messages": [{"role": "user", "content": text}]}
        return httpx.post(f"{self.product.base_url}/chat/completions", json=body, headers={"authorization": f"Bearer {key}"}, timeout=20)

    def audited(self, action: str) -> list[dict[str, Any]]:
        """The newest rows of the audit with this action."""
        return list(self.get("/api/audit", action=action)["rows"])


@contextmanager
def open_house() -> Iterator[House]:
    """A house with an owner, a provider, two projects, people in each role, keys and a few calls."""
    with Upstream() as upstream, Product() as product:
        claim(product)
        house = House(product, upstream, {})
        product.add_provider("up", upstream.base_url, "--no-probe")
        product.cli("models", "add", "up/priced")
        for name, title in (("support", "お客様サポート"), ("research", "Research")):
            house.post("/api/projects", name=name, title=title, description="")
        for email, name, role in (
            ("hana@example.jp", "花田 はな", "admin"),
            ("ken@example.org", "Ken Ito", "user"),
            ("gus@example.org", "Gus", "guest"),
        ):
            house.post("/api/users", email=email, name=name, role=role, password=PASSWORD)
        house.post("/api/projects/support/members", email="ken@example.org", role="editor")
        house.post("/api/projects/support/members", email="gus@example.org", role="viewer")
        for label, project in (("web-chat", "default"), ("ci-review", "support"), ("nightly-eval", "research")):
            house.keys[label] = house.post("/api/keys", label=label, project=project)["plain_key"]
        house.post("/api/apis", name="assistant", target="sandbox/lorem", title="受付", defaults={"temperature": 0.2})
        for label, key in house.keys.items():
            for model in ("sandbox/echo", "sandbox/lorem", "sandbox/error-429"):
                house.call(key, model, f"{label} asks")
        product.wait_calls(9)
        yield house


def setup_link(product: Product) -> str:
    """The one-time link as the first start prints it."""
    return eventually(lambda: LINK.search(product.stdout), "the setup link", 30, explain=lambda: product.output).group()


def claim(product: Product) -> None:
    """Become the owner without a browser."""
    token = setup_link(product).partition("#")[2]
    body = {"token": token, "name": NAME, "email": EMAIL, "password": PASSWORD}
    told = httpx.post(f"{product.console_url}/api/setup/claim", json=body, timeout=30)
    assert told.status_code == 201, told.text


def log_in(visitor: "Visitor", email: str = EMAIL, password: str = PASSWORD, path: str = "/") -> None:
    """Come in by the login form."""
    page = visitor.page
    page.goto(path)
    page.locator("input[autocomplete=username]").fill(email)
    page.locator("input[autocomplete=current-password]").fill(password)
    page.locator("button[type=submit]").click()
    page.wait_for_url(lambda address: "/login" not in address)
