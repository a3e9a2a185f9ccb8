"""Limits over four workers: one key's calls are counted together, with the overshoot that is stated, through every death."""

import asyncio
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.faults.arena import Arena, Newcomer
from tests.e2e.faults.clients import Answer, Call, ask, chat
from tests.e2e.faults.scripts import HANG, SSE_HEAD, USAGE, Send, chunk, chunked
from tests.e2e.workers.crowds import MODEL, WORKERS, TimedUpstream, most_at_once, new_workers, rush
from tests.support.product import eventually

pytestmark = pytest.mark.e2e

CLIENTS = 50


def call(client: Newcomer, user: str = "limited") -> Answer:
    return asyncio.run(ask(client.arena.port, chat(MODEL, user, client.key)))


def reset_of(answer: Answer) -> int:
    """The seconds after which the limit is as if never used."""
    [(minutes, seconds)] = re.findall(r"^(?:(\d+)m)?(\d+)s$", answer.headers["x-ratelimit-reset-requests"])
    return int(minutes or 0) * 60 + int(seconds)


def use_up(client: Newcomer) -> Answer:
    """Call until every worker refuses; the last refusal."""

    def refused() -> Answer | None:
        answers = [call(client) for _ in range(8)]
        return answers[-1] if {answer.status for answer in answers} == {429} else None

    return eventually(refused, "refusals by all", 15.0)


def test_rpm_60_over_four_workers_from_50_clients(crowd: Arena) -> None:
    """The overshoot is what arrives while the workers tell each other: at most one call of each client here, as a call takes half a second.

    What went over is taken from what follows: for the rest of the time nothing passes.
    """
    assert isinstance(crowd.upstream, TimedUpstream)
    client = crowd.newcomer("rpm", rpm=60)
    crowd.upstream.takes("rpm", 0.5)
    found = asyncio.run(rush(crowd, client.key, "rpm", CLIENTS, 6.0))
    passed = found.count(200)
    print(f"{passed} calls passed in {found.seconds:.1f} s, {found.count(429)} were refused, by {len(found.workers)} workers")
    assert len(found.workers) >= 2
    assert {answer.status for answer in found.answers} == {200, 429}
    assert 60 <= passed <= 60 + CLIENTS + found.seconds
    assert len(crowd.upstream.came["rpm"]) == passed
    late = [at for at in crowd.upstream.came["rpm"] if at > crowd.upstream.came["rpm"][0] + 2.0]
    assert len(late) <= max(found.seconds, 1), "the debt is paid: at most the limit's own pace"


def test_calls_that_take_no_time(crowd: Arena) -> None:
    """The worst there is: 50 clients without a pause. Whatever they do, each worker lets no more through than the whole limit."""
    client = crowd.newcomer("rpm at once", rpm=60)
    found = asyncio.run(rush(crowd, client.key, "fast", CLIENTS, 3.0, "sandbox/echo"))
    passed = found.count(200)
    print(f"{passed} calls passed in {found.seconds:.1f} s, {found.count(429)} were refused, by {len(found.workers)} workers")
    assert 60 <= passed <= 60 * len(found.workers) + found.seconds


def test_tokens_are_counted_together(crowd: Arena) -> None:
    """One worker's use is in the next answer of another."""
    client = crowd.newcomer("tpm", tpm=600)
    use_up(client)
    started = time.monotonic()
    passed = sum(answer.status == 200 for answer in [call(client) for _ in range(12)])
    assert passed <= 1 + (time.monotonic() - started) * 600 / 60 / USAGE["total_tokens"], "no more than what came back meanwhile"


def test_concurrency_1_over_four_workers(crowd: Arena) -> None:
    """At most one more for each further worker, and that only where calls arrive within the same moment."""
    assert isinstance(crowd.upstream, TimedUpstream)
    client = crowd.newcomer("concurrency", concurrency=1)
    crowd.upstream.takes("one", 0.4)
    found = asyncio.run(rush(crowd, client.key, "one", CLIENTS, 4.0))
    most = most_at_once(crowd.upstream.came["one"], 0.4)
    print(f"{most} at once at most, {found.count(200)} passed, {found.count(429)} were refused")
    assert found.count(200) >= 4
    assert most <= 1 + (WORKERS - 1)


def hold(arena: Arena) -> None:
    arena.upstream.play("holds", Send(SSE_HEAD + chunked(chunk({"content": "x"}))), HANG)


