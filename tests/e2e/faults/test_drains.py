"""The product ends or renews its workers: what was accepted is finished, what cannot be finished is told, nothing is cut in silence."""

import asyncio
import contextlib
import os
import signal
import time

import pytest

from tests.e2e.faults import loads
from tests.e2e.faults.arena import Arena
from tests.e2e.faults.clients import Answer, Call, ask, chat
from tests.e2e.faults.rows import STEADY
from tests.e2e.faults.scripts import LAST_CHUNK, SSE_HEAD, WORDS, Pause, Repeat, Send, Step, chunk, chunked, completion, frames, json_answer
from tests.support.product import CommandError, Product, descendants, eventually

pytestmark = pytest.mark.e2e

MODEL = f"{STEADY}/m"
STREAMS = 20


def slow_stream(pause: float) -> tuple[Step, ...]:
    """A healthy stream with a pause before each frame."""
    steps: list[Step] = [Send(SSE_HEAD)]
    for frame in frames():
        steps += (Pause(pause), Send(chunked(frame)))
    return (*steps, Send(LAST_CHUNK))


async def refuses(port: int) -> bool:
    """Whether a new connection gets no service: refused, closed, or told 503."""
    try:
        async with asyncio.timeout(2):
            call = await Call.open(port, b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
            answer = await call.read_all()
    except (ConnectionError, TimeoutError):
        return True
    return answer.status in (0, 503)


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_what_was_accepted_is_finished(signal_number: signal.Signals) -> None:
    with Arena.open() as arena:
        arena.upstream.play("slow", *slow_stream(0.15))
        arena.upstream.play("late", Pause(1.0), Send(json_answer(completion())))

        async def scenario() -> tuple[list[Answer], bool]:
            process = arena.product.process
            assert process is not None
            streams = [await Call.open(arena.port, chat(MODEL, "slow", arena.key, stream=True, usage=True)) for _ in range(STREAMS)]
            plain = [await Call.open(arena.port, chat(MODEL, "late", arena.key)) for _ in range(STREAMS)]
            await asyncio.to_thread(
                arena.upstream.wait, lambda: len(arena.upstream.of("slow") + arena.upstream.of("late")) == 2 * STREAMS, "calls"
            )
            await asyncio.gather(*(call.read_head() for call in streams))
            process.send_signal(signal_number)
            await asyncio.to_thread(eventually, lambda: asyncio.run(refuses(arena.port)), "the door closing", 2.0)
            ends = await asyncio.gather(*(finish(call) for call in (*streams, *plain)))
            return list(ends), await asyncio.to_thread(arena.product.wait_exit, 5.0) == 0

        answers, ended_well = asyncio.run(scenario())
        assert ended_well
        assert all(answer.whole and answer.status == 200 for answer in answers)
        assert all(answer.spoken() == "".join(WORDS) and answer.events()[-1] == "[DONE]" for answer in answers[:STREAMS])
        arena.restart()
        records = arena.records(answer.request_id for answer in answers)
        assert [record["status"] for found in records.values() for record in found] == ["completed"] * (2 * STREAMS)


async def finish(call: Call) -> Answer:
    """Read on to the end, the head included where it was not read yet."""
    if call.answer.status == 0:
        return await call.read_all()
    async with asyncio.timeout(10):
        while not call.answer.whole and not call.answer.closed:
            await call.read_piece()
    call.writer.close()
    return call.answer


def test_what_does_not_end_is_told_so() -> None:
    """Beyond the drain time a stream ends with an error event, and the record is not `completed`."""
    with Arena.open(settings="[bounds]\ndrain_s = 1.0\n") as arena:
        arena.upstream.play("endless", Send(SSE_HEAD), Repeat(chunked(chunk({"content": "on "})), 0.05))
        arena.upstream.play("silent", Pause(None))

        async def scenario() -> tuple[Answer, Answer, float]:
            process = arena.product.process
            assert process is not None
            stream = await Call.open(arena.port, chat(MODEL, "endless", arena.key, stream=True))
            silent = await Call.open(arena.port, chat(MODEL, "silent", arena.key))
            await asyncio.to_thread(arena.upstream.wait_for, "silent")
            await stream.read_head()
            process.send_signal(signal.SIGTERM)
            started = time.monotonic()
            answers = await asyncio.gather(finish(stream), finish(silent))
            assert await asyncio.to_thread(arena.product.wait_exit, 6.0) == 0
            return answers[0], answers[1], time.monotonic() - started

        stream, silent, took = asyncio.run(scenario())
        assert 0.9 <= took <= 4.0
        assert stream.whole
        assert b"[DONE]" not in stream.body
        assert stream.error() is not None
        assert silent.status == 503
        assert silent.error() is not None
        arena.restart()
        for answer in (stream, silent):
            [record] = arena.records([answer.request_id])[answer.request_id]
            assert record["status"] == "failed"
            assert record["http_status"] == answer.status


def test_nobody_holds_the_end_up() -> None:
    """Idle connections, half a head, half a body and a client that does not read end with the product, not the other way round."""
    with Arena.open(settings="[bounds]\ndrain_s = 2.0\n") as arena:

        async def scenario() -> float:
            process = arena.product.process
            assert process is not None
            request = chat(MODEL, "held", arena.key, padding="x" * 100_000)
            idle = [await Call.open(arena.port, chat(MODEL, "idle", arena.key)) for _ in range(30)]
            await asyncio.gather(*(call.read_to_end() for call in idle))
            held = [await Call.open(arena.port, part) for part in (b"", b"POST /v1/ch", request[:50_000])]
            process.send_signal(signal.SIGTERM)
            started = time.monotonic()
            assert await asyncio.to_thread(arena.product.wait_exit, 8.0) == 0
            for call in (*idle, *held):
                call.writer.close()
            return time.monotonic() - started

        assert asyncio.run(scenario()) <= 4.0


def test_reload_fails_no_call() -> None:
    """Workers are replaced three times under load; a stream that began under the first of them ends whole."""
    with Arena.open() as arena:
        arena.upstream.play("long", *slow_stream(0.6))

        async def scenario() -> tuple[loads.Load, Answer, list[list[int]]]:
            async with loads.running(arena.port, arena.key, MODEL) as load:
                long = await Call.open(arena.port, chat(MODEL, "long", arena.key, stream=True, usage=True))
                await long.read_head()
                workers = [arena.workers()]
                for _ in range(3):
                    await asyncio.to_thread(arena.management.post, "/api/system/reload")
                    before = workers[-1]
                    await asyncio.to_thread(
                        eventually, lambda before=before: arena.workers() and not set(arena.workers()) & set(before), "new workers", 10.0
                    )
                    workers.append(arena.workers())
                    await load.more(50)
                answer = await finish(long)
            return load, answer, workers

        load, answer, workers = asyncio.run(scenario())
        assert not load.failures, load.failures[:3]
        assert load.answers > 150
        assert answer.whole
        assert answer.spoken() == "".join(WORDS)
        assert len({pid for pids in workers for pid in pids}) == 4
        records = arena.records([*load.request_ids, answer.request_id])
        assert all([record["status"] for record in found] == ["completed"] for found in records.values())


def test_reload_serves_connections_that_have_not_spoken_yet() -> None:
    """A client that has just connected is about to call: closing its connection, as one closes an idle one, would fail that call."""
    with Arena.open() as arena:

        async def hesitant(number: int) -> Answer:
            await asyncio.sleep(number * 0.005)
            call = await Call.open(arena.port)
            await asyncio.sleep(0.1)
            try:
                await call.send(chat(MODEL, "hesitant", arena.key))
                return await call.read_all()
            except ConnectionError:
                return call.answer

        async def scenario() -> list[Answer]:
            before = arena.workers()
            calls = asyncio.gather(*(hesitant(number) for number in range(500)))
            await asyncio.to_thread(arena.management.post, "/api/system/reload")
            answers = await calls
            assert not set(arena.workers()) & set(before), "the workers were replaced in the midst of it"
            return list(answers)

        failed = [answer for answer in asyncio.run(scenario()) if answer.status != 200 or not answer.whole]
        assert not failed, f"{len(failed)} calls failed, such as {failed[:2]}"


def test_reload_with_broken_settings_changes_nothing() -> None:
    """The old settings and the old workers stay, and whoever asked is told why."""
    with Arena.open() as arena:
        before = arena.workers()
        (arena.product.home / "sekisho.toml").write_text("[bounds]\nheader_count = 'many'\n")
        with pytest.raises(CommandError, match=r"bounds\.header_count") as refused:
            arena.product.cli("reload")
        assert refused.value.exit_code == 1
        assert arena.workers() == before
        assert asyncio.run(ask(arena.port, chat(MODEL, "still", arena.key))).status == 200


def test_children_do_not_outlive_the_supervisor() -> None:
    """After kill -9 of the supervisor node and workers end by themselves, and the home is free."""
    product = Product().start()
    try:
        assert product.process is not None
        children = descendants(product.process.pid)
        assert len(children) >= 2
        os.kill(product.process.pid, signal.SIGKILL)
        product.process.wait()
        eventually(lambda: not any(_exists(pid) for pid in children), "the end of the children", 6.0)
    finally:
        product.stop()
        product.clean()


def _exists(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False
