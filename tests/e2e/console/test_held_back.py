"""With the management API held back two seconds, every act of the manifest shows within 100 ms that it was heard (MISSION J12).

The page is the built one before the real product; a line between them makes each request to `/api` wait. The live feed is silent meanwhile,
so that nothing on the page moves by itself. Times are the page's own, from the act to the frame in which something changed.
"""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import pytest

from tests.e2e.console import houses
from tests.e2e.console.acts import WATCH, Stalls, taken
from tests.e2e.console.between import Between

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.e2e.console.houses import House
    from tests.e2e.console.visitors import Visitor

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

HELD_BACK: Final = 2.0
SOON_MS: Final = 100


def test_every_act_shows_itself_before_the_server_answers(browser: "Browser", house: "House") -> None:
    from tests.e2e.console.visitors import Visitor

    with Between(house.product.console_port) as line, Stalls() as stalls:
        line.silent = True
        visitor = Visitor(browser, line.url)
        visitor.page.add_init_script(WATCH)
        visitor.context.set_default_timeout(60_000)
        try:
            visitor.page.goto("/login")
            line.held_back = HELD_BACK
            # The silent feed is given up after a while, and tried again.
            with visitor.expecting("WebSocket"):
                for flow in FLOWS:
                    flow(visitor, house)
                    # Until all is answered, so that what is late is late in its own flow.
                    visitor.page.wait_for_load_state("networkidle")
                    visitor.settle()
            acts = taken(visitor.page)
            visitor.is_content()
        finally:
            line.held_back = 0.0
            visitor.close()
    print("\n".join(f"{'-' if act.ms is None else round(act.ms):>6} ms  {act.name}" for act in acts))
    assert len(acts) > 60
    nothing = [act.name for act in acts if act.ms is None]
    assert not nothing, "nothing was to be seen of:\n" + "\n".join(nothing)
    waited = [act.name for act in acts if act.answered]
    assert not waited, "these wait for the server:\n" + "\n".join(waited)
    slow = [f"{act.ms:.0f} ms: {act.name}" for act in acts if act.ms is not None and act.ms > SOON_MS and not stalls.within(act)]
    # Where the processor is shared with others a frame comes late, whatever the page does; where it is not, none does.
    assert len(slow) <= len(acts) / 4, "\n".join(slow)


# What a person does, screen by screen. Where one begins with an address, the screen stands before the acts are counted.


def opened(visitor: "Visitor", path: str) -> "Page":
    page = visitor.page
    page.goto(path)
    page.get_by_role("heading", level=1).wait_for()
    page.wait_for_load_state("networkidle")
    return page


def log_in(visitor: "Visitor", house: "House") -> None:
    page = visitor.page
    page.locator("input[autocomplete=username]").fill(houses.EMAIL)
    page.locator("input[autocomplete=current-password]").fill(houses.PASSWORD)
    page.locator("button[type=submit]").click()
    page.wait_for_url(lambda address: "/login" not in address)
    page.get_by_role("navigation", name="Main menu").first.wait_for()


def walk(visitor: "Visitor", house: "House") -> None:
    """Every other screen by the menu, before what it shows is there."""
    page = opened(visitor, "/")
    menu = page.get_by_role("navigation", name="Main menu").first
    for place in range(1, menu.get_by_role("link").count()):
        menu.get_by_role("link").nth(place).click()
        page.wait_for_load_state("networkidle")


def overview(visitor: "Visitor", house: "House") -> None:
    page = opened(visitor, "/")
    page.get_by_role("radio", name="7 d").or_(page.get_by_role("button", name="7 d")).first.click()
    page.wait_for_load_state("networkidle")
    visitor.press("Pause")
    visitor.press("Resume")
    page.get_by_role("button", name=re.compile("Search")).first.click()
    page.get_by_role("combobox").fill("doctor")
    page.keyboard.press("Enter")
    page.wait_for_load_state("networkidle")


def playground(visitor: "Visitor", house: "House") -> None:
    page = opened(visitor, "/playground?models=sandbox/lorem")
    page.get_by_role("textbox", name="Prompt", exact=True).fill("hello")
    visitor.press("Send")
    page.get_by_role("region", name="sandbox/lorem").get_by_text("finished").wait_for()


