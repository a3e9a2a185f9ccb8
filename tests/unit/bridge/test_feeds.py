"""The feed: who comes back goes on behind the last number or is told of a gap, nobody sees a foreign project, nobody is waited for."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from sekisho.bridge import feeds
from sekisho.bridge.feeds import CALLS_PER_SECOND, KEPT, PULSES, QUEUE, Feed, Message, Reader
from sekisho.bridge.pulses import Pulses
from sekisho.bridge.rows import Record
from sekisho.core.model.records import CallBegan, CallEnded, Status
from sekisho.kit.clock import SECOND
from tests.unit.bridge.test_pulses import pulse

NOON = 1_800_000_000 * SECOND
MARKS = (1_000_000, 1_001_000, 1_003_000, 1_006_000, 2_006_000, 2_016_000, 2_026_000, 2_036_000, 5_000_000, 10_000_000)
"""Nanoseconds: 5 µs until the key is known, 1 ms for the body, 20 µs for the way and the limits."""


class Clock:
    def __init__(self) -> None:
        self.at = NOON
        self.seconds = 100.0

    def now(self) -> int:
        return self.at

    def monotonic(self) -> float:
        return self.seconds


class Scene:
    """A feed with clocks that the test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = Clock()
        monkeypatch.setattr(feeds.clocks, "monotonic", self.clock.monotonic)
        self.pulses = Pulses()
        self.pulses.heard("w", pulse())
        self.feed = Feed(self.clock, self.pulses)
        self.number = 0
        self.overflows: list[str] = []

    def record(self, count: int = 1, project: str = "default", status: Status = Status.COMPLETED) -> None:
        records = []
        for _ in range(count):
            self.number += 1
            records.append(call(self.number, project, status))
        self.feed.recorded(records)

    def pass_second(self, **totals: Any) -> None:
        self.pulses.heard("w", pulse(**totals))
        self.clock.at += SECOND
        self.clock.seconds += 1
        self.feed.pulse()

    def join(self, after: int | None = None, within: frozenset[str] | None = None, name: str = "") -> Reader:
        return self.feed.join(after, within, lambda: self.overflows.append(name))


def call(seq: int, project: str, status: Status) -> Record:
    began = CallBegan(seq, f"req-{seq}", NOON, "POST", "/", "::1", "k", "key", project, "up/m", "up", "m", "", stream=False)
    ended = CallEnded(seq, status, 200, 1, 2, 0, 0, 1, None, "", MARKS, 1, 10, 20)
    return "boot", began, ended


async def all_of(reader: Reader) -> list[Message]:
    """What lies ready for a reader."""
    found = []
    while True:
        try:
            message = await asyncio.wait_for(reader.next(), 0.01)
        except TimeoutError:
            return found
        assert message is not None
        found.append(message)


def calls(messages: list[Message]) -> list[int]:
    return [each.item.record[2].seq for each in messages if each.item is not None and each.item.record is not None]


def play(scene: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scene)


def test_who_looks_sees_calls_in_order_with_rising_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        house = Scene(monkeypatch)
        reader = house.join()
        house.record(3)
        house.pass_second(calls=3)
        house.record(2)
        messages = await all_of(reader)
        assert calls(messages) == [1, 2, 3, 4, 5]
        numbers = [each.seq for each in messages]
        assert numbers == list(range(numbers[0], numbers[0] + 6))

    play(scene())


def test_a_pulse_tells_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        house = Scene(monkeypatch)
        reader = house.join()
        house.record(3)
        house.pass_second(calls=5, failed=2, refused=4)
        (heartbeat,) = [each.item.heartbeat for each in await all_of(reader) if each.item and each.item.heartbeat]
        assert (heartbeat.at, heartbeat.passed, heartbeat.failed, heartbeat.refused) == (NOON, 3, 2, 4)
        assert heartbeat.gate_p50_us == heartbeat.gate_p99_us == 25
        house.pass_second(calls=5, failed=2, refused=4)
        (quiet,) = [each.item.heartbeat for each in await all_of(reader) if each.item]
        assert quiet is not None
        assert (quiet.passed, quiet.failed, quiet.refused, quiet.gate_p50_us) == (0, 0, 0, None)

    play(scene())


def test_a_call_that_fails_in_a_later_second_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        house = Scene(monkeypatch)
        reader = house.join()
        house.pass_second(calls=3)
        house.pass_second(calls=3, failed=2)
        house.pass_second(calls=6, failed=2)
        told = [each.item.heartbeat for each in await all_of(reader) if each.item]
        assert [(each.passed, each.failed) for each in told if each] == [(3, 0), (0, 2), (1, 0)]

    play(scene())


def test_who_comes_anew_sees_the_last_five_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        house = Scene(monkeypatch)
        for second in range(PULSES + 20):
            house.pass_second(calls=second)
        messages = await all_of(house.join())
        assert len(messages) == PULSES
        assert [each.seq for each in messages] == sorted(each.seq for each in messages)
        last = messages[-1].item
        assert last is not None
        assert last.heartbeat is not None
        assert last.heartbeat.at == house.clock.at - SECOND

    play(scene())


def test_who_comes_back_goes_on_without_loss_and_without_a_second_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        house = Scene(monkeypatch)
        reader = house.join()
        house.record(4)
        before = await all_of(reader)
        house.feed.leave(reader)
        house.record(3)
        house.pass_second(calls=7)
        again = house.join(before[-1].seq)
        house.record(2)
        messages = await all_of(again)
        assert calls(before) + calls(messages) == list(range(1, 10))
        assert all(each.item is not None for each in messages)
        assert [each.seq for each in messages] == list(range(before[-1].seq + 1, before[-1].seq + 7))

    play(scene())