def test_a_call_on_one_worker_holds_its_place_on_all(crowd: Arena) -> None:
    client = crowd.newcomer("holds a place", concurrency=1)
    hold(crowd)

    async def scenario() -> list[Answer]:
        held = await Call.open(crowd.port, chat(MODEL, "holds", client.key, stream=True))
        assert (await held.read_head()).status == 200
        await asyncio.sleep(0.5)  # told within 50 ms; not a wait for something that would be seen, but for what must not happen
        refused = [await ask(crowd.port, chat(MODEL, "beside", client.key)) for _ in range(30)]
        await held.leave()
        return refused

    refused = asyncio.run(scenario())
    eventually(lambda: call(client).status == 200, "a free place")
    assert [answer.status for answer in refused] == [429] * 30
    assert not crowd.upstream.of("beside")


def kill_workers(arena: Arena) -> None:
    before = arena.workers()
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    new_workers(arena, before)


def kill_node(arena: Arena) -> None:
    """Return when a new node has all workers."""
    workers, node = arena.workers(), int(arena.management.get("/api/status")["node"])
    os.kill(node, signal.SIGKILL)

    def back() -> bool:
        try:
            status = arena.management.get("/api/status") if arena.management.answers() else {}
        except httpx.TransportError:  # the kept connection of the node that died
            return False
        return bool(status) and status["node"] != node and set(status["workers"]) == set(workers)

    eventually(back, "a new node", 20.0, explain=lambda: arena.product.output)


def reload(arena: Arena) -> None:
    before = arena.workers()
    arena.management.post("/api/system/reload")
    new_workers(arena, before)


def all_by_turns(arena: Arena) -> None:
    """The node knows from the workers, the new workers from the node."""
    kill_node(arena)
    kill_workers(arena)
    kill_node(arena)
    reload(arena)


def kill_all_at_once(arena: Arena) -> None:
    """Node and workers: nobody is left who knows, but for what the node wrote down within the last second."""
    status = arena.management.get("/api/status")
    last = arena.newcomer("counted last", rpm=1)
    assert call(last).status == 200
    written = arena.product.home / "run" / "limits"
    eventually(lambda: written.exists() and last.key_id.encode() in written.read_bytes(), "what was counted last, written down")
    for pid in (*status["workers"], status["node"]):
        os.kill(pid, signal.SIGKILL)
    _all_new(arena, status)


def _all_new(arena: Arena, before: dict[str, Any]) -> None:
    def replaced() -> bool:
        try:
            status = arena.management.get("/api/status") if arena.management.answers() else {}
        except httpx.TransportError:  # the kept connection of the node that died
            return False
        return bool(status) and status["node"] != before["node"] and len(set(status["workers"]) - set(before["workers"])) == WORKERS

    eventually(replaced, "a new node and new workers", 30.0, explain=lambda: arena.product.output)


def restart(arena: Arena) -> None:
    arena.product.stop()
    arena.restart()


@pytest.fixture(scope="module")
def battered() -> Iterator[Arena]:
    """One product that survives them all."""
    with Arena.open(TimedUpstream(), workers=WORKERS) as arena:
        yield arena


@pytest.mark.parametrize("blow", [reload, kill_workers, kill_node, all_by_turns, kill_all_at_once, restart])
def test_the_state_survives(battered: Arena, blow: Callable[[Arena], None]) -> None:
    """What was used up stays used up, for as long as it would have been."""
    client = battered.newcomer(f"survives {blow.__name__}", rpm=2)
    before, at = reset_of(use_up(client)), time.monotonic()
    blow(battered)
    answers = [call(client) for _ in range(12)]
    after, passed = reset_of(answers[-1]), time.monotonic() - at
    if before - passed > 35:
        assert {answer.status for answer in answers} == {429}
    print(f"as if never used in {before} s; {passed:.1f} s later, after {blow.__name__}, in {after} s")
    taken = 30 * sum(answer.status == 200 for answer in answers)
    assert before - passed - 2 <= after - taken <= before - passed + 3


def test_calls_of_the_dead_hold_no_place(battered: Arena) -> None:
    """A worker that is killed takes its calls with it; those that others have stay counted when the node is killed."""
    client = battered.newcomer("dies", concurrency=1)
    hold(battered)

    async def scenario() -> None:
        held = await Call.open(battered.port, chat(MODEL, "holds", client.key, stream=True))
        assert (await held.read_head()).status == 200
        await asyncio.to_thread(kill_node, battered)
        await asyncio.sleep(0.5)
        assert {(await ask(battered.port, chat(MODEL, "beside", client.key))).status for _ in range(20)} == {429}
        await asyncio.to_thread(kill_workers, battered)
        held.writer.close()
        await asyncio.to_thread(eventually, lambda: call(client).status == 200, "a free place")

    asyncio.run(scenario())
