"""Publishing an API from the console: each act is done by hand in Chromium, and what came of it is asked of the API and of the gateway."""

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.console import houses
from tests.support.product import eventually

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Route

    from tests.e2e.console.houses import House
    from tests.e2e.console.visitors import Visitor

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


def names(house: "House") -> list[str]:
    return [each["name"] for each in house.get("/api/apis")["apis"]]


def to_the_plan(owner: "Visitor", name: str, label: str, model: str = "sandbox/echo") -> None:
    """The first three steps, up to the plan."""
    page = owner.page
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("radio", name=model).check()
    owner.press("Next")
    dialog.get_by_label("Name", exact=True).fill(name)
    dialog.get_by_label("Title").fill("受付")
    dialog.get_by_label("Temperature").fill("0.2")
    owner.press("Next")
    dialog.get_by_label("Name", exact=True).fill(label)
    owner.press("Next")
    owner.see("This will be made. Nothing is made yet.")


def test_an_api_is_created_with_a_key_of_its_own(owner: "Visitor", house: "House") -> None:
    from tests.e2e.console.visitors import secret_of

    page = owner.page
    page.goto("/apis")
    owner.press("Create API")
    to_the_plan(owner, "helper", "helper-key")
    assert "helper" not in names(house)
    owner.press("Create", exact=True)
    secret = secret_of(page)
    owner.press("Try it")
    owner.see(re.compile("One call with this key to helper came back in"))
    owner.press("Copy key")
    owner.press("I have stored it")
    page.wait_for_url("**/apis/helper")
    owner.see("受付 is up; sandbox/echo answers.")

    made = house.get("/api/apis/helper")
    assert (made["target"], made["title"], made["defaults"], made["state"]) == ("sandbox/echo", "受付", {"temperature": 0.2}, "ready")
    [key] = [key for key in house.get("/api/keys")["api_keys"] if key["label"] == "helper-key"]
    assert key["models"] == ["helper"]
    # The key reaches the API, and not what stands behind it.
    assert house.call(secret, "helper").status_code == 200
    assert house.call(secret, "sandbox/echo").status_code == 404
    assert page.evaluate("JSON.stringify(localStorage) + location.href").find("sk-sek-") == -1


def test_an_api_is_tested_stopped_edited_and_deleted(owner: "Visitor", house: "House") -> None:
    from tests.e2e.console.visitors import row_of

    house.post("/api/apis", name="desk", target="sandbox/echo")
    secret = house.post("/api/keys", label="desk-key", models=["desk"])["plain_key"]
    page = owner.page
    page.goto("/apis/desk")
    drawer = page.get_by_role("complementary")
    drawer.get_by_label("Prompt").fill("can you hear me")
    drawer.get_by_role("button", name="Send").click()
    owner.see(re.compile("Answered in"))
    assert drawer.get_by_role("log").inner_text() == "can you hear me"
    eventually(lambda: [call["model"] for call in house.get("/api/calls", api="desk")["calls"]] == ["sandbox/echo"], "the call's record")

    row_of(page, "desk").get_by_role("switch").click()
    owner.see("desk was switched off; its calls are refused.")
    assert house.get("/api/apis/desk")["state"] == "disabled"
    assert house.call(secret, "desk").status_code == 404
    owner.press("Undo")
    owner.see("desk was switched on.")
    assert house.get("/api/apis/desk")["state"] == "ready"
    assert house.call(secret, "desk").status_code == 200

    owner.press("Edit…")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Target").select_option("sandbox/lorem")
    dialog.get_by_label("Temperature").fill("3")
    owner.press("Save")
    owner.see("Type a number from 0 to 2, or leave it empty.")
    dialog.get_by_label("Temperature").fill("1.5")
    owner.press("Save")
    owner.see("desk is saved and in force.")
    changed = house.get("/api/apis/desk")
    assert (changed["target"], changed["defaults"]) == ("sandbox/lorem", {"temperature": 1.5})
    assert house.call(secret, "desk").headers["x-sekisho-model"] == "sandbox/lorem"

    owner.press("Delete…")
    owner.see("desk-key may call nothing else, so it will be refused everywhere.")
    dialog = page.get_by_role("dialog")
    assert dialog.get_by_role("button", name="Delete desk").is_disabled()
    dialog.get_by_role("textbox").fill("desk")
    owner.press("Delete desk")
    owner.see(re.compile("desk is deleted"))
    assert "desk" not in names(house)
    assert house.call(secret, "desk").status_code == 404


