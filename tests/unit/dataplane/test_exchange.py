"""The life of a request over a wire of the test's: stages in their order, one record of each call, and that before the last byte."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from sekisho.core.model.chat import UsageSource
from sekisho.core.model.records import STAGES, CallBegan, CallEnded, Refused, Status
from sekisho.core.wire.http1.events import NOTED
from sekisho.core.wire.http1.readers import RARE
from sekisho.dataplane.stages.attempt import FORWARDED
from sekisho.dataplane.stages.authenticate import OTHERS
from sekisho.kit.turn import Turn
from tests.support.virtual_time import VirtualClock, run
from tests.unit.dataplane import loops
from tests.unit.dataplane.houses import HELLO, NARROW, OPEN, SPENT, House, Wire, request

STREAM = {**HELLO, "model": "sandbox/lorem", "stream": True}


def play(scene: Coroutine[Any, Any, None]) -> None:
    """In virtual time: nothing here has a real peer."""
    run(scene, VirtualClock())


def test_a_whole_answer_is_recorded_before_it_is_written(tmp_path: Path) -> None:
    async def scene() -> None:
        async with House(tmp_path) as house:
            wire = Wire(house)
            wire.feed(request(HELLO, headers=("user-agent: test/1", "x-request-id: mine")))
            answer = await wire.answer()
            assert answer.json()["choices"][0]["message"]["content"] == "say this"
            began, ended = house.call
            assert wire.pieces[0][1] == [began, ended]
            assert (began.key_id, began.model, began.provider, began.stream) == (OPEN, "sandbox/echo", "sandbox", False)
            assert (began.address, began.user_agent, began.client_request_id) == ("192.0.2.7", "test/1", "mine")
            assert began.request_id == answer.header("x-request-id")
            assert (ended.status, ended.http_status, ended.upstream_status, ended.finish_reason) == (Status.COMPLETED, 200, 200, "stop")
            assert (ended.input_tokens, ended.output_tokens, ended.usage_source) == (2, 2, UsageSource.PROVIDER)
            assert ended.cost == 2 * 1500 + 2 * 6000
            assert answer.header("x-sekisho-cost") == "0.0000015000"
            wire.close()

    play(scene())


def test_a_stream_is_recorded_before_its_last_byte(tmp_path: Path) -> None:
    async def scene() -> None:
        async with House(tmp_path) as house:
            wire = Wire(house)
            wire.feed(request(STREAM))
            answer = await wire.answer()
            began, ended = house.call
            assert answer.events()[-1] == "[DONE]"
            assert [told for _, told in wire.pieces[:-1]] == [[began]] * (len(wire.pieces) - 1)
            assert wire.pieces[-1][0].endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
            assert wire.pieces[-1][1] == [began, ended]
            assert (ended.output_tokens, ended.usage_source) == (32, UsageSource.PROVIDER)
            assert not any('"usage"' in event for event in answer.events())
            wire.close()

    play(scene())


def test_the_stages_follow_each_other(tmp_path: Path) -> None:
    async def scene() -> None:
        async with House(tmp_path) as house:
            wire = Wire(house)
            wire.feed(request(STREAM))
            await wire.answer()
            marks = house.call[1].marks
            assert len(marks) == len(STAGES) + 1
            assert marks[0] > 0
            assert list(marks) == sorted(marks)
            wire.close()

    play(scene())


BROKEN, UNKNOWN = b'{"model":', {**HELLO, "model": "sandbox/none"}
REFUSALS = [
    ("the route before the key", request(BROKEN, path="/v1/none", plain_key=""), 404, "not_found"),
    ("the method before the key", request(method="GET", plain_key=""), 405, "method_not_allowed"),
    (
        "a secret in the query before the key",
        request(HELLO, path="/v1/chat/completions?api_key=x", plain_key=""),
        400,
        "credential_in_query",
    ),
    ("a loop before the key", request(HELLO, headers=("via: 1.1 sekisho-house",), plain_key=""), 508, "loop_detected"),
    ("no key before the body", request(BROKEN, plain_key=""), 401, "missing_api_key"),
    ("a wrong key before the body", request(BROKEN, plain_key="sk-sek-wrong"), 401, "invalid_api_key"),
    ("two keys before the body", request(BROKEN, headers=("x-api-key: other",)), 400, "several_credentials"),
    ("the body before the model", request(BROKEN), 400, "invalid_json"),
    ("a model that does not exist", request(UNKNOWN), 404, "model_not_found"),
    ("a model outside the scope", request(HELLO, plain_key=NARROW), 404, "model_not_found"),
    ("what the model cannot do", request({**HELLO, "model": "sandbox/dumb"}), 400, "capability_missing"),
]


@pytest.mark.parametrize(("sent", "status", "code"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS])
def test_each_stage_refuses_before_the_next_looks(tmp_path: Path, sent: bytes, status: int, code: str) -> None:
    async def scene() -> None:
        async with House(tmp_path) as house:
            wire = Wire(house)
            wire.feed(sent)
            answer = await wire.answer()
            assert (answer.status, answer.json()["error"]["code"]) == (status, code)
            (refused,) = house.records
            assert isinstance(refused, Refused)
            assert (refused.http_status, refused.code, refused.address) == (status, code, "192.0.2.7")
            assert refused.request_id == answer.header("x-request-id")
            wire.close()

    play(scene())


def test_a_spent_limit_refuses_after_the_model_was_found(tmp_path: Path) -> None:
    async def scene() -> None:
        async with House(tmp_path) as house:
            wire = Wire(house)
            codes = []
            for sent in (HELLO, UNKNOWN, HELLO):
                wire.feed(request(sent, plain_key=SPENT))
                answer = await wire.answer()
                codes.append((answer.status, answer.json().get("error", {}).get("code")))
            assert codes == [(200, None), (404, "model_not_found"), (429, "rate_limit_exceeded")]
            assert answer.header("retry-after") == "60"
            assert answer.header("x-ratelimit-remaining-requests") == "0"
            assert house.plane.counters.meter(SPENT).in_flight == 0
            wire.close()

    play(scene())


@pytest.mark.parametrize(("model", "status"), [("error-429", 429), ("error-500", 500)])
@pytest.mark.parametrize("stream", [False, True])
def test_a_providers_refusal_is_one_failed_call(tmp_path: Path, model: str, status: int, stream: bool) -> None:
    async def scene() -> None:
        async with House(tmp_path) as house:
            wire = Wire(house)
            wire.feed(request({**HELLO, "model": f"sandbox/{model}", "stream": stream}))
            answer = await wire.answer()
            _, ended = house.call
            assert wire.pieces[0][1][-1] == ended
            assert (answer.status, answer.json()["error"]["code"]) == (status, f"sandbox_{status}")
            assert (ended.status, ended.http_status, ended.error_code) == (Status.FAILED, status, f"sandbox_{status}")
            assert (ended.cost, ended.usage_source) == (0, UsageSource.UNKNOWN)
            wire.close()

    play(scene())


def test_a_cut_stream_ends_with_an_error_and_the_connection(tmp_path: Path) -> None:
    async def scene() -> None:
        async with House(tmp_path) as house:
            wire = Wire(house)
            wire.feed(request({**STREAM, "model": "sandbox/cut"}))
            answer = await wire.answer()
            _, ended = house.call
            assert '"upstream_cut"' in answer.events()[-1]
            assert "[DONE]" not in answer.events()
            assert wire.closed
            assert wire.pieces[-1][1][-1] == ended
            assert (ended.status, ended.http_status, ended.error_code) == (Status.FAILED, 200, "upstream_cut")
            assert (ended.usage_source, ended.output_tokens) == (UsageSource.ESTIMATED, len(answer.events()) - 1)

    play(scene())


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_is_one_cancelled_call(tmp_path: Path, stream: bool) -> None:
    async def scene() -> None:
        async with House(tmp_path) as house:
            wire = Wire(house)
            wire.feed(request({**HELLO, "model": "sandbox/slow", "stream": stream}))
            if stream:
                await wire.until(lambda wire: len(wire.pieces) > 2)
            seen = len(wire.pieces)
            wire.close()
            await asyncio.sleep(60)
            _, ended = house.call
            assert (ended.status, ended.error_code) == (Status.CANCELLED, "client_gone")
            assert ended.http_status == (200 if stream else 499)
            assert len(wire.pieces) == seen

    play(scene())


def test_pipelined_requests_are_answered_in_order(tmp_path: Path) -> None:
    async def scene() -> None:
        async with House(tmp_path) as house:
            wire = Wire(house)
            wire.feed(request(STREAM) + request(HELLO) + request(path="/health", method="GET", plain_key="") + request(UNKNOWN))
            await wire.until(lambda wire: len(wire.messages) == 4 and wire.messages[-1].complete)
            assert [answer.status for answer in wire.messages] == [200, 200, 200, 404]
            assert wire.messages[0].events()[-1] == "[DONE]"
            numbers = [frame.seq for frame in house.records if not isinstance(frame, Refused) and hasattr(frame, "seq")]
            assert numbers == [1, 1, 2, 2]
            wire.close()

    play(scene())


def test_a_request_in_single_bytes_is_the_same_request(tmp_path: Path) -> None:
    async def scene() -> None:
        async with House(tmp_path) as house:
            wire = Wire(house)
            for byte in request(HELLO):
                wire.feed(bytes([byte]))
            assert (await wire.answer()).status == 200
            assert house.call[1].status == Status.COMPLETED
            wire.close()

    play(scene())


def test_a_crash_inside_is_one_answer_and_one_record(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Provoked by a model of the sandbox that it does not know how to play."""

    async def scene() -> None:
        async with House(tmp_path) as house:
            wire = Wire(house)
            wire.feed(request({**HELLO, "model": "sandbox/error-none"}))
            answer = await wire.answer()
            assert (answer.status, answer.json()["error"]["code"]) == (500, "internal_error")
            assert wire.closed
            began, ended = house.call
            assert wire.pieces[0][1] == [began, ended]
            assert (ended.status, ended.http_status, ended.error_code) == (Status.FAILED, 500, "internal_error")

    play(scene())
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == ["a request crashed"]


