"""Idempotency keys over the API: one creation however often it is asked for, no secret told late, and none that lies about."""

import asyncio
from typing import Any

import httpx
import pytest

from sekisho.api.doors import door
from sekisho.kit.clock import SECOND
from sekisho.rest.repeats import REMEMBERED, SECRETS_REMEMBERED, Repeats
from tests.integration.management.house import House

WORD = {"Idempotency-Key": "2b1f-6"}


def make(house: House, headers: dict[str, str] | None = None, **fields: Any) -> httpx.Response:
    return house.ask("POST", "/api/keys", {"label": "ci", **fields}, headers=headers or WORD)


def repeats_of(house: House) -> Repeats:
    found = house.app.state.provided[Repeats]
    assert isinstance(found, Repeats)
    return found


def test_the_same_request_creates_once_and_is_answered_alike(house: House) -> None:
    first, second = make(house), make(house)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert len(house.good("GET", "/api/keys")["api_keys"]) == 1


def test_without_the_header_each_request_creates(house: House) -> None:
    for _ in range(2):
        house.good("POST", "/api/keys", {"label": "ci"})
    assert len(house.good("GET", "/api/keys")["api_keys"]) == 2


def test_two_at_the_same_moment_create_one(house: House) -> None:
    async def both() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=door(house.app, "local")), base_url="http://sekisho") as client:
            return list(await asyncio.gather(*(client.post("/api/keys", json={"label": "ci"}, headers=WORD) for _ in range(8))))

    answers = house.run(both())
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["plain_key"] for answer in answers}) == 1
    assert len(house.good("GET", "/api/keys")["api_keys"]) == 1


def test_a_secret_is_told_again_for_minutes_only_and_then_what_was_made(house: House) -> None:
    made = make(house).json()
    house.clock.at += SECRETS_REMEMBERED * SECOND
    error = house.refused(409, "POST", "/api/keys", {"label": "ci"}, headers=WORD)
    assert (error["code"], error["param"]) == ("already_done", "Idempotency-Key")
    assert made["id"] in error["message"]
    assert made["plain_key"] not in error["message"]
    assert len(house.good("GET", "/api/keys")["api_keys"]) == 1


def test_after_a_day_it_is_a_new_request(house: House) -> None:
    first = make(house).json()
    house.clock.at += REMEMBERED * SECOND
    second = make(house)
    assert second.status_code == 201
    assert second.json()["id"] != first["id"]


def test_another_body_or_route_or_word_is_another_matter(house: House) -> None:
    make(house)
    error = house.refused(422, "POST", "/api/keys", {"label": "other"}, headers=WORD)
    assert error["code"] == "idempotency_key_reused"
    assert house.ask("POST", "/api/keys", {"label": "other"}, headers={"Idempotency-Key": "another"}).status_code == 201
    provider = {"name": "up", "kind": "custom", "base_url": "http://127.0.0.1:9/v1", "probe": False}
    assert house.ask("POST", "/api/providers", provider, headers=WORD).status_code == 201


@pytest.mark.parametrize("word", ["", "a b", "x" * 201, "\x7f"])
def test_a_word_that_is_none_is_refused(house: House, word: str) -> None:
    assert house.refused(422, "POST", "/api/keys", {"label": "ci"}, headers={"Idempotency-Key": word})["param"] == "Idempotency-Key"


def test_what_failed_is_not_remembered(house: House) -> None:
    assert house.ask("POST", "/api/keys", {"label": "ci", "models": ["up/m"]}, headers=WORD).status_code == 422
    house.good("POST", "/api/providers", {"name": "up", "kind": "custom", "base_url": "http://127.0.0.1:9/v1", "probe": False})
    house.good("POST", "/api/models", {"id": "up/m"})
    assert house.ask("POST", "/api/keys", {"label": "ci", "models": ["up/m"]}, headers=WORD).status_code == 201


def test_providers_and_models_are_made_once_as_well(house: House) -> None:
    provider = {"name": "up", "kind": "custom", "base_url": "http://127.0.0.1:9/v1", "probe": False, "api_key": "a-secret-of-theirs"}
    answers = [house.ask("POST", "/api/providers", provider, headers=WORD) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    models = [house.ask("POST", "/api/models", {"id": "up/m"}, headers=WORD) for _ in range(2)]
    assert [answer.status_code for answer in models] == [201, 201]
    assert models[0].json() == models[1].json()
    house.clock.at += SECRETS_REMEMBERED * SECOND
    again = house.ask("POST", "/api/models", {"id": "up/m"}, headers=WORD)
    assert again.status_code == 201, "an answer without a secret is told again for the whole day"


def test_no_secret_lies_about_and_what_is_stale_is_wiped(house: House) -> None:
    plain = make(house).json()["plain_key"]
    assert plain.split("-", 3)[3].encode() not in house.stored()
    assert count(house, "answer IS NOT NULL") == 1
    house.clock.at += SECRETS_REMEMBERED * SECOND
    tidy(house)
    assert (count(house, "answer IS NOT NULL"), count(house, "1 = 1")) == (0, 1)
    house.clock.at += REMEMBERED * SECOND
    tidy(house)
    assert count(house, "1 = 1") == 0


def tidy(house: House) -> None:
    from sekisho.storage.session import Sessions

    house.run(repeats_of(house).tidy(house.app.state.provided[Sessions]))


def count(house: House, where: str) -> int:
    async def read() -> int:
        async with house.database.reader() as connection:
            return int((await connection.exec_driver_sql(f"SELECT COUNT(*) FROM repeats WHERE {where}")).scalar_one())

    return house.run(read())
