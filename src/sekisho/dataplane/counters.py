"""The state of limits and the totals of one worker. Everything that a client chooses as a key here is bounded."""

from sekisho.core.policy.limits import Meter


class Counters:
    """Meters by key id (ids exist only for keys that exist, so their number is the operator's), and totals for the pulse."""

    __slots__ = ("buffered", "connections", "in_flight", "meters", "refused", "requests")

    def __init__(self) -> None:
        self.meters: dict[str, Meter] = {}
        self.connections = 0
        self.in_flight = 0
        self.requests = 0
        self.refused = 0
        self.buffered = 0
        """Bytes of request and response bodies held now."""

    def meter(self, key_id: str) -> Meter:
        meter = self.meters.get(key_id)
        if meter is None:
            meter = self.meters[key_id] = Meter()
        return meter


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
