"""What happens now, for who looks now: calls as they are recorded, and one pulse of the house each second.

Messages have numbers that grow by one and never begin anew: a life of the node begins with the time of its start in microseconds, so a
number of an earlier life is known for what it is. Who comes back with the last number it saw goes on behind it, or is told of a gap.

Nothing waits for a reader. Each has a bounded queue of its own and is let go where that overflows. While nobody looks, and nobody did
for a while, recording a call costs the feed nothing but one question.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from sekisho.bridge.pulses import Pulses
from sekisho.bridge.rows import Record
from sekisho.kit import clock as clocks
from sekisho.telemetry.durations import Durations

log = logging.getLogger(__name__)

PULSES: Final = 300
"""Seconds that who comes anew is shown."""
KEPT: Final = 4000
"""Messages that who comes back can be given again."""
QUEUE: Final = 1000
"""Messages that may wait for one reader beyond what it was given when it came."""
CALLS_PER_SECOND: Final = 20
"""Of one project that are shown; of more, some stand for the others. An eye reads no more, and a small project is not crowded out."""
MOST_PER_SECOND: Final = 200
"""Of all projects."""
LINGER_S: Final = 120.0
"""How long calls are kept for a reader that left and may come back."""
SETTLE_S: Final = 0.25
"""Behind a second's end: by then the workers have told how it went."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """One second of the house."""

    at: int
    """When the second began; wall time in microseconds."""
    passed: int
    """Calls that went to a provider, less those that failed meanwhile."""
    refused: int | None
    """Requests that no provider saw; None where only some projects are told of."""
    failed: int
    gate_p50_us: int | None
    """Our own time of a call, by what was recorded in that second; None where nothing was."""
    gate_p99_us: int | None


@dataclass(slots=True)
class Item:
    """A message that all readers share."""

    seq: int
    record: Record | None = None
    """Of a call that ended."""
    stands_for: int = 1
    """Calls of its project that this one is shown for."""
    heartbeat: Heartbeat | None = None
    projects: dict[str, list[int]] | None = None
    """With a heartbeat: passed and failed by project, where somebody who sees not all of them was there to look."""
    text: str | None = None
    """As it is sent; kept by whoever writes it first."""


@dataclass(frozen=True, slots=True)
class Message:
    """What one reader is told."""

    seq: int
    item: Item | None
    """None says that there is a gap: what came before this number is not known here."""
    sampled: int = 1
    """Calls that this one is shown for."""
    heartbeat: Heartbeat | None = None
    """The reader's own, where it does not see all projects."""


class Reader:
    """One who looks."""

    def __init__(self, within: frozenset[str] | None, on_overflow: Callable[[], None]) -> None:
        self.within: Final = within
        self._on_overflow = on_overflow
        self.overflowed = False
        self._queue: deque[Message] = deque()
        self._came = asyncio.Event()
        self._second = 0
        self._shown = 0
        self._left_out = 0
        self._room = QUEUE

    def give(self, messages: Iterable[Message]) -> None:
        """What it is shown first; however much that is, it is room of its own."""
        self._queue.extend(messages)
        self._room = len(self._queue) + QUEUE
        self._came.set()

    def offer(self, item: Item, second: int) -> None:
        """Put a message into its queue, if it is for it."""
        message = self.message(item, second)
        if message is None or self.overflowed:
            return
        if len(self._queue) >= self._room:
            self.overflowed = True
            self._queue.clear()
            self._on_overflow()
        else:
            self._queue.append(message)
        self._came.set()

    def message(self, item: Item, second: int | None = None) -> Message | None:
        """What this reader is told by an item; with a second (of the monotonic clock), as one of so many in it."""
        if item.record is None:
            return self._pulse(item)
        if self.within is not None and item.record[1].project not in self.within:
            return None
        if second is None:
            return Message(item.seq, item, item.stands_for)
        if second != self._second:
            self._second, self._shown = second, 0
        if self._shown >= CALLS_PER_SECOND:
            self._left_out += item.stands_for
            return None
        self._shown += 1
        left_out, self._left_out = self._left_out, 0
        return Message(item.seq, item, item.stands_for + left_out)

    def _pulse(self, item: Item) -> Message | None:
        if self.within is None:
            return Message(item.seq, item)
        if item.projects is None:
            return None
        whole = item.heartbeat
        assert whole is not None
        mine = [counts for project, counts in item.projects.items() if project in self.within]
        passed, failed = sum(each[0] for each in mine), sum(each[1] for each in mine)
        return Message(item.seq, item, heartbeat=Heartbeat(whole.at, passed, None, failed, whole.gate_p50_us, whole.gate_p99_us))

    async def next(self) -> Message | None:
        """The next message; None once it was let go because it did not read."""
        while not self._queue:
            if self.overflowed:
                return None
            self._came.clear()
            await self._came.wait()
        self._room = max(QUEUE, self._room - 1)
        return self._queue.popleft()


