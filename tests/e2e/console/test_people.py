"""Every act of the console that concerns people: who comes in, with which rights, and how they are sent out again."""

import base64
import hashlib
import hmac
import re
import struct
import time
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.e2e.console import houses
from tests.support.product import eventually

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.e2e.console.houses import House
    from tests.e2e.console.visitors import Visitor

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


def test_somebody_is_invited_comes_in_and_is_sent_out_again(owner: "Visitor", browser: "Browser", house: "House") -> None:
    from tests.e2e.console.visitors import Visitor, secret_of

    page = owner.page
    page.goto("/people?invite=1")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("E-mail").fill("mio@example.jp")
    dialog.get_by_label("Member of project").select_option("support")
    owner.press("Make the link")
    link = secret_of(page)
    owner.press("Copy link")
    owner.press("I have it")

    guest = Visitor(browser, house.product.console_url)
    try:
        guest.page.goto(link)
        guest.see("mio@example.jp comes in as User, into project support.")
        guest.page.locator("input[autocomplete=name]").fill("Mio")
        guest.page.locator("input[autocomplete=new-password]").fill(houses.PASSWORD)
        guest.press("Come in")
        guest.page.wait_for_url(lambda address: "/invite" not in address)
        guest.page.get_by_role("link", name="Keys").first.wait_for()
        assert guest.page.get_by_role("link", name="People").count() == 0
        [mio] = [user for user in house.get("/api/users")["users"] if user["email"] == "mio@example.jp"]
        assert mio["role"] == "user"

        page.goto(f"/people/{mio['id']}")
        drawer = page.get_by_role("complementary")
        drawer.get_by_label("Role").select_option("guest")
        owner.see(re.compile("Mio is Guest now"))
        eventually(lambda: house.get(f"/api/users/{mio['id']}")["role"] == "guest", "the role")

        with guest.expecting("401", "status of 401", "WebSocket"):
            owner.press("Deactivate…")
            owner.press("Deactivate Mio")
            owner.see("Mio is out.")
            guest.page.reload()
            guest.page.wait_for_url("**/login*")
        guest.is_content()
    finally:
        guest.close()
    assert house.get(f"/api/users/{mio['id']}/sessions")["sessions"] == []
    assert {row["action"] for row in house.get("/api/audit", object_id=mio["id"])["rows"]} >= {"user.role_changed"}


def test_a_password_is_reset_by_a_link(owner: "Visitor", browser: "Browser", house: "House") -> None:
    from tests.e2e.console.visitors import Visitor, secret_of

    lost = house.post("/api/users", email="lost@example.org", name="Lost", role="user", password=houses.PASSWORD)
    page = owner.page
    page.goto(f"/people/{lost['id']}")
    owner.press("Reset password…")
    owner.press("Make the link")
    link = secret_of(page)
    owner.press("Copy link")
    owner.press("I have it")
    visitor = Visitor(browser, house.product.console_url)
    try:
        visitor.page.goto(link)
        visitor.page.locator("input[autocomplete=new-password]").fill("another gate, another post")
        visitor.press("Set password")
        visitor.see("The new password is in force.")
        houses.log_in(visitor, "lost@example.org", "another gate, another post")
        visitor.page.get_by_role("heading", name="Overview").wait_for()
        visitor.is_content()
    finally:
        visitor.close()


def test_a_project_is_made_filled_archived_and_deleted(owner: "Visitor", house: "House") -> None:
    page = owner.page
    page.goto("/projects?create=1")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Title").fill("Night Train")
    owner.press("Create project")
    page.wait_for_url("**/projects/night-train")
    drawer = page.get_by_role("complementary")
    drawer.get_by_label("Add a member").fill("ken@example.org")
    drawer.get_by_role("button", name="Add a member").click()
    owner.see("ken@example.org is a member.")
    drawer.get_by_label("Role of Ken Ito").select_option("viewer")
    owner.see("Ken Ito is Viewer now.")
    members = house.get("/api/projects/night-train/members")["members"]
    assert {each["email"]: each["role"] for each in members} == {houses.EMAIL: "maintainer", "ken@example.org": "viewer"}
    drawer.get_by_role("listitem").filter(has_text="Ken Ito").get_by_role("button", name="Take out").click()
    owner.see("Ken Ito is no member any more.")
    drawer.get_by_role("button", name="Archive").click()
    owner.see(re.compile("is in the archive"))
    assert house.get("/api/projects/night-train")["archived"]
    owner.press("Delete…")
    page.get_by_role("dialog").get_by_role("textbox").fill("night-train")
    owner.press("Delete night-train")
    owner.see("Night Train is deleted.")
    assert "night-train" not in [each["name"] for each in house.get("/api/projects")["projects"]]


