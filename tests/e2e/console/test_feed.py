"""The live feed before a real browser: whatever becomes of the connection, the list has every call once, and says what it does not show."""

import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.e2e.console import houses
from tests.e2e.console.between import Between
from tests.support.product import Product, eventually

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.e2e.console.houses import House
    from tests.e2e.console.visitors import Visitor

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

LOST: Final = ("ERR_", "WebSocket", "status of 5", "50[0-9]: ")
"""What a browser complains of while there is no connection."""
TIMES: Final = """[...document.querySelectorAll('[role=table] [role=row][aria-rowindex]')].map((row) =>
    row.querySelector('[role=cell] [title]').title + row.querySelector('[role=cell]').innerText)"""


@pytest.fixture
def quiet() -> "Iterator[House]":
    """A house that only the test's own calls go through."""
    with Product() as product:
        houses.claim(product)
        house = houses.House(product, None, {})  # type: ignore[arg-type]
        house.keys["a"] = house.post("/api/keys", label="a", project="default")["plain_key"]
        yield house


def calls_through(house: "House", count: int) -> None:
    """So many calls at once; returns when all are recorded."""
    before = total(house)
    with ThreadPoolExecutor(8) as several:
        told = list(several.map(lambda _: house.call(house.keys["a"]).status_code, range(count)))
    assert set(told) == {200}
    eventually(lambda: total(house) == before + count, "their records", 30)


def total(house: "House") -> int:
    return int(house.get("/api/calls/count")["count"])


def answers(house: "House") -> bool:
    """Whether the node listens; a client that asked in vain would leave its socket behind."""
    with socket.socket(socket.AF_UNIX) as tried:
        return tried.connect_ex(str(house.product.home / "run" / "node.sock")) == 0


def is_whole(visitor: "Visitor", house: "House") -> None:
    """The list has each call of the database once: by its number, and row by row."""
    visitor.see(re.compile(rf"^{total(house)} calls$"))
    told = [call["started_at"] for call in house.get("/api/calls", limit=1000)["calls"]]
    rows = eventually(lambda: len(found := times(visitor)) == len(told) and found, "all rows", 30, explain=lambda: str(times(visitor)))
    # Milliseconds tell calls apart well enough: with one twice, another would be lacking.
    assert sorted(row[-12:] for row in rows) == sorted(in_tokyo(at) for at in told)


def times(visitor: "Visitor") -> list[str]:
    return list(visitor.page.evaluate(TIMES))


def in_tokyo(at: str) -> str:
    hour, rest = at[11:13], at[13:23]
    return f"{(int(hour) + 9) % 24:02d}{rest}"


def is_live(visitor: "Visitor") -> None:
    visitor.page.locator("header").get_by_text("Live", exact=True).wait_for()


def come_in(browser: "Browser", address: str, path: str = "/calls", **more: Any) -> "Visitor":
    from tests.e2e.console.visitors import Visitor

    visitor = Visitor(browser, address, **more)
    houses.log_in(visitor, path=path)
    # Where the pointer rests nothing moves; here it rests on the menu.
    visitor.page.mouse.move(5, 400)
    return visitor


def test_a_cut_line_shows_itself_heals_and_loses_no_call(browser: "Browser", quiet: "House") -> None:
    calls_through(quiet, 3)
    with Between(quiet.product.console_port) as line:
        visitor = come_in(browser, line.url)
        try:
            is_live(visitor)
            calls_through(quiet, 2)
            is_whole(visitor, quiet)
            with visitor.expecting(*LOST):
                with line.cut():
                    visitor.see("No connection since")
                    calls_through(quiet, 4)
                is_live(visitor)
                is_whole(visitor, quiet)
                with line.cut():
                    calls_through(quiet, 1)
                is_live(visitor)
                is_whole(visitor, quiet)
            calls_through(quiet, 2)
            is_whole(visitor, quiet)
            visitor.is_content()
        finally:
            visitor.close()


