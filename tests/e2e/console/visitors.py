"""A person at a browser who notices everything: what the console complains of, what it asks for in vain, and where it asks."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, Request, Response

ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--font-render-hinting=none",
)
PATIENCE_MS: Final = 30_000
"""How long something may take to show; for slow machines, never a figure that is measured."""
WIDTHS: Final = {375: 812, 768: 1024, 1280: 800, 1920: 1080, 3840: 2160}
"""Screens by their width, with their height."""
AXE: Final = Path(__file__).parents[3] / "console" / "node_modules" / "axe-core" / "axe.min.js"


def launch(playwright: Playwright) -> Browser:
    """Debian's Chromium; `playwright` brings none and downloads none."""
    return playwright.chromium.launch(executable_path="/usr/bin/chromium", args=list(ARGUMENTS))


class Visitor:
    """One person with one page; `complaints` must be empty at the end, but for what was announced with `expecting`."""

    def __init__(
        self, browser: Browser, origin: str, *, language: str = "en", theme: str = "light", width: int = 1280, **more: Any
    ) -> None:
        self.origin = origin
        self.language = language
        self._expected: list[re.Pattern[str]] = []
        self.complaints: list[str] = []
        self.strangers: list[str] = []
        """Addresses of other hosts that the page asked for."""
        self.context = browser.new_context(
            base_url=origin,
            locale={"en": "en-GB", "ja": "ja-JP"}[language],
            color_scheme="dark" if theme == "dark" else "light",
            viewport={"width": width, "height": WIDTHS[width]},
            has_touch=width < 720,
            timezone_id="Asia/Tokyo",
            **more,
        )
        self.context.set_default_timeout(PATIENCE_MS)
        self.page: Page = self.context.new_page()
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self._complain(f"error: {error}"))
        self.page.on("request", self._asked)
        self.page.on("requestfailed", self._failed)
        self.page.on("response", self._answered)

    # What it notices

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._complain(f"{message.type}: {message.text}")

    def _asked(self, request: Request) -> None:
        if urlsplit(request.url).netloc != urlsplit(self.origin).netloc and not request.url.startswith(("data:", "blob:")):
            self.strangers.append(request.url)

    def _failed(self, request: Request) -> None:
        # A page that is left takes its unfinished requests with it.
        if request.failure != "net::ERR_ABORTED":
            self._complain(f"failed: {request.method} {request.url}: {request.failure}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self._complain(f"{response.status}: {response.request.method} {response.url}")

    def _complain(self, what: str) -> None:
        if not any(pattern.search(what) for pattern in self._expected):
            self.complaints.append(what)

    @contextmanager
    def expecting(self, *patterns: str) -> Iterator[None]:
        """Inside, complaints that match one of these are what the test is about."""
        added = [re.compile(each) for each in patterns]
        self._expected += added
        try:
            yield
            # What was begun inside is told by the browser a moment later.
            self.page.wait_for_load_state("networkidle")
        finally:
            self._expected = [each for each in self._expected if each not in added]

    def is_content(self) -> None:
        """Fail where the page complained, asked a stranger, or scrolls sideways."""
        found = [*self.complaints, *(f"asked {stranger}" for stranger in self.strangers)]
        assert not found, "\n".join(found)
        assert self.sideways() == 0, f"{self.sideways()} px wider than the window"

    def sideways(self) -> int:
        """Pixels by which the page is wider than its window."""
        return int(self.page.evaluate("Math.max(0, document.documentElement.scrollWidth - window.innerWidth)"))

    def barriers(self) -> list[str]:
        """What axe finds on the present page, in one line each."""
        # By evaluation, which the policy allows to a debugger; a script element it would refuse, as it should.
        self.page.evaluate(AXE.read_text())
        found = self.page.evaluate("axe.run({ resultTypes: ['violations'] })")
        return [
            f"{each['impact']} {each['id']}: {' | '.join(' '.join(map(str, node['target'])) for node in each['nodes'][:3])}"
            for each in found["violations"]
            if each["impact"] in ("serious", "critical")
        ]

    # What it does

    def see(self, text: str | re.Pattern[str]) -> None:
        """Wait until a text is to be seen."""
        self.page.get_by_text(text).locator("visible=true").first.wait_for()

    def press(self, name: str | re.Pattern[str], *, exact: bool = False) -> None:
        """Click the button of this name; in a dialog where one is open."""
        dialogs = self.page.get_by_role("dialog")
        where: Any = dialogs.last if dialogs.count() else self.page
        where.get_by_role("button", name=name, exact=exact).locator("visible=true").first.click()

    def settle(self) -> None:
        """Wait until the page's type is loaded and two frames are painted."""
        self.page.evaluate(
            "document.fonts.ready.then(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))))"
        )

    def close(self) -> None:
        self.context.close()


def row_of(page: Page, text: str) -> Any:
    """The row of a list that holds a text, once it is there."""
    found = page.get_by_role("row").filter(has_text=text).first
    found.wait_for()
    return found


def secret_of(page: Page) -> str:
    """What is shown this once."""
    shown = page.locator("[data-secret]").last
    shown.wait_for()
    return shown.inner_text().strip()
