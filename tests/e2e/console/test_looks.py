"""Every screen of the manifest as it looks: no complaint of the browser, no barrier that axe finds serious, nothing sideways.

Three windows that differ in width, language and theme are looked at here. `SEKISHO_CONSOLE_LOOKS=all` looks at the whole matrix, a value
such as `375-en-dark` at that window alone; `SEKISHO_CONSOLE_PICTURES` names a directory for the pictures (`make console-looks`).
"""

import itertools
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.e2e.console import houses

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.e2e.console.houses import House
    from tests.e2e.console.visitors import Visitor

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

ROOT: Final = Path(__file__).parents[3]
FEW: Final = ((375, "ja", "dark"), (1280, "en", "light"), (1920, "ja", "light"))
ALL: Final = tuple(itertools.product((375, 768, 1280, 1920, 3840), ("en", "ja"), ("light", "dark")))
WANTED: Final = os.environ.get("SEKISHO_CONSOLE_LOOKS", "")
LOOKS: Final = [each for each in ALL if WANTED == "all" or "-".join(map(str, each)) == WANTED] if WANTED else FEW
SHIFT: Final = 0.02
"""The most that what one reads may move while a screen is built (CLS). Looked at in English: Japanese type arrives in parts, and a machine
without any of its own shows boxes until then."""

WATCH: Final = """
window.__shift = 0;
new PerformanceObserver((list) => { for (const each of list.getEntries()) if (!each.hadRecentInput) window.__shift += each.value; })
    .observe({ type: "layout-shift", buffered: true });
"""


def screens() -> list[str]:
    """The addresses of the manifest, as it stands in the sources."""
    return re.findall(r'id: "\w+", path: "(/[^"]*)", to:', (ROOT / "console" / "src" / "app" / "manifest.ts").read_text())


def test_the_manifest_is_read() -> None:
    assert {"/", "/calls", "/keys", "/people", "/audit", "/settings"} <= set(screens())


@pytest.mark.parametrize(("width", "language", "theme"), LOOKS, ids=lambda value: str(value))
def test_every_screen_looks_right(browser: "Browser", house: "House", width: int, language: str, theme: str) -> None:
    from tests.e2e.console.visitors import Visitor

    visitor = Visitor(browser, house.product.console_url, language=language, theme=theme, width=width)
    wrong: list[str] = []
    try:
        visitor.page.add_init_script(WATCH)
        visitor.page.goto("/login")
        wrong += look(visitor, "/login")
        houses.log_in(visitor)
        for path in (
            *screens(),
            "/settings?tab=installation",
            "/people?tab=invitations",
            "/people?tab=issuers",
            "/people?tab=issuers&add=1",
            "/keys?create=1",
            "/calls?export=1",
            "/apis?create=1",
        ):
            visitor.page.goto(path)
            wrong += look(visitor, path)
        for path in ("/calls", "/apis", "/keys", "/people", "/projects", "/audit"):
            visitor.page.goto(path)
            visitor.page.get_by_role("row").filter(has=visitor.page.get_by_role("cell")).first.click()
            visitor.page.get_by_role("complementary").wait_for()
            wrong += look(visitor, f"{path} opened", moved=False)
    finally:
        visitor.close()
    found = wrong + visitor.complaints + visitor.strangers
    assert not found, "\n".join(found)


def look(visitor: "Visitor", name: str, *, moved: bool = True) -> list[str]:
    """What is wrong with the present page, in sentences; keeps its picture where pictures are wanted."""
    page = visitor.page
    page.get_by_role("heading").first.wait_for()
    page.wait_for_load_state("networkidle")
    page.locator("[aria-busy=true]").first.wait_for(state="hidden")
    visitor.settle()
    wrong = [f"{name}: {each}" for each in visitor.barriers()]
    if (sideways := visitor.sideways()) > 0:
        wrong.append(f"{name}: {sideways} px wider than the window")
    shift = page.evaluate("window.__shift ?? 0")
    if moved and visitor.language == "en" and shift > SHIFT:
        wrong.append(f"{name}: what one reads moved by {shift:.3f}")
    directory = os.environ.get("SEKISHO_CONSOLE_PICTURES")
    if directory:
        Path(directory).mkdir(parents=True, exist_ok=True)
        plain = re.sub(r"\W+", "-", name).strip("-") or "overview"
        size = page.viewport_size or {"width": 0}
        theme = page.locator("html").get_attribute("data-theme")
        page.screenshot(path=Path(directory) / f"{plain}-{visitor.language}-{theme}-{size['width']}.png")
    return wrong