def test_an_access_token_is_made_used_and_ended(owner: "Visitor", house: "House") -> None:
    from tests.e2e.console.visitors import secret_of

    page = owner.page
    page.goto("/settings")
    owner.press("Create token")
    page.get_by_role("dialog").get_by_label("Name").fill("nightly script")
    owner.press("Create token")
    token = secret_of(page)
    owner.press("Copy token")
    owner.press("I have it")
    ask = f"{house.product.console_url}/api/keys"
    assert httpx.get(ask, headers={"authorization": f"Bearer {token}"}, timeout=20).status_code == 200
    line = page.get_by_role("listitem").filter(has_text="nightly script")
    line.get_by_role("button", name="End").click()
    owner.see("The token nightly script is dead.")
    assert httpx.get(ask, headers={"authorization": f"Bearer {token}"}, timeout=20).status_code == 401


def totp(secret: str, later: int = 0) -> str:
    """What an authenticator shows (RFC 6238), `later` steps from now."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.new(key, struct.pack(">Q", int(time.time()) // 30 + later), hashlib.sha1).digest()
    offset = digest[-1] & 15
    return f"{(int.from_bytes(digest[offset : offset + 4]) & 0x7FFFFFFF) % 1_000_000:06d}"


def test_a_second_factor_is_set_up_and_asked_for(browser: "Browser", house: "House") -> None:
    from tests.e2e.console.visitors import Visitor, secret_of

    house.post("/api/users", email="two@example.org", name="Two", role="user", password=houses.PASSWORD)
    visitor = Visitor(browser, house.product.console_url)
    page = visitor.page
    try:
        houses.log_in(visitor, "two@example.org", path="/settings")
        visitor.press("Set up…")
        page.get_by_role("dialog").locator("input[autocomplete=current-password]").fill(houses.PASSWORD)
        visitor.press("Go on")
        secret = secret_of(page).replace(" ", "")
        page.get_by_role("dialog").get_by_role("textbox").fill(totp(secret))
        visitor.press("Confirm")
        visitor.see("Recovery codes")
        codes = secret_of(page).split()
        assert len(codes) >= 8
        visitor.press("Copy all")
        visitor.press("I have it")
        visitor.see(re.compile("recovery codes are left"))
        visitor.press("Log out")
        page.wait_for_url("**/login*")
        with visitor.expecting("401", "status of 401"):
            page.locator("input[autocomplete=username]").fill("two@example.org")
            page.locator("input[autocomplete=current-password]").fill(houses.PASSWORD)
            page.locator("button[type=submit]").click()
            page.locator("input[autocomplete=one-time-code]").fill(codes[0])
            page.locator("button[type=submit]").click()
            page.wait_for_url(lambda address: "/login" not in address)
        visitor.is_content()
    finally:
        visitor.close()


@pytest.mark.parametrize(
    ("email", "sees", "not_sees"),
    [
        ("hana@example.jp", ("Keys", "Providers", "People", "Audit", "System"), ()),
        ("ken@example.org", ("Keys", "Projects"), ("Providers", "People", "Audit", "System")),
        ("gus@example.org", ("Keys", "Usage", "Projects"), ("Providers", "People", "Audit", "System")),
    ],
)
def test_nobody_sees_what_is_not_for_them(
    browser: "Browser", house: "House", email: str, sees: tuple[str, ...], not_sees: tuple[str, ...]
) -> None:
    """Every screen in the menu opens without one refused request; the others look like addresses that do not exist."""
    from tests.e2e.console.visitors import Visitor

    visitor = Visitor(browser, house.product.console_url)
    page = visitor.page
    try:
        houses.log_in(visitor, email)
        menu = page.get_by_role("navigation", name="Main menu").first
        menu.get_by_role("link", name="Overview").wait_for()
        names = [each.strip() for each in menu.get_by_role("link").all_inner_texts()]
        assert set(sees) <= {name.partition("\n")[0] for name in names}
        assert not set(not_sees) & set(names)
        for link in menu.get_by_role("link").all():
            link.click()
            page.get_by_role("heading", level=1).wait_for()
            page.wait_for_load_state("networkidle")
        for name in not_sees:
            page.goto(f"/{name.lower()}")
            visitor.see("There is nothing here")
        visitor.is_content()
    finally:
        visitor.close()