@pytest.mark.parametrize("away", ["of an earlier life", "too long", "so much happened", "from the future"])
def test_who_missed_something_is_told(monkeypatch: pytest.MonkeyPatch, away: str) -> None:
    async def scene() -> None:
        house = Scene(monkeypatch)
        reader = house.join()
        house.record(1)
        house.pass_second(calls=1)
        last = (await all_of(reader))[-1].seq
        house.feed.leave(reader)
        if away == "of an earlier life":
            last = NOON - 60 * SECOND
        elif away == "from the future":
            last += 1000
        elif away == "too long":
            house.clock.seconds += feeds.LINGER_S
            house.record(1)
            house.pass_second(calls=2)
        else:
            for _ in range(KEPT // CALLS_PER_SECOND + 1):
                house.record(CALLS_PER_SECOND)
                house.pass_second()
        messages = await all_of(house.join(last))
        assert messages[0].item is None
        assert [each.item is None for each in messages[1:]] == [False] * (len(messages) - 1)
        assert calls(messages) == []
        assert len(messages) > 1, "the picture is filled anew"

    play(scene())


def test_a_number_before_the_first_look_is_no_gap_where_only_pulses_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        house = Scene(monkeypatch)
        reader = house.join()
        last = house.feed._seq
        house.feed.leave(reader)
        house.pass_second()
        messages = await all_of(house.join(last))
        assert [each.item is None for each in messages] == [False]

    play(scene())


def test_nobody_sees_calls_of_a_foreign_project_neither_live_nor_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        house = Scene(monkeypatch)
        everything, mine = house.join(), house.join(within=frozenset({"mine"}))
        first = house.feed._seq
        house.record(2, "mine")
        house.record(3, "theirs", Status.FAILED)
        house.record(1, "mine", Status.FAILED)
        house.pass_second(calls=6, failed=4, refused=9)
        assert calls(await all_of(everything)) == [1, 2, 3, 4, 5, 6]
        told = await all_of(mine)
        assert calls(told) == [1, 2, 6]
        (heartbeat,) = [each.heartbeat for each in told if each.heartbeat is not None]
        assert (heartbeat.passed, heartbeat.failed, heartbeat.refused) == (2, 1, None)
        house.feed.leave(mine)
        again = await all_of(house.join(first, frozenset({"mine"})))
        assert calls(again) == [1, 2, 6]
        assert [each.heartbeat for each in again if each.heartbeat] == [heartbeat]
        none = await all_of(house.join(first, frozenset()))
        assert calls(none) == []

    play(scene())


def test_a_pulse_of_all_is_not_shown_to_who_may_see_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        house = Scene(monkeypatch)
        for _ in range(5):
            house.pass_second(calls=1)
        assert await all_of(house.join(within=frozenset({"mine"}))) == []

    play(scene())


def test_of_many_calls_some_stand_for_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        house = Scene(monkeypatch)
        reader = house.join()
        house.record(500)
        house.record(1, "small")
        house.clock.seconds += 1
        house.record(30)
        messages = await all_of(reader)
        busy = [each for each in messages if each.item and each.item.record and each.item.record[1].project == "default"]
        assert len(busy) == 2 * CALLS_PER_SECOND
        assert sum(each.sampled for each in busy) == 520 + 1, "of the last ten nobody is shown for the others yet"
        assert [each.sampled for each in messages[:3]] == [1, 1, 1]

    play(scene())


def test_a_small_project_is_not_crowded_out_for_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        house = Scene(monkeypatch)
        reader = house.join(within=frozenset({"small"}))
        house.record(500)
        house.record(1, "small")
        house.record(500)
        assert calls(await all_of(reader)) == [501]

    play(scene())


def test_who_does_not_read_is_let_go_and_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        house = Scene(monkeypatch)
        slow, quick = house.join(name="slow"), house.join(name="quick")
        seen = []
        for _ in range(QUEUE // CALLS_PER_SECOND + 2):
            house.record(CALLS_PER_SECOND)
            house.clock.seconds += 1
            seen += calls(await all_of(quick))
        assert house.overflows == ["slow"]
        assert await slow.next() is None
        assert seen == list(range(1, len(seen) + 1))

    play(scene())


def test_what_is_shown_first_takes_no_room_from_what_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        house = Scene(monkeypatch)
        first = house.join()
        start = house.feed._seq
        for _ in range(100):
            house.record(CALLS_PER_SECOND)
            house.clock.seconds += 1
            await all_of(first)
        back = house.join(start, name="back")
        for _ in range(QUEUE // CALLS_PER_SECOND):
            house.record(CALLS_PER_SECOND)
            house.clock.seconds += 1
        assert house.overflows == ["" for _ in house.overflows]
        assert len(calls(await all_of(back))) == 100 * CALLS_PER_SECOND + QUEUE

    play(scene())


def test_while_nobody_looks_nothing_is_kept_of_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        house = Scene(monkeypatch)
        house.record(50)
        assert house.feed._seq == NOON
        reader = house.join()
        house.record(1)
        assert calls(await all_of(reader)) == [51]
        house.feed.leave(reader)
        house.feed.leave(reader)
        assert len(house.feed) == 0

    play(scene())
