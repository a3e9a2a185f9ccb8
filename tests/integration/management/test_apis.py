"""Published APIs over the management API: what may be set, what becomes of one whose model goes, and what the workers are sent."""

from typing import Any

import pytest

from sekisho.core.model.snapshot import Api, Model
from tests.integration.management.house import START, House


@pytest.fixture
def house(house: House) -> House:
    """With a provider `up` and its model `up/gpt`."""
    house.good("POST", "/api/providers", {"name": "up", "kind": "vllm", "probe": False})
    house.good("POST", "/api/models", {"id": "up/gpt"})
    return house


def made(house: House, name: str = "helper", **more: Any) -> dict[str, Any]:
    told: dict[str, Any] = house.good("POST", "/api/apis", {"name": name, "target": "up/gpt", **more})
    return told


def compiled(house: House) -> tuple[Api, ...]:
    return house.run(house.compiler.catalog()).apis


def test_an_api_is_published_with_all_that_it_has(house: House) -> None:
    defaults = {"max_tokens": 100, "temperature": 0.5, "stop": ["END"], "seed": -1, "system_prompt": "Be brief.\nAlways."}
    told = made(house, title="Helper", description="Two\nlines", defaults=defaults)
    assert told == {
        "name": "helper",
        "title": "Helper",
        "description": "Two\nlines",
        "target": "up/gpt",
        "enabled": True,
        "defaults": defaults,
        "state": "ready",
        "reason": None,
        "created_at": told["created_at"],
        "updated_at": told["created_at"],
        "revision": told["revision"],
        "warnings": [],
    }
    rest = {name: value for name, value in told.items() if name not in ("revision", "warnings")}
    assert house.good("GET", "/api/apis/helper") == rest
    assert house.good("GET", "/api/apis") == {"apis": [rest], "next_cursor": None}
    assert compiled(house) == (
        Api(
            "helper",
            "up/gpt",
            True,
            (("temperature", b"0.5"), ("max_tokens", b"100"), ("stop", b'["END"]'), ("seed", b"-1")),
            b'{"role":"system","content":"Be brief.\\nAlways."}',
            START // 1_000_000,
        ),
    )
    assert house.workers.publications[-1].catalog.apis == compiled(house)


