"""What the workers of this node did since it began, by their pulses. A worker's totals are its own and end with it; the sums here do not.

The first pulse of a worker says where it stands: what it did before this node knew it is not counted. A new worker tells one before its
first request.
"""

from dataclasses import dataclass
from typing import Final

from sekisho.core.wire.link import Pulse


@dataclass(frozen=True, slots=True)
class Totals:
    """Since the node's start."""

    requests: int = 0
    calls: int = 0
    """Those that went to a provider."""
    refused: int = 0
    failed: int = 0
    """Calls that a provider was asked for and that failed."""
    dropped: int = 0
    """Records that found no room in a journal."""


class Pulses:
    """Adds them up, pulse by pulse."""

    def __init__(self) -> None:
        self.totals = Totals()
        self.latest: Final[dict[str, Pulse]] = {}
        """Of each worker that is connected, by its boot."""

    def heard(self, boot: str, pulse: Pulse) -> None:
        """A worker told how far it is."""
        last = self.latest.get(boot, pulse)
        self.latest[boot] = pulse
        totals = self.totals
        self.totals = Totals(
            totals.requests + pulse.requests - last.requests,
            totals.calls + pulse.calls - last.calls,
            totals.refused + pulse.refused - last.refused,
            totals.failed + pulse.failed - last.failed,
            totals.dropped + pulse.dropped - last.dropped,
        )

    def parted(self, boot: str) -> None:
        """A worker is gone; what it did stays done."""
        self.latest.pop(boot, None)

    @property
    def journals_full(self) -> int:
        """How many workers have no room for records now."""
        return sum(pulse.journal_full for pulse in self.latest.values())
