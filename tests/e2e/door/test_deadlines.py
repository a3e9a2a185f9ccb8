"""T29, T30, T31: whoever is slow on purpose is let go, on both ports, and the others do not notice.

Deadlines are turned down to about a second.
"""

import asyncio
import time

import pytest

from tests.e2e.door.campaigns import GATEWAY_PORT, PORTS
from tests.e2e.door.conftest import Door, errors_in
from tests.e2e.door.conversations import Conversation
from tests.e2e.door.messages import BODY, CHAT, MARKER, fill, get, message
from tests.e2e.door.processes import resident_bytes
from tests.support.patience import within
from tests.support.upstream import Repeat, Reply, Send, chunk, head, sse, well_behaved

pytestmark = pytest.mark.e2e

LATE = 4.0
"""Seconds by which a deadline of about one must have ended a connection, on a busy machine."""
EARLY = 0.9


def spelled(door: Door, sent: bytes) -> bytes:
    return fill(sent, marker=b"deadlines---", key=door.key.encode(), host=f"127.0.0.1:{door.product.port}".encode())


async def trickle(conversation: Conversation, data: bytes, every: float) -> None:
    """A byte now and then, for as long as the other side listens."""
    for at in range(len(data)):
        if conversation.received.ended or conversation.received.data:
            return
        await conversation.send([data[at : at + 1]])
        await asyncio.sleep(every)


async def ending(conversation: Conversation, since: float) -> tuple[list[int], float]:
    """The statuses that came, and the seconds until the end; fails where none comes."""
    assert await conversation.wait_end(LATE + 2)
    return [answer.status for answer in conversation.answers], time.monotonic() - since


BEHIND_A_REQUEST = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
HEADS = {
    "a silent connection": (b"", b"", None),
    "a head that stops": (b"GET /health HTTP/1.1\r\nHost: a\r\n", b"", 408),
    "a head byte by byte": (b"", b"GET /health HTTP/1.1\r\nHost: a\r\nX-A: " + b"a" * 50, 408),
    "a head byte by byte behind a request": (BEHIND_A_REQUEST, b"GET /health HTTP/1.1\r\nHost: a\r\nX-A: " + b"a" * 50, 408),
    "blank lines": (b"", b"\r\n" * 40, None),
}
LENGTH = message(CHAT, b"Content-Length: 100000", framed=False, body=b"")
CODED = message(CHAT, b"Transfer-Encoding: chunked", framed=False, body=b"")
BODIES = {
    "a large length, then silence": (LENGTH, b"", 408),
    "a length, byte by byte": (LENGTH, b" " * 80, 408),
    "chunks, then silence": (CODED + b"5\r\n{", b"", 408),
    "chunks, byte by byte": (CODED, b"1\r\n \r\n" * 15, 408),
    "a chunk size byte by byte": (CODED, b"0" * 80, 408),
    "a trailer byte by byte": (CODED + b"2\r\n{}\r\n0\r\nX-A: ", b"a" * 80, 408),
}
SLOW = {**HEADS, **BODIES}

Ending = tuple[list[int], bool, float]
"""The statuses that came, whether the connection ended, and after how many seconds."""


async def linger(door: Door, port: int, first: bytes, slowly: bytes) -> Ending:
    """Send the first part at once and the second a byte each 50 ms, then wait for the end."""
    async with await Conversation.open(port, ("GET",)) as conversation:
        began = time.monotonic()
        heard: list[int] = []
        if first == BEHIND_A_REQUEST:
            await conversation.send([first])
            await conversation.wait(1)
            conversation.received.data.clear()
            began = time.monotonic()
        else:
            await conversation.send([spelled(door, first)])
        await trickle(conversation, slowly, 0.05)
        ended = await conversation.wait_end(LATE)
        heard += [answer.status for answer in conversation.answers]
        return heard, ended, time.monotonic() - began


@pytest.fixture(scope="module")
def endings(hasty: Door) -> dict[tuple[str, str], Ending]:
    """All the slow ones at once, on both ports."""

    async def run() -> dict[tuple[str, str], Ending]:
        async with asyncio.TaskGroup() as group:
            tasks = {
                (kind, port): group.create_task(linger(hasty, hasty.ports[port], first, slowly))
                for kind, (first, slowly, _) in SLOW.items()
                for port in PORTS
            }
        return {name: task.result() for name, task in tasks.items()}

    hasty.upstream.forget()
    found = asyncio.run(run())
    assert hasty.upstream.calls == []  # nothing is sent on before it is whole
    return found


