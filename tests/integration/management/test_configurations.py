"""Configuration as code through the real application: planned without a trace, applied as a whole, and then there is nothing left to do."""

import json
from typing import Any, Final

import pytest

from tests.integration.management.house import House
from tests.integration.management.people import PASSWORD, Browser, claimed
from tests.support.upstream import Upstream

SECRET: Final = "sk-planted-0123456789abcdef"
PEM: Final = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
AT: Final = "/api/configuration"

DOCUMENT: Final[dict[str, Any]] = {
    "version": 1,
    "providers": {
        "cloud": {"kind": "openai", "credential": "env:CLOUD", "timeouts": {"connect": 3, "total": 60.5}},
        "local": {"kind": "custom", "base_url": "http://127.0.0.1:9/v1/", "enabled": False, "ca_bundle": PEM},
    },
    "models": {
        "cloud/gpt-4.1": {"rate": {"input_price": 0.15, "output_price": "2.5", "cached_input_price": "0"}, "capabilities": ["chat"]},
        "local/qwen": {"upstream_model": "qwen/3", "context_length": 8192},
        "local/plain": None,
    },
    "apis": {
        "helper": {"target": "cloud/gpt-4.1", "title": "Helper", "defaults": {"temperature": 0, "system_prompt": "Be brief."}},
        "lab": {"target": "sandbox/echo", "enabled": False},
    },
    "projects": {
        "shop": {"title": "The shop", "description": "Two\nlines", "members": {"Anna@example.org": "editor"}},
        "old": {"archived": True, "members": {"anna@example.org": "viewer"}},
    },
    "issuers": {
        "sso": {
            "title": "SSO",
            "issuer": "https://sso.example.com",
            "client_id": "us",
            "client_secret": "file:sso",
            "console_url": "https://gateway.example.com",
            "group_roles": {"staff": "admin"},
            "default_role": None,
        }
    },
}
CLIENT_SECRET: Final = "a-planted-client-secret"
SECRETS: Final = {"env:CLOUD": SECRET, "file:sso": CLIENT_SECRET}


def anna(house: House) -> str:
    """Somebody who can be a member; the user's id."""
    return str(house.good("POST", "/api/users", {"email": "anna@example.org", "name": "Anna", "role": "user", "password": PASSWORD})["id"])


