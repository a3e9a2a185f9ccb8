"""A guest makes no keys: they see those of their projects, and the playground calls with one that somebody gave them."""

from typing import TYPE_CHECKING

import pytest

from tests.e2e.console import houses
from tests.support.product import eventually

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.e2e.console.houses import House

pytestmark = pytest.mark.e2e


def test_a_guest_looks_at_keys_and_calls_with_one_they_were_given(browser: "Browser", house: "House") -> None:
    from tests.e2e.console.visitors import Visitor, row_of

    visitor = Visitor(browser, house.product.console_url)
    page = visitor.page
    try:
        houses.log_in(visitor, "gus@example.org")
        page.goto("/keys")
        row_of(page, "ci-review").click()
        drawer = page.get_by_role("complementary")
        drawer.get_by_text("sk-sek-").first.wait_for()
        assert page.get_by_text("web-chat").count() == 0, "a key of a project that is not theirs"
        assert drawer.get_by_role("button", name="Rotate").count() == drawer.get_by_role("button", name="Revoke").count() == 0
        assert page.get_by_role("button", name="Create key").count() == 0

        page.goto("/playground?models=sandbox/echo")
        prompt = page.get_by_role("textbox", name="Prompt", exact=True)
        prompt.fill("who goes there?")
        page.keyboard.press("Control+Enter")
        visitor.see("Paste the key that somebody gave you; it begins with sk-sek-.")
        assert prompt.input_value() == "who goes there?", "nothing that was typed is lost"
        page.get_by_label("Key", exact=True).fill(house.keys["ci-review"])
        prompt.press("Control+Enter")
        page.get_by_role("region", name="sandbox/echo").get_by_text("finished").wait_for()
        made = [key["label"] for key in house.get("/api/keys")["api_keys"] if (key["created_by"] or {}).get("email") == "gus@example.org"]
        assert made == []
        eventually(lambda: house.product.calls()[0]["key_label"] == "ci-review", "the call's record")
        visitor.is_content()
    finally:
        visitor.close()
