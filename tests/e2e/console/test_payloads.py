"""T80, T81: whatever models, users, providers or strangers write is shown as text. Nothing of it runs, and nothing is fetched for it.

The places: names of keys, projects, people and invitations; a provider's model names; a call's program, model and error; addresses that
were refused; the answer of a model in the playground; a row of the audit.
"""

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import httpx
import pytest

from tests.e2e.console import houses
from tests.e2e.console.payloads import PAYLOADS
from tests.support.product import Product
from tests.support.upstream import Reply, Upstream

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.e2e.console.houses import House
    from tests.e2e.console.visitors import Visitor

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

ONE_LINE: Final = tuple(" ".join(each.split())[:190] for each in PAYLOADS)
SCREENS: Final = (
    "/",
    "/calls",
    "/calls?status=failed",
    "/usage?by=key",
    "/usage?by=project",
    "/keys",
    "/projects",
    "/people",
    "/people?tab=invitations",
    "/models",
    "/providers",
    "/audit",
)
FOREIGN: Final = "document.querySelectorAll('body script, iframe, object, embed, body link, base, meta[http-equiv]').length"
LINKS: Final = "(all) => all.map((each) => each.getAttribute('href'))"


def test_there_are_as_many_as_promised() -> None:
    assert len(set(PAYLOADS)) >= 200


@pytest.fixture(scope="module")
def poisoned() -> "Iterator[House]":
    """A house in which every name is an attack."""
    with Upstream() as upstream, Product() as product:
        houses.claim(product)
        house = houses.House(product, upstream, {})
        product.add_provider("up", upstream.base_url, "--no-probe")
        for place, text in enumerate(ONE_LINE):
            house.keys[text] = house.post("/api/keys", label=text)["plain_key"]
            if place % 4 == 0:
                house.post("/api/projects", name=f"p{place}", title=text, description=text)
                house.post("/api/users", email=f"u{place}@example.org", name=text, role="guest")
        product.cli("models", "add", "up/m")
        fault = {"error": {"message": "".join(PAYLOADS), "type": "<img src=x onerror=alert(1)>", "code": PAYLOADS[0]}}
        for place, (text, key) in enumerate(list(house.keys.items())[:40]):
            if place % 2:
                upstream.script(Reply.json(fault, status=400))
            headers = {"authorization": f"Bearer {key}", "user-agent": text.encode().decode("latin-1", "replace")}
            body = {"model": "up/m", "messages": [{"role": "user", "content": text}]}
            httpx.post(f"{product.base_url}/chat/completions", json=body, headers=headers, timeout=20)
            httpx.post(f"{product.origin}/v1/{'x' * place}", params={"q": text}, json={"model": text}, timeout=20)
        product.wait_calls(40)
        yield house


def unharmed(visitor: "Visitor", dialogs: list[str]) -> None:
    """Nothing ran, nothing was fetched, nothing went elsewhere."""
    assert dialogs == []
    assert visitor.strangers == []
    assert visitor.complaints == []
    assert "owned" not in visitor.page.title()
    assert visitor.page.evaluate(FOREIGN) == 0


@pytest.fixture
def visitor(browser: "Browser", poisoned: "House") -> "Iterator[tuple[Visitor, list[str]]]":
    from tests.e2e.console.visitors import Visitor

    made = Visitor(browser, poisoned.product.console_url)
    dialogs: list[str] = []
    made.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    try:
        houses.log_in(made)
        yield made, dialogs
    finally:
        made.close()


def test_names_are_text_on_every_screen(visitor: "tuple[Visitor, list[str]]") -> None:
    person, dialogs = visitor
    page = person.page
    for path in SCREENS:
        page.goto(path)
        page.get_by_role("heading").first.wait_for()
        page.wait_for_load_state("networkidle")
        table = page.get_by_role("table")
        if path.startswith(("/calls", "/keys", "/projects", "/people", "/audit")) and table.count():
            # Down the list, and into the first and the last row that is drawn.
            for end in ("first", "last"):
                rows = page.get_by_role("row").filter(has=page.get_by_role("cell"))
                getattr(rows, end).click()
                page.wait_for_timeout(50)
                page.keyboard.press("Escape")
            table.first.evaluate("(element) => element.scrollTo(0, element.scrollHeight)")
            page.wait_for_load_state("networkidle")
        unharmed(person, dialogs)


def test_what_a_model_says_is_text_or_plain_markdown(visitor: "tuple[Visitor, list[str]]", poisoned: "House") -> None:
    person, dialogs = visitor
    page = person.page
    for start in range(0, len(PAYLOADS), 50):
        poisoned.upstream.script(Reply.stream("\n\n".join(PAYLOADS[start : start + 50]), "m", (1, 1)))
        page.goto("/playground?models=up/m")
        page.get_by_role("textbox", name="Prompt", exact=True).fill("say it")
        page.keyboard.press("Control+Enter")
        page.get_by_role("region", name="up/m").get_by_text("finished").wait_for()
        unharmed(person, dialogs)
        links = page.get_by_role("region", name="up/m").locator("a[href]").evaluate_all(LINKS)
        assert not [link for link in links if re.match(r"\s*(javascript|data|vbscript):", link, re.IGNORECASE)]
        assert page.locator("main img").count() == 0


def test_what_one_types_oneself_is_text_too(visitor: "tuple[Visitor, list[str]]") -> None:
    person, dialogs = visitor
    page = person.page
    page.goto("/playground?models=sandbox/echo")
    page.get_by_role("textbox", name="Prompt", exact=True).fill("\n".join(PAYLOADS[::7]))
    page.keyboard.press("Control+Enter")
    page.get_by_role("region", name="sandbox/echo").get_by_text("finished").wait_for()
    unharmed(person, dialogs)
    for name in ("find", "q"):
        page.goto(f"/models?{name}=" + json.dumps(PAYLOADS[4]))
        page.wait_for_load_state("networkidle")
    unharmed(person, dialogs)