def plan(house: House, document: dict[str, Any], **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = house.good("POST", f"{AT}/plan", {**document, **more})
    return found


def apply(house: House, document: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Apply it, and see that nothing is left to do then."""
    done: dict[str, Any] = house.good("POST", f"{AT}/apply", {**document, **more})
    more.pop("plan", None)
    assert plan(house, document, **more)["changes"] == []
    return done


def rows(house: House) -> list[Any]:
    found: list[Any] = house.good("GET", "/api/audit?limit=1000")["rows"]
    return found


def paths(told: dict[str, Any]) -> list[str]:
    return [f"{each['action']} {each['path']}" for each in told["changes"]]


ALL: Final = [
    "add providers.cloud",
    "add providers.local",
    "add models.cloud/gpt-4.1",
    "add models.local/plain",
    "add models.local/qwen",
    "add apis.helper",
    "add apis.lab",
    "add projects.old",
    "add projects.shop",
    "add issuers.sso",
]


def test_a_plan_leaves_no_trace_and_is_what_is_done(house: House) -> None:
    anna(house)
    before = (rows(house), house.good("GET", AT), house.good("GET", "/api/status")["revision"])
    planned = plan(house, DOCUMENT, secrets=SECRETS)
    assert paths(planned) == ALL
    assert (rows(house), house.good("GET", AT), house.good("GET", "/api/status")["revision"]) == before
    done = apply(house, DOCUMENT, secrets=SECRETS, plan=planned["plan"])
    assert {name: done[name] for name in ("plan", "changes", "notes")} == planned
    assert done["revision"] > before[2]

    provider = house.good("GET", "/api/providers/cloud")
    assert (provider["base_url"], provider["credentials"][0]["last4"]) == ("https://api.openai.com/v1", SECRET[-4:])
    assert house.good("GET", "/api/providers/local")["enabled"] is False
    model = house.good("GET", "/api/models/cloud/gpt-4.1")
    assert (model["capabilities"], model["rate"]["input_price"], model["rate"]["cached_input_price"]) == (["chat"], "0.15", "0.0")
    helper, lab = house.good("GET", "/api/apis")["apis"]
    assert (helper["target"], helper["defaults"]) == ("cloud/gpt-4.1", {"temperature": 0, "system_prompt": "Be brief."})
    assert (lab["title"], lab["state"]) == ("", "disabled")
    old = house.good("GET", "/api/projects/old")
    assert (old["archived"], old["members"]) == (True, 1)


def test_every_change_has_its_row_and_no_secret_is_told_or_stored(house: House) -> None:
    anna(house)
    answers = [plan(house, DOCUMENT, secrets=SECRETS), apply(house, DOCUMENT, secrets=SECRETS), house.good("GET", AT)]
    for secret in (SECRET, CLIENT_SECRET):
        assert secret not in json.dumps([answers, rows(house)])
        assert secret.encode() not in house.stored()
    done = {(row["action"], row["object_kind"]) for row in rows(house)}
    assert {("provider.created", "provider"), ("model.added", "model"), ("project.created", "project"), ("member.added", "member")} <= done
    assert ("issuer.created", "issuer") in done
    count = len(rows(house))
    apply(house, DOCUMENT, secrets=SECRETS)
    assert len(rows(house)) == count, "what changes nothing leaves no row"
    assert house.good("GET", "/api/audit/check")["ok"]


def test_an_export_brings_back_what_was_there(house: House) -> None:
    anna(house)
    apply(house, DOCUMENT, secrets=SECRETS)
    exported = house.good("GET", AT)
    again = plan(house, exported, prune=True)
    assert (again["changes"], len(again["notes"])) == ([], 2)
    for path in ("/api/providers/cloud", "/api/providers/local", "/api/issuers/sso"):
        house.good("DELETE", path)
    exported["projects"]["shop"]["title"] = "A shop"
    exported["models"]["local/qwen"]["context_length"] = None
    error = house.refused(422, "POST", f"{AT}/plan", exported)
    assert (error["param"], error["code"]) == ("providers.cloud.credential", "credential_missing")
    apply(house, exported, secrets={"env:CLOUD_API_KEY": SECRET, "env:SSO_CLIENT_SECRET": CLIENT_SECRET}, prune=True)
    assert house.good("GET", AT) == exported


def test_it_is_all_or_nothing_and_says_where(house: House) -> None:
    before = (rows(house), house.good("GET", AT))
    # Nobody has this address, which is the last thing that is looked at.
    for act in ("plan", "apply"):
        error = house.refused(404, "POST", f"{AT}/{act}", {**DOCUMENT, "secrets": SECRETS})
        assert error["message"].startswith("projects.old: members.anna@example.org: ")
    assert (rows(house), house.good("GET", AT)) == before
    assert house.stored().count(b"cloud") == 0


def test_what_was_not_looked_at_is_not_done(house: House) -> None:
    wanted = {"version": 1, "projects": {"shop": {"title": "A"}}}
    seen = plan(house, wanted)["plan"]
    house.good("POST", "/api/projects", {"name": "shop", "title": "B"})
    error = house.refused(409, "POST", f"{AT}/apply", {**wanted, "plan": seen})
    assert error["code"] == "plan_changed"
    assert house.good("GET", "/api/projects/shop")["title"] == "B"
    apply(house, wanted, plan=plan(house, wanted)["plan"])


@pytest.mark.parametrize(
    ("document", "param", "near"),
    [
        ({"provider": {}}, "provider", "providers"),
        ({"providers": {"up": {"kind": "openai", "base-url": "x"}}}, "providers.up.base-url", "base_url"),
        ({"providers": {"up": {"kind": "openai", "timeouts": {"conect": 1}}}}, "providers.up.timeouts.conect", "connect"),
        ({"models": {"up/x": {"context": 1}}}, "models.up/x.context", "context_length"),
        ({"models": {"up/x": {"rate": {"input": "1", "output_price": "1"}}}}, "models.up/x.rate.input", "input_price"),
        ({"projects": {"shop": {"member": {}}}}, "projects.shop.member", "members"),
    ],
)
def test_an_unknown_field_is_refused_with_its_place_and_a_suggestion(sqlite_house: House, document: Any, param: str, near: str) -> None:
    error = sqlite_house.refused(422, "POST", f"{AT}/plan", {"version": 1, **document})
    assert (error["code"], error["param"]) == ("unknown_field", param)
    assert f"did you mean {near!r}?" in error["message"]


@pytest.mark.parametrize(
    ("document", "param"),
    [
        ({"version": 2}, "version"),
        ({"providers": {"up": {"kind": "openai", "credential": SECRET}}}, "providers.up.credential"),
        ({"providers": {"up": {"kind": "openai", "enabled": None}}}, "providers.up.enabled"),
        ({"providers": {"up": {"kind": "openai", "ca_bundle": "file:x"}}}, "providers.up.ca_bundle"),
        ({"providers": {"up": {"kind": "custom"}}}, "providers.up.base_url"),
        ({"providers": {"sandbox": {"kind": "openai"}}}, "providers.sandbox"),
        ({"providers": {"up": {"kind": "openai", "base_url": "https://x/v1/models"}}}, "providers.up.base_url"),
        ({"models": {"sandbox/echo": {}}}, "models.sandbox/echo"),
        ({"models": {"gone/x": {}}}, "models.gone/x"),
        ({"projects": {"shop": {"members": {"a@b.org": "boss"}}}}, "projects.shop.members.a@b.org"),
        ({"secrets": {"env:X": "two words"}}, "secrets.env:X"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place_and_without_its_secret(sqlite_house: House, document: Any, param: str) -> None:
    answer = sqlite_house.ask("POST", f"{AT}/plan", {"version": 1, **document})
    assert answer.status_code in (409, 422), answer.text
    assert answer.json()["error"]["param"] == param, answer.text
    assert SECRET not in answer.text
    assert "two words" not in answer.text


def test_a_secret_follows_no_provider_to_another_place(house: House) -> None:
    wanted = {"version": 1, "providers": {"up": {"kind": "custom", "base_url": "http://127.0.0.1:9/v1", "credential": "env:UP"}}}
    apply(house, wanted, secrets={"env:UP": SECRET})
    wanted["providers"]["up"]["base_url"] = "http://127.0.0.1:10/v1"  # type: ignore[index]
    assert house.refused(422, "POST", f"{AT}/plan", wanted)["code"] == "credential_bound"
    # The same secret, given by whoever has it, is no change by itself; with the new place it is written anew.
    assert house.refused(422, "POST", f"{AT}/plan", {**wanted, "secrets": {"env:UP": SECRET}})["code"] == "credential_bound"
    apply(house, wanted, secrets={"env:UP": f"{SECRET}-2"})


def test_pruning_removes_what_is_not_named_and_nothing_that_is_in_use(house: House) -> None:
    anna(house)
    apply(house, DOCUMENT, secrets=SECRETS)
    key = house.good("POST", "/api/keys", {"label": "one", "project": "shop"})["id"]
    kept = {"version": 1, "models": {"local/qwen": {}}, "projects": {}}
    error = house.refused(409, "POST", f"{AT}/plan", {**kept, "prune": True})
    assert (error["code"], error["param"]) == ("project_in_use", "projects.shop")
    assert plan(house, kept)["changes"] == []
    house.good("POST", f"/api/keys/{key}/revoke")
    done = apply(house, kept, prune=True)
    gone = ["remove models.cloud/gpt-4.1", "remove models.local/plain", "remove projects.old", "remove projects.shop"]
    assert paths(done) == gone
    assert house.refused(409, "POST", f"{AT}/plan", DOCUMENT)["code"] == "name_taken", "a project's name is given once"


def test_what_a_provider_lists_is_taken_over_where_it_is_written(house: House, upstream: Upstream) -> None:
    house.good("POST", "/api/providers", {"name": "up", "kind": "custom", "base_url": upstream.base_url})
    [listed, *_] = house.good("GET", "/api/providers/up")["models"]
    assert house.good("GET", AT)["models"] == {}
    rate = {"input_price": "1", "output_price": "2"}
    apply(house, {"version": 1, "models": {listed: {"rate": rate}}})
    assert house.good("GET", f"/api/models/{listed}")["origin"] == "listed", "a rate is none of the provider's business"
    apply(house, {"version": 1, "models": {listed: {"context_length": 100, "rate": {**rate, "output_price": "3"}}}})
    taken = house.good("GET", f"/api/models/{listed}")
    assert (taken["origin"], taken["rate"]["output_price"]) == ("added", "3.0")
    [change] = [row for row in rows(house) if row["action"] == "model.changed" and "context_length" in row["after"]]
    assert (change["before"]["context_length"], change["after"]["context_length"]) == (None, 100)


def test_members_come_and_go_with_the_archive(house: House) -> None:
    anna(house)
    apply(house, {"version": 1, "projects": {"shop": {"archived": True, "members": {"anna@example.org": "viewer"}}}})
    apply(house, {"version": 1, "projects": {"shop": {"archived": False, "members": {"anna@example.org": "maintainer"}}}})
    done = apply(house, {"version": 1, "projects": {"shop": {"members": {}}}}, prune=True)
    [field] = done["changes"][0]["fields"]
    assert field == {"field": "members.anna@example.org", "before": "maintainer", "after": None}
    archived = {"version": 1, "projects": {"shop": {"archived": True, "members": {"anna@example.org": "viewer"}}}}
    apply(house, archived)
    house.good("DELETE", f"/api/projects/shop/members/{house.good('GET', '/api/projects/shop/members')['members'][0]['user_id']}")
    assert house.refused(422, "POST", f"{AT}/plan", archived)["code"] == "project_archived"


def test_whoever_applies_is_no_member_for_it(house: House) -> None:
    owner = claimed(house)
    anna(house)
    document = {"version": 1, "projects": {"shop": {"members": {"anna@example.org": "maintainer"}}, "mine": {}}}
    owner.good("POST", f"{AT}/apply", document)
    assert [each["email"] for each in owner.good("GET", "/api/projects/shop/members")["members"]] == ["anna@example.org"]
    assert [each["email"] for each in owner.good("GET", "/api/projects/mine/members")["members"]] == ["owner@example.org"]
    assert owner.good("POST", f"{AT}/plan", {**document, "prune": True})["changes"] == []


def test_a_token_does_nothing_here_that_it_may_not_do_elsewhere(house: House) -> None:
    owner = claimed(house)
    project = {"version": 1, "projects": {"shop": {}}}
    provider = {"version": 1, "providers": {"up": {"kind": "openai"}}}

    def script(*scopes: str) -> Browser:
        token = owner.good("POST", "/api/auth/tokens", {"name": "ci", "expires_in_s": 3600, "scopes": list(scopes)})["plain_token"]
        return Browser(house, {**owner.way, "authorization": f"Bearer {token}"})

    def asked(by: Browser, document: Any) -> int:
        headers = {"authorization": by.way["authorization"], "x-sekisho-client-address": "203.0.113.7", "x-sekisho-scheme": "https"}
        return house.ask("POST", f"{AT}/plan", document, through="tunnel", headers=headers).status_code

    system, whole = script("system:write"), script("system:write", "catalog:write", "projects:write")
    assert [asked(system, each) for each in (project, provider, {"version": 1, "issuers": {}})] == [403, 403, 403]
    assert [asked(whole, each) for each in (project, provider)] == [200, 200]
    assert asked(script("catalog:write", "projects:write"), project) == 403


def test_an_issuer_changes_by_what_is_written(house: House) -> None:
    anna(house)
    apply(house, DOCUMENT, secrets=SECRETS)
    sso = {**DOCUMENT["issuers"]["sso"], "title": "Our SSO", "group_roles": {}}
    done = apply(house, {"version": 1, "issuers": {"sso": sso}}, secrets={"file:sso": f"{CLIENT_SECRET}-2"})
    assert [each["field"] for each in done["changes"][0]["fields"]] == ["title", "group_roles", "client_secret"]
    told = house.good("GET", "/api/issuers/sso")
    assert (told["title"], told["group_roles"], told["default_role"], told["has_secret"]) == ("Our SSO", {}, None, True)
    assert paths(apply(house, {"version": 1, "issuers": {}}, prune=True)) == ["remove issuers.sso"]


def test_thousands_of_models_are_one_change_each(house: House) -> None:
    models = {f"up/m{number:05}": {"rate": {"input_price": "1", "output_price": "2"}} for number in range(1500)}
    document = {"version": 1, "providers": {"up": {"kind": "openai"}}, "models": models}
    assert len(apply(house, document)["changes"]) == 1501
    assert len(house.good("GET", AT)["models"]) == 1500
    document["models"]["up/m00700"]["rate"]["output_price"] = "3"  # type: ignore[index]
    assert paths(plan(house, document)) == ["change models.up/m00700"]
