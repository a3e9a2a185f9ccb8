"""Keep-alive, pipelines and expectations: requests are answered in their order, each once, whatever comes before or behind."""

import asyncio

import pytest

from tests.e2e.door.conftest import Door
from tests.e2e.door.conversations import Conversation
from tests.e2e.door.messages import BODY, CHAT, MARKER, fill, get, length, message
from tests.support.messages import Message
from tests.support.upstream import Pause, Reply, Upstream, chat, well_behaved

pytestmark = pytest.mark.e2e


def spelled(door: Door, sent: bytes, marker: bytes = b"pipelines---") -> bytes:
    return fill(sent, marker=marker, key=door.key.encode(), host=f"127.0.0.1:{door.product.port}".encode())


def chats(upstream: Upstream) -> list[bytes]:
    """The markers of the chats that arrived, in order."""
    return [bytes(call.body).partition(b'"content":"')[2][:12] for call in upstream.calls]


def echo(request: Message) -> Reply:
    """Says what it was told; the slower, the earlier its number is in the alphabet."""
    told = request.json()["messages"][0]["content"]
    reply = Reply.json(chat(told))
    slow = told.startswith("slow")
    return Reply((Pause(0.3), *reply.steps)) if slow else reply


def test_answers_come_in_the_order_of_their_requests(door: Door) -> None:
    """A slow first one holds back the quick ones behind it; nobody gets another's answer."""
    names = [b"slow-%07d" % number if number % 5 == 0 else b"fast-%07d" % number for number in range(15)]

    async def run() -> list[bytes]:
        async with await Conversation.open(door.product.port) as conversation:
            await conversation.send([b"".join(spelled(door, message(), name) for name in names)])
            return [answer.body for answer in await conversation.wait(len(names))]

    door.upstream.otherwise = echo
    try:
        bodies = asyncio.run(run())
    finally:
        door.upstream.otherwise = well_behaved
    assert len(bodies) == len(names)
    assert all(name in body for name, body in zip(names, bodies, strict=True))


def test_different_answers_in_one_pipeline(door: Door) -> None:
    """Refusals that leave the framing sound do not disturb the others; the one that ends the connection is the last answered."""
    sent = [
        (get(), 200),
        (message(b"POST /nowhere HTTP/1.1"), 404),
        (message(auth=b"Authorization: Bearer nonsense"), 401),
        (message(), 200),
        (message(body=b"{}"), 400),
        (message(b"DELETE /v1/chat/completions HTTP/1.1"), 405),
        (message(), 200),
        (message(CHAT, b"X A: b"), 400),
        (message(), 200),
    ]

    async def run() -> tuple[list[int], bool]:
        async with await Conversation.open(door.product.port) as conversation:
            await conversation.send([spelled(door, b"".join(each for each, _ in sent))])
            ended = await conversation.wait_end()
            return [answer.status for answer in conversation.answers], ended

    door.upstream.forget()
    assert asyncio.run(run()) == ([status for _, status in sent[:8]], True)
    assert len(chats(door.upstream)) == 2


@pytest.mark.parametrize("singly", [True, False])
def test_a_pipeline_beyond_its_depth_is_never_answered_wrongly(door: Door, singly: bool) -> None:
    """Every answer is the next request's; where too many wait, that is said once and the connection ends."""

    async def run() -> tuple[list[int], bool]:
        async with await Conversation.open(door.product.port, ("GET",)) as conversation:
            await conversation.send([spelled(door, get())] * 300 if singly else [spelled(door, get()) * 300], singly=singly)
            answers = await conversation.wait(300, patience=10)
            return [answer.status for answer in answers], conversation.received.ended

    statuses, ended = asyncio.run(run())
    if ended:
        assert statuses[-1] == 400
        assert statuses[:-1] == [200] * (len(statuses) - 1)
        assert len(statuses) >= 16
    else:
        assert statuses == [200] * 300


def test_a_thousand_requests_over_one_connection(door: Door) -> None:
    """One after the other, each answered once."""

    async def run() -> None:
        async with await Conversation.open(door.product.port, ("GET",)) as conversation:
            for number in range(1000):
                await conversation.send([spelled(door, get())])
                received = conversation.received
                while received.data.count(b'{"status":"ok"}') <= number:
                    assert not received.ended
                    received.news.clear()
                    await asyncio.wait_for(received.news.wait(), 10)
            assert len(conversation.answers) == 1000

    asyncio.run(run())


HEAD = message(CHAT, b"Expect: 100-continue", length(BODY), framed=False, body=b"")


def test_continue_is_said_before_the_body_and_only_where_it_is_welcome(door: Door) -> None:
    """100, then the body, then the answer."""

    async def run() -> tuple[bytes, list[tuple[int, tuple[int, ...]]]]:
        async with await Conversation.open(door.product.port) as conversation:
            await conversation.send([spelled(door, HEAD)])
            await asyncio.wait_for(conversation.received.news.wait(), 10)
            first = bytes(conversation.received.data)
            await conversation.send([BODY.replace(MARKER, b"expectation-")])
            return first, [(answer.status, answer.interim) for answer in await conversation.wait(1)]

    first, answers = asyncio.run(run())
    assert first == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert answers == [(200, (100,))]


REFUSED = {
    "a bad key": (HEAD.replace(b"%%KEY%%", b"nonsense"), 401),
    "no route": (HEAD.replace(b"/v1/chat", b"/v1/chats"), 404),
    "another method": (HEAD.replace(b"POST", b"PUT"), 405),
    "a large body": (HEAD.replace(length(BODY), b"Content-Length: 99999999999"), 413),
    "a compressed body": (HEAD.replace(b"Expect", b"Content-Encoding: gzip\r\nExpect"), 415),
    "two lengths": (HEAD.replace(b"Expect", b"Content-Length: 3\r\nExpect"), 400),
    "another expectation": (HEAD.replace(b"100-continue", b"101-dalmatians"), 417),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_refused_is_refused_before_its_body(door: Door, kind: str) -> None:
    """No 100, one answer, the connection ends; a body that comes all the same is no request."""
    head, status = REFUSED[kind]

    async def run() -> list[tuple[int, tuple[int, ...]]]:
        async with await Conversation.open(door.product.port) as conversation:
            await conversation.send([spelled(door, head)])
            await conversation.wait(1)
            await conversation.send([spelled(door, message())])
            assert await conversation.wait_end()
            return [(answer.status, answer.interim) for answer in conversation.answers]

    door.upstream.forget()
    assert asyncio.run(run()) == [(status, ())]
    assert door.upstream.calls == []


def test_a_client_that_says_it_is_done_gets_its_answer_or_an_end(door: Door) -> None:
    """After the client's FIN nothing hangs."""

    async def run() -> bool:
        async with await Conversation.open(door.product.port) as conversation:
            await conversation.send([spelled(door, message())])
            conversation.finish()
            return await conversation.wait_end(10)

    assert asyncio.run(run())
