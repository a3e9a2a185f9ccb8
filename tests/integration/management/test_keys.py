"""Keys over the API: what is asked for is what there is, a secret is shown once, and a dead key leaves the workers before the answer."""

import hashlib
import json
import re
from typing import Any

import pytest

from sekisho.bridge.compiler import CLOCK_ERROR
from tests.integration.management.house import House


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
        "created_at": "2026-01-01T00:00:00.000001Z",
        "expires_at": None,
        "rotated_at": None,
        "revoked_at": None,
        "revision": 2,
        "warnings": [],
    }


def test_everything_that_is_asked_for_reaches_the_workers(house: House) -> None:
    made = create(house, rpm=5, tpm=6, concurrency=7, models=["sandbox/echo", "sandbox/*"], expires_in_s=3600)
    (entry,) = house.run(house.compiler.keys())
    assert entry.digest == digest(made["plain_key"])
    assert (entry.id, entry.label, entry.project) == (made["id"], "ci", "default")
    assert (entry.rpm, entry.tpm, entry.concurrency, entry.models) == (5, 6, 7, ("sandbox/echo", "sandbox/*"))
    assert made["expires_at"] == "2026-01-01T01:00:00.000001Z"


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
        ({"label": "a\ud800"}, "label", "valid string"),
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
        ({"label": "a", "project": "other"}, "project", "no project 'other'"),
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
