"""Keys over the API: what is asked for is what there is, a secret is shown once, and a dead key leaves the workers before the answer."""

import hashlib
import json
import re
from typing import Any

import pytest

from sekisho.bridge.compiler import CLOCK_ERROR
from tests.integration.management.house import START, House
from tests.integration.management.records import record


def create(house: House, **fields: Any) -> Any:
    return house.good("POST", "/api/keys", {"label": "ci", **fields})


def digest(plain: str) -> bytes:
    return hashlib.sha256(plain.encode()).digest()


def test_a_key_made_without_flags_has_no_limits_and_all_models(house: House) -> None:
    key = create(house)
    assert re.fullmatch(rf"sk-sek-{key['id']}-[A-Za-z0-9_-]{{43}}", key.pop("plain_key"))
    assert key == {
        "id": key["id"],
        "label": "ci",
        "project": "default",
        "models": None,
        "rpm": None,
        "tpm": None,
        "concurrency": None,
        "last4": key["last4"],
        "created_at": key["created_at"],
        "expires_at": None,
        "rotated_at": None,
        "revoked_at": None,
        "disabled_at": None,
        "state": "active",
        "created_by": None,
        "last_used_at": None,
        "revision": 2,
        "warnings": [],
    }


def test_everything_that_is_asked_for_reaches_the_workers(house: House) -> None:
    made = create(house, rpm=5, tpm=6, concurrency=7, models=["sandbox/echo", "sandbox/*"], expires_in_s=3600)
    (entry,) = house.run(house.compiler.keys())
    assert entry.digest == digest(made["plain_key"])
    assert (entry.id, entry.label, entry.project) == (made["id"], "ci", "default")
    assert (entry.rpm, entry.tpm, entry.concurrency, entry.models) == (5, 6, 7, ("sandbox/echo", "sandbox/*"))
    assert made["expires_at"] == made["created_at"].replace("T00:", "T01:")


def test_the_secret_is_in_the_first_answer_and_nowhere_else(house: House) -> None:
    plain = create(house)["plain_key"]
    secret = plain.split("-", 3)[3]
    key_id = plain.split("-")[2]
    answers = [house.ask("GET", path).text for path in ("/api/keys", f"/api/keys/{key_id}")]
    answers.append(house.ask("POST", f"/api/keys/{key_id}/revoke").text)
    assert all(secret not in answer and "plain_key" not in answer for answer in answers)
    stored = house.stored()
    assert secret.encode() not in stored
    assert digest(plain) in stored


def test_a_change_is_published_after_its_commit_as_keys_alone(house: House) -> None:
    plain = create(house)["plain_key"]
    (first,) = house.workers.publications
    assert first.revision == 2
    # The first publication carries the catalog of revision 1 as well; from there on a key travels alone.
    second_plain = create(house)["plain_key"]
    second = house.workers.publications[1]
    assert second.catalog is None
    assert [key.digest for key in second.keys] == [digest(second_plain)]
    assert [key.digest for key in first.keys] == [digest(plain)]


def test_a_revoked_key_is_gone_when_the_answer_comes(house: House) -> None:
    made = create(house)
    answer = house.good("POST", f"/api/keys/{made['id']}/revoke")
    assert (answer["id"], answer["revoked"], answer["revision"]) == (made["id"], True, 3)
    last = house.workers.publications[-1]
    assert (last.keys, last.gone) == ((), (digest(made["plain_key"]),))
    assert house.run(house.compiler.keys()) == ()
    assert house.good("GET", f"/api/keys/{made['id']}")["revoked_at"] == answer["revoked_at"]


def test_revoking_twice_changes_nothing_more(house: House) -> None:
    made = create(house)
    first = house.good("POST", f"/api/keys/{made['id']}/revoke")
    second = house.good("POST", f"/api/keys/{made['id']}/revoke")
    assert second == first


