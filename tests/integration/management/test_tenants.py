"""Keys, calls and usage of two tenants: each sees its own, and the other's is answered like what is not there."""

from typing import Any

import httpx
import pytest

from sekisho.rest.permissions import Caller, ProjectRole, Role
from tests.integration.management.house import START, House
from tests.integration.management.records import record

MINE = Caller(Role.USER, "a@example.org", user_id="ua", projects={"mine": ProjectRole.EDITOR, "seen": ProjectRole.VIEWER})
NOBODY = Caller(Role.USER, "c@example.org", user_id="uc")


@pytest.fixture
def house(house: House) -> House:
    """With three projects, a key in each, and a call of each key."""
    for name in ("mine", "seen", "theirs"):
        house.execute("INSERT INTO projects (id, name, created_at) VALUES (?, ?, 1)", (f"id-{name}", name))
    return house


class Tenant:
    """Asks as somebody, past the login."""

    def __init__(self, house: House, caller: Caller) -> None:
        self._house, self._caller = house, caller

    def ask(self, method: str, path: str, json: Any = None, **more: Any) -> httpx.Response:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await self._house.app(scope | {"sekisho.caller": self._caller}, receive, send)

        async def go() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://sekisho") as client:
                return await client.request(method, path, json=json, **more)

        return self._house.run(go())

    def good(self, method: str, path: str, json: Any = None) -> Any:
        answer = self.ask(method, path, json)
        assert answer.is_success, answer.text
        return answer.json()

    def code(self, method: str, path: str, json: Any = None) -> tuple[int, str]:
        answer = self.ask(method, path, json)
        return answer.status_code, answer.json().get("error", {}).get("code", "")


def keys_of(house: House) -> dict[str, str]:
    """A key in each project, by the project's name; each was called once."""
    keys = {name: house.good("POST", "/api/keys", {"label": f"of {name}", "project": name})["id"] for name in ("mine", "seen", "theirs")}
    for name, key in keys.items():
        record(house, {"key_id": key, "key_label": f"of {name}", "project": name, "started_at": START + 5, "request_id": f"req_{name}"})
    return keys


def test_lists_hold_what_is_ones_own(house: House) -> None:
    keys_of(house)
    me, nobody = Tenant(house, MINE), Tenant(house, NOBODY)
    assert {key["project"] for key in me.good("GET", "/api/keys")["api_keys"]} == {"mine", "seen"}
    assert {call["project"] for call in me.good("GET", "/api/calls")["calls"]} == {"mine", "seen"}
    assert {call["project"] for call in me.good("GET", "/api/calls?after=start")["calls"]} == {"mine", "seen"}
    assert me.good("GET", "/api/calls/count") == {"count": 2, "exact": True}
    assert me.ask("GET", "/api/calls/export").headers["x-total-count"] == "2"
    assert "theirs" not in me.ask("GET", "/api/calls/export").text
    for by in ("model", "key", "project", "user", "hour", "day", "provider"):
        report = me.good("GET", f"/api/usage?period=7d&by={by}&compare=true")
        assert report["totals"]["calls"] == 2
        assert "theirs" not in str(report)
    assert nobody.good("GET", "/api/keys")["api_keys"] == []
    assert nobody.good("GET", "/api/calls")["calls"] == []
    assert nobody.good("GET", "/api/usage")["totals"]["calls"] == 0