def calls(visitor: "Visitor", house: "House") -> None:
    from tests.e2e.console.visitors import row_of

    page = opened(visitor, "/calls")
    row_of(page, "sandbox/error-429").click()
    page.get_by_role("complementary").get_by_text("Where the time went").wait_for()
    page.get_by_role("complementary").get_by_role("button", name="Close").click()
    page.get_by_role("button", name=re.compile("^Status")).first.click()
    page.get_by_role("menuitem", name="failed").or_(page.get_by_role("menuitemradio", name="failed")).first.click()
    page.wait_for_load_state("networkidle")
    visitor.press("Export")
    with page.expect_download():
        page.get_by_role("dialog").get_by_role("button", name="Export").click()
    page.keyboard.press("Escape")


def usage(visitor: "Visitor", house: "House") -> None:
    page = opened(visitor, "/usage")
    page.get_by_role("radio", name="7 d").or_(page.get_by_role("button", name="7 d")).first.click()
    page.wait_for_load_state("networkidle")
    for name in ("Project", "Key"):
        page.get_by_role("radio", name=name, exact=True).or_(page.get_by_role("tab", name=name, exact=True)).first.click()
        page.wait_for_load_state("networkidle")
    page.get_by_role("row").get_by_role("link").first.click()
    page.wait_for_url(re.compile("/calls"))


def keys(visitor: "Visitor", house: "House") -> None:
    from tests.e2e.console.visitors import row_of, secret_of

    page = opened(visitor, "/keys")
    visitor.press("Create key")
    page.get_by_role("dialog").get_by_label("Name").fill("slowly made")
    visitor.press("Create key")
    secret_of(page)
    visitor.press("Try it")
    visitor.see("Passed.")
    visitor.press("Copy key")
    visitor.press("I have stored it")
    row_of(page, "slowly made").click()
    visitor.press("Rotate…")
    page.get_by_role("dialog").get_by_role("combobox").select_option("none")
    visitor.press("Rotate…")
    secret_of(page)
    visitor.press("Copy key")
    visitor.press("I have stored it")
    visitor.press("Revoke…")
    page.get_by_role("dialog").get_by_role("textbox").fill("slowly made")
    visitor.press("Revoke slowly made")
    visitor.see("is dead on every worker")


def apis(visitor: "Visitor", house: "House") -> None:
    from tests.e2e.console.visitors import row_of

    page = opened(visitor, "/apis")
    visitor.press("Create API")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("radio", name="sandbox/echo").check()
    visitor.press("Next")
    dialog.get_by_label("Name", exact=True).fill("slow-api")
    visitor.press("Next")
    dialog.get_by_role("radio", name="No key for now").check()
    visitor.press("Next")
    visitor.press("Create", exact=True)
    visitor.see("slow-api is up: programs can call it now.")
    page.get_by_role("complementary").get_by_role("button", name="Send").click()
    visitor.see(re.compile("Answered in"))
    row_of(page, "slow-api").get_by_role("switch").click()
    visitor.see("slow-api was switched off; its calls are refused.")
    visitor.press("Edit…")
    dialog.get_by_label("Title").fill("slowly changed")
    visitor.press("Save")
    visitor.see("slow-api is saved and in force.")
    visitor.press("Delete…")
    dialog.get_by_role("textbox").fill("slow-api")
    visitor.press("Delete slow-api")
    visitor.see(re.compile("slow-api is deleted"))


def providers(visitor: "Visitor", house: "House") -> None:
    page = opened(visitor, "/providers")
    visitor.press("Add provider")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Kind").select_option("custom")
    dialog.get_by_label("Name").fill("slow-one")
    dialog.get_by_label("Address").fill(house.upstream.base_url)
    visitor.press("Test and add")
    visitor.see(re.compile("slow-one is added with"))
    page = opened(visitor, "/providers/slow-one")
    drawer = page.get_by_role("complementary")
    drawer.get_by_role("button", name="Test", exact=True).click()
    visitor.see("It answered in")
    page = opened(visitor, "/providers")
    page.get_by_role("switch", name="slow-one is on").click()
    visitor.see("slow-one is off; its calls are refused.")
    page = opened(visitor, "/providers/slow-one")
    visitor.press("Remove…")
    dialog = page.get_by_role("dialog")
    if dialog.get_by_role("textbox").count():
        dialog.get_by_role("textbox").fill("slow-one")
    visitor.press("Remove slow-one")
    dialog.wait_for(state="hidden")