def test_a_worker_that_has_not_acknowledged_is_named_in_the_answer(house: House) -> None:
    made = create(house)
    house.workers.warnings = ("worker 12 has not acknowledged revision 3",)
    assert house.good("POST", f"/api/keys/{made['id']}/revoke")["warnings"] == ["worker 12 has not acknowledged revision 3"]
    # Whoever asks again because of the warning is told again, until the workers know.
    assert house.good("POST", f"/api/keys/{made['id']}/revoke")["warnings"] == ["worker 12 has not acknowledged revision 3"]


def test_a_rotation_keeps_the_id_and_ends_the_old_secret_at_once(house: House) -> None:
    made = create(house, rpm=9)
    turned = house.good("POST", f"/api/keys/{made['id']}/rotate", {"label": "ci again"})
    assert turned["id"] == turned["old_key_id"] == made["id"]
    assert turned["plain_key"] != made["plain_key"]
    assert turned["overlap_until"] is None
    last = house.workers.publications[-1]
    assert [(key.digest, key.rpm, key.label) for key in last.keys] == [(digest(turned["plain_key"]), 9, "ci again")]
    assert last.gone == (digest(made["plain_key"]),)


def test_an_old_secret_opens_through_its_overlap_and_no_longer(house: House) -> None:
    made = create(house)
    turned = house.good("POST", f"/api/keys/{made['id']}/rotate", {"overlap_s": 60})
    ends = {key.digest: key.expires_at for key in house.run(house.compiler.keys())}
    assert set(ends) == {digest(made["plain_key"]), digest(turned["plain_key"])}
    assert ends[digest(turned["plain_key"])] is None
    end = ends[digest(made["plain_key"])]
    assert end is not None
    # The workers let nobody in with it from then on; that it is told to them for longer is for clocks that turn out to have been wrong.
    house.clock.at = end + CLOCK_ERROR
    assert [key.digest for key in house.run(house.compiler.keys())] == [digest(turned["plain_key"])]


def test_an_overlap_never_outlives_the_key_or_an_earlier_overlap(house: House) -> None:
    made = create(house, expires_in_s=30)
    house.good("POST", f"/api/keys/{made['id']}/rotate", {"overlap_s": 60})
    expiry = house.clock.at  # The key's own end is nearer than the overlap's.
    assert all(key.expires_at is not None and key.expires_at <= expiry + 30_000_000 for key in house.run(house.compiler.keys()))
    house.good("POST", f"/api/keys/{made['id']}/rotate", {})
    assert len(house.run(house.compiler.keys())) == 1


def test_rotation_needs_no_body(house: House) -> None:
    made = create(house)
    assert house.good("POST", f"/api/keys/{made['id']}/rotate")["id"] == made["id"]


def test_what_is_dead_is_not_rotated(house: House) -> None:
    made = create(house)
    house.good("POST", f"/api/keys/{made['id']}/revoke")
    assert house.refused(409, "POST", f"/api/keys/{made['id']}/rotate")["code"] == "key_revoked"
    short = create(house, expires_in_s=1)
    house.clock.at += 2_000_000
    assert house.refused(409, "POST", f"/api/keys/{short['id']}/rotate")["code"] == "key_expired"


def test_keys_are_paged_newest_first(house: House) -> None:
    labels = [create(house, label=f"key {number}")["label"] for number in range(5)]
    seen: list[str] = []
    path = "/api/keys?limit=2"
    pages = 0
    while True:
        page = house.good("GET", path)
        seen += [key["label"] for key in page["api_keys"]]
        pages += 1
        if page["next_cursor"] is None:
            break
        path = f"/api/keys?limit=2&cursor={page['next_cursor']}"
    assert seen == labels[::-1]
    assert pages == 3


