"""How fast the console stands before a person: a real Chromium before the real product, each visit in a profile of its own.

    python -m bench.console [--calls N | --history FOLDER] [--rounds N] [--slow]

Without a history the house is nearly empty. `--calls` fills it with so many calls of a quarter (a million takes some minutes); `--history`
takes a copy of a folder that holds such a `sekisho.db` and its key ring as `ring`. A cold visit has nothing in its cache; the figures are
the browser's own (paint timing), medians of the rounds. `--slow` adds visits over a line of 10 Mbit/s and 40 ms. Nothing is asserted.
"""

import argparse
import asyncio
import datetime
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, Page, sync_playwright
from rich.console import Console
from tests.e2e.console import houses
from tests.e2e.console.visitors import launch
from tests.support import histories
from tests.support.product import Product, eventually

from bench import machine
from bench.results import Budget, Report, Row

RESULTS: Final = Path(__file__).parent / "results" / "console"
PAINT: Final = Budget(goal=1500, must=3000)
"""Milliseconds; DESIGN.md 4, the console's page."""
SLOW: Final = {"offline": False, "latency": 40, "downloadThroughput": 10_000_000 / 8, "uploadThroughput": 10_000_000 / 8}
SCROLL_ROWS: Final = 3000
WIDTH: Final = 160
"""Columns of the printed table."""
FRAME_MS: Final = 1000 / 60

WATCH: Final = """
window.__seen = { largest: 0, ready: 0 };
new PerformanceObserver((list) => { for (const each of list.getEntries()) window.__seen.largest = each.startTime; })
    .observe({ type: 'largest-contentful-paint', buffered: true });
(function look() {
    const main = document.querySelector('main');
    const stands = main !== null && main.querySelector('[aria-busy=true]') === null && main.innerText.trim().length > 80;
    if (stands && window.__seen.ready === 0) window.__seen.ready = performance.now();
    if (window.__seen.ready === 0) requestAnimationFrame(look);
})();
"""
"""When a screen stands: nothing is awaited any more, and there is something to read."""

SCROLL: Final = """
async (rows) => {
    const list = document.querySelector('[role=table]');
    const frames = [];
    let last = performance.now(), still = 0;
    while (list.scrollTop < rows * 32 && still < 240) {
        const before = list.scrollTop;
        list.scrollTop += 96;
        still = list.scrollTop === before ? still + 1 : 0;
        const now = await new Promise(requestAnimationFrame);
        frames.push(now - last);
        last = now;
    }
    return { frames, rows: Math.round(list.scrollTop / 32), drawn: list.querySelectorAll('[role=row]').length };
}
"""


class Visit:
    """One page in one profile, with what came over the wire."""

    def __init__(self, browser: Browser, origin: str, state: Any = None, *, slow: bool = False) -> None:
        self.context = browser.new_context(
            base_url=origin, storage_state=state, viewport={"width": 1280, "height": 800}, locale="en-GB", timezone_id="Asia/Tokyo"
        )
        self.context.add_init_script(WATCH)
        self.page: Page = self.context.new_page()
        self.bytes = 0.0
        self.requests = 0
        session = self.context.new_cdp_session(self.page)
        session.send("Network.enable")
        if slow:
            session.send("Network.emulateNetworkConditions", SLOW)
        session.on("Network.loadingFinished", self._finished)

    def _finished(self, event: dict[str, Any]) -> None:
        self.requests += 1
        self.bytes += event["encodedDataLength"]

    def go(self, path: str, *, figures: bool) -> dict[str, float]:
        """Milliseconds since the address was entered; kilobytes and requests until nothing was under way."""
        self.bytes, self.requests = 0.0, 0
        self.page.goto(path)
        self.page.locator("h1, h2").first.wait_for()
        if figures:
            eventually(lambda: self.page.evaluate("window.__seen.ready") > 0, f"{path} to stand", 60)
        self.page.wait_for_load_state("networkidle")
        seen = self.page.evaluate(
            "({ ...window.__seen, first: performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? performance.now() })"
        )
        found = {"first paint": seen["first"], "largest paint": seen["largest"], "kB": self.bytes / 1000, "requests": self.requests}
        return {**found, "figures": seen["ready"]} if figures else found


def row(name: str, title: str, unit: str, readings: Sequence[float], budget: Budget | None = None) -> Row:
    return Row(name, title, unit, ours=list(readings), budget=budget)