@dataclass
class _Second:
    """What was recorded since the last pulse."""

    gates: Durations = field(default_factory=Durations)
    projects: dict[str, list[int]] = field(default_factory=dict)


class Feed:
    """The one feed of a node."""

    def __init__(self, clock: clocks.Clock, pulses: Pulses) -> None:
        self._clock = clock
        self._heard = pulses
        self._last = pulses.totals
        self._first = self._seq = clock.now()
        self._complete_from = self._first
        """From this number on every message is in the ring, as far as the ring reaches."""
        self._ring: deque[Item] = deque(maxlen=KEPT)
        self._pulses: deque[Item] = deque(maxlen=PULSES)
        self._readers: set[Reader] = set()
        self._listening_until = 0.0
        self._narrow = 0
        """Readers that do not see all projects."""
        self._debt = 0
        """Calls that failed in a later second than the one that they were counted in."""
        self._now = _Second()
        self._budget_second = 0
        self._shown: dict[str, int] = {}
        self._shown_in_all = 0
        self._left_out: dict[str, int] = {}

    # Its readers.

    def __len__(self) -> int:
        return len(self._readers)

    def join(self, after: int | None, within: frozenset[str] | None, on_overflow: Callable[[], None]) -> Reader:
        """Begin to look: behind a number, or anew. `within` are the projects whose calls it may see; None means all.

        `on_overflow` is called once where the reader does not keep up; it must neither wait nor raise.
        """
        if not self._listens():
            self._complete_from = self._seq + 1
            self._left_out.clear()
        reader = Reader(within, on_overflow)
        if after is None:
            found: Iterable[Item] = self._pulses
        elif self._knows(after):
            found = (item for item in self._ring if item.seq > after)
        else:
            found = self._pulses
            reader.give([Message(self._seq, None)])
        reader.give([message for item in found if (message := reader.message(item)) is not None])
        self._readers.add(reader)
        self._narrow += within is not None
        return reader

    def leave(self, reader: Reader) -> None:
        """Look no more."""
        if reader in self._readers:
            self._readers.remove(reader)
            self._narrow -= reader.within is not None
            self._listening_until = clocks.monotonic() + LINGER_S

    def _knows(self, after: int) -> bool:
        """Whether everything behind a number is at hand."""
        oldest = max(self._complete_from, self._ring[0].seq if self._ring else 0)
        return oldest - 1 <= after <= self._seq

    def _listens(self) -> bool:
        return bool(self._readers) or clocks.monotonic() < self._listening_until

    # What fills it.

    def recorded(self, records: Sequence[Record]) -> None:
        """These calls are in the database now."""
        if not self._listens():
            return
        second = int(clocks.monotonic())
        gates, projects = self._now.gates, self._now.projects
        for record in records:
            _, began, ended = record
            own = ended.own_us
            if own is not None:
                gates.add(own)
            if self._narrow:
                projects.setdefault(began.project, [0, 0])[ended.status == 1] += 1
            self._show(record, began.project, second)

    def _show(self, record: Record, project: str, second: int) -> None:
        """Make a message of a call, or let the next one of its project stand for it."""
        if second != self._budget_second:
            self._budget_second, self._shown_in_all = second, 0
            self._shown.clear()
        shown = self._shown.get(project, 0)
        if shown >= CALLS_PER_SECOND or self._shown_in_all >= MOST_PER_SECOND:
            self._left_out[project] = self._left_out.get(project, 0) + 1
            return
        self._shown[project] = shown + 1
        self._shown_in_all += 1
        self._tell(Item(self._next(), record, 1 + self._left_out.pop(project, 0)), second)

    def _next(self) -> int:
        self._seq += 1
        return self._seq

    def _tell(self, item: Item, second: int) -> None:
        self._ring.append(item)
        for reader in self._readers:
            reader.offer(item, second)

    # The pulse.

    async def beat(self) -> None:
        """Make a pulse of each second that passes. Never returns."""
        while True:
            now = self._clock.now()
            await asyncio.sleep((clocks.SECOND - now % clocks.SECOND) / clocks.SECOND + SETTLE_S)
            self.pulse()

    def pulse(self) -> None:
        """Make a pulse of the second that has just passed."""
        totals, last = self._heard.totals, self._last
        self._last = totals
        failed = totals.failed - last.failed
        passed = totals.calls - last.calls - failed - self._debt
        self._debt = max(0, -passed)
        now, self._now = self._now, _Second()
        heartbeat = Heartbeat(
            (self._clock.now() // clocks.SECOND - 1) * clocks.SECOND,
            max(0, passed),
            totals.refused - last.refused,
            failed,
            now.gates.quantile(0.5),
            now.gates.quantile(0.99),
        )
        item = Item(self._next(), heartbeat=heartbeat, projects=now.projects if self._narrow else None)
        self._pulses.append(item)
        self._tell(item, int(clocks.monotonic()))