@pytest.mark.parametrize("port", PORTS)
@pytest.mark.parametrize("kind", SLOW)
def test_who_is_slow_is_let_go(endings: dict[tuple[str, str], Ending], kind: str, port: str) -> None:
    """A head has a second in all, a body may not pause for one nor fall below the least rate, however many bytes come meanwhile."""
    statuses, ended, seconds = endings[kind, port]
    expected = SLOW[kind][2]
    assert ended
    assert EARLY < seconds < within(LATE)
    assert statuses == ([expected] if expected else [])


def test_an_idle_connection_is_kept_for_a_while_only(hasty: Door) -> None:
    """After its answer."""

    async def run() -> tuple[list[int], float]:
        async with await Conversation.open(hasty.product.port, ("GET",)) as conversation:
            await conversation.send([spelled(hasty, get())])
            await conversation.wait(1)
            return await ending(conversation, time.monotonic())

    heard, seconds = asyncio.run(run())
    assert heard == [200]
    assert 1.2 < seconds < within(LATE + 1)


def test_a_slow_but_steady_body_is_served(hasty: Door) -> None:
    """Three seconds at ten times the least rate: longer than any single deadline."""
    body = spelled(hasty, BODY.replace(MARKER, MARKER + b" " * 60_000))

    async def run() -> list[int]:
        async with await Conversation.open(hasty.product.port) as conversation:
            await conversation.send([spelled(hasty, message(CHAT, b"Content-Length: %d" % len(body), framed=False, body=b""))])
            for at in range(0, len(body), 2_000):
                await conversation.send([body[at : at + 2_000]])
                await asyncio.sleep(0.1)
            return [answer.status for answer in await conversation.wait(1)]

    assert asyncio.run(run()) == [200]


def test_a_client_that_does_not_read_is_let_go(hasty: Door) -> None:
    """An endless stream to somebody who never reads: upstream and client are closed, and memory stays flat."""
    event = chunk(sse({"choices": [{"index": 0, "delta": {"content": "on " * 1000}, "finish_reason": None}]}))
    opening = Send(head(200, [("content-type", "text/event-stream"), ("transfer-encoding", "chunked")]))
    hasty.upstream.otherwise = lambda request: Reply((opening, Repeat(event, 0.0)))
    hasty.upstream.forget()
    worker = hasty.worker
    before = resident_bytes(worker)

    async def run() -> int:
        body = BODY[:-1] + b',"stream":true}'
        _, writer = await asyncio.open_connection("127.0.0.1", hasty.product.port, limit=1)
        writer.write(spelled(hasty, message(body=body)))
        most = 0
        loop = asyncio.get_running_loop()
        calls = await loop.run_in_executor(None, hasty.upstream.wait_calls, 1)
        assert calls
        connection = next(each for each in hasty.upstream.connections if each.reader.messages)
        until = loop.time() + LATE + 4
        while connection.left_at is None and loop.time() < until:
            most = max(most, resident_bytes(worker) - before)
            await asyncio.sleep(0.05)
        assert connection.left_at is not None, "the upstream was never closed"
        writer.close()
        return most

    try:
        most = asyncio.run(run())
    finally:
        hasty.upstream.otherwise = well_behaved
    assert most < 8 * 1024 * 1024


def test_two_hundred_slow_sockets_disturb_nobody(hasty: Door) -> None:
    """All are gone in time; a good client is answered throughout."""

    async def slow(number: int) -> float:
        async with await Conversation.open(hasty.ports[PORTS[number % 2]], ("GET",)) as conversation:
            began = time.monotonic()
            await trickle(conversation, b"GET /health HTTP/1.1\r\nX-A: " + b"a" * 300 if number % 4 < 2 else b"", 0.05)
            assert await conversation.wait_end(LATE + 2)
            return time.monotonic() - began

    async def good(stop: asyncio.Event) -> list[float]:
        times = []
        while not stop.is_set():
            began = time.monotonic()
            async with await Conversation.open(hasty.ports[GATEWAY_PORT], ("GET",)) as conversation:
                await conversation.send([spelled(hasty, get())])
                (answer,) = await conversation.wait(1)
            assert answer.status == 200
            times.append(time.monotonic() - began)
            await asyncio.sleep(0.02)
        return times

    async def run() -> tuple[list[float], list[float]]:
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            answered = group.create_task(good(stop))
            seconds = await asyncio.gather(*(slow(number) for number in range(200)))
            stop.set()
        return list(seconds), answered.result()

    seconds, times = asyncio.run(run())
    assert max(seconds) < within(LATE + 2)
    assert len(times) >= 10
    assert max(times) < within(1.0)


def test_nothing_crashed(hasty: Door) -> None:
    """Letting go of the slow is ordinary work: the log holds no error."""
    assert errors_in(hasty.product.stderr) == []
