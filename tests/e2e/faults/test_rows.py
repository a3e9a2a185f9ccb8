"""Every row of the table: the client is told exactly this, and the record says exactly that.

Many rows are played at once, so that the slowest of them is the time of all.
"""

import asyncio
from dataclasses import dataclass

import pytest

from tests.e2e.faults import rows
from tests.e2e.faults.arena import Arena, Record
from tests.e2e.faults.clients import Answer, ask_all, chat
from tests.e2e.faults.rows import CREDENTIAL, HASTE, ROWS, Row
from tests.e2e.faults.scripts import Seen

pytestmark = pytest.mark.e2e


@dataclass
class Played:
    """A row, and what came of it."""

    row: Row
    answer: Answer
    seen: list[Seen]
    records: list[Record]


@pytest.fixture(scope="module")
def played(arena: Arena) -> dict[str, Played]:
    """The whole table, played."""
    arena.provider(rows.HASTY, timeouts=HASTE)
    requests = []
    for number, row in enumerate(ROWS):
        provider = f"{row.provider}-{number}" if row.own else row.provider
        if row.own:
            arena.provider(provider)
        arena.upstream.play(row.name, *row.steps)
        requests.append(chat(f"{provider}/m", row.name, arena.key, stream=row.stream, usage=row.asks_usage))
    # Those that are about patience go first and by themselves: the others keep this process busy.
    patient = len(rows.HANGS)
    answers = asyncio.run(ask_all(arena.port, requests[:patient])) + asyncio.run(ask_all(arena.port, requests[patient:], at_once=24))
    records = arena.records(answer.request_id for answer in answers)
    return {
        row.name: Played(row, answer, arena.upstream.of(row.name), records.get(answer.request_id, []))
        for row, answer in zip(ROWS, answers, strict=True)
    }


@pytest.mark.parametrize("name", [row.name for row in ROWS])
def test_the_client_is_told(played: dict[str, Played], name: str) -> None:
    row, answer = played[name].row, played[name].answer
    assert answer.status == row.http, answer
    assert answer.whole, "an answer is never cut in silence"
    assert answer.request_id
    assert not answer.repeated - {"set-cookie"}, "our headers come once"
    error = answer.error()
    if row.code is None:
        assert error is None
    else:
        assert error is not None, answer.body[-300:]
        assert error["code"] == row.code, error
        assert error["message"]
        assert error["type"]
    if row.stream and answer.status == 200:
        events = answer.events()
        assert events.count("[DONE]") == (0 if row.code else 1)
        assert row.code or events[-1] == "[DONE]", "nothing follows the end"
    if row.passes is not None:
        assert answer.body == row.passes
    if row.spoken is not None:
        assert answer.spoken() == row.spoken
    if row.retry_after is not None:
        least, most = row.retry_after
        assert least <= int(answer.headers["retry-after"]) <= most
    if row.code in (rows.LATE, rows.IDLE, rows.TOTAL) and not row.stream:
        assert answer.headers.get("x-should-retry") == "false"
    assert CREDENTIAL.encode() not in answer.raw + answer.body
    assert "location" not in answer.headers


@pytest.mark.parametrize("name", [row.name for row in ROWS])
def test_the_record_says(played: dict[str, Played], name: str) -> None:
    row, records = played[name].row, played[name].records
    assert len(records) == 1, "one call, one record"
    record = records[0]
    assert record["status"] == row.status, record
    assert record["http_status"] == row.http
    assert record["upstream_status"] == (row.upstream_status or None)
    assert record["usage_source"] == row.usage
    if row.code is None:
        assert record["error"] is None
    else:
        assert record["error"] is not None
        assert record["error"]["message"]
        if row.code != "engine_says":
            assert record["error"]["code"] == row.code
    tokens = record["input_tokens"], record["output_tokens"]
    if row.tokens is not None:
        assert tokens == row.tokens
    elif row.usage == "estimated":
        assert all(0 <= count <= 1000 for count in tokens), "an estimate is about what was said"
        assert record["input_tokens"] > 0
        assert bool(record["output_tokens"]) or not row.spoken
    else:
        assert all(not count for count in tokens)
    assert CREDENTIAL not in str(record)


@pytest.mark.parametrize("name", [row.name for row in ROWS])
def test_the_upstream_was_asked_once_and_let_go(played: dict[str, Played], name: str) -> None:
    row, answer, seen = played[name].row, played[name].answer, played[name].seen
    if row.repeatable and len(seen) == 2:
        assert len(seen[0].connection.reader.messages) > 1, "only what went over a kept connection"
        assert seen[1].connection is not seen[0].connection
        assert len(seen[1].connection.reader.messages) == 1
    else:
        assert len(seen) == 1, "nothing is tried again once it may have been done"
    request, connection = seen[-1].request, seen[-1].connection
    assert request.all("accept-encoding") in ([], ["identity"])
    assert request.header("authorization") == f"Bearer {CREDENTIAL}"
    if row.code in rows.LET_GO and not (row.code == rows.GARBAGE and row.upstream_status):
        assert connection.closed_at is not None, "a connection in an unknown state is not kept"
        assert connection.closed_at - answer.ended_at <= 1.0


@pytest.mark.parametrize("name", [row.name for row in ROWS if row.provider == rows.HASTY])
def test_patience_has_its_bounds(played: dict[str, Played], name: str) -> None:
    answer = played[name].answer
    assert 0.5 <= answer.seconds <= HASTE["total"] + 1.5, "not before its time, and not long after"


def test_a_surplus_answer_reaches_nobody(played: dict[str, Played]) -> None:
    assert not [each.row.name for each in played.values() if b"EVIL" in each.answer.body]