def models(visitor: "Visitor", house: "House") -> None:
    from tests.e2e.console.visitors import row_of

    page = opened(visitor, "/models?find=up/priced")
    row_of(page, "up/priced").get_by_role("button", name="Set rate").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Input", exact=True).fill("0.15")
    dialog.get_by_label("Output").fill("0.60")
    visitor.press("Set rate")
    visitor.see(re.compile("up/priced costs"))


def people(visitor: "Visitor", house: "House") -> None:
    from tests.e2e.console.visitors import secret_of

    user = house.post("/api/users", email="late@example.org", name="Late", role="user", password=houses.PASSWORD)
    page = opened(visitor, "/people")
    visitor.press(re.compile("^Invite"))
    page.get_by_role("dialog").get_by_label("E-mail").fill("soon@example.org")
    visitor.press("Make the link")
    secret_of(page)
    visitor.press("Copy link")
    visitor.press("I have it")
    page.get_by_role("row").filter(has_text="late@example.org").click()
    drawer = page.get_by_role("complementary")
    drawer.get_by_label("Role").select_option("guest")
    visitor.see(re.compile("Late is Guest now"))
    visitor.press("Reset password…")
    visitor.press("Make the link")
    secret_of(page)
    visitor.press("Copy link")
    visitor.press("I have it")
    visitor.press("Deactivate…")
    visitor.press("Deactivate Late")
    visitor.see("Late is out.")
    assert not house.get(f"/api/users/{user['id']}")["active"]


def projects(visitor: "Visitor", house: "House") -> None:
    page = opened(visitor, "/projects")
    visitor.press("Create project")
    page.get_by_role("dialog").get_by_label("Title").fill("Slow Train")
    visitor.press("Create project")
    page.wait_for_url("**/projects/slow-train")
    drawer = page.get_by_role("complementary")
    drawer.get_by_label("Add a member").fill("ken@example.org")
    drawer.get_by_role("button", name="Add a member").click()
    visitor.see("ken@example.org is a member.")
    drawer.get_by_label("Role of Ken Ito").select_option("viewer")
    visitor.see("Ken Ito is Viewer now.")
    drawer.get_by_role("listitem").filter(has_text="Ken Ito").get_by_role("button", name="Take out").click()
    visitor.see("Ken Ito is no member any more.")
    drawer.get_by_role("button", name="Archive").click()
    visitor.see(re.compile("is in the archive"))
    visitor.press("Delete…")
    page.get_by_role("dialog").get_by_role("textbox").fill("slow-train")
    visitor.press("Delete slow-train")
    visitor.see("Slow Train is deleted.")


def audit(visitor: "Visitor", house: "House") -> None:
    from tests.e2e.console.visitors import row_of

    page = opened(visitor, "/audit?about=key")
    visitor.press("Verify chain")
    visitor.see("The chain is intact.")
    row_of(page, "key.created").click()
    page.get_by_role("complementary").get_by_text("Seal of this row").wait_for()
    visitor.press("Export")
    with page.expect_download():
        page.get_by_role("menuitem", name="as JSON Lines").click()


def system(visitor: "Visitor", house: "House") -> None:
    page = opened(visitor, "/system")
    visitor.press("Run doctor")
    page.get_by_role("button", name="Check").click()
    visitor.press("Back up now")
    page.wait_for_load_state("networkidle")


def settings(visitor: "Visitor", house: "House") -> None:
    from tests.e2e.console.visitors import secret_of

    page = opened(visitor, "/settings")
    visitor.press("Create token")
    page.get_by_role("dialog").get_by_label("Name").fill("slow script")
    visitor.press("Create token")
    secret_of(page)
    visitor.press("Copy token")
    visitor.press("I have it")
    line = page.get_by_role("listitem").filter(has_text="slow script")
    line.get_by_role("button", name="End").click()
    visitor.see("The token slow script is dead.")
    page.get_by_role("radio", name="Dark").click()
    page.get_by_role("radio", name="日本語").click()
    page.get_by_role("heading", name="設定").wait_for()
    page.get_by_role("radio", name="English").click()
    page.get_by_role("heading", name="Settings").wait_for()


FLOWS: Final[tuple[Callable[["Visitor", "House"], None], ...]] = (
    *(log_in, walk, overview, playground, calls, usage, apis, keys, providers, models, people, projects, audit, system, settings),
)
