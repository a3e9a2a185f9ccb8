"""The wall clock jumps under load, an hour back and ninety days forth: only what is about wall time takes notice."""

import asyncio
import contextlib
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from tests.e2e.calamities.instruments import close, preloaded, rest
from tests.e2e.faults import loads
from tests.e2e.faults.arena import Arena
from tests.e2e.faults.clients import Answer, Call, ask, chat
from tests.e2e.faults.rows import STEADY
from tests.e2e.faults.scripts import LAST_CHUNK, SSE_HEAD, Pause, Send, Step, chunk, chunked, frames
from tests.support.product import descendants, eventually

pytestmark = pytest.mark.e2e

MODEL = f"{STEADY}/m"
BACK = timedelta(hours=-1)
FORTH = timedelta(days=90)
NOW = timedelta(0)
LOOKS_S = 1.1
"""As long as a process may believe its last look at the clock."""
RPM = 20
"""One call each three seconds, once the first twenty are gone."""


class FalseClock:
    """The wall clock of one product; its monotonic clocks stay as they are."""

    def __init__(self, directory: Path) -> None:
        triplet = "x86_64-linux-gnu"
        library = preloaded(*(f"/usr/lib/{place}faketime/libfaketimeMT.so.1" for place in (f"{triplet}/", "aarch64-linux-gnu/", "")))
        self._file = directory / "clock"
        self.environment = {
            "LD_PRELOAD": library,
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
            # Its remedy for old C libraries; with a newer one it makes threads wait for each other's turn too long.
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
        }
        self.jump(NOW)

    def jump(self, offset: timedelta) -> None:
        """Set the clock so far from the true time; processes look at most a second later."""
        following = self._file.with_suffix(".new")
        following.write_text(f"{offset.total_seconds():+.0f}s\n")
        following.rename(self._file)


@contextmanager
def false_clock() -> Iterator[FalseClock]:
    with tempfile.TemporaryDirectory(prefix="sekisho-clock-") as directory:
        yield FalseClock(Path(directory))


def long_stream(pieces: int, pause: float) -> tuple[Step, ...]:
    steps: list[Step] = [Send(SSE_HEAD)]
    said = frames()
    for frame in (said[0], *(chunk({"content": "word "}) for _ in range(pieces)), *said[-3:]):
        steps += (Send(chunked(frame)), Pause(pause))
    return (*steps, Send(LAST_CHUNK))


async def told_time(arena: Arena) -> datetime:
    """The wall time that a worker has."""
    answer = await ask(arena.port, b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
    return datetime.strptime(answer.headers["date"], "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)


def new_node(arena: Arena, former: int) -> bool:
    """Whether another node than this one answers."""
    with contextlib.suppress(httpx.TransportError, AssertionError):
        return bool(arena.management.answers() and arena.management.get("/api/status")["node"] != former)
    return False


async def jumped(arena: Arena, clock: FalseClock, offset: timedelta) -> None:
    """Jump, and wait until worker and node have noticed."""

    def noticed() -> bool:
        return abs(asyncio.run(told_time(arena)) - (datetime.now(UTC) + offset)) < timedelta(seconds=5)

    clock.jump(offset)
    await asyncio.to_thread(eventually, noticed, "the jump", 15.0)
    await asyncio.sleep(LOOKS_S)


def test_the_clock_jumps() -> None:
    with false_clock() as clock, Arena.open(environment=clock.environment) as arena:
        arena.upstream.play("long", *long_stream(pieces=100, pause=0.1))
        process = arena.product.process
        assert process is not None
        born = descendants(process.pid)
        first_node: int = arena.management.get("/api/status")["node"]
        brief = arena.newcomer("thirty days", expires_in_s=30 * 86400)
        limited = arena.newcomer("limited", rpm=RPM)

        async def try_limited() -> Answer:
            return await ask(arena.port, chat("sandbox/echo", "limited", limited.key))

        async def try_brief() -> int:
            return (await ask(arena.port, chat(MODEL, "brief", brief.key))).status

        async def scenario() -> tuple[loads.Load, list[Answer], int]:
            served = 0
            stream = await Call.open(arena.port, chat(MODEL, "long", arena.key, stream=True))
            idle = await Call.open(arena.port, chat(MODEL, "idle", arena.key))
            assert (await idle.read_to_end()).status == 200
            async with loads.running(arena.port, arena.key, MODEL) as load:
                assert await try_brief() == 200
                for offset in (BACK, FORTH, NOW):
                    while (refused := await try_limited()).status == 200:
                        served += 1
                    assert refused.status == 429, refused
                    await load.more(30)
                    await jumped(arena, clock, offset)
                    await load.more(30)
                    # The limit is neither lifted nor locked: the next call is due three seconds after the last one.
                    refused = await try_limited()
                    while refused.status == 200:
                        served += 1
                        refused = await try_limited()
                    assert 1 <= int(refused.headers["retry-after"]) <= 60 // RPM, "as long as without a jump"
                    assert await try_brief() == (401 if offset == FORTH else 200), "keys expire by wall time, and by nothing else"
                    if offset == FORTH:
                        node = await asyncio.to_thread(arena.product.kill_node)
                        await asyncio.to_thread(eventually, lambda node=node: new_node(arena, node), "a new node", 30.0)
                    created = await asyncio.to_thread(arena.management.create_key, f"made at {offset}")
                    assert not created["warnings"]
                    assert (await ask(arena.port, chat(MODEL, "made", created["plain_key"]))).status == 200
                await idle.again(chat(MODEL, "idle", arena.key))
                assert (await idle.read_to_end()).status == 200, "a kept connection stays"
                await close(idle)
                await stream.read_head()
                ended = await rest(stream)
                assert ended.whole, (ended.reset, ended.body[-600:])
                assert ended.error() is None, ended
                assert ended.body.endswith(b"data: [DONE]\n\n")
            return load, [ended], served

        started = time.monotonic()
        load, streams, served = asyncio.run(scenario())
        lasted = time.monotonic() - started
        assert not load.failures, load.failures[:3]
        assert served <= RPM + lasted * RPM / 60 + 1, "no jump gave a new minute"
        assert set(born) - set(descendants(process.pid)) == {first_node}, "nobody fell over it"
        records = arena.records([*load.request_ids, *(answer.request_id for answer in streams)])
        assert all([record["status"] for record in found] == ["completed"] for found in records.values())
        flat = [record for found in records.values() for record in found]
        assert all(0 <= record["duration_ms"] < 60_000 for record in flat), "durations know of no jump"
        days = {record["started_at"][:10] for record in flat}
        assert len(days) >= 2, "records carry the wall time that the machine had"

        def rolled() -> bool:
            totals = arena.management.get("/api/usage", period="all", by="model")["totals"]
            return bool(totals["calls"] == len(arena.management.all_calls()))

        eventually(rolled, "as many calls in the rollups as there are records")
