"""Every act of the console's manifest, done by a person at a real browser, and found again by the API, the command line or a call."""

import csv
import io
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.console import houses
from tests.support.product import eventually

if TYPE_CHECKING:
    from tests.e2e.console.houses import House
    from tests.e2e.console.visitors import Visitor

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


def test_the_overview_names_what_needs_a_person_and_mends_it(owner: "Visitor", house: "House") -> None:
    with house.upstream.__class__() as gone:
        address = gone.base_url
    house.product.add_provider("away", address, "--no-probe")
    with owner.expecting("502", "status of 502"):
        owner.page.goto("/providers/away")
        owner.press("Test")
        owner.page.get_by_role("alert").first.wait_for()
        owner.page.goto("/")
        owner.see("did not answer the last look at it.")
        owner.page.get_by_role("link", name="Test it").first.click()
        owner.page.wait_for_url("**/providers/away")
    owner.press("Remove…")
    dialog = owner.page.get_by_role("dialog")
    if dialog.get_by_role("textbox").count():
        dialog.get_by_role("textbox").fill("away")
    owner.press("Remove away")
    eventually(lambda: "away" not in [each["name"] for each in house.get("/api/providers")["providers"]], "its removal")


def test_playground_sends_a_prompt(owner: "Visitor", house: "House") -> None:
    page = owner.page
    page.goto("/playground?models=sandbox/lorem,sandbox/echo")
    page.get_by_role("textbox", name="Prompt", exact=True).fill("関所とは何ですか。")
    page.keyboard.press("Control+Enter")
    page.get_by_text("関所とは何ですか。").nth(1).wait_for()
    for column in ("sandbox/lorem", "sandbox/echo"):
        page.get_by_role("region", name=column).get_by_text("finished").wait_for()
    eventually(
        lambda: {"sandbox/lorem", "sandbox/echo"} <= {call["model"] for call in house.product.calls() if call["key_label"] == "playground"},
        "both calls",
    )


def test_calls_explain_one_and_are_exported(owner: "Visitor", house: "House") -> None:
    from tests.e2e.console.visitors import row_of

    page = owner.page
    page.goto("/calls?status=failed")
    row_of(page, "sandbox/error-429").click()
    page.get_by_role("complementary").wait_for()
    owner.see("Where the time went")
    number = page.url.rpartition("/calls/")[2].partition("?")[0]
    assert house.get(f"/api/calls/{number}")["status"] == "failed"
    page.keyboard.press("Escape")
    owner.press("Export")
    with page.expect_download() as download:
        page.get_by_role("dialog").get_by_role("button", name="Export").click()
    text = download.value.path().read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {row["status"] for row in rows} == {"failed"}
    assert number in {row["id"] for row in rows}


def test_usage_opens_the_calls_behind_a_number(owner: "Visitor", house: "House") -> None:
    page = owner.page
    page.goto("/usage?by=key")
    line = page.get_by_role("row").filter(has_text="nightly-eval")
    line.wait_for()
    number = line.get_by_role("link")
    count = int(number.inner_text())
    number.click()
    page.wait_for_url(re.compile("/calls"))
    owner.see(f"{count} calls")
    assert house.get("/api/calls/count", key_id=re.search(r"key=([^&]+)", page.url)[1])["count"] == count  # type: ignore[index]


def test_keys_are_made_tried_rotated_and_revoked(owner: "Visitor", house: "House") -> None:
    from tests.e2e.console.visitors import row_of, secret_of

    page = owner.page
    page.goto("/keys")
    owner.press("Create key")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("made-by-hand")
    dialog.get_by_label("Requests a minute").or_(dialog.get_by_label(re.compile("minute"))).first.fill("600")
    owner.press("Create key")
    first = secret_of(page)
    owner.press("Try it")
    owner.see("Passed.")
    owner.press("Copy key")
    owner.press("I have stored it")
    [made] = [key for key in house.product.cli("api-keys", "list")["api_keys"] if key["label"] == "made-by-hand"]
    assert made["rpm"] == 600
    assert house.call(first).status_code == 200

    row_of(page, "made-by-hand").click()
    owner.press("Rotate…")
    page.get_by_role("dialog").get_by_role("combobox").select_option("none")
    owner.press("Rotate…")
    second = secret_of(page)
    owner.press("Copy key")
    owner.press("I have stored it")
    assert (house.call(first).status_code, house.call(second).status_code) == (401, 200)

    owner.press("Revoke…")
    page.get_by_role("dialog").get_by_role("textbox").fill("made-by-hand")
    owner.press("Revoke made-by-hand")
    owner.see("is dead on every worker")
    assert house.call(second).status_code == 401
    assert page.evaluate("JSON.stringify(localStorage) + location.href").find("sk-sek-") == -1


def test_a_provider_is_added_with_a_live_test(owner: "Visitor", house: "House") -> None:
    page = owner.page
    page.goto("/providers?add=1")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Kind").select_option("custom")
    dialog.get_by_label("Name").fill("handmade")
    dialog.get_by_label("Address").fill(house.upstream.base_url)
    owner.press("Test and add")
    owner.see(re.compile("handmade is added with"))
    [made] = [each for each in house.get("/api/providers")["providers"] if each["name"] == "handmade"]
    assert made["state"] == "ready"
    page.goto("/providers")
    page.get_by_role("switch", name="handmade is on").click()
    owner.see("handmade is off; its calls are refused.")
    eventually(lambda: not house.get("/api/providers/handmade")["enabled"], "the switch")