def test_what_is_left_out_is_the_least(house: House) -> None:
    told = made(house)
    assert (told["title"], told["description"], told["enabled"], told["defaults"]) == ("", "", True, {})
    assert compiled(house) == (Api("helper", "up/gpt", created=START // 1_000_000),)


def test_changes_replace_what_is_given_and_nothing_else(house: House) -> None:
    before = made(house, title="Helper", defaults={"temperature": 1, "top_p": 0.5})
    house.good("POST", "/api/models", {"id": "up/other"})
    changed = house.good("PATCH", "/api/apis/helper", {"target": "up/other", "defaults": {"temperature": 2}})
    assert (changed["title"], changed["target"], changed["defaults"]) == ("Helper", "up/other", {"temperature": 2.0})
    assert changed["updated_at"] > before["updated_at"]
    assert changed["created_at"] == before["created_at"]
    assert [(each.target, each.defaults) for each in compiled(house)] == [("up/other", (("temperature", b"2.0"),))]
    cleared = house.good("PATCH", "/api/apis/helper", {"defaults": {}, "title": "", "enabled": False})
    assert (cleared["title"], cleared["defaults"], cleared["state"]) == ("", {}, "disabled")
    assert [(each.enabled, each.defaults) for each in compiled(house)] == [(False, ())]


def test_a_change_from_an_old_version_changes_nothing(house: House) -> None:
    made(house)
    first = house.ask("GET", "/api/apis/helper").headers["etag"]
    answer = house.ask("PATCH", "/api/apis/helper", {"title": "One"}, headers={"if-match": first})
    assert answer.status_code == 200
    error = house.refused(412, "PATCH", "/api/apis/helper", {"title": "Two"}, headers={"if-match": first})
    assert error["code"] == "version_mismatch"
    assert house.good("GET", "/api/apis/helper")["title"] == "One"
    again = house.ask("PATCH", "/api/apis/helper", {"title": "Two"}, headers={"if-match": answer.headers["etag"]})
    assert again.status_code == 200


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"name": "Helper"}, "name"),
        ({"name": "a/b"}, "name"),
        ({"name": "-a"}, "name"),
        ({"name": "a" * 64}, "name"),
        ({"target": "gpt"}, "target"),
        ({"target": "up/none"}, "target"),
        ({"target": "none/gpt"}, "target"),
        ({"target": "up/*"}, "target"),
        ({"title": "a\nb"}, "title"),
        ({"enabled": "yes"}, "enabled"),
        ({"defaults": {"temperature": 2.1}}, "defaults.temperature"),
        ({"defaults": {"temperature": "1"}}, "defaults.temperature"),
        ({"defaults": {"temperature": True}}, "defaults.temperature"),
        ({"defaults": {"top_p": -0.1}}, "defaults.top_p"),
        ({"defaults": {"max_tokens": 0}}, "defaults.max_tokens"),
        ({"defaults": {"max_tokens": 1.5}}, "defaults.max_tokens"),
        ({"defaults": {"max_tokens": 1, "max_completion_tokens": 1}}, "defaults"),
        ({"defaults": {"seed": 2**53 + 1}}, "defaults.seed"),
        ({"defaults": {"presence_penalty": 3}}, "defaults.presence_penalty"),
        ({"defaults": {"frequency_penalty": -3}}, "defaults.frequency_penalty"),
        ({"defaults": {"system_prompt": ""}}, "defaults.system_prompt"),
        ({"defaults": {"system_prompt": "x" * 20_001}}, "defaults.system_prompt"),
        ({"defaults": {"model": "x"}}, "defaults.model"),
        ({"defaults": {"stop": ["a"] * 5}}, "defaults.stop"),
        ({"defaults": {"stop": [""]}}, "defaults.stop"),
        ({"port": 4100}, "port"),
    ],
)
def test_what_cannot_be_is_refused_by_its_field(house: House, given: dict[str, Any], param: str) -> None:
    error = house.refused(422, "POST", "/api/apis", {"name": "helper", "target": "up/gpt", **given})
    assert error["param"].startswith(param)
    assert house.good("GET", "/api/apis")["apis"] == []
    made(house)
    if "name" not in given:
        assert house.refused(422, "PATCH", "/api/apis/helper", given)["param"].startswith(param)
    house.refused(422, "PATCH", "/api/apis/helper", {"name": "other"})


def test_a_name_is_nobody_elses(house: House) -> None:
    house.good("POST", "/api/models", {"id": "up/long", "upstream_model": "behind"})
    house.builtin = (Model("builtin/tiny", "builtin", "tiny"),)
    made(house)
    for name in ("helper", "gpt", "long", "behind", "echo", "tiny"):
        error = house.refused(409, "POST", "/api/apis", {"name": name, "target": "up/gpt"})
        assert (error["code"], error["param"]) == ("name_taken", "name")
    # The name of a provider is something else.
    made(house, "up")


def test_what_is_not_there_is_not_found(house: House) -> None:
    for method, body in (("GET", None), ("PATCH", {}), ("DELETE", None)):
        assert house.refused(404, method, "/api/apis/none", body)["code"] == "api_not_found"


def test_an_api_is_withdrawn_and_may_come_back(house: House) -> None:
    made(house)
    gone = house.good("DELETE", "/api/apis/helper")
    assert gone == {"name": "helper", "deleted": True, "revision": gone["revision"], "warnings": []}
    assert compiled(house) == ()
    house.refused(404, "DELETE", "/api/apis/helper")
    made(house)


