"""The state of limits and the totals of one worker. Everything that a client chooses as a key here is bounded.

A request finds its meter with one look-up. What has to be told to others is found without one look at a meter that nobody used: meters
in use lie apart from those that rest.
"""

from collections.abc import Callable, Iterable
from typing import Final

from sekisho.core.policy.limits import WINDOW, Meter

FAST: Final = WINDOW / 32
"""A limit of which so much (as seconds) is used between two looks is looked at more often."""
SWEEP_AT_LEAST: Final = 4096
"""Meters at rest before those that are as if never used are looked for."""
SWEEP: Final = 1000
"""Meters that are looked at in one go: a walk over a hundred thousand would hold the loop for too long."""

Told = tuple[str, int, int, int]
"""Key id, requests and tokens booked since the last time, calls under way."""
Standing = tuple[str, int, int, int, float, float]
"""The same, and how long requests and tokens stay busy, in seconds from now."""


def _nobody() -> None:
    """Nobody shares these counters."""


class Counters:
    """Meters by key id (ids exist only for keys that exist, so their number is the operator's), and totals for the pulse."""

    __slots__ = (
        "_suspects",
        "_sweep_at",
        "buffered",
        "connections",
        "failed",
        "in_flight",
        "meters",
        "on_use",
        "refused",
        "requests",
        "resting",
    )

    def __init__(self) -> None:
        self.meters: dict[str, Meter] = {}
        """Those that were used since the last `tell`, or have calls under way here."""
        self.resting: dict[str, Meter] = {}
        self.on_use: Callable[[], None] = _nobody
        """Called when a meter leaves its rest."""
        self._sweep_at = SWEEP_AT_LEAST
        self._suspects: list[str] = []
        self.connections = 0
        self.in_flight = 0
        self.requests = 0
        self.refused = 0
        self.failed = 0
        """Calls that a provider was asked for and that failed."""
        self.buffered = 0
        """Bytes of request and response bodies held now."""

    def meter(self, key_id: str) -> Meter:
        meter = self.meters.get(key_id)
        if meter is None:
            meter = self._use(key_id)
        return meter

    def _use(self, key_id: str) -> Meter:
        meter = self.resting.pop(key_id, None)
        if meter is None:
            meter = Meter()
        self.meters[key_id] = meter
        self.on_use()
        return meter

    def find(self, key_id: str) -> Meter:
        """The same without using it: whoever asks brings what others did."""
        meter = self.meters.get(key_id)
        if meter is None:
            meter = self.resting.get(key_id)
        if meter is None:
            meter = self.resting[key_id] = Meter()
        return meter

    def tell(self, now: float) -> tuple[list[Told], bool]:
        """What is new since the last time, each thing once, and whether a limit is being used up fast.

        Meters of which nothing is new and that have no call under way go to rest.
        """
        told: list[Told] = []
        quiet: list[str] = []
        fast = False
        for key_id, meter in self.meters.items():
            under_way = meter.in_flight - meter.elsewhere
            if meter.requests or meter.tokens or under_way != meter.told:
                told.append((key_id, meter.requests, meter.tokens, under_way))
                meter.requests = 0
                meter.tokens = 0
                meter.told = under_way
                at = max(meter.requests_at, meter.tokens_at)
                if at - max(meter.seen_at, now) > FAST:
                    fast = True
                meter.seen_at = at
            elif not under_way:
                quiet.append(key_id)
        for key_id in quiet:
            self.resting[key_id] = self.meters.pop(key_id)
        if len(self.resting) > self._sweep_at and not self._suspects:
            self._suspects = list(self.resting)
        if self._suspects:
            self._sweep(now)
        return told, fast

    def stand(self, key_ids: Iterable[str], now: float) -> list[Standing]:
        """Likewise of these keys, with where they stand; of those only that are not as if never used."""
        standing: list[Standing] = []
        for key_id in key_ids:
            meter = self.meters.get(key_id)
            if meter is None:
                meter = self.resting.get(key_id)
            if meter is None or meter.is_idle(now):
                continue
            under_way = meter.in_flight - meter.elsewhere
            busy, tokens_busy = max(meter.requests_at - now, 0.0), max(meter.tokens_at - now, 0.0)
            standing.append((key_id, meter.requests, meter.tokens, under_way, busy, tokens_busy))
            meter.requests = 0
            meter.tokens = 0
            meter.told = under_way
        return standing

    def _sweep(self, now: float) -> None:
        """Forget meters that are as if never used, of a part of them."""
        suspects = self._suspects
        for key_id in suspects[-SWEEP:]:
            meter = self.resting.get(key_id)
            if meter is not None and meter.is_idle(now):
                del self.resting[key_id]
        del suspects[-SWEEP:]
        if not suspects:
            self._sweep_at = max(SWEEP_AT_LEAST, 2 * len(self.resting))


class Bucket:
    """So many per second, and how many went over since the last one that passed."""

    __slots__ = ("_allowance", "_at", "_rate", "suppressed")

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._allowance = float(rate)
        self._at = 0.0
        self.suppressed = 0

    def take(self, now: float) -> bool:
        """Whether one more may pass at this monotonic time."""
        self._allowance = min(self._rate, self._allowance + (now - self._at) * self._rate)
        self._at = now
        if self._allowance < 1:
            self.suppressed += 1
            return False
        self._allowance -= 1
        return True
