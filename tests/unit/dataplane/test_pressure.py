"""The bound on calls at once: set by turns that take too long, led by them, lifted after the rush; and what a refused call is told."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from sekisho.dataplane.pressure import CALM_S, LEAST, REFUSALS_PER_S, REST_S, ROUND, TURN_S, WATCH_S, Pressure
from sekisho.dataplane.stages import UNBOUNDED, Plane
from tests.support.virtual_time import VirtualClock, run
from tests.unit.dataplane.houses import HELLO, House, Wire, request


class Worker:
    """A loop whose timers come as late as the test says, and the calls that run on it."""

    def __init__(self, busy: float = 1.0) -> None:
        self.now = 0.0
        self.timer: tuple[float, Callable[[], None]] | None = None
        self.plane = SimpleNamespace(loop=self, counters=SimpleNamespace(in_flight=0, refused=0), most_in_flight=UNBOUNDED)
        Pressure(cast(Plane, self.plane), lambda: self.now * busy).start()

    def time(self) -> float:
        return self.now

    def call_at(self, at: float, look: Callable[[], None]) -> None:
        assert self.timer is None
        self.timer = at, look

    def turn(self, late: float, running: int, *, times: int = 1) -> "Worker":
        """Let the next timers come so many seconds late while so many calls run."""
        self.plane.counters.in_flight = running
        for _ in range(times):
            assert self.timer is not None
            (at, look), self.timer = self.timer, None
            self.now = max(self.now, at) + late
            look()
        return self

    @property
    def most(self) -> int:
        return int(self.plane.most_in_flight)

    @property
    def pause(self) -> float:
        assert self.timer is not None
        return self.timer[0] - self.now


def pressed() -> Worker:
    """A worker that has just been given a bound."""
    worker = Worker().turn(0.2, 4000, times=2 * ROUND)
    assert LEAST <= worker.most <= 4000
    return worker


def test_a_loop_that_keeps_up_is_looked_at_four_times_a_second() -> None:
    worker = Worker().turn(0.001, 10_000, times=20)
    assert abs(worker.pause - REST_S) < 1e-9
    assert worker.most == UNBOUNDED


def test_long_turns_under_many_calls_set_a_bound() -> None:
    assert abs(pressed().pause - WATCH_S) < 1e-9


def test_some_long_turns_set_none() -> None:
    worker = Worker().turn(0.001, 4000).turn(2.0, 4000).turn(0.001, 4000, times=ROUND)
    assert worker.turn(0.2, 4000, times=ROUND).turn(0.001, 4000, times=ROUND).turn(0.2, 4000, times=ROUND).most == UNBOUNDED


def test_long_turns_under_few_calls_set_none() -> None:
    assert Worker().turn(0.5, LEAST, times=5 * ROUND).most == UNBOUNDED


def test_long_turns_that_are_another_process_set_none() -> None:
    """Refusing would mend nothing."""
    assert Worker(busy=0.3).turn(0.5, 4000, times=5 * ROUND).most == UNBOUNDED


def test_a_bound_that_has_not_had_its_effect_is_not_lowered() -> None:
    worker = pressed()
    first = worker.most
    assert worker.turn(0.2, 4000, times=3 * ROUND).most == first


def test_it_goes_down_while_turns_stay_long_but_not_below_the_least() -> None:
    worker = pressed()
    first = worker.most
    assert worker.turn(0.1, first, times=ROUND).most < first
    for _ in range(30):
        worker.turn(0.5, worker.most, times=ROUND)
    assert worker.most == LEAST


def test_it_goes_up_while_turns_are_short_however_many_calls_run() -> None:
    """Thousands that wait for their clients or providers cost nothing, and must not shut the others out."""
    assert pressed().turn(TURN_S / 2, 5000, times=ROUND).most > 5000


def test_it_gives_way_where_refusing_takes_more_than_its_share() -> None:
    worker = pressed()
    first = worker.most
    worker.turn(0.2, first)
    worker.plane.counters.refused += int(REFUSALS_PER_S * ROUND * (WATCH_S + 0.2) * 2)
    raised = worker.turn(0.2, first, times=ROUND - 1).most
    assert raised > first
    assert worker.turn(0.2, first, times=2 * ROUND).most == raised  # not lowered again at once


def test_it_is_lifted_when_the_rush_is_over() -> None:
    worker = pressed()
    looks = int((CALM_S + 1) / WATCH_S)
    for _ in range(looks // ROUND):
        worker.turn(0.0, worker.most, times=ROUND)
    assert worker.most != UNBOUNDED
    assert worker.turn(0.0, 10, times=looks).most == UNBOUNDED
    assert abs(worker.turn(0.0, 10, times=ROUND).pause - REST_S) < 1e-9


def test_a_call_beyond_the_bound_is_told_to_come_back_and_the_health_is_still_told(tmp_path: Path) -> None:
    async def scene() -> None:
        async with House(tmp_path) as house:
            house.plane.most_in_flight = 0
            wire: Any = Wire(house)
            wire.feed(request(HELLO))
            refused = await wire.answer()
            assert refused.status == 503
            assert refused.json()["error"]["code"] == "overloaded"
            assert refused.header("retry-after") == "1"
            wire.feed(request(path="/health", method="GET"))
            await wire.until(lambda wire: len(wire.messages) == 2)
            assert wire.messages[1].status == 200
            house.plane.most_in_flight = 1
            wire.feed(request(HELLO))
            await wire.until(lambda wire: len(wire.messages) == 3 and wire.messages[2].complete)
            assert wire.messages[2].status == 200
            wire.close()

    run(scene(), VirtualClock())