def visits(browser: Browser, origin: str, state: Any, rounds: int, *, slow: bool) -> list[Row]:
    """A stranger's, an owner's, and the owner's second."""
    kinds: dict[str, list[dict[str, float]]] = {"login": [], "overview": [], "again": []}
    for _ in range(rounds):
        stranger = Visit(browser, origin, slow=slow)
        kinds["login"].append(stranger.go("/login", figures=False))
        stranger.context.close()
        owner = Visit(browser, origin, state, slow=slow)
        kinds["overview"].append(owner.go("/", figures=True))
        kinds["again"].append(owner.go("/", figures=True))
        owner.context.close()
    titles = {"login": "login, cold", "overview": "Overview, cold", "again": "Overview, second visit"}
    line = ", 10 Mbit/s, 40 ms" if slow else ""
    found = []
    for kind, readings in kinds.items():
        for name, unit in (("first paint", "ms"), ("largest paint", "ms"), ("figures", "ms"), ("kB", "kB"), ("requests", "")):
            if name in readings[0]:
                budget = PAINT if name == "first paint" else None
                title = f"{titles[kind]}{line}: {'over the wire' if name == 'kB' else name}"
                found.append(
                    row(f"{kind}{'-slow' if slow else ''}-{name.replace(' ', '-')}", title, unit, [each[name] for each in readings], budget)
                )
    return found


def screens(browser: Browser, origin: str, state: Any, rounds: int) -> list[Row]:
    """Screens that read much, each opened cold; and a long way through the list of calls."""
    found = []
    for name, path in (("usage", "/usage?range=30d"), ("calls", "/calls")):
        readings = []
        for _ in range(rounds):
            visit = Visit(browser, origin, state)
            readings.append(visit.go(path, figures=True)["figures"])
            visit.context.close()
        found.append(row(f"{name}-figures", f"{path}, cold: figures", "ms", readings))
    visit = Visit(browser, origin, state)
    visit.go("/calls", figures=True)
    told = visit.page.evaluate(SCROLL, SCROLL_ROWS)
    visit.context.close()
    frames: list[float] = told["frames"]
    dropped = sum(max(0, round(each / FRAME_MS) - 1) for each in frames)
    shown = row(
        "scroll",
        f"scrolling through {told['rows']:,} calls, 3 rows a frame: frames dropped",
        "%",
        [100 * dropped / (dropped + len(frames))],
    )
    shown.notes.append(f"{len(frames)} frames painted, the longest after {max(frames):.0f} ms, {told['drawn']} rows drawn at a time")
    return [*found, shown]


def serve(folder: Path, calls: int, history: Path | None) -> Product:
    """The product with its history and an owner, running."""
    home = folder / "home"
    product = Product(home)
    if history is not None:
        home.mkdir(mode=0o700)
        shutil.copyfile(history / "sekisho.db", home / "sekisho.db")
        (home / "secret.key").touch(0o600)
        (home / "secret.key").write_text((history / "ring").read_text())
    product.start(wait=False)
    try:
        # A copy of an older schema is brought to the present one first.
        product.wait_ready(600)
        houses.claim(product)
    except BaseException:
        product.stop()
        raise
    if calls and history is None:
        product.stop()
        asyncio.run(histories.main(f"sqlite:///{home / 'sekisho.db'}", calls))
        product.start()
    return product


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.console", description="Time the console in a real Chromium.")
    parser.add_argument("--rounds", type=int, default=5, help="visits of each kind (5)")
    parser.add_argument("--calls", type=int, default=0, metavar="N", help="fill the house with so many calls first")
    parser.add_argument("--history", type=Path, metavar="FOLDER", help="a folder with sekisho.db and ring; it is copied")
    parser.add_argument("--slow", action="store_true", help="also over 10 Mbit/s with 40 ms")
    options = parser.parse_args(arguments)
    folder = Path(tempfile.mkdtemp(prefix="sekisho-bench-console-"))
    console = Console(width=max(Console().width, WIDTH))
    try:
        product = serve(folder, options.calls, options.history)
        try:
            with sync_playwright() as playwright:
                browser = launch(playwright)
                before = browser.new_context(base_url=product.console_url)
                page = before.new_page()
                page.goto("/login")
                page.locator("input[autocomplete=username]").fill(houses.EMAIL)
                page.locator("input[autocomplete=current-password]").fill(houses.PASSWORD)
                page.locator("button[type=submit]").click()
                page.wait_for_url(lambda address: "/login" not in address)
                state = before.storage_state()
                before.close()
                chromium = browser.version
                rows = visits(browser, product.console_url, state, options.rounds, slow=False)
                if options.slow:
                    rows += visits(browser, product.console_url, state, options.rounds, slow=True)
                number = _calls_in(product)
                if number > SCROLL_ROWS:
                    rows += screens(browser, product.console_url, state, options.rounds)
                browser.close()
        finally:
            product.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    report = Report(
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        commit=machine.commit(),
        machine={**machine.describe({}), "chromium": chromium},
        settings={"rounds": options.rounds, "calls": number},
        warnings=[],
        rows=rows,
    )
    console.print(report.render())
    for path in report.keep(RESULTS):
        console.print(f"kept: {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")
    return 0


def _calls_in(product: Product) -> int:
    return int(houses.House(product, None, {}).get("/api/calls/count")["count"])  # type: ignore[arg-type]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
