"""What belongs to one side stays on it: the provider's credential never reaches a client, the client's key never the upstream."""

import asyncio

import pytest

from tests.e2e.faults.arena import Arena
from tests.e2e.faults.clients import ask, chat
from tests.e2e.faults.rows import CREDENTIAL, STEADY
from tests.e2e.faults.scripts import Send, completion, json_answer

pytestmark = pytest.mark.e2e

MODEL = f"{STEADY}/m"
PRIVATE = (
    "cookie: session=private-cookie",
    "x-forwarded-for: 203.0.113.77",
    "forwarded: for=203.0.113.77",
    "proxy-authorization: Basic private-proxy",
    "x-sekisho-client-address: 203.0.113.77",
    "referer: https://private.example/page",
)


def test_the_upstream_sees_nothing_of_the_client(arena: Arena) -> None:
    user = "private-headers"
    answer = asyncio.run(ask(arena.port, chat(MODEL, user, arena.key, headers=PRIVATE)))
    assert answer.status == 200
    [seen] = arena.upstream.of(user)
    raw = bytes(seen.request.raw)
    for private in (arena.key.encode(), b"private-cookie", b"private-proxy", b"203.0.113.77", b"private.example"):
        assert private not in raw
    assert seen.request.all("authorization") == [f"Bearer {CREDENTIAL}"]
    assert seen.request.header("host") == f"127.0.0.1:{arena.upstream.port}"


def test_a_key_in_another_header_is_not_passed_either(arena: Arena) -> None:
    for number, name in enumerate(("x-api-key", "api-key", "x-goog-api-key")):
        user = f"other-header-{number}"
        request = chat(MODEL, user, arena.key).replace(b"authorization: Bearer ", name.encode() + b": ")
        assert asyncio.run(ask(arena.port, request)).status == 200
        [seen] = arena.upstream.of(user)
        assert arena.key.encode() not in bytes(seen.request.raw)


def test_the_client_sees_no_headers_that_are_the_upstreams_own(arena: Arena) -> None:
    user = "telling-headers"
    telling = (
        "set-cookie: upstream=1",
        "connection: x-hop",
        "x-hop: 1",
        "keep-alive: timeout=5",
        "server: engine/1",
        "x-request-id: chosen-by-the-upstream",
        "access-control-allow-origin: *",
        "strict-transport-security: max-age=1",
        'alt-svc: h3=":1"',
        "proxy-authenticate: Basic",
    )
    arena.upstream.play(user, Send(json_answer(completion(), "200 OK", *telling)))
    answer = asyncio.run(ask(arena.port, chat(MODEL, user, arena.key)))
    assert answer.status == 200
    assert answer.request_id != "chosen-by-the-upstream"
    for name in ("set-cookie", "x-hop", "alt-svc", "proxy-authenticate", "strict-transport-security"):
        assert name not in answer.headers
    assert not answer.repeated


def test_the_address_asked_shows_no_key(arena: Arena) -> None:
    """A key in the query is refused before any upstream, and is in no record."""
    request = chat(MODEL, "in-the-query", arena.key).replace(b"/completions HTTP", f"/completions?api_key={arena.key} HTTP".encode())
    answer = asyncio.run(ask(arena.port, request))
    assert answer.status in (400, 401)
    assert not arena.upstream.of("in-the-query")
    assert arena.key not in str(arena.management.all_refusals())


def test_nothing_of_it_is_in_the_logs(arena: Arena) -> None:
    assert CREDENTIAL not in arena.product.output
    assert arena.key not in arena.product.output
