"""One browser for all visits, and one house with an owner, an upstream, people and calls for all acts."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.support import requires

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.e2e.console.houses import House
    from tests.e2e.console.visitors import Visitor


@pytest.fixture(scope="package")
def browser() -> "Iterator[Browser]":
    """A real Chromium."""
    requires.chromium()
    from playwright.sync_api import sync_playwright

    from tests.e2e.console.visitors import launch

    with sync_playwright() as playwright:
        launched = launch(playwright)
        yield launched
        launched.close()


@pytest.fixture(scope="package")
def house() -> "Iterator[House]":
    """A product that is lived in. Acts leave what they make behind; none relies on another."""
    from tests.e2e.console.houses import open_house

    with open_house() as opened:
        yield opened


@pytest.fixture
def owner(browser: "Browser", house: "House") -> "Iterator[Visitor]":
    """The owner, logged in; at the end nothing may have gone wrong in their browser."""
    from tests.e2e.console import houses
    from tests.e2e.console.visitors import Visitor

    visitor = Visitor(browser, house.product.console_url)
    try:
        houses.log_in(visitor)
        yield visitor
        visitor.is_content()
    finally:
        visitor.close()