@pytest.mark.parametrize(
    ("body", "param", "says"),
    [
        ({}, "label", "missing"),
        ({"label": ""}, "label", "at least 1 character"),
        ({"label": "x" * 201}, "label", "at most 200"),
        ({"label": "a\nb"}, "label", "control characters"),
        ({"label": "a\ud800"}, "label", "half a character"),
        ({"label": "a", "rmp": 5}, "rmp", "no field 'rmp'"),
        ({"label": "a", "rpm": 0}, "rpm", "greater than or equal to 1"),
        ({"label": "a", "rpm": "5"}, "rpm", "integer"),
        ({"label": "a", "rpm": True}, "rpm", "integer"),
        ({"label": "a", "tpm": 2**70}, "tpm", "less than"),
        ({"label": "a", "models": []}, "models", "at least 1 item"),
        ({"label": "a", "models": ["echo"]}, "models", "provider/model"),
        ({"label": "a", "models": ["sandbox/"]}, "models", "provider/model"),
        ({"label": "a", "models": ["sandbox/echo", "up/gpt-x"]}, "models", "no model 'up/gpt-x'"),
        ({"label": "a", "models": ["up/*"]}, "models", "no provider 'up'"),
        ({"label": "a", "expires_in_s": 0}, "expires_in_s", "greater than"),
        ([], None, "valid dictionary"),
    ],
)
def test_a_bad_body_is_refused_by_the_name_of_its_field(house: House, body: Any, param: str | None, says: str) -> None:
    # httpx refuses to encode a lone surrogate, so the body is written by hand.
    error = house.refused(422, "POST", "/api/keys", content=json.dumps(body).encode(), headers={"content-type": "application/json"})
    assert error["param"] == param
    assert says in error["message"]
    assert house.good("GET", "/api/keys")["api_keys"] == []
    assert house.workers.publications == []


def test_an_unknown_key_is_404(house: House) -> None:
    for method, path in (("GET", "/api/keys/nope"), ("POST", "/api/keys/nope/revoke"), ("POST", "/api/keys/nope/rotate")):
        assert house.refused(404, method, path)["code"] == "key_not_found"


def test_a_wrong_cursor_is_refused(house: House) -> None:
    for cursor in ("x", "e30", "WzFd", "WyIxIiwiYSJd", "WzE4NDQ2NzQ0MDczNzA5NTUxNjE2LCJhIl0"):
        assert house.refused(422, "GET", f"/api/keys?cursor={cursor}")["code"] == "invalid_cursor"


def test_a_key_is_changed_and_every_worker_goes_by_it(house: House) -> None:
    made = create(house, rpm=5)
    path = f"/api/keys/{made['id']}"
    changed = house.good(
        "PATCH", path, {"label": "new", "rpm": None, "concurrency": 3, "models": ["sandbox/*"], "expires_at": "2026-02-01T00:00:00Z"}
    )
    assert (changed["label"], changed["rpm"], changed["concurrency"], changed["models"]) == ("new", None, 3, ["sandbox/*"])
    (entry,) = house.workers.publications[-1].keys
    assert (entry.label, entry.rpm, entry.concurrency, entry.models) == ("new", None, 3, ("sandbox/*",))
    assert changed["expires_at"] == "2026-02-01T00:00:00.000000Z"
    told = house.good("GET", path)
    assert {name: changed[name] for name in told} == told
    assert house.good("PATCH", path, {"models": None, "expires_at": None})["models"] is None


def test_a_key_is_switched_off_and_on_again(house: House) -> None:
    made = create(house)
    path = f"/api/keys/{made['id']}"
    off = house.good("PATCH", path, {"enabled": False})
    assert (off["state"], off["disabled_at"] is None) == ("disabled", False)
    assert house.workers.publications[-1].gone == (digest(made["plain_key"]),)
    assert house.run(house.compiler.keys()) == ()
    assert house.good("PATCH", path, {"enabled": False})["disabled_at"] == off["disabled_at"], "it was off already"
    assert house.good("PATCH", path, {"enabled": True})["state"] == "active"
    assert [key.digest for key in house.run(house.compiler.keys())] == [digest(made["plain_key"])]


def test_a_change_from_an_older_version_is_refused(house: House) -> None:
    made = create(house)
    path = f"/api/keys/{made['id']}"
    seen = house.ask("GET", path).headers["etag"]
    first = house.ask("PATCH", path, {"label": "one"}, headers={"If-Match": seen})
    assert first.status_code == 200
    late = house.ask("PATCH", path, {"label": "two"}, headers={"If-Match": seen})
    assert (late.status_code, late.json()["error"]["code"]) == (412, "version_mismatch")
    assert late.headers["etag"] == first.headers["etag"] == house.ask("GET", path).headers["etag"]
    assert house.good("GET", path)["label"] == "one"
    for tag in ("*", f'"0", {first.headers["etag"]}'):
        assert house.ask("PATCH", path, {"label": "one"}, headers={"If-Match": tag}).status_code == 200
    assert house.refused(422, "PATCH", path, {"label": "x"}, headers={"If-Match": "yesterday"})["param"] == "If-Match"