def test_one_without_its_model_is_told_as_broken_until_it_is_back(house: House) -> None:
    made(house)
    house.builtin = (Model("builtin/tiny", "builtin", "tiny"),)
    made(house, "small", target="builtin/tiny")
    made(house, "lab", target="sandbox/echo")

    def states() -> dict[str, tuple[str, str | None]]:
        return {each["name"]: (each["state"], each["reason"]) for each in house.good("GET", "/api/apis")["apis"]}

    ready = ("ready", None)
    assert states() == {"helper": ready, "lab": ready, "small": ready}
    house.builtin = ()
    house.good("PATCH", "/api/providers/up", {"enabled": False})
    broken = states()
    assert broken["lab"] == ready
    assert broken["helper"] == ("broken", "the provider up is switched off; switch it on, or choose another model")
    assert broken["small"] == ("broken", "the model builtin/tiny is not there any more; choose another one")
    # It may be looked after meanwhile, and set to nothing that is not there.
    house.good("PATCH", "/api/apis/small", {"title": "Small", "target": "builtin/tiny"})
    assert house.refused(422, "PATCH", "/api/apis/lab", {"target": "builtin/tiny"})["code"] == "target_not_found"
    assert house.refused(422, "PATCH", "/api/apis/lab", {"target": "up/gpt"})["code"] == "target_not_found"
    house.good("PATCH", "/api/providers/up", {"enabled": True})
    house.good("DELETE", "/api/models/up/gpt")
    assert states()["helper"][0] == "broken"
    assert {each.name for each in compiled(house)} == {"helper", "lab", "small"}
    house.good("POST", "/api/models", {"id": "up/gpt"})
    assert states()["helper"] == ready


def test_an_api_follows_its_provider_to_a_new_name(house: House) -> None:
    made(house)
    made(house, "lab", target="sandbox/echo")
    house.good("PATCH", "/api/providers/up", {"name": "down"})
    assert {each["name"]: (each["target"], each["state"]) for each in house.good("GET", "/api/apis")["apis"]} == {
        "helper": ("down/gpt", "ready"),
        "lab": ("sandbox/echo", "ready"),
    }


def test_keys_are_scoped_to_apis_that_are_there(house: House) -> None:
    error = house.refused(422, "POST", "/api/keys", {"label": "k", "models": ["helper"]})
    assert (error["code"], error["param"]) == ("api_not_found", "models")
    assert "helper" in error["message"]
    made(house)
    key = house.good("POST", "/api/keys", {"label": "k", "models": ["helper", "up/*"]})
    assert key["models"] == ["helper", "up/*"]
    house.good("PATCH", f"/api/keys/{key['id']}", {"models": ["helper"]})
    assert [each.models for each in house.run(house.compiler.keys())] == [("helper",)]
    # A key's scope is not taken away from it with the API; only nothing is behind it.
    house.good("DELETE", "/api/apis/helper")
    assert house.good("GET", f"/api/keys/{key['id']}")["models"] == ["helper"]


def test_a_repeated_order_publishes_once(house: House) -> None:
    headers = {"idempotency-key": "one"}
    first = house.ask("POST", "/api/apis", {"name": "helper", "target": "up/gpt"}, headers=headers)
    again = house.ask("POST", "/api/apis", {"name": "helper", "target": "up/gpt"}, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert len(house.good("GET", "/api/apis")["apis"]) == 1


def test_the_list_is_paged_by_name(house: House) -> None:
    names = [f"api-{number:02d}" for number in range(7)]
    for name in reversed(names):
        made(house, name)
    found, path = [], "/api/apis?limit=3"
    while path:
        page = house.good("GET", path)
        assert len(page["apis"]) <= 3
        found += [each["name"] for each in page["apis"]]
        path = f"/api/apis?limit=3&cursor={page['next_cursor']}" if page["next_cursor"] else ""
    assert found == names


def test_the_audit_tells_what_was_done(house: House) -> None:
    made(house, title="Helper")
    house.good("PATCH", "/api/apis/helper", {"enabled": False})
    house.good("DELETE", "/api/apis/helper")
    rows = [row for row in house.good("GET", "/api/audit")["rows"] if row["object_kind"] == "api"]
    assert [(row["action"], row["object_id"]) for row in reversed(rows)] == [
        ("api.created", "helper"),
        ("api.changed", "helper"),
        ("api.removed", "helper"),
    ]
    assert rows[1]["after"] == {"enabled": False, "name": "helper"}