def test_the_others_ids_are_404_in_path_query_and_body(house: House) -> None:
    keys = keys_of(house)
    theirs = keys["theirs"]
    call = house.good("GET", "/api/calls/req_theirs")["id"]
    me = Tenant(house, MINE)
    not_there = [
        ("GET", "/api/keys/{}", None, theirs, "key"),
        ("PATCH", "/api/keys/{}", {"label": "x"}, theirs, "key"),
        ("POST", "/api/keys/{}/revoke", None, theirs, "key"),
        ("POST", "/api/keys/{}/rotate", None, theirs, "key"),
        ("GET", "/api/calls/{}", None, call, "call"),
        ("GET", "/api/calls/{}", None, "req_theirs", "call"),
        ("GET", "/api/calls?key_id={}", None, theirs, "key"),
        ("GET", "/api/calls/count?key_id={}", None, theirs, "key"),
        ("GET", "/api/calls/export?key_id={}", None, theirs, "key"),
        ("GET", "/api/calls?project={}", None, "theirs", "project"),
        ("GET", "/api/usage?project={}", None, "theirs", "project"),
        ("GET", "/api/keys?project={}", None, "theirs", "project"),
    ]
    for method, path, body, name, noun in not_there:
        answers = [me.ask(method, path.format(each), body) for each in (name, "absent1")]
        assert [answer.status_code for answer in answers] == [404, 404], (method, path)
        told = [answer.json()["error"] | {"request_id": ""} for answer in answers]
        assert told[0]["code"] == f"{noun}_not_found"
        assert str(told[0]).replace(name, "absent1") == str(told[1]), "nothing tells the other's from what is not there"
    for project in ("theirs", "absent1"):
        assert me.code("POST", "/api/keys", {"label": "x", "project": project}) == (404, "project_not_found")
    assert house.good("GET", f"/api/keys/{theirs}")["revoked_at"] is None


def test_who_may_only_look_changes_nothing(house: House) -> None:
    seen = keys_of(house)["seen"]
    me = Tenant(house, MINE)
    assert me.good("GET", f"/api/keys/{seen}")["project"] == "seen"
    for method, path, body in (
        ("PATCH", f"/api/keys/{seen}", {"label": "x"}),
        ("POST", f"/api/keys/{seen}/revoke", None),
        ("POST", f"/api/keys/{seen}/rotate", None),
        ("POST", "/api/keys", {"label": "x", "project": "seen"}),
    ):
        assert me.code(method, path, body) == (403, "permission_denied")
    assert house.good("GET", f"/api/keys/{seen}")["label"] == "of seen"


def test_what_one_may_do_is_done_in_ones_own_name(house: House) -> None:
    me = Tenant(house, MINE)
    made = me.good("POST", "/api/keys", {"label": "x", "project": "mine"})
    assert made["created_by"] == {"id": "ua", "email": "a@example.org"}
    assert me.good("PATCH", f"/api/keys/{made['id']}", {"enabled": False})["state"] == "disabled"
    assert me.good("POST", f"/api/keys/{made['id']}/revoke")["revoked"] is True


def test_what_is_told_cannot_be_written_back(house: House) -> None:
    made = house.good("POST", "/api/keys", {"label": "x", "project": "mine"})
    told = house.good("GET", f"/api/keys/{made['id']}")
    writable = {"label", "models", "rpm", "tpm", "concurrency", "expires_at"}
    for name in set(told) - writable:
        error = house.refused(422, "PATCH", f"/api/keys/{made['id']}", {name: told[name]})
        assert (error["code"], error["param"]) == ("unknown_field", name)
    for name in set(told) - {"label", "project", "models", "rpm", "tpm", "concurrency"}:
        assert house.refused(422, "POST", "/api/keys", {"label": "y", name: told[name]})["code"] == "unknown_field"
    house.good("PATCH", f"/api/keys/{made['id']}", {name: told[name] for name in writable})
    assert house.good("GET", f"/api/keys/{made['id']}") == told


def test_a_word_of_one_caller_is_not_that_of_another(house: House) -> None:
    me, admin = Tenant(house, MINE), Tenant(house, Caller(Role.ADMIN, "b@example.org", user_id="ub"))
    headers = {"Idempotency-Key": "the-same"}
    answers = [each.ask("POST", "/api/keys", {"label": "x", "project": "mine"}, headers=headers) for each in (me, admin)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json()["id"] != answers[1].json()["id"]
