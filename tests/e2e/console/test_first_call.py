"""From an empty home to one's own first call, seen live, as a person clicks it. Its pictures stand in the tutorial.

With `SEKISHO_CONSOLE_PICTURES` the pictures are written into that directory (`make console-pictures`).
"""

import base64
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.console import houses
from tests.support.product import Product, eventually

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator

    from tests.e2e.console.visitors import Visitor

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

MASK = "document.querySelectorAll('[data-secret]').forEach((each) => (each.textContent = 'sk-sek-' + '•'.repeat(24)))"
"""No secret stands in a picture, not even one that opens nothing any more."""

WORDS = {
    "en": {"hello": "Become the owner", "passed": "It passed", "arrived": "It just arrived in Calls", "passing": "Traffic is passing."},
    "ja": {"hello": "所有者になる", "passed": "通りました", "arrived": "「コール」に届きました", "passing": "コールは通っています。"},
}


@pytest.mark.parametrize("language", ["en", "ja"])
def test_from_the_printed_link_to_a_call_that_is_seen_live(browser: "Browser", language: str) -> None:
    from tests.e2e.console.visitors import Visitor

    words = WORDS[language]
    with Product() as product:
        link = houses.setup_link(product)
        visitor = Visitor(browser, product.console_url, language=language)
        page = visitor.page
        try:
            page.goto(link)
            visitor.see(words["hello"])
            assert page.locator("html").get_attribute("lang") == language
            page.wait_for_url("**/setup")  # the one-time word does not stay in the address
            page.locator("input[autocomplete=name]").fill(houses.NAME)
            page.locator("input[autocomplete=username]").fill(houses.EMAIL)
            page.locator("input[autocomplete=new-password]").fill(houses.PASSWORD)
            picture(visitor, "setup-owner")
            page.locator("button[type=submit]").click()

            step(visitor, 2).get_by_role("button").first.click()
            step(visitor, 3).get_by_role("button").first.click()
            step(visitor, 4).get_by_role("textbox").locator("xpath=following-sibling::button").click()
            visitor.see(words["passed"])
            visitor.see(words["arrived"])
            picture(visitor, "setup-call")

            page.locator("footer button").click()
            visitor.see(words["passing"])
            visitor.page.locator("canvas").first.wait_for()
            picture(visitor, "overview")
            page.keyboard.press("g")
            page.keyboard.press("c")
            page.wait_for_url("**/calls")
            row = page.get_by_role("row").filter(has_text="sandbox/lorem")
            row.wait_for()
            row.click()
            page.get_by_role("complementary").wait_for()
            picture(visitor, "call")

            [call] = product.calls()
            assert (call["model"], call["status"], call["http_status"]) == ("sandbox/lorem", "completed", 200)
            assert page.url.endswith(call["id"])
            assert "Mozilla" in call["user_agent"]
            kept = page.evaluate("JSON.stringify(localStorage) + JSON.stringify(sessionStorage) + location.href + document.cookie")
            assert "sk-sek-" not in kept
            assert link.partition("#")[2] not in kept
            visitor.is_content()
        finally:
            visitor.close()


def test_the_link_opens_once(browser: "Browser") -> None:
    """Whoever comes second is told so, and what they typed is not lost."""
    from tests.e2e.console.visitors import Visitor

    with Product() as product:
        link = houses.setup_link(product)
        late = Visitor(browser, product.console_url)
        try:
            late.page.goto(link)
            late.page.locator("input[autocomplete=name]").fill("Late")
            late.page.locator("input[autocomplete=username]").fill("late@example.org")
            late.page.locator("input[autocomplete=new-password]").fill("somebody was quicker")
            houses.claim(product)
            with late.expecting("409", "status of 409"):
                late.page.locator("button[type=submit]").click()
                late.page.get_by_role("alert").first.wait_for()
            assert late.page.locator("input[autocomplete=name]").input_value() == "Late"
            late.page.goto("/")
            late.page.wait_for_url("**/login")
            late.is_content()
        finally:
            late.close()
        [owner] = eventually(lambda: houses.House(product, None, {}).get("/api/users")["users"], "the owner")
        assert (owner["email"], owner["role"]) == (houses.EMAIL, "owner")


def step(visitor: "Visitor", number: int) -> "Locator":
    """The step that is to be done now, once it is this one."""
    found = visitor.page.locator(f"li[aria-current=step]:nth-child({number})")
    found.wait_for()
    return found


def picture(visitor: "Visitor", name: str) -> None:
    """Keep what is seen, where pictures are wanted."""
    visitor.settle()
    directory = os.environ.get("SEKISHO_CONSOLE_PICTURES")
    if directory:
        visitor.page.wait_for_timeout(600)  # for the eye: everything has come to rest
        visitor.page.evaluate(MASK)
        taken = visitor.context.new_cdp_session(visitor.page).send("Page.captureScreenshot", {"format": "webp", "quality": 82})
        Path(directory).mkdir(parents=True, exist_ok=True)
        (Path(directory) / f"{name}-{visitor.language}.webp").write_bytes(base64.b64decode(taken["data"]))
