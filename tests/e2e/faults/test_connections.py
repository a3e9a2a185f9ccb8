"""Kept connections to an upstream: what one call leaves behind on them never reaches another.

HTTP/1.1 has no numbers on its answers, so a surplus answer that comes when the next request has left is that request's for everybody;
what came before is told apart, and its connection thrown away.
"""

import asyncio

import pytest

from tests.e2e.faults.arena import Arena
from tests.e2e.faults.clients import Answer, ask, chat
from tests.e2e.faults.rows import CREDENTIAL
from tests.e2e.faults.scripts import Pause, ScriptedUpstream, Send, Step, completion, json_answer
from tests.support.product import eventually
from tests.support.upstream import Close

pytestmark = pytest.mark.e2e

GOOD = json_answer(completion("good"))
EVIL = json_answer(completion("EVIL"))

LEFTOVERS: dict[str, tuple[Step, ...]] = {
    "a whole second answer": (Send(GOOD + EVIL),),
    "a whole second answer later": (Send(GOOD), Pause(0.05), Send(EVIL)),
    "half a second answer": (Send(GOOD + EVIL[:60]), Pause(0.4), Send(EVIL[60:])),
    "half a second answer later": (Send(GOOD), Pause(0.05), Send(EVIL[:60]), Pause(0.4), Send(EVIL[60:])),
    "an interim answer": (Send(GOOD + b"HTTP/1.1 100 Continue\r\n\r\n"),),
    "a timeout of the idle connection": (Send(GOOD), Pause(0.05), Send(b"HTTP/1.1 408 Idle\r\ncontent-length: 0\r\n\r\n"), Close()),
    "a close": (Send(GOOD), Pause(0.05), Close()),
}


def call(arena: Arena, model: str, user: str) -> Answer:
    return asyncio.run(ask(arena.port, chat(model, user, arena.key)))


@pytest.mark.parametrize("leftover", LEFTOVERS)
def test_what_is_left_over_is_thrown_away(arena: Arena, leftover: str) -> None:
    """The next call goes over another connection and gets its own answer."""
    provider = "leaves-" + leftover.replace(" ", "-")
    with ScriptedUpstream() as upstream:
        arena.provider(provider, upstream.base_url)
        upstream.play("first", *LEFTOVERS[leftover])
        upstream.play("second", Pause(0.5), Send(json_answer(completion("own"))))
        first = call(arena, f"{provider}/m", "first")
        connection = upstream.of("first")[0].connection
        sent = sum(len(step.data) for step in LEFTOVERS[leftover] if isinstance(step, Send))
        waits = leftover.startswith("half")
        eventually(lambda: connection.sent >= (len(GOOD) + 60 if waits else sent), "the leftover")
        if Close() in LEFTOVERS[leftover]:
            upstream.wait_closed(connection)
        second = call(arena, f"{provider}/m", "second")
        assert first.json()["choices"][0]["message"]["content"] == "good"
        assert second.status == 200, second
        assert second.json()["choices"][0]["message"]["content"] == "own"
        assert upstream.of("second")[0].connection is not connection


def test_a_clean_connection_is_used_again(arena: Arena) -> None:
    with ScriptedUpstream() as upstream:
        arena.provider("clean", upstream.base_url)
        for number in range(5):
            assert call(arena, "clean/m", f"call-{number}").status == 200
        assert len(upstream.connections) == 1
        assert upstream.of("call-4")[0].request.header("authorization") == f"Bearer {CREDENTIAL}"


def test_connections_of_one_provider_are_not_lent_to_another(arena: Arena) -> None:
    """Two providers behind one address: each call carries the credential of its own."""
    with ScriptedUpstream() as upstream:
        arena.provider("here", upstream.base_url, credential="sk-of-here-0123456789")
        arena.provider("there", upstream.base_url, credential="sk-of-there-0123456789")
        for number in range(6):
            for name in ("here", "there"):
                user = f"{name}-{number}"
                assert call(arena, f"{name}/m", user).status == 200
                assert upstream.of(user)[0].request.header("authorization") == f"Bearer sk-of-{name}-0123456789"
