"""What surrounds every request: ids, bounds, headers, one error body, and no trace of a fault of ours outside."""

import asyncio
from typing import Any

import pytest

from sekisho.api.doors import door
from sekisho.api.frame import MAX_BODY
from sekisho.storage.errors import UnavailableError
from tests.integration.management.house import House


def test_every_answer_has_an_id_of_its_own_and_safe_headers(house: House) -> None:
    answers = [
        house.ask("GET", "/health"),
        house.ask("GET", "/api/keys"),
        house.ask("GET", "/nope"),
        house.ask("GET", "/api/keys", through="tunnel"),
        house.ask("POST", "/api/keys", {}),
        house.ask("POST", "/api/keys", content=b"x" * (MAX_BODY + 1)),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 404, 401, 422, 413]
    assert len({answer.headers["x-request-id"] for answer in answers}) == len(answers)
    for answer in answers:
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-type"] == "application/json"


def test_the_client_does_not_choose_the_id(house: House) -> None:
    assert house.ask("GET", "/health", headers={"x-request-id": "mine"}).headers["x-request-id"] != "mine"


def test_a_wrong_route_and_a_wrong_method_are_told_apart(house: House) -> None:
    assert house.refused(404, "GET", "/api/nope")["code"] == "route_not_found"
    assert house.refused(405, "DELETE", "/health")["code"] == "method_not_allowed"
    assert house.ask("DELETE", "/health").headers["allow"] == "GET"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "invalid_json"),
        (b"", 422, "missing_field"),
        (b"\xff\xfe", 400, "invalid_json"),
        (b'{"label": "\xff"}', 400, "invalid_request"),
        (b'{"label": "a"} x', 400, "invalid_json"),
        (b'{"label": ' + b"9" * 5000 + b"}", 400, "invalid_request"),
        (b"[" * 200_000, 400, "invalid_request"),
        (b'{"label": NaN}', 422, "invalid_value"),
        (b"null", 422, "invalid_value"),
        (b'"label"', 422, "invalid_value"),
    ],
)
def test_a_body_that_is_not_what_it_should_be_is_a_clean_refusal(house: House, body: bytes, status: int, code: str) -> None:
    error = house.refused(status, "POST", "/api/keys", content=body, headers={"content-type": "application/json"})
    assert error["code"] == code
    assert "Traceback" not in error["message"]


def test_a_body_is_json_by_its_type(house: House) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        house.refused(422, "POST", "/api/keys", content=b'{"label": "a"}', headers={"content-type": kind})
    assert house.good("GET", "/api/keys")["api_keys"] == []


def test_a_body_is_bounded_by_what_comes_and_not_by_what_is_said(house: House) -> None:
    """A body in chunks is cut off at the bound, and the rest is never asked for."""
    asked = 0

    async def run() -> list[Any]:
        nonlocal asked
        sent: list[Any] = []

        async def receive() -> Any:
            nonlocal asked
            asked += 1
            assert asked < 100
            return {"type": "http.request", "body": b"x" * 100_000, "more_body": True}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": "/api/keys",
            "raw_path": b"/api/keys",
            "root_path": "",
            "query_string": b"",
            "headers": [(b"content-type", b"application/json")],
            "server": ("sekisho", 80),
            "client": None,
        }
        await door(house.app, "local")(scope, receive, send)
        return sent

    sent = house.run(run())
    assert sent[0]["status"] == 413
    assert asked == MAX_BODY // 100_000 + 1


@pytest.mark.parametrize("declared", [str(MAX_BODY + 1), "9" * 40, "-1", "1e3", "ten"])
def test_a_declared_length_beyond_the_bound_is_refused_unread(house: House, declared: str) -> None:
    answer = house.ask("POST", "/api/keys", content=b"{}", headers={"content-length": declared})
    assert answer.status_code == 413


def test_a_fault_of_ours_is_told_without_its_trace(house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    async def burst(*_: object) -> None:
        raise RuntimeError("the inside of the house")

    monkeypatch.setattr(house.product, "reload", burst)
    error = house.refused(500, "POST", "/api/system/reload")
    assert error["code"] == "internal_error"
    assert "inside" not in error["message"]
    assert "the inside of the house" in caplog.text
    assert error["request_id"] in caplog.text


def test_a_database_that_is_busy_is_503_and_never_401(house: House) -> None:
    async def hold_and_ask() -> Any:
        house.database._wait = 0.01
        async with house.database.writer():
            return await house._ask("POST", "/api/keys", "local", {"json": {"label": "a"}})

    answer = house.run(hold_and_ask())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["error"]["code"] == "database_unavailable"
    # It heals by itself.
    house.good("POST", "/api/keys", {"label": "a"})


def test_a_write_that_fails_leaves_nothing_and_publishes_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    from sekisho.identity import repository

    async def full(*_: object) -> None:
        raise UnavailableError("the database cannot be written (disk full)")

    monkeypatch.setattr(repository, "add_secret", full)
    house.refused(503, "POST", "/api/keys", {"label": "a"})
    monkeypatch.undo()
    assert house.good("GET", "/api/keys")["api_keys"] == []
    assert house.good("GET", "/api/status")["revision"] == 1
    assert house.workers.publications == []


def test_writes_at_once_take_their_turn(house: House) -> None:
    async def all_at_once() -> list[int]:
        answers = await asyncio.gather(*(house._ask("POST", "/api/keys", "local", {"json": {"label": f"k{n}"}}) for n in range(30)))
        return [answer.json()["revision"] for answer in answers]

    assert sorted(house.run(all_at_once())) == list(range(2, 32))
    assert len(house.run(house.compiler.keys())) == 30