def test_a_restarted_server_is_a_gap_that_the_list_fills(browser: "Browser", quiet: "House") -> None:
    """Its numbers are new ones, so the feed cannot go on; the drawer that is open stays, and what came waits until it is asked for."""
    calls_through(quiet, 3)
    visitor = come_in(browser, quiet.product.console_url)
    try:
        is_live(visitor)
        visitor.page.get_by_role("row").nth(1).click()
        visitor.page.get_by_role("complementary").wait_for()
        with visitor.expecting(*LOST):
            quiet.product.restart()
            eventually(lambda: answers(quiet), "the node", 30)
            calls_through(quiet, 4)
            visitor.page.get_by_role("button", name="4 new").wait_for()
            assert visitor.page.get_by_role("complementary").is_visible()
            assert len(times(visitor)) == 3
        visitor.page.get_by_role("button", name="4 new").click()
        visitor.page.keyboard.press("Escape")
        is_whole(visitor, quiet)
        is_live(visitor)
        calls_through(quiet, 2)
        is_whole(visitor, quiet)
        visitor.is_content()
    finally:
        visitor.close()


@pytest.mark.parametrize(("language", "says"), [("en", r"showing 1 in \d+ of the new ones"), ("ja", r"新着は\d+件に1件を表示")])
def test_a_rush_is_shown_in_part_said_so_and_made_whole(browser: "Browser", quiet: "House", language: str, says: str) -> None:
    visitor = come_in(browser, quiet.product.console_url, language=language)
    try:
        visitor.page.locator("header").get_by_text({"en": "Live", "ja": "ライブ"}[language], exact=True).wait_for()
        seen: list[str] = []
        for _ in range(20):
            # Faster than one can look: more than twenty in one second. A machine that stands still may need another try.
            calls_through(quiet, 120)
            found = visitor.page.get_by_text(re.compile(says))
            if found.count():
                seen.append(found.first.inner_text())
                break
        assert seen
        eventually(lambda: visitor.page.get_by_text(re.compile(says)).count() == 0, "its end", 30)
        newest = [in_tokyo(call["started_at"]) for call in quiet.get("/api/calls", limit=15)["calls"]]
        rows = lambda: [each[-12:] for each in times(visitor)[:15]]  # noqa: E731
        eventually(lambda: rows() == newest, "the whole list", 30, explain=lambda: f"{rows()}, not {newest}")
        visitor.is_content()
    finally:
        visitor.close()


def test_after_a_login_over_the_page_the_feed_goes_on(browser: "Browser", quiet: "House") -> None:
    calls_through(quiet, 2)
    visitor = come_in(browser, quiet.product.console_url)
    page = visitor.page
    try:
        is_live(visitor)
        me = next(user for user in quiet.get("/api/users")["users"] if user["email"] == houses.EMAIL)
        with visitor.expecting("401", "status of 401", "WebSocket"):
            for session in quiet.get(f"/api/users/{me['id']}/sessions")["sessions"]:
                with quiet._api() as client:
                    client.delete(f"/api/users/{me['id']}/sessions/{session['id']}")
            # Nobody touches the page: the feed itself finds out.
            visitor.see("Your session ended")
            calls_through(quiet, 3)
            page.locator("input[autocomplete=username]").fill(houses.EMAIL)
            page.locator("input[autocomplete=current-password]").fill(houses.PASSWORD)
            page.keyboard.press("Enter")
            page.get_by_text("Your session ended").wait_for(state="hidden")
        is_live(visitor)
        calls_through(quiet, 1)
        is_whole(visitor, quiet)
        visitor.is_content()
    finally:
        visitor.close()


def test_a_server_without_the_feed_is_asked_each_second_until_it_has_one(browser: "Browser", quiet: "House") -> None:
    """Where something between lets no WebSocket through, the tail of calls is asked for, and nothing is missing either."""
    from tests.e2e.console.visitors import Visitor

    visitor = Visitor(browser, quiet.product.console_url)
    blocked = True
    visitor.page.route_web_socket("**/api/live*", lambda page: page.close() if blocked else page.connect_to_server())
    try:
        with visitor.expecting("WebSocket"):
            houses.log_in(visitor, path="/calls")
            visitor.page.mouse.move(5, 400)
            visitor.see("Live, each second")
            began = time.monotonic()
            calls_through(quiet, 3)
            is_whole(visitor, quiet)
            assert time.monotonic() - began < 60
            blocked = False
            is_live(visitor)
        calls_through(quiet, 2)
        is_whole(visitor, quiet)
        visitor.is_content()
    finally:
        visitor.close()
