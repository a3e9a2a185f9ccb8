"""A worker's share in limits that all keep together: what it tells, when it tells it, and what it makes of what it hears."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from sekisho.core.policy import limits
from sekisho.core.wire import link as wire
from sekisho.dataplane import sharing
from sekisho.dataplane.counters import Counters
from sekisho.dataplane.sharing import Sharing
from tests.support.virtual_time import VirtualClock, run

RPM = 60


class Wire:
    """The link as far as the sharing sees it, with what was sent and when. The node reads, or does not."""

    def __init__(self) -> None:
        self.sent: list[tuple[float, wire.Counts]] = []
        self.keeps_up = self.connected = True

    def count(self, counts: wire.Counts) -> None:
        self.sent.append((counts.at, counts))

    @property
    def last(self) -> wire.Counts:
        return self.sent[-1][1]


class Bench:
    """Counters that are shared, and calls that book on them as the admission does."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.counters = Counters()
        self.wire = Wire()
        self.sharing = Sharing(self.counters, self.wire, self.loop)  # type: ignore[arg-type]

    def admit(self, key: str = "k", tokens: int = 0) -> bool:
        meter = self.counters.meter(key)
        at = limits.take(meter.requests_at, self.loop.time(), RPM, 1)
        if at < 0:
            return False
        meter.requests_at = at
        meter.requests += 1
        meter.tokens += tokens
        meter.in_flight += 1
        return True

    def settle(self, key: str = "k") -> None:
        meter = self.counters.meters[key]
        meter.in_flight -= 1

    def left(self, key: str = "k") -> int:
        return limits.state(self.counters.find(key).requests_at, self.loop.time(), RPM)[0]

    def hear(self, *shares: wire.Share, whole: bool = False, at: float | None = None) -> None:
        """The node's clock is another one than ours."""
        self.sharing.take(wire.Shares((self.loop.time() if at is None else at) + 9000.0, shares, whole))


def play(scene: Callable[[Bench], Coroutine[Any, Any, None]]) -> None:
    async def scenario() -> None:
        # Monotonic clocks do not begin at nought.
        await asyncio.sleep(1000.0)
        await scene(Bench())

    run(scenario(), VirtualClock())


def test_an_idle_worker_sends_nothing_and_sets_no_timer() -> None:
    async def scene(bench: Bench) -> None:
        await asyncio.sleep(3600)
        assert bench.wire.sent == []
        assert bench.sharing._timer is None

    play(scene)


def test_a_call_is_told_soon_and_its_end_within_the_tick() -> None:
    async def scene(bench: Bench) -> None:
        started = bench.loop.time()
        assert bench.admit(tokens=7)
        await asyncio.sleep(0.02)
        bench.settle()
        await asyncio.sleep(10)
        assert [counts.counts for _, counts in bench.wire.sent] == [(wire.Count("k", 1, 7, 1),), (wire.Count("k", 0, 0, 0),)]
        assert bench.wire.sent[0][0] - started <= sharing.QUICK_S + 0.001
        assert bench.wire.sent[1][0] - started <= sharing.QUICK_S + sharing.TICK_S + 0.001
        assert bench.counters.meters == {}, "it rests"
        assert bench.sharing._timer is None

    play(scene)


def test_a_call_that_lasts_is_told_once() -> None:
    async def scene(bench: Bench) -> None:
        bench.admit()
        await asyncio.sleep(60)
        assert len(bench.wire.sent) == 1
        assert list(bench.counters.meters) == ["k"], "its end will have to be told"

    play(scene)


def test_a_limit_that_is_used_up_fast_is_told_fast() -> None:
    async def scene(bench: Bench) -> None:
        for _ in range(12):
            for _ in range(4):
                bench.admit()
            await asyncio.sleep(0.005)
        assert len(bench.wire.sent) >= 8, "every 5 ms"
        before = len(bench.wire.sent)
        for _ in range(100):
            bench.admit("slow")
            bench.settle("slow")
            await asyncio.sleep(0.01)
        assert len(bench.wire.sent) - before <= 1.0 / sharing.TICK_S + 15

    play(scene)


def test_what_others_did_counts_here() -> None:
    async def scene(bench: Bench) -> None:
        for _ in range(10):
            bench.admit()
        bench.hear(wire.Share("k", 40.0, 0.0, 3))
        assert bench.left() == 10
        meter = bench.counters.find("k")
        assert (meter.in_flight, meter.elsewhere) == (13, 3)
        bench.hear(wire.Share("k", 0.0, 0.0, 1))
        assert (meter.in_flight, meter.elsewhere) == (11, 1)
        bench.sharing.tell()
        assert bench.wire.last.counts == (wire.Count("k", 10, 0, 10),), "calls of others are not ours to tell"

    play(scene)


def test_a_new_worker_stands_where_the_dead_one_was() -> None:
    async def scene(bench: Bench) -> None:
        bench.hear(wire.Share("k", 60.0, 0.0, 0), whole=True)
        assert not bench.admit()
        bench.hear(wire.Share("k", 20.0, 0.0, 0), whole=True)
        assert bench.left() == 0, "it knows at least so much"
        bench.sharing.tell()
        assert bench.wire.sent == [], "it was booked by others"

    play(scene)


