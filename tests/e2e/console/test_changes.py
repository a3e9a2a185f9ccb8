"""Changes that two may make at once, people who leave, company logins, and the search through calls: each done at a real browser, and found
again by the API, the command line or a call.
"""

import csv
import io
import json
import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.console import houses
from tests.support.issuer import CLIENT, SECRET, Issuer
from tests.support.product import eventually

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Route

    from tests.e2e.console.houses import House
    from tests.e2e.console.visitors import Visitor

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


def patch(house: "House", path: str, **body: Any) -> None:
    """Somebody else's change."""
    with house._api() as client:
        told = client.patch(path, json=body)
        assert told.status_code == 200, told.text


def test_a_company_login_is_added_used_changed_and_removed(owner: "Visitor", browser: "Browser", house: "House") -> None:
    from tests.e2e.console.visitors import Visitor

    page = owner.page
    page.goto("/people?tab=issuers")
    owner.press("Add a company login")
    dialog = page.get_by_role("dialog")
    with Issuer(lambda: time.time_ns() // 1000) as issuer:
        dialog.get_by_label("Title").fill("Example Corp.")
        assert dialog.get_by_label("Word in the address").input_value() == "example-corp"
        dialog.get_by_label("Word in the address").fill("corp")
        dialog.get_by_label("Client id").fill(CLIENT)
        dialog.get_by_label("Client secret").fill(SECRET)
        owner.press("Add a group")
        dialog.get_by_label("Group 1", exact=True).fill("staff")
        dialog.get_by_label("Everybody else").select_option("")
        # Another spelling than its own: it says so beside the field, nothing is saved, and nothing typed is lost.
        with owner.expecting("422", "status of 422"):
            dialog.get_by_label("Issuer address").fill(f"{issuer.url}/")
            owner.press("Test and add")
            dialog.locator("[aria-invalid=true]").wait_for()
            dialog.get_by_role("button", name="Add without a test").wait_for()
        assert house.get("/api/issuers")["issuers"] == []
        assert dialog.get_by_label("Client secret").input_value() == SECRET
        dialog.get_by_label("Issuer address").fill(issuer.url)
        owner.press("Test and add")
        owner.see("Example Corp. stands on the login page now.")
        [made] = house.get("/api/issuers")["issuers"]
        assert (made["group_roles"], made["default_role"], made["has_secret"]) == ({"staff": "user"}, None, True)
        assert made["redirect_uri"] == f"{house.product.console_url}/api/auth/oidc/corp/callback"
        page.get_by_text(made["redirect_uri"]).wait_for()
        assert SECRET not in page.content() + page.evaluate("JSON.stringify(localStorage)")

        guest = Visitor(browser, house.product.console_url)
        issuer.claims["groups"] = ["staff"]

        try:
            guest.page.goto("/login")
            # The other house has no page of its own here; the person who logs in there is the test.
            with guest.expecting("404", "status of 404"):
                guest.page.get_by_role("link", name="Example Corp.").click()
                guest.page.wait_for_url(f"{issuer.url}/authorize?**")
                guest.page.goto(issuer.visit(guest.page.url))
                guest.page.get_by_role("link", name="Keys").first.wait_for()
            assert guest.complaints == []
        finally:
            guest.close()
        assert [user["role"] for user in house.get("/api/users", q="erika")["users"]] == ["user"]

        owner.press("Change Example Corp.")
        dialog.get_by_label("Title").fill("Our company")
        patch(house, "/api/issuers/corp", title="Somebody else's")
        with owner.expecting("412", "status of 412"):
            owner.press("Save", exact=True)
            dialog.get_by_text("Somebody else changed this meanwhile.").wait_for()
        assert dialog.locator("tbody tr").all_inner_texts() == ["Title\tSomebody else's\tOur company"]
        owner.press("Save mine over it")
        owner.see("Our company is saved.")
        assert house.get("/api/issuers/corp")["title"] == "Our company"

        page.get_by_role("switch", name="Our company is on").click()
        owner.see("Our company is off; nobody comes in by it.")
        assert house.get("/api/auth/oidc")["issuers"] == []
        owner.press("Undo")
        owner.see("Our company is on the login page again.")
        assert [each["name"] for each in house.get("/api/auth/oidc")["issuers"]] == ["corp"]
        page.get_by_role("button", name="Remove Our company").click()
        page.get_by_role("dialog").get_by_role("button", name="Remove Our company").click()
        owner.see("Our company is gone from the login page.")
        assert house.get("/api/issuers")["issuers"] == []


def test_a_person_takes_their_data_and_is_erased(owner: "Visitor", house: "House") -> None:
    gone = house.post("/api/users", email="leaver@example.org", name="Lea", role="user", password=houses.PASSWORD)
    page = owner.page
    page.goto(f"/people/{gone['id']}")
    with page.expect_download() as download:
        owner.press("Export data")
    lines = [json.loads(line) for line in download.value.path().read_text(encoding="utf-8").splitlines()]
    assert {line["record"] for line in lines} >= {"account", "audit"}
    owner.press("Erase…")
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("What stays").wait_for()
    erase = dialog.get_by_role("button", name="Erase Lea")
    dialog.get_by_role("textbox").fill("another@example.org")
    assert erase.is_disabled()
    dialog.get_by_role("textbox").fill("leaver@example.org")
    erase.click()
    owner.see(re.compile("Lea is erased; the audit says"))
    page.wait_for_url(re.compile("/people$"))
    assert house.get("/api/users", q="leaver")["users"] == []
    assert "leaver@example.org" not in json.dumps(house.get("/api/audit", limit=1000))


def test_the_last_owner_stays_and_is_told_why(owner: "Visitor", house: "House") -> None:
    page = owner.page
    [me] = [user for user in house.get("/api/users", role="owner")["users"] if user["active"]]
    page.goto(f"/people/{me['id']}")
    owner.see(re.compile("The only owner"))
    drawer = page.get_by_role("complementary")
    assert drawer.get_by_role("button", name="Erase…").is_disabled()
    assert drawer.get_by_role("button", name="Deactivate…").is_disabled()
    assert drawer.get_by_label("Role").is_disabled()
    house.post("/api/users", email="second@example.org", name="Second", role="owner", password=houses.PASSWORD)
    second = house.get("/api/users", q="second@example.org")["users"][0]
    try:
        page.reload()
        drawer.get_by_role("button", name="Erase…").wait_for()
        eventually(drawer.get_by_role("button", name="Erase…").is_enabled, "the way out of one owner of two")
    finally:
        house.post(f"/api/users/{second['id']}/erase")


def test_one_leaves_by_oneself(browser: "Browser", house: "House") -> None:
    from tests.e2e.console.visitors import Visitor

    made = house.post("/api/users", email="done@example.org", name="Done", role="user", password=houses.PASSWORD)
    visitor = Visitor(browser, house.product.console_url)
    page = visitor.page
    try:
        houses.log_in(visitor, "done@example.org", path="/settings")
        with page.expect_download() as download:
            visitor.press("Download", exact=True)
        assert "done@example.org" in download.value.path().read_text(encoding="utf-8")
        visitor.press("Erase my account…")
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("textbox", name="done@example.org").fill("done@example.org")
        dialog.get_by_label("Your present password").fill("not my password at all")
        with visitor.expecting("403", "status of 403"):
            visitor.press("Erase my account")
            visitor.see("That is not your present password.")
        assert house.get(f"/api/users/{made['id']}")["active"]
        dialog.get_by_label("Your present password").fill(houses.PASSWORD)
        with visitor.expecting("WebSocket", "401", "status of 401"):
            visitor.press("Erase my account")
            page.wait_for_url("**/login")
        visitor.is_content()
    finally:
        visitor.close()
    assert house.get("/api/users", q="done@example.org")["users"] == []


def test_a_key_is_changed_from_the_version_that_one_saw(owner: "Visitor", house: "House") -> None:
    from tests.e2e.console.visitors import row_of

    made = house.post("/api/keys", label="shared-by-two", project="support")
    plain = made["plain_key"]
    page = owner.page
    page.goto("/keys?find=shared-by")
    row_of(page, "shared-by-two").click()
    owner.press("Change…")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Calls a minute").fill("600")
    dialog.get_by_label("May call").fill("no/such-model")
    with owner.expecting("422", "status of 422"):
        owner.press("Save", exact=True)
        dialog.locator("[aria-invalid=true]").wait_for()
    assert dialog.get_by_label("Calls a minute").input_value() == "600"
    dialog.get_by_label("May call").fill("sandbox/*")
    dialog.get_by_label("Expires").select_option("month")
    patch(house, f"/api/keys/{made['id']}", rpm=30, tpm=9000)
    with owner.expecting("412", "status of 412"):
        owner.press("Save", exact=True)
        dialog.get_by_text("Somebody else changed this meanwhile.").wait_for()
    assert "Calls a minute\t30\t600" in dialog.locator("tbody tr").all_inner_texts()
    owner.press("Save mine over it")
    owner.see(re.compile("shared-by-two is changed on every worker"))
    [told] = [key for key in house.product.cli("api-keys", "list")["api_keys"] if key["id"] == made["id"]]
    # What only the other one changed stays.
    assert (told["rpm"], told["tpm"], told["models"]) == (600, 9000, ["sandbox/*"])
    assert told["expires_at"] is not None

    owner.press("Switch off")
    owner.see(re.compile("shared-by-two is off on every worker"))
    assert house.call(plain).status_code in (401, 403)
    owner.press("Undo")
    owner.see(re.compile("shared-by-two is on again"))
    assert house.call(plain).status_code == 200
    assert house.get("/api/audit", object_id=made["id"], action="key.changed")["rows"]


def test_a_change_outlives_the_session(owner: "Visitor", house: "House") -> None:
    """The session ends between typing and saving: the login comes over the page, and the change is still there to be saved."""
    made = house.post("/api/keys", label="half-changed", project="default")
    page = owner.page
    page.goto(f"/keys/{made['id']}?change=1")
    form = page.get_by_role("dialog", name=re.compile("Change"))
    form.get_by_label("Calls a minute").fill("77")
    me = next(user for user in house.get("/api/users")["users"] if user["email"] == houses.EMAIL)
    with owner.expecting("401", "status of 401", "WebSocket"):
        with house._api() as client:
            client.delete(f"/api/users/{me['id']}/sessions")
        owner.see("Your session ended")
        over = page.get_by_role("dialog").last
        over.locator("input[autocomplete=username]").fill(houses.EMAIL)
        over.locator("input[autocomplete=current-password]").fill(houses.PASSWORD)
        over.locator("button[type=submit]").click()
        page.get_by_text("Your session ended").wait_for(state="hidden")
    assert form.get_by_label("Calls a minute").input_value() == "77"
    form.get_by_role("button", name="Save", exact=True).click()
    owner.see(re.compile("half-changed is changed on every worker"))
    assert house.get(f"/api/keys/{made['id']}")["rpm"] == 77


def test_calls_are_found_by_every_filter(owner: "Visitor", house: "House") -> None:
    from tests.e2e.console.visitors import row_of

    page = owner.page
    [failed, *_] = house.get("/api/calls", status="failed", project="support")["calls"]
    page.goto("/calls")
    field = page.get_by_role("searchbox")
    beginning = failed["request_id"][:-4]
    field.fill(beginning)
    page.wait_for_url(re.compile(rf"find={beginning}$"))
    row_of(page, failed["model"])
    alike = house.get("/api/calls/count", q=beginning)["count"]
    owner.see(f"{alike} call" if alike == 1 else f"{alike} calls")
    field.press("Enter")
    field.fill(failed["request_id"])
    field.press("Enter")
    page.wait_for_url(re.compile(rf"/calls/{failed['request_id']}"))
    page.get_by_role("complementary").get_by_text("Where the time went").wait_for()

    page.goto("/calls")
    page.get_by_role("button", name=re.compile("^Project")).click()
    page.get_by_role("menuitem", name="support").click()
    page.get_by_role("button", name=re.compile("^Error")).click()
    page.get_by_role("menuitem", name=failed["error"]["code"]).click()
    page.get_by_role("button", name=re.compile("^Took at least")).click()
    page.get_by_role("menuitem", name="Other…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox").fill("soon")
    owner.press("Apply")
    dialog.get_by_role("alert").wait_for()
    dialog.get_by_role("textbox").fill("0")
    owner.press("Apply")
    page.get_by_role("button", name=re.compile("^Last")).click()
    page.get_by_role("menuitem", name="From … to …").click()
    dialog.get_by_label("From").fill("2020-01-01T00:00")
    owner.press("Apply")
    wanted = {"project": "support", "error_code": failed["error"]["code"], "min_duration_ms": 0}
    count = house.get("/api/calls/count", **wanted)["count"]
    owner.see(f"{count} call")
    assert page.get_by_role("row").filter(has=page.get_by_role("cell")).count() == count
    address = page.url
    assert {"project=support", f"error={failed['error']['code']}", "slower=0"} <= set(re.split("[?&]", address))
    # The address is the list: whoever gets it sees the same.
    page.goto(address)
    owner.see(f"{count} call")
    page.goto("/calls?find=no-such-call")
    owner.see("No call matches these filters.")


def test_calls_are_exported_with_a_way_out(owner: "Visitor", house: "House") -> None:
    page = owner.page
    page.goto("/calls?project=research")
    held: list[Route] = []
    page.route("**/api/calls/export*", lambda route: held.append(route))
    owner.press("Export")
    owner.press("Export")
    page.get_by_role("progressbar").wait_for()
    owner.press("Stop")
    page.get_by_role("radio", name="CSV").wait_for()
    assert len(held) == 1
    page.unroute("**/api/calls/export*")
    for kind in ("JSON Lines", "CSV"):
        page.goto("/calls?project=research&export=1")
        page.get_by_role("radio", name=kind).click()
        with page.expect_download() as download:
            owner.press("Export")
        text = download.value.path().read_text(encoding="utf-8")
        rows = [json.loads(line) for line in text.splitlines()] if kind == "JSON Lines" else list(csv.DictReader(io.StringIO(text)))
        assert {row["project"] for row in rows} == {"research"}
        assert len(rows) == house.get("/api/calls/count", project="research")["count"]
