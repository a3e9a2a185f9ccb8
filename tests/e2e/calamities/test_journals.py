"""The journal's disk is full, its directory vanishes, the disk does not take what is forced to it: clients are served or told, no record is
lost that was promised, and all is well again by itself."""

import asyncio
import contextlib
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.calamities.instruments import Ballast, pump, rest, short_home, small_disk
from tests.e2e.faults import loads
from tests.e2e.faults.arena import Arena
from tests.e2e.faults.clients import Answer, Call, ask, chat
from tests.e2e.faults.rows import STEADY
from tests.e2e.faults.scripts import LAST_CHUNK, SSE_HEAD, Pause, Send, Step, chunk, chunked, frames
from tests.support.patience import within
from tests.support.product import Product, eventually

pytestmark = pytest.mark.e2e

MODEL = f"{STEADY}/m"
STREAMS = 10
HEALS_S = 2.0
"""After there is room again."""
CALLS = 3000
"""More than one segment of a mebibyte has room for, at half a kibibyte each."""


@contextlib.contextmanager
def small_journal(on_full: str) -> Iterator[tuple[Arena, Path]]:
    """A product whose journal has a disk of its own, with room for a few segments, and where that is mounted."""
    settings = f'[journal]\nsegment_bytes = 1048576\non_full = "{on_full}"\n'
    with short_home() as home, small_disk(home / "journal", megabytes=6), Arena.open(home=home, settings=settings) as arena:
        yield arena, home / "journal"


def long_stream(seconds: float, pieces: int) -> tuple[Step, ...]:
    steps: list[Step] = [Send(SSE_HEAD)]
    said = frames()
    for frame in (said[0], *(chunk({"content": "word "}) for _ in range(pieces)), *said[-3:]):
        steps += (Send(chunked(frame)), Pause(seconds / pieces))
    return (*steps, Send(LAST_CHUNK))


def check_records(arena: Arena, answers: list[Answer]) -> None:
    """Each of these was received whole, and is recorded once, as completed."""
    records = arena.records(answer.request_id for answer in answers)
    wrong = {name: found for name, found in records.items() if [record["status"] for record in found] != ["completed"]}
    assert not wrong, (len(wrong), list(wrong.items())[:3])


def is_told_everywhere(product: Product) -> bool:
    """Whether status, doctor and metrics say that a journal is full."""
    told = product.status()["journals_full"], product.run("doctor").stdout, httpx.get(f"{product.console_url}/metrics", timeout=30).text
    return told[0] == 1 and "a worker's journal is full" in told[1] and 'sekisho_journal_full{worker="1"} 1.0' in told[2]


async def serves_again(arena: Arena) -> float:
    """Seconds until a call is answered with 200."""
    started = time.monotonic()
    while (answer := await ask(arena.port, chat(MODEL, "again", arena.key))).status != 200:
        assert time.monotonic() - started < within(HEALS_S), answer
        await asyncio.sleep(0.02)
    return time.monotonic() - started


