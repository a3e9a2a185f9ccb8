"""A write has been done when it returns: by the first call after it, on every worker, under load."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.faults import loads
from tests.e2e.faults.arena import Arena
from tests.e2e.faults.clients import Answer, Call, ask, chat
from tests.e2e.faults.rows import STEADY
from tests.support.patience import within
from tests.support.product import eventually

pytestmark = pytest.mark.e2e

MODEL = f"{STEADY}/m"
ROUNDS = 50
CLIENTS = 8
ABREAST = 6
"""Fresh connections at once, so that both workers are asked."""


def call(arena: Arena, key: str, user: str = "first") -> Answer:
    return asyncio.run(ask(arena.port, chat(MODEL, user, key)))


async def abreast(arena: Arena, key: str, user: str = "first") -> list[Answer]:
    return list(await asyncio.gather(*(ask(arena.port, chat(MODEL, user, key)) for _ in range(ABREAST))))


def check_refused(answer: Answer) -> None:
    error = answer.error()
    assert answer.status == 401, answer
    assert answer.whole
    assert error is not None
    assert error["type"] == "authentication_error"
    assert error["code"] == "invalid_api_key"


def test_fifty_rounds_under_load(crowd: Arena) -> None:
    """Create, call at once, revoke, call at once: over fresh connections and over one that the key had opened before."""
    management = crowd.management

    async def one_round(number: int) -> None:
        created = await asyncio.to_thread(management.create_key, f"round {number}")
        assert not created["warnings"]
        key = created["plain_key"]
        assert [answer.status for answer in await abreast(crowd, key)] == [200] * ABREAST
        kept = await Call.open(crowd.port, chat(MODEL, "kept", key))
        assert (await kept.read_to_end()).status == 200
        revoked = await asyncio.to_thread(management.post, f"/api/keys/{created['id']}/revoke")
        assert not revoked["warnings"]
        await kept.again(chat(MODEL, "after", key))
        for answer in (await kept.read_all(), *await abreast(crowd, key, "after")):
            check_refused(answer)

    async def scenario() -> loads.Load:
        async with loads.running(crowd.port, crowd.key, MODEL, clients=4) as load:
            for number in range(ROUNDS):
                await one_round(number)
        return load

    load = asyncio.run(scenario())
    assert not load.failures, "the keys of others are not touched"
    assert load.answers > ROUNDS
    assert not crowd.upstream.of("after"), "no refused call reaches the upstream"


def test_no_call_that_begins_after_the_revocation_succeeds(crowd: Arena) -> None:
    """The revoked key itself is under load while it dies."""
    client = crowd.newcomer("dies under load")

    async def scenario() -> tuple[loads.Load, int, int]:
        async with loads.running(crowd.port, client.key, MODEL, user="dying", clients=CLIENTS, pause=0.0) as load:
            await load.more(100)
            await asyncio.to_thread(crowd.management.post, f"/api/keys/{client.key_id}/revoke")
            begun = len(crowd.upstream.of("dying"))
            await load.more(100)
        return load, begun, len(crowd.upstream.of("dying"))

    load, begun, seen = asyncio.run(scenario())
    assert set(load.by_status) == {200, 401}
    assert seen <= begun + CLIENTS, "at most the one call that each client had on its way when `revoke` returned"
    for answer in load.failures:
        check_refused(answer)


def test_by_the_command_line(crowd: Arena) -> None:
    product = crowd.product
    created = product.create_key("by hand")
    assert call(crowd, created["plain_key"]).status == 200
    assert product.cli("api-keys", "revoke", created["id"])["revoked"] is True
    check_refused(call(crowd, created["plain_key"]))


def test_revoked_is_for_good(crowd: Arena) -> None:
    """New workers learn of it too; revoking again changes nothing."""
    client = crowd.newcomer("for good")
    first = crowd.management.post(f"/api/keys/{client.key_id}/revoke")
    before = crowd.workers()
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: len(set(crowd.workers()) - set(before)) == len(before), "new workers", 10.0)
    for answer in asyncio.run(abreast(crowd, client.key)):
        check_refused(answer)
    again = crowd.management.post(f"/api/keys/{client.key_id}/revoke")
    assert again["revoked_at"] == first["revoked_at"]


def test_rotation_without_overlap(crowd: Arena) -> None:
    client = crowd.newcomer("rotates")
    for _ in range(5):
        rotated = crowd.management.post(f"/api/keys/{client.key_id}/rotate")
        assert rotated["id"] == client.key_id
        for answer in asyncio.run(abreast(crowd, client.key)):
            check_refused(answer)
        client.key = rotated["plain_key"]
        assert [answer.status for answer in asyncio.run(abreast(crowd, client.key))] == [200] * ABREAST


def test_rotation_with_overlap(crowd: Arena) -> None:
    """Both secrets open until the overlap is over, then the old one is dead and the new one is not."""
    client = crowd.newcomer("overlaps")
    started = time.monotonic()
    rotated = crowd.management.post(f"/api/keys/{client.key_id}/rotate", overlap_s=2)
    answers = asyncio.run(abreast(crowd, client.key)) + asyncio.run(abreast(crowd, rotated["plain_key"]))
    assert [answer.status for answer in answers] == [200] * (2 * ABREAST)
    eventually(lambda: call(crowd, client.key).status == 401, "the end of the overlap", 5.0)
    assert 1.9 <= time.monotonic() - started <= within(3.0)
    assert call(crowd, rotated["plain_key"]).status == 200
    records = {record["key_id"] for record in client.records()}
    assert records <= {client.key_id}, "both are the same key in the books"


def test_revocation_kills_both_secrets_of_a_rotation(crowd: Arena) -> None:
    client = crowd.newcomer("two secrets")
    rotated = crowd.management.post(f"/api/keys/{client.key_id}/rotate", overlap_s=600)
    crowd.management.post(f"/api/keys/{client.key_id}/revoke")
    for key in (client.key, rotated["plain_key"]):
        for answer in asyncio.run(abreast(crowd, key)):
            check_refused(answer)


def test_expiry(crowd: Arena) -> None:
    started = time.monotonic()
    client = crowd.newcomer("expires", expires_in_s=2)
    assert [answer.status for answer in asyncio.run(abreast(crowd, client.key))] == [200] * ABREAST
    eventually(lambda: call(crowd, client.key).status == 401, "the expiry", 5.0)
    assert 1.9 <= time.monotonic() - started <= within(3.0)
    check_refused(call(crowd, client.key))


def bad_keys(good: str) -> Iterator[tuple[str, str]]:
    """Kinds of keys that open nothing."""
    prefix, public, secret = good.removeprefix("sk-").split("-", 2)
    yield "of another shape", "sk-not-ours"
    yield "with an unknown id", f"sk-{prefix}-{public[::-1]}-{secret}"
    yield "with a wrong secret", f"sk-{prefix}-{public}-{secret[::-1]}"
    yield "cut", good[:-1]
    yield "longer", good + "A"


def test_bad_keys_are_refused_alike(crowd: Arena) -> None:
    """Nobody learns from the answer which part was wrong."""
    answers: dict[str, Answer] = {kind: call(crowd, key, "bad") for kind, key in bad_keys(crowd.key)}
    revoked = crowd.newcomer("revoked")
    crowd.management.post(f"/api/keys/{revoked.key_id}/revoke")
    answers["revoked"] = call(crowd, revoked.key, "bad")
    bodies: set[str] = set()
    for answer in answers.values():
        assert answer.status == 401
        error: dict[str, Any] = answer.error() or {}
        error.pop("request_id", None)
        bodies.add(str(error).replace(answer.request_id, ""))
        assert not [name for name in answer.headers if "ratelimit" in name]
    assert len(bodies) == 1, bodies
    assert not crowd.upstream.of("bad")