ANSWER = b'{"choices":[{"index":0,"finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":3}}'


class Provider:
    """A real one on loopback, of one answer per connection; it writes down the heads that came and the records that were there by then."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self.answers: list[bytes] = []
        self.house: House | None = None

    async def open(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append(await reader.readuntil(b"\r\n\r\n"))
        assert self.house is not None
        assert len(self.house.records) == 1, "the record's first half comes before the first upstream byte"
        writer.write(self.answers.pop(0))
        await writer.drain()
        writer.close()


def told(status: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 %b\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body)


@pytest.mark.parametrize(
    ("answers", "status", "attempts"),
    [
        ([told(b"200 OK", ANSWER)], 200, 1),
        ([told(b"401 Unauthorized", b"{}"), told(b"200 OK", ANSWER)], 200, 2),
        ([told(b"429 Too Many Requests", b"{}"), told(b"429 Too Many Requests", b"{}")], 429, 2),
        ([told(b"403 Forbidden", b"{}"), told(b"401 Unauthorized", b"secret-2")], 502, 2),
        ([told(b"500 Oops", b"{}")], 500, 1),
        ([told(b"302 Found", b"")], 502, 1),
        ([b""], 502, 1),
    ],
)
def test_a_call_is_one_record_however_many_attempts_it_takes(tmp_path: Path, answers: list[bytes], status: int, attempts: int) -> None:
    async def scene() -> None:
        provider = Provider()
        provider.answers = list(answers)
        async with House(tmp_path, await provider.open()) as house:
            provider.house = house
            wire = Wire(house)
            wire.feed(request({**HELLO, "model": "up/m"}))
            answer = await wire.answer()
            _, ended = house.call
            assert wire.pieces[0][1][-1] == ended
            assert (answer.status, ended.http_status) == (status, status)
            assert (ended.attempts, answer.header("x-sekisho-attempts")) == (attempts, str(attempts))
            secrets = [head.partition(b"Bearer ")[2].partition(b"\r\n")[0] for head in provider.heads]
            assert secrets == [b"secret-1", b"secret-2"][:attempts]
            assert b"secret" not in answer.raw
            assert (ended.status == Status.COMPLETED) == (status == 200)
            assert isinstance(ended, CallEnded)
            wire.close()
            provider._server.close()

    loops.run(scene())


def test_a_client_that_leaves_before_its_answer_is_sent_has_cancelled(tmp_path: Path) -> None:
    """The answer is whole and priced by then, but nothing of it was sent: so it is not recorded as received."""

    async def scene() -> None:
        async with House(tmp_path) as house:
            turns: list[Callable[[], Any]] = []
            house.plane.turn = Turn(turns.append)
            wire = Wire(house)
            wire.feed(request(HELLO))
            await loops.until(lambda: turns)
            wire.close()
            await loops.until(lambda: wire.connection.gone)
            turns.pop()()
            _, ended = house.call
            assert (ended.status, ended.http_status, ended.error_code) == (Status.CANCELLED, 499, "client_gone")
            assert (ended.input_tokens, ended.output_tokens) == (2, 2), "the provider did its work"
            assert wire.pieces == []

    play(scene())


def test_an_answer_waits_for_the_end_of_the_turn_and_is_recorded_with_it(tmp_path: Path) -> None:
    """Until then there is neither record nor byte: whoever kills us here kills a call that nobody got an answer to."""

    async def scene() -> None:
        async with House(tmp_path) as house:
            turns: list[Callable[[], Any]] = []
            house.plane.turn = Turn(turns.append)
            wire = Wire(house)
            wire.feed(request(HELLO))
            await loops.until(lambda: turns)
            assert [type(record) for record in house.records] == [CallBegan]
            assert wire.pieces == []
            turns.pop()()
            assert [type(record) for record in house.records] == [CallBegan, CallEnded]
            assert len(wire.pieces) == 1
            wire.close()

    play(scene())


def test_request_ids_count_on_over_every_block(tmp_path: Path) -> None:
    async def scene() -> None:
        async with House(tmp_path) as house:
            ids = [house.plane.next_request_id() for _ in range(70_000)]
            assert len(set(ids)) == len(ids)
            assert {len(each) for each in ids} == {len(ids[0])}
            assert [int(each[-8:], 16) for each in ids] == list(range(1, 70_001))

    play(scene())


def test_what_is_looked_for_only_in_noted_heads_is_noted() -> None:
    """A name that were missing there would be overlooked."""
    assert RARE | FORWARDED | OTHERS == NOTED
