"""T03, T05: who has no valid key learns nothing; what is refused before a key is known says nothing about keys."""

import asyncio
from itertools import combinations

import pytest

from tests.e2e.door.conftest import Door, refusal_of
from tests.e2e.door.conversations import Answer, Conversation
from tests.e2e.door.messages import CHAT, fill, message
from tests.support.product import eventually

pytestmark = pytest.mark.e2e


def ask(door: Door, *fields: bytes, auth: bytes | None = None) -> Answer:
    """A chat with these fields; returns the answer."""

    async def run() -> Answer:
        async with await Conversation.open(door.product.port) as conversation:
            host = f"127.0.0.1:{door.product.port}".encode()
            sent = message(CHAT, *fields, auth=auth)
            await conversation.send([fill(sent, marker=b"credentials-", key=door.key.encode(), host=host)])
            (answer,) = await conversation.wait(1)
            return answer

    return asyncio.run(run())


def bearer(key: str) -> bytes:
    return b"Authorization: Bearer " + key.encode()


def test_bad_keys_are_all_alike(door: Door) -> None:
    """Six kinds of bad key and more: the same status, headers and body but for the request's id and the date."""
    product = door.product
    public = door.key.split("-")[2]
    revoked = product.create_key("revoked")
    product.cli("api-keys", "revoke", revoked["id"])
    rotated = product.create_key("rotated")
    product.cli("api-keys", "rotate", rotated["id"])
    expired = product.create_key("expired", "--expires", "1s")
    eventually(lambda: ask(door, auth=bearer(expired["plain_key"])).status == 401, "the key's expiry", 5)
    bad = {
        "of nobody": "sk-sek-0123456789abcdef-" + "A" * 43,
        "a known id, another secret": f"sk-sek-{public}-" + "A" * 43,
        "a letter changed": door.key[:-1] + ("A" if door.key[-1] != "A" else "B"),
        "a letter less": door.key[:-1],
        "another shape": "nonsense-from-somewhere",
        "of another house": "sk-proj-" + "a" * 60,
        "revoked": revoked["plain_key"],
        "rotated": rotated["plain_key"],
        "expired": expired["plain_key"],
        "very long": "sk-sek-" + "a" * 9000,
    }
    answers = {kind: ask(door, auth=bearer(key)) for kind, key in bad.items()}
    assert {kind: answer.status for kind, answer in answers.items()} == dict.fromkeys(bad, 401)
    bodies = {kind: refusal_of(answer.body) for kind, answer in answers.items()}
    assert all(body == bodies["of nobody"] for body in bodies.values()), bodies
    own = (b"x-request-id", b"date", b"content-length")
    heads = {kind: sorted(field for field in answer.headers if field[0] not in own) for kind, answer in answers.items()}
    assert all(head == heads["of nobody"] for head in heads.values()), heads
    assert len({answer.header(b"content-length") for answer in answers.values()}) == 1
    for kind, answer in answers.items():
        assert bad[kind].encode()[-12:] not in answer.body
        assert not [name for name, _ in answer.headers if b"ratelimit" in name]


PLACES = (b"Authorization: Bearer ", b"x-api-key: ", b"api-key: ", b"x-goog-api-key: ")


@pytest.mark.parametrize(("one", "other"), list(combinations(PLACES, 2)))
def test_two_different_credentials_are_refused_wherever_they_stand(door: Door, one: bytes, other: bytes) -> None:
    """Neither order nor validity of the two matters."""
    door.upstream.forget()
    valid, invalid = door.key.encode(), b"sk-sek-0123456789abcdef-" + b"A" * 43
    for first, second in ((valid, invalid), (invalid, valid), (b"x", invalid)):
        assert ask(door, other + second, auth=one + first).status == 400
    assert door.upstream.calls == []


@pytest.mark.parametrize("name", ["key", "api_key", "api-key", "apikey", "access_token", "token", "KEY"])
def test_no_query_opens_the_door(door: Door, name: str) -> None:
    """A key in a query never counts."""

    async def run() -> int:
        async with await Conversation.open(door.product.port, ("GET",)) as conversation:
            target = f"/v1/models?{name}={door.key}"
            await conversation.send([f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode()])
            (answer,) = await conversation.wait(1)
            assert door.key.encode() not in answer.body
            return answer.status

    assert asyncio.run(run()) in (400, 401)


def test_a_door_without_a_key_tells_no_routes_apart(door: Door) -> None:
    """Of the routes that need a key all answer 401 alike."""

    async def run() -> list[Answer]:
        found = []
        for target in ("/v1/models", "/v1/models/up/echo-model", "/v1/models/none/such", "/models"):
            async with await Conversation.open(door.product.port, ("GET",)) as conversation:
                await conversation.send([f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode()])
                found += await conversation.wait(1)
        return found

    answers = asyncio.run(run())
    assert [answer.status for answer in answers] == [401] * 4
    assert len({str(refusal_of(answer.body)) for answer in answers}) == 1