def test_a_full_disk_refuses() -> None:
    """New calls get a clear 503; what runs is served and recorded to its end; with room comes service."""
    with small_journal("refuse") as (arena, disk):
        arena.upstream.play("long", *long_stream(6.0, 30))

        async def scenario() -> list[Answer]:
            streams = [await Call.open(arena.port, chat(MODEL, "long", arena.key, stream=True)) for _ in range(STREAMS)]
            await asyncio.gather(*(stream.read_head() for stream in streams))
            with Ballast(disk):
                answers = await pump(arena, MODEL, CALLS, until=503)
                refused = [answer for answer in answers if answer.status == 503]
                served = [answer for answer in answers if answer.status == 200]
                assert refused, "the disk is full"
                assert len(refused) + len(served) == len(answers), Counter(answer.status for answer in answers)
                for answer in (*refused, *await pump(arena, MODEL, 50)):
                    error = answer.error()
                    assert error is not None
                    assert (answer.status, error["code"], answer.headers["x-should-retry"]) == (503, "journal_full", "true")
                    assert 0 < int(answer.headers["retry-after"]) <= 60
                assert (await ask(arena.port, b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")).status == 200
                assert (await ask(arena.port, b"GET /health/ready HTTP/1.1\r\nhost: x\r\n\r\n")).status == 503
                await asyncio.to_thread(eventually, lambda: is_told_everywhere(arena.product), "that people are told")
                ended = await asyncio.gather(*map(rest, streams))
                assert all(answer.whole and answer.body.endswith(b"data: [DONE]\n\n") for answer in ended)
                pid = arena.product.kill_worker()
                await asyncio.to_thread(eventually, lambda: pid not in arena.workers() and arena.workers(), "a new worker")
                after = await ask(arena.port, chat(MODEL, "new worker", arena.key))
                assert after.status in (200, 503), "a worker that starts on a full disk answers, whatever it can"
            took = await serves_again(arena)
            print(f"served again {took:.3f} s after there was room")
            return [*served, *ended, *await pump(arena, MODEL, 100)]

        check_records(arena, asyncio.run(scenario()))
        told = [line for line in arena.product.stderr.splitlines() if "the journal is full" in line]
        assert 1 <= len(told) <= 4, told
        assert "the journal has room again" in arena.product.stderr or len(told) > 1


def test_a_full_disk_drops() -> None:
    """Where the settings say so, calls go on without records; what is recorded is whole, what is not is counted."""
    with small_journal("drop") as (arena, disk):

        async def scenario() -> tuple[list[Answer], list[Answer]]:
            with Ballast(disk):
                during = await pump(arena, MODEL, CALLS)
                assert (await ask(arena.port, b"GET /health/ready HTTP/1.1\r\nhost: x\r\n\r\n")).status == 200
                await asyncio.to_thread(eventually, lambda: "found no room in the journal" in arena.product.stderr, "the count")
                await asyncio.to_thread(eventually, lambda: arena.product.status()["journal_dropped"] > 0, "the count in the status")
                assert "records found no room" in arena.product.run("doctor").stdout
            await asyncio.sleep(0.2)  # the time after which a full disk is asked again
            return during, await pump(arena, MODEL, 200)

        during, after = asyncio.run(scenario())
        assert Counter(answer.status for answer in (*during, *after)) == {200: CALLS + 200}
        check_records(arena, after)
        recorded = Counter(record["request_id"] for record in arena.management.all_calls())
        assert all(count == 1 for count in recorded.values())
        kept = sum(answer.request_id in recorded for answer in during)
        assert 500 < kept < CALLS, "some had room, not all"
        statuses = Counter(record["status"] for record in arena.management.all_calls())
        assert set(statuses) == {"completed"}, "what was dropped leaves no half of a record"


@pytest.mark.parametrize("how", ["deleted", "moved"])
def test_the_directory_vanishes(how: str) -> None:
    """Nobody notices, and what was in it and not yet recorded is recorded all the same, for node and worker hold the files."""
    with short_home() as home, Arena.open(home=home) as arena:
        directory = home / "journal"

        async def scenario() -> loads.Load:
            async with loads.running(arena.port, arena.key, MODEL) as load:
                await load.more(100)
                if how == "deleted":
                    shutil.rmtree(directory)
                else:
                    directory.rename(home / "elsewhere")
                await load.more(100)
                await asyncio.to_thread(eventually, lambda: any(directory.glob("*.log")), "a new journal", 5.0)
                last = load.request_ids[-1]
                await asyncio.to_thread(eventually, lambda: arena.management.knows_call(last), "the files that are gone read to their end")
                arena.product.kill_node()
                await load.more(100)
            return load

        load = asyncio.run(scenario())
        assert not load.failures, load.failures[:3]
        assert directory.stat().st_mode & 0o777 == 0o700
        arena.wait_management()
        for path in (home / "elsewhere").glob("*.log"):
            path.rename(directory / path.name)
        arena.settle()
        eventually(lambda: len(list(directory.glob("*.log"))) == 1, "the files that were put back read to their end")
        records = arena.records(load.request_ids)
        assert all([record["status"] for record in found] == ["completed"] for found in records.values())
        assert "was taken away" in arena.product.stderr
