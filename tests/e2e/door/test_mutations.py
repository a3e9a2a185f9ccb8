"""Accidents on the wire: mutated requests are refused or read as h11 reads them, also by the running product; no answer is garbled."""

import asyncio
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.e2e.door.campaigns import upstream_body
from tests.e2e.door.conftest import Door, errors_in
from tests.e2e.door.conversations import Answer, Conversation
from tests.e2e.door.test_fidelity import messages
from tests.fuzz.strategies import mutations
from tests.unit.wire.oracles import requests_by_h11

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

LAST = b"\r\n\r\nGET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
"""Ends what the mutation left open, as far as it can, so that nobody waits for a deadline."""


@settings(max_examples=200, deadline=None)
@given(st.data(), messages())
def test_a_mutated_request_reaches_the_upstream_as_h11_reads_it_or_not_at_all(door: Door, data: st.DataObject, sent: bytes) -> None:
    """Each body that arrives is that of a request which h11 finds in the same bytes; h11 takes each answer."""
    stream = data.draw(mutations(sent)).replace(b"%%KEY%%", door.key.encode()) + LAST

    async def run() -> list[Answer]:
        async with await Conversation.open(door.product.port) as conversation:
            await conversation.send([stream])
            conversation.finish()
            await conversation.wait_end(20)
            assert conversation.received.ended
            return conversation.answers

    door.upstream.forget()
    answers = asyncio.run(run())
    read, refused = requests_by_h11(stream)
    received = [bytes(call.body) for call in door.upstream.calls if call.complete]
    bodies = [upstream_body(body) for _, _, body in read]
    if not refused:
        assert all(body in bodies for body in received)
    assert all(isinstance(json.loads(body), dict) for body in received)
    assert len([answer for answer in answers if answer.status == 200]) <= len(received) + 1
    assert not [answer for answer in answers if answer.status >= 500 and answer.status not in (501, 505)]


def test_nothing_crashed(door: Door) -> None:
    """Whatever came, the log holds no error."""
    assert errors_in(door.product.stderr) == []