def test_a_rate_is_set(owner: "Visitor", house: "House") -> None:
    from tests.e2e.console.visitors import row_of

    page = owner.page
    page.goto("/models?find=up/priced")
    row_of(page, "up/priced").get_by_role("button", name="Set rate").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Input", exact=True).fill("0.15")
    dialog.get_by_label("Output").fill("0.60")
    owner.press("Set rate")
    owner.see(re.compile("up/priced costs"))
    rate = house.get("/api/models/up/priced")["rate"]
    assert (float(rate["input_price"]), float(rate["output_price"])) == (0.15, 0.60)


def test_the_audit_verifies_and_exports(owner: "Visitor", house: "House") -> None:
    from tests.e2e.console.visitors import row_of

    page = owner.page
    page.goto("/audit?about=key")
    owner.press("Verify chain")
    owner.see("The chain is intact.")
    row_of(page, "key.created").click()
    page.get_by_role("complementary").get_by_text("Seal of this row").wait_for()
    owner.press("Export")
    with page.expect_download() as download:
        page.get_by_role("menuitem", name="as JSON Lines").click()
    rows = [json.loads(line) for line in download.value.path().read_text(encoding="utf-8").splitlines()]
    assert {row["action"].partition(".")[0] for row in rows} == {"key"}
    assert len(rows) == house.get("/api/audit/count", action="key")["count"]


def test_the_house_is_looked_after(owner: "Visitor", house: "House") -> None:
    page = owner.page
    page.goto("/system")
    owner.press("Run doctor")
    page.get_by_role("button", name="Check").click()
    owner.see("audit")
    before = len(house.get("/api/backups")["backups"])
    owner.press("Back up now")
    eventually(lambda: len(house.get("/api/backups")["backups"]) == before + 1, "the backup", 30)
    page.get_by_text(re.compile(r"\.sekisho-backup|backup")).first.wait_for()


def test_one_setting_is_kept_by_the_browser(owner: "Visitor") -> None:
    page = owner.page
    page.goto("/settings")
    page.get_by_role("radio", name="Dark").click()
    assert page.locator("html").get_attribute("data-theme") == "dark"
    page.get_by_role("radio", name="日本語").click()
    page.get_by_role("heading", name="設定").wait_for()
    page.reload()
    page.get_by_role("heading", name="設定").wait_for()
    assert (page.locator("html").get_attribute("data-theme"), page.locator("html").get_attribute("lang")) == ("dark", "ja")


def test_a_session_that_ends_under_ones_hands_loses_nothing(owner: "Visitor", house: "House") -> None:
    """The login comes over the page; what was typed is still there behind it."""
    from tests.e2e.console.visitors import secret_of

    page = owner.page
    page.goto("/keys?create=1")
    page.get_by_role("dialog").get_by_label("Name").fill("half typed")
    me = next(user for user in house.get("/api/users")["users"] if user["email"] == houses.EMAIL)
    with owner.expecting("401", "status of 401", "WebSocket"):
        for session in house.get(f"/api/users/{me['id']}/sessions")["sessions"]:
            with house._api() as client:
                client.delete(f"/api/users/{me['id']}/sessions/{session['id']}")
        owner.see("Your session ended")
        over = page.get_by_role("dialog").last
        over.locator("input[autocomplete=username]").fill(houses.EMAIL)
        over.locator("input[autocomplete=current-password]").fill("wrong once")
        over.locator("button[type=submit]").click()
        owner.see("The e-mail or the password is wrong.")
        over.locator("input[autocomplete=current-password]").fill(houses.PASSWORD)
        over.locator("button[type=submit]").click()
        page.get_by_text("Your session ended").wait_for(state="hidden")
    assert page.get_by_role("dialog").get_by_label("Name").input_value() == "half typed"
    owner.press("Create key")
    assert secret_of(page).startswith("sk-sek-")
    owner.press("Copy key")
    owner.press("I have stored it")


def test_an_act_shows_itself_before_the_server_answers(owner: "Visitor", house: "House") -> None:
    """The API is held back; what was pressed says at once that it runs, and a second press does nothing."""
    page = owner.page
    held: list[Any] = []
    for path, press, says in (
        ("/keys?create=1", "Create key", "Creating…"),
        ("/people?invite=1", "Make the link", "Inviting…"),
        ("/projects?create=1", "Create project", "Creating…"),
    ):
        page.goto(path)
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("textbox").first.fill("held@example.org" if "people" in path else "held back")
        page.route("**/api/**", lambda route: held.append(route) if route.request.method == "POST" else route.continue_())
        owner.press(press)
        dialog.get_by_text(says).wait_for()
        dialog.get_by_text(says).click(force=True)
        assert len(held) == 1
        with owner.expecting("failed: POST", "ERR_FAILED"):
            held.pop().abort("failed")
            dialog.get_by_role("alert").first.wait_for()
        page.unroute("**/api/**")
