"""T32, T33, T36, T37, T38: many connections, bodies and answers without end, names by the thousand: memory flat, the door open."""

import asyncio
import contextlib
import gzip
from collections.abc import Iterator

import pytest

from tests.e2e.door.campaigns import PORTS
from tests.e2e.door.conftest import Door, errors_in, open_door
from tests.e2e.door.conversations import Conversation
from tests.e2e.door.messages import BODY, CHAT, fill, get, message
from tests.e2e.door.processes import descriptors, resident_bytes
from tests.support.product import CommandError, Product, eventually
from tests.support.upstream import Repeat, Reply, Send, Upstream, head, well_behaved

pytestmark = pytest.mark.e2e

MIB = 1024 * 1024


def spelled(door: Door, sent: bytes) -> bytes:
    return fill(sent, marker=b"floods------", key=door.key.encode(), host=f"127.0.0.1:{door.product.port}".encode())


async def healthy(port: int) -> bool:
    """Whether a new client is served."""
    async with await Conversation.open(port, ("GET",)) as conversation:
        await conversation.send([b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"])
        return [answer.status for answer in await conversation.wait(1)] == [200]


def test_connections_beyond_the_cap_are_shed_and_those_within_are_served(hasty: Door) -> None:
    """260 at a time; when they leave there is room again, and no descriptor is lost."""
    worker = hasty.worker
    before = descriptors(worker)

    async def run() -> tuple[int, int, int]:
        async with contextlib.AsyncExitStack() as stack:
            held = [await stack.enter_async_context(await Conversation.open(hasty.product.port, ("GET",))) for _ in range(300)]
            for conversation in held:
                await conversation.send([spelled(hasty, get())])
            heard = await asyncio.gather(*(conversation.wait(1) for conversation in held))
            served = sum([answer.status for answer in each] == [200] for each in heard)
            shed = sum(conversation.received.ended and not each for conversation, each in zip(held, heard, strict=True))
            return served, shed, sum(not conversation.received.ended for conversation in held)

    eventually(lambda: asyncio.run(healthy(hasty.product.port)), "room")
    served, shed, kept = asyncio.run(run())
    assert served >= 200
    assert kept <= 260
    assert served + shed == 300
    eventually(lambda: asyncio.run(healthy(hasty.product.port)), "room after the flood")
    eventually(lambda: descriptors(worker) <= before + 5, "the end of all descriptors")


def test_whoever_is_idle_longest_makes_room(hasty: Door) -> None:
    """At the cap a newcomer is served; a connection that only waits is ended for it, a busy one never."""

    async def run() -> tuple[bool, int]:
        async with contextlib.AsyncExitStack() as stack:
            held = [await stack.enter_async_context(await Conversation.open(hasty.product.port, ("GET",))) for _ in range(260)]
            for conversation in held:
                await conversation.send([spelled(hasty, get())])
            await asyncio.gather(*(conversation.wait(1) for conversation in held))
            served = await healthy(hasty.product.port)
            return served, sum(conversation.received.ended for conversation in held)

    eventually(lambda: asyncio.run(healthy(hasty.product.port)), "room")
    served, ended = asyncio.run(run())
    assert served
    assert 1 <= ended <= 30


@pytest.fixture(scope="module")
def narrow() -> Iterator[Door]:
    """A door that may have 1,024 descriptors and no more."""
    with Upstream() as upstream:
        product = Product(launcher=("sh", "-c", 'ulimit -n 1024; exec "$@"', "sh")).start()
        with contextlib.closing(_Ending(product)):
            yield open_door(product, upstream)


class _Ending:
    """Stops a product that was started by hand."""

    def __init__(self, product: Product) -> None:
        self._product = product

    def close(self) -> None:
        self._product.stop()
        self._product.clean()


def test_descriptors_are_left_for_upstreams_when_clients_come_in_masses(narrow: Door) -> None:
    """1,200 connections to a process of 1,024 descriptors: who is in is served, upstream included; the process never runs dry."""
    worker = narrow.worker

    async def run() -> tuple[list[int], int, int]:
        async with contextlib.AsyncExitStack() as stack:
            held = [
                await stack.enter_async_context(await Conversation.open(narrow.ports[port], ("POST",)))
                for port in PORTS
                for _ in range(600)
            ]
            most = await asyncio.to_thread(descriptors, worker)
            first = held[0]
            statuses = []
            for number in range(3):
                await first.send([spelled(narrow, message())])
                statuses = [answer.status for answer in await first.wait(number + 1)]
            await asyncio.gather(*(conversation.send([spelled(narrow, get())]) for conversation in held[1:600]))
            await asyncio.gather(*(conversation.wait(1) for conversation in held[1:600]))
            return statuses, most, sum(bool(conversation.answers) for conversation in held[1:600])

    statuses, most, served = asyncio.run(run())
    assert statuses == [200, 200, 200]
    assert most < 1024 - 64
    assert served >= 300
    eventually(lambda: asyncio.run(healthy(narrow.product.port)), "room after the flood")
    assert errors_in(narrow.product.stderr) == []


CODED = message(CHAT, b"Transfer-Encoding: chunked", framed=False, body=b"")


def test_bodies_without_end_are_refused_while_they_come(hasty: Door) -> None:
    """Eight at once, forty megabytes each at most: 413 soon after the bound of one, and memory stays flat."""
    worker = hasty.worker
    before = resident_bytes(worker)
    piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"

    async def one() -> tuple[list[int], int]:
        async with await Conversation.open(hasty.product.port) as conversation:
            sent = await conversation.send([spelled(hasty, CODED)])
            while sent < 40 * MIB and not conversation.received.data and not conversation.received.ended:
                sent += await conversation.send([piece])
                await asyncio.sleep(0)
            await conversation.wait_end()
            return [answer.status for answer in conversation.answers], sent

    async def run() -> list[tuple[list[int], int]]:
        return await asyncio.gather(*(one() for _ in range(8)))

    hasty.upstream.forget()
    outcomes = asyncio.run(run())
    assert [statuses for statuses, _ in outcomes] == [[413]] * 8
    assert max(sent for _, sent in outcomes) < 12 * MIB  # what socket buffers hold is sent before the answer is seen
    assert resident_bytes(worker) - before < 16 * MIB
    assert hasty.upstream.calls == []


def test_identity_is_all_that_upstreams_are_asked_for(hasty: Door) -> None:
    """A client's own wish for compression does not travel."""
    hasty.upstream.forget()
    answer = _chat(hasty, message(CHAT, b"Accept-Encoding: gzip, br"))
    assert answer == 200
    assert hasty.upstream.calls[0].header("accept-encoding") in (None, "identity")


BOMB = gzip.compress(bytes(64 * MIB), mtime=0)
ANSWERS = {
    "a gzip bomb": Reply.of(BOMB, headers=[("content-encoding", "gzip")]),
    "a gzip bomb that says nothing of it": Reply.of(BOMB),
    "a gzip bomb in a stream": Reply.of(BOMB, headers=[("content-encoding", "gzip")], content_type="text/event-stream"),
    "an answer without end": Reply(
        (
            Send(head(200, [("content-type", "application/json"), ("transfer-encoding", "chunked")])),
            Repeat(b"10000\r\n" + b" " * 0x10000 + b"\r\n", 0.0),
        )
    ),
    "an event without end": Reply(
        (
            Send(head(200, [("content-type", "text/event-stream"), ("transfer-encoding", "chunked")]) + b"6\r\ndata: \r\n"),
            Repeat(b"10000\r\n" + b"a" * 0x10000 + b"\r\n", 0.0),
        )
    ),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_answers_without_bounds_are_cut(hasty: Door, kind: str) -> None:
    """Nothing is inflated, nothing beyond the bound is held; the client hears of it."""
    worker = hasty.worker
    hasty.upstream.forget()
    hasty.upstream.otherwise = lambda request: ANSWERS[kind]
    streams = "stream" in kind or "event" in kind
    before = resident_bytes(worker)
    body = BODY[:-1] + b',"stream":true}' if streams else BODY

    async def run() -> tuple[list[int], bytes, bool]:
        async with await Conversation.open(hasty.product.port) as conversation:
            await conversation.send([spelled(hasty, message(body=body))])
            answers = await conversation.wait(1)
            return [answer.status for answer in answers], b"".join(answer.body for answer in answers), conversation.received.ended

    try:
        statuses, heard, _ = asyncio.run(run())
    finally:
        hasty.upstream.otherwise = well_behaved
    assert statuses in ([502], [200])
    assert b'"error"' in heard
    assert statuses == [502] or b"[DONE]" not in heard
    assert resident_bytes(worker) - before < 16 * MIB


def _chat(door: Door, sent: bytes) -> int:
    async def run() -> int:
        async with await Conversation.open(door.product.port) as conversation:
            await conversation.send([spelled(door, sent)])
            (answer,) = await conversation.wait(1)
            return answer.status

    return asyncio.run(run())


@pytest.mark.parametrize("pattern", ["(a+)+$", "up/(a|a)*", "up/**", "*", "up/*/*", ".*"])
def test_scopes_are_names_not_patterns(hasty: Door, pattern: str) -> None:
    """A key's models are literal ids or everything of a provider; an expression is refused where it is written."""
    with pytest.raises(CommandError) as refused:
        hasty.product.create_key("pattern", "--models", pattern)
    assert refused.value.exit_code == 1


def test_long_names_cost_nothing(hasty: Door) -> None:
    """What would take an expression for ever is looked up as a name."""
    assert _chat(hasty, message(body=BODY.replace(b"up/echo-model", b"up/" + b"a" * 500_000 + b"!"))) == 404
    assert _chat(hasty, message(b"GET /v1/models/" + b"a/" * 3900 + b"! HTTP/1.1", body=None)) == 404


def test_names_that_clients_choose_are_not_collected(hasty: Door) -> None:
    """Keys, addresses, agents and models by the thousand: memory stays flat."""
    worker = hasty.worker

    def requests(first: int, count: int) -> bytes:
        return b"".join(
            message(
                b"POST /v1/chat/completions HTTP/1.1",
                b"User-Agent: agent-%d" % number,
                body=BODY.replace(b"up/echo-model", b"up/model-%d" % number),
                auth=b"Authorization: Bearer " + (b"%%KEY%%" if number % 4 == 0 else b"sk-sek-%016d-" % number + b"A" * 43),
            )
            for number in range(first, first + count)
        )

    async def one(number: int) -> int:
        source = f"127.{1 + number // 250}.{number % 250}.1"
        async with await Conversation.open(hasty.product.port, source=source) as conversation:
            await conversation.send([spelled(hasty, requests(number * 10, 10))])
            return len(await conversation.wait(10))

    async def run(first: int, count: int) -> int:
        return sum([await one(number) for number in range(first, first + count)])

    assert asyncio.run(run(0, 100)) == 1000  # warm
    before = resident_bytes(worker)
    assert asyncio.run(run(100, 400)) == 4000
    assert resident_bytes(worker) - before < 4 * MIB


def test_nothing_crashed(hasty: Door) -> None:
    """Floods are ordinary work: the log holds no error."""
    assert errors_in(hasty.product.stderr) == []