def test_a_step_that_fails_leaves_nothing_behind(owner: "Visitor", house: "House") -> None:
    page = owner.page
    page.goto("/apis?create=1")
    to_the_plan(owner, "halfway", "never-made")

    def refused(route: "Route") -> None:
        if route.request.method == "POST":
            fault = {"type": "invalid_request_error", "code": "invalid_value", "message": "refused by the test", "param": None}
            route.fulfill(status=422, json={"error": {**fault, "request_id": "req_test"}})
        else:
            route.continue_()

    page.route("**/api/keys", refused)
    with owner.expecting("422"):
        owner.press("Create", exact=True)
        owner.see("The key was not made ready.")
        owner.see("The API halfway was taken back. Nothing is left behind.")
    assert "halfway" not in names(house)
    page.unroute("**/api/keys")
    # Nothing typed is lost: the same plan goes through at the next try.
    owner.press("Create", exact=True)
    page.locator("[data-secret]").wait_for()
    assert "halfway" in names(house)


def test_a_key_that_is_there_may_call_it_too(owner: "Visitor", house: "House") -> None:
    key = house.post("/api/keys", label="old-hand", models=["sandbox/lorem"])
    page = owner.page
    page.goto("/apis?create=1")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("radio", name="sandbox/echo").check()
    owner.press("Next")
    dialog.get_by_label("Name", exact=True).fill("shared")
    owner.press("Next")
    dialog.get_by_role("radio", name="A key that is there").check()
    dialog.get_by_role("combobox").select_option(key["id"])
    owner.press("Next")
    owner.press("Create", exact=True)
    owner.see("shared is up: programs can call it now.")
    assert house.get(f"/api/keys/{key['id']}")["models"] == ["sandbox/lorem", "shared"]
    assert [house.call(key["plain_key"], model).status_code for model in ("shared", "sandbox/lorem", "sandbox/echo")] == [200, 200, 404]


def test_two_who_edit_the_same_api_see_each_other(owner: "Visitor", house: "House") -> None:
    house.post("/api/apis", name="twice", target="sandbox/echo", title="first")
    page = owner.page
    page.goto("/apis/twice")
    owner.press("Edit…")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Description").fill("what I typed")
    with house._api() as client:
        assert client.patch("/api/apis/twice", json={"title": "theirs"}).status_code == 200
    with owner.expecting("412"):
        owner.press("Save")
        dialog.get_by_role("alert").get_by_text("theirs").wait_for()
    owner.press("Save mine over it")
    owner.see("twice is saved and in force.")
    told = house.get("/api/apis/twice")
    assert (told["title"], told["description"]) == ("theirs", "what I typed")


def test_the_palette_stops_and_starts_one_and_keys_go_there(owner: "Visitor", house: "House") -> None:
    house.post("/api/apis", name="switched", target="sandbox/echo")
    page = owner.page
    page.goto("/")
    page.get_by_role("heading", name="Overview").wait_for()
    page.keyboard.press("g")
    page.keyboard.press("a")
    page.wait_for_url("**/apis")
    for act, state in (("Stop API switched", "disabled"), ("Start API switched", "ready")):
        page.keyboard.press("Control+k")
        page.get_by_role("combobox").fill(act)
        page.get_by_role("option", name=act).wait_for()
        page.keyboard.press("Enter")
        eventually(lambda wanted=state: house.get("/api/apis/switched")["state"] == wanted, act)  # type: ignore[misc]
        owner.see(f"switched was switched {'off' if state == 'disabled' else 'on'}")


def test_an_api_is_offered_where_models_are(owner: "Visitor", house: "House") -> None:
    house.post("/api/apis", name="offered", target="sandbox/lorem")
    page = owner.page
    page.goto("/keys?create=1")
    page.locator("datalist option[value=offered]").wait_for(state="attached")
    page.goto("/apis/offered")
    page.get_by_role("link", name="Open in Playground").click()
    page.wait_for_url("**/playground?models=offered")
    page.get_by_role("textbox", name="Prompt", exact=True).fill("hello")
    page.keyboard.press("Control+Enter")
    page.get_by_role("region", name="offered").get_by_text("finished").wait_for()
    eventually(lambda: len(house.get("/api/calls", api="offered")["calls"]) == 1, "the record")
    page.goto("/apis/offered")
    page.get_by_role("link", name="Its calls of the last 24 hours").click()
    owner.see("1 call")
    assert "api=offered" in page.url


def test_who_may_only_read_sees_no_act(browser: "Browser", house: "House") -> None:
    from tests.e2e.console.visitors import Visitor

    house.post("/api/apis", name="to-be-read", target="sandbox/echo")
    visitor = Visitor(browser, house.product.console_url)
    try:
        houses.log_in(visitor, "ken@example.org")
        visitor.page.goto("/apis/to-be-read")
        visitor.see("to-be-read is up; sandbox/echo answers.")
        acts: list[Any] = ["Create API", "Edit…", "Delete…"]
        assert [visitor.page.get_by_role("button", name=act).count() for act in acts] == [0, 0, 0]
        assert visitor.page.get_by_role("switch").count() == 0
        visitor.is_content()
    finally:
        visitor.close()