def test_a_change_of_nothing_is_none(house: House) -> None:
    made = create(house)
    answer = house.good("PATCH", f"/api/keys/{made['id']}", {"label": "ci"})
    assert answer["revision"] == made["revision"]
    assert house.good("PATCH", f"/api/keys/{made['id']}", {})["revision"] == made["revision"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"label": ""}, "label"),
        ({"label": None}, "label"),
        ({"rpm": 0}, "rpm"),
        ({"enabled": None}, "enabled"),
        ({"enabled": "yes"}, "enabled"),
        ({"models": []}, "models"),
        ({"models": ["up/gpt-x"]}, "models"),
        ({"expires_at": "2025-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"project": "default"}, "project"),
    ],
)
def test_a_bad_change_is_refused_by_the_name_of_its_field(house: House, body: Any, param: str) -> None:
    made = create(house)
    assert house.refused(422, "PATCH", f"/api/keys/{made['id']}", body)["param"] == param


def test_what_is_revoked_is_not_changed_and_what_expired_may_live_on(house: House) -> None:
    made = create(house)
    house.good("POST", f"/api/keys/{made['id']}/revoke")
    assert house.refused(409, "PATCH", f"/api/keys/{made['id']}", {"label": "x"})["code"] == "key_revoked"
    short = create(house, expires_in_s=1)
    house.clock.at += 2_000_000
    assert house.good("GET", f"/api/keys/{short['id']}")["state"] == "expired"
    assert house.good("PATCH", f"/api/keys/{short['id']}", {"expires_at": None})["state"] == "active"


def test_keys_are_found_by_state_project_and_words(house: House) -> None:
    house.execute("INSERT INTO projects (id, name, created_at) VALUES ('p2', 'side', 1)")
    day = 86_400
    made = {
        "active": create(house, label="Web chat"),
        "soon": create(house, label="soon", expires_in_s=5 * day),
        "later": create(house, label="100% of it", expires_in_s=20 * day, project="side"),
        "expired": create(house, label="old", expires_in_s=1),
        "disabled": create(house, label="off"),
        "revoked": create(house, label="dead"),
    }
    house.good("PATCH", f"/api/keys/{made['disabled']['id']}", {"enabled": False})
    house.good("POST", f"/api/keys/{made['revoked']['id']}/revoke")
    house.clock.at += 2_000_000
    names = {key["id"]: name for name, key in made.items()}

    def found(query: str) -> set[str]:
        return {names[key["id"]] for key in house.good("GET", f"/api/keys?{query}")["api_keys"]}

    assert found("state=active") == {"active", "soon", "later"}
    assert found("state=soon") == {"soon"}
    for state in ("expired", "disabled", "revoked"):
        assert found(f"state={state}") == {state}
    assert found("q=CHAT") == {"active"}
    assert found("q=%25") == {"later"}
    assert found("q=_") == set()
    assert found(f"q={made['soon']['id'][:12]}") == {"soon"}
    assert found("project=side") == {"later"}
    assert found("project=side&state=revoked") == set()
    assert house.refused(404, "GET", "/api/keys?project=nowhere")["code"] == "project_not_found"


def test_a_key_tells_when_it_was_used_last(house: House) -> None:
    made = create(house)
    record(house, {"key_id": made["id"], "started_at": START + 7}, {"key_id": made["id"], "started_at": START + 5})
    assert house.good("GET", f"/api/keys/{made['id']}")["last_used_at"] == "2026-01-01T00:00:00.000007Z"
    assert house.good("GET", "/api/keys")["api_keys"][0]["last_used_at"] == "2026-01-01T00:00:00.000007Z"