def test_what_is_read_late_was_booked_early() -> None:
    """This worker was stopped for 30 s; the others booked one request in each of them."""

    async def scene(bench: Bench) -> None:
        bench.hear(wire.Share("k", 1.0, 0.0, 0))
        started = bench.loop.time()
        await asyncio.sleep(30)
        for second in range(1, 31):
            bench.hear(wire.Share("k", 1.0, 0.0, 0), at=started + second)
        assert bench.left() == RPM - 1

    play(scene)


def test_a_node_that_comes_back_hears_where_all_stands() -> None:
    async def scene(bench: Bench) -> None:
        bench.hear(wire.Share("k", 20.0, 0.0, 2))
        bench.admit()
        await asyncio.sleep(1)
        bench.wire.keeps_up = bench.wire.connected = False
        bench.sharing.lost()
        bench.admit()
        bench.admit("other", tokens=5)
        await asyncio.sleep(1)
        assert len(bench.wire.sent) == 1, "nobody is there to be told"
        bench.wire.keeps_up = bench.wire.connected = True
        bench.sharing.joined()
        assert bench.wire.last.resumed
        # 20 + 2 s, two of which have gone by; one request of ours nobody knows of.
        told = {count.key: count for count in bench.wire.last.counts}
        assert told["k"] == wire.Count("k", 1, 0, 2, 20.0, 0.0)
        assert told["other"] == wire.Count("other", 1, 5, 1, 0.0, 0.0)
        await asyncio.sleep(1)
        assert len(bench.wire.sent) == 2, "nothing is told twice"

    play(scene)


def test_calls_of_others_are_forgotten_some_time_after_the_node() -> None:
    """Or a key would be locked for as long as there is no node to say that they have ended."""

    async def scene(bench: Bench) -> None:
        bench.hear(wire.Share("k", 0.0, 0.0, 4), wire.Share("j", 0.0, 0.0, 5))
        bench.sharing.lost()
        await asyncio.sleep(sharing.FORGET_S / 2)
        assert bench.counters.find("k").in_flight == 4
        bench.sharing.joined()
        bench.hear(wire.Share("k", 0.0, 0.0, 3))
        await asyncio.sleep(sharing.FORGET_S)
        assert bench.counters.find("k").in_flight == 3, "heard of since"
        assert bench.counters.find("j").in_flight == 0

    play(scene)


def test_a_node_that_does_not_read_is_not_written_to() -> None:
    """And when it reads again, what was booked meanwhile is not taken for booked now."""

    async def scene(bench: Bench) -> None:
        bench.wire.keeps_up = False
        for _ in range(120):
            bench.admit()
            bench.settle()
            await asyncio.sleep(1)
        assert bench.wire.sent == []
        bench.wire.keeps_up = True
        bench.admit()
        await asyncio.sleep(1)
        [first, *more] = [counts for _, counts in bench.wire.sent]
        assert first.resumed
        assert first.counts[0].requests == 121
        assert first.counts[0].requests_s <= 1.0
        assert not any(counts.resumed or counts.counts[0].requests for counts in more)

    play(scene)


def test_frames_are_bounded() -> None:
    async def scene(bench: Bench) -> None:
        for number in range(2 * wire.PAGE_KEYS + 1):
            bench.admit(f"k{number}")
        await asyncio.sleep(1)
        assert [len(counts.counts) for _, counts in bench.wire.sent] == [wire.PAGE_KEYS, wire.PAGE_KEYS, 1]
        bench.sharing.joined()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert [len(counts.counts) for _, counts in bench.wire.sent[3:]] == [wire.PAGE_KEYS, wire.PAGE_KEYS, 1]

    play(scene)


def test_clocks_are_set_before_anything_is_told() -> None:
    """A worker that is stopped right after it came knows that what it then hears is old; the node likewise."""

    async def scene(bench: Bench) -> None:
        bench.sharing.joined()
        assert bench.wire.last == wire.Counts(bench.loop.time(), (), resumed=True)
        bench.sharing.set_clock(bench.loop.time() + 9000.0)
        started = bench.loop.time()
        await asyncio.sleep(30)
        for second in range(31):
            bench.hear(wire.Share("k", 1.0, 0.0, 0), at=started + second)
        assert bench.left() == RPM - 1

    play(scene)


def test_what_a_node_does_not_read_is_not_piled_up_and_nothing_of_it_is_lost() -> None:
    """Keys at rest included: where they stand is said when it reads again."""

    async def scene(bench: Bench) -> None:
        names = {f"k{number}" for number in range(3 * wire.PAGE_KEYS)}
        bench.hear(*(wire.Share(name, 3600.0, 0.0, 0) for name in names), whole=True)
        bench.sharing.lost()
        bench.sharing.joined()
        bench.wire.keeps_up = False
        for second in range(20):
            bench.admit(f"late {second}")
            await asyncio.sleep(1)
        assert len(bench.wire.sent) == 1, "what was under way when it stopped reading"
        bench.wire.keeps_up = True
        await asyncio.sleep(1)
        resumed = [count for _, counts in bench.wire.sent if counts.resumed for count in counts.counts]
        assert {count.key for count in resumed} == {*names, *(f"late {second}" for second in range(20))}
        assert len(resumed) == len(names) + 20, "nothing is said twice"

    play(scene)
