"""A door that is left in good order: who is served, who is sent away, and when."""

import asyncio

from sekisho.dataplane.drain import drain
from tests.support.virtual_time import VirtualClock, run


class Door:
    """Connections by what they do: busy ones end by themselves at a time, idle ones when they are drained."""

    def __init__(self, clock: VirtualClock, busy_until: tuple[float, ...] = (), idle: int = 0) -> None:
        self._clock = clock
        self._busy = list(busy_until)
        self.idle = idle
        self.told: list[tuple[str, float]] = []

    def _note(self, what: str) -> None:
        if what not in [told for told, _ in self.told]:
            self.told.append((what, round(self._clock.passed, 1)))

    def stop_accepting(self) -> None:
        self._note("stop")

    def drain(self) -> None:
        self._note("drain")
        self.idle = 0

    def cut(self) -> None:
        self._note("cut")
        self._busy.clear()

    def __len__(self) -> int:
        return sum(until > self._clock.passed for until in self._busy) + self.idle


def test_an_empty_door_is_left_at_once() -> None:
    clock = VirtualClock()
    door = Door(clock)
    assert run(drain([door], 30.0, clock.monotonic, 1.0), clock)
    assert door.told == [("stop", 0.0)]
    assert clock.passed == 0.0


def test_idle_connections_end_at_once_and_calls_in_their_own_time() -> None:
    clock = VirtualClock()
    doors = [Door(clock, (3.0, 7.0), idle=5), Door(clock, idle=1)]
    assert run(drain(doors, 30.0, clock.monotonic), clock)
    assert [door.told for door in doors] == [[("stop", 0.0), ("drain", 0.0)]] * 2
    assert 7.0 <= clock.passed <= 7.2


def test_with_patience_idle_connections_may_ask_once_more() -> None:
    clock = VirtualClock()
    door = Door(clock, idle=5)
    assert run(drain([door], 30.0, clock.monotonic, 1.0), clock)
    assert door.told == [("stop", 0.0), ("drain", 1.0)]


def test_nobody_is_waited_for_who_has_gone() -> None:
    clock = VirtualClock()
    door = Door(clock, idle=5)

    async def all_ask() -> bool:
        asyncio.get_running_loop().call_later(0.3, lambda: setattr(door, "idle", 0))
        return await drain([door], 30.0, clock.monotonic, 1.0)

    assert run(all_ask(), clock)
    assert door.told == [("stop", 0.0)]
    assert clock.passed < 0.5


def test_patience_ends_before_the_drain_time() -> None:
    clock = VirtualClock()
    door = Door(clock, (100.0,), idle=2)
    assert not run(drain([door], 0.5, clock.monotonic, 1.0), clock)
    assert door.told[0] == ("stop", 0.0)
    assert [what for what, _ in door.told] == ["stop", "drain", "cut"]
    assert 0.5 <= clock.passed <= 0.6
