"""Room for one more: while the loop's turns take too long, new calls are refused, so that those that run keep their pace.

A gateway that takes in more than it can do serves everybody late, the refused included. What tells is the length of a turn: how late a
timer comes. Beyond a length that no client should wait for, the number of calls at once is bounded, and the bound follows what the
turns say until the rush is over. Saying no is not free either: where so many come that refusing them would take the time of those that
could be served, the bound gives way, and calls wait, as long as they have connections to wait on. No request is measured for it, and an
idle worker looks four times a second.
"""

import logging
import resource
from collections.abc import Callable
from typing import Final

from sekisho.dataplane.stages import UNBOUNDED, Plane

REST_S: Final = 0.25
"""Between two looks at a loop that keeps up."""
WATCH_S: Final = 0.02
"""The same at one that does not."""
LATE_S: Final = 0.01
"""A timer later than this deserves a closer watch."""
ROUND: Final = 5
"""Looks between two decisions."""
ROUND_S: Final = 0.3
"""The same in seconds, where the looks themselves come late."""
BEGIN_S: Final = 0.05
"""Half a turn: when most timers of two rounds are later than this, the bound is set."""
BUSY: Final = 0.6
"""Share of a core that the worker must use meanwhile: where another process makes its turns long, refusing would mend nothing."""
TURN_S: Final = 0.02
"""How long a turn should take while the bound is in force: a refusal waits for two at most."""
LEAST: Final = 256
"""The bound is never lower."""
CALM_S: Final = 3.0
"""The bound is lifted when turns were short and it was not reached for so long."""
REFUSALS_PER_S: Final = 8000
"""A refusal takes some 20 µs: more than a sixth of the worker's time shall not go into them."""
PATIENCE_S: Final = 10.0
"""A bound that gave way is not lowered again for so long."""

_log = logging.getLogger(__name__)


def _cpu() -> float:
    """Seconds of CPU that this process used so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Pressure:
    """Sets `most_in_flight` of a plane."""

    def __init__(self, plane: Plane, cpu: Callable[[], float] = _cpu) -> None:
        self._plane = plane
        self._cpu = cpu
        self._due = 0.0
        self._late: list[float] = []
        self._long = 0
        """Rounds of long turns, one after the other."""
        self._calm_since = 0.0
        self._round_at = 0.0
        self._round_cpu = 0.0
        self._refused = 0
        self._gave_way_at = -PATIENCE_S

    def start(self) -> None:
        """Look from now on, as long as the loop runs."""
        self._plan(REST_S)

    def _plan(self, seconds: float) -> None:
        self._due = self._plane.loop.time() + seconds
        self._plane.loop.call_at(self._due, self._look)

    def _look(self) -> None:
        now = self._plane.loop.time()
        late = now - self._due
        bounded = self._plane.most_in_flight != UNBOUNDED
        if late < LATE_S and not self._late and not bounded:
            self._long = 0
            self._plan(REST_S)
            return
        if not self._late:
            self._round_at, self._round_cpu, self._refused = now, self._cpu(), self._plane.counters.refused
        self._late.append(late)
        if len(self._late) == ROUND or now - self._round_at > ROUND_S:
            taken, self._late = sorted(self._late), []
            if bounded:
                self._follow(now, taken[max(0, len(taken) - 2)])
            else:
                self._judge(now, taken)
        self._plan(WATCH_S)

    def _judge(self, now: float, taken: list[float]) -> None:
        """Whether it is time for a bound."""
        plane = self._plane
        running = plane.counters.in_flight
        busy = self._cpu() - self._round_cpu > BUSY * (now - self._round_at)
        if running <= LEAST or taken[len(taken) // 2] < BEGIN_S or not busy:
            self._long = 0
            return
        self._long += 1
        if self._long < 2:
            return
        self._long = 0
        plane.most_in_flight = max(LEAST, int(running * max(0.5, TURN_S / taken[-1])))
        self._calm_since = now
        _log.warning(
            "more calls come than this worker can serve; new ones are refused with 503 for a while",
            extra={"in_flight": running, "most": plane.most_in_flight, "turn_ms": round(taken[-1] * 1000)},
        )

    def _follow(self, now: float, turn: float) -> None:
        """Lead the bound by the turns' length."""
        plane = self._plane
        most, running = plane.most_in_flight, plane.counters.in_flight
        step = max(16, running // 16)
        if turn > TURN_S or running > most - step:
            self._calm_since = now
        elif now - self._calm_since > CALM_S:
            plane.most_in_flight = UNBOUNDED
            _log.info("the rush is over; all calls are taken again")
            return
        refused = (plane.counters.refused - self._refused) / max(WATCH_S, now - self._round_at)
        if refused > REFUSALS_PER_S:
            plane.most_in_flight = most * 2
            self._gave_way_at = now
        elif turn <= TURN_S:
            # What runs costs next to nothing, however many they are: there is room for more.
            plane.most_in_flight = max(most, running + step)
        elif running <= most + step and now - self._gave_way_at > PATIENCE_S:
            plane.most_in_flight = max(LEAST, int(most * max(0.75, TURN_S / turn)))
        # Else more than the bound still run and it has not had its effect yet, or lowering it brought too many refusals.
