"""T25: behind a reverse proxy no message is read in two ways: nobody's request grows out of another's, nobody gets another's answer."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from tests.e2e.door.campaigns import BEHIND, upstream_body
from tests.e2e.door.cases import CASES, FRAMING, VALID, Case
from tests.e2e.door.conftest import Door
from tests.e2e.door.conversations import Conversation, NotHttpError
from tests.e2e.door.fronts import FRONTS, front
from tests.e2e.door.messages import BODY, MARKER, fill, message
from tests.support.messages import Message
from tests.support.upstream import Reply, chat, well_behaved

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

PROBES = [case for case in CASES if case.threat in ("T24", "T26", "T27") and case.layer in (FRAMING, VALID) and not case.large]
AT_ONCE = 16


def told(request: Message) -> Reply:
    """Says what it was told."""
    messages = request.json().get("messages") or [{"content": "nothing"}]
    return Reply.json(chat(str(messages[0]["content"])))


async def probe(case: Case, number: int, port: int, key: bytes) -> list[str]:
    """Send a case with more behind it, then a clean request as somebody else; returns what is wrong with the latter."""
    host = f"127.0.0.1:{port}".encode()

    def spelled(sent: bytes, kind: bytes) -> bytes:
        return fill(sent, marker=b"%b%07d---" % (kind, number), key=key, host=host)

    async with await Conversation.open(port, (case.method,) * case.answers + ("POST", "GET")) as conversation:
        await conversation.send([spelled(case.bytes(), b"fp") + spelled(BEHIND, b"fb")])
        with contextlib.suppress(NotHttpError):  # what a proxy says to HTTP/0.9 has no head
            await conversation.wait(case.answers + 2, patience=0.3)
    async with await Conversation.open(port) as conversation:
        await conversation.send([spelled(message(), b"fc")])
        answers = await conversation.wait(1)
        own = b"fc%07d---" % number
        if [answer.status for answer in answers] != [200] or own not in answers[0].body:
            return [f"{case.name}: the next client got {[(answer.status, answer.body[:200]) for answer in answers]}"]
    return []


@pytest.mark.parametrize("kind", FRONTS)
def test_behind_a_proxy_every_request_is_one_that_was_sent(door: Door, kind: str, tmp_path: Path) -> None:
    """All framing probes through kept connections: each body that arrives is one that was sent, once; answers find their clients."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def guarded(case: Case, number: int, port: int) -> list[str]:
        async with gate:
            return await probe(case, number, port, door.key.encode())

    async def run(port: int) -> list[str]:
        found = await asyncio.gather(*(guarded(case, number, port) for number, case in enumerate(PROBES)))
        return [wrong for each in found for wrong in each]

    door.upstream.forget()
    door.upstream.otherwise = told
    try:
        with front(kind, tmp_path, door.product.port) as port:
            wrong = asyncio.run(run(port))
    finally:
        door.upstream.otherwise = well_behaved
    assert wrong == []
    sent: dict[bytes, int] = {}
    for number, case in enumerate(PROBES):
        for body, name, times in ((case.body or BODY, b"fp", case.answers), (BODY, b"fb", 1), (BODY, b"fc", 1)):
            whole = upstream_body(body.replace(MARKER, b"%b%07d---" % (name, number)))
            sent[whole] = sent.get(whole, 0) + times
    arrived = [bytes(call.body) for call in door.upstream.calls]
    assert sum(b'"fp' in body for body in arrived) >= 10, "hardly a valid probe came through"
    for body in arrived:
        assert sent.get(body, 0) > 0, f"nobody sent {body!r}, or not so often"
        sent[body] -= 1
    assert not [body for body, left in sent.items() if b"fc" in body and left], "a clean request did not arrive"
