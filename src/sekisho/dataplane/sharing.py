"""Limits across workers: what this one books is told to the node, what the others book is added to the meters here.

No request knows of it. A meter that leaves its rest sets a timer; while meters are in use the node is told every 50 ms, every 5 ms while a
limit is being used up fast, and an idle worker sets no timer and sends nothing. Without a node each worker counts for itself, on from
where all stood; the calls of others are forgotten after a moment, since nobody would say when they end.
"""

import asyncio
from itertools import islice
from typing import Final

from sekisho.core.wire import link as wire
from sekisho.dataplane.counters import Counters
from sekisho.dataplane.link import Link

TICK_S: Final = 0.05
"""Between two tellings."""
QUICK_S: Final = 0.005
"""The same, after a rest and while a limit is being used up fast."""
FORGET_S: Final = 5.0
"""How long the calls of others count that nobody has spoken of since the link was lost; a new node takes about one."""


class Sharing:
    """Keeps the counters of one worker and those of all in step; implements `link.Sharer`."""

    def __init__(self, counters: Counters, link: Link, loop: asyncio.AbstractEventLoop) -> None:
        self._counters = counters
        self._link = link
        self._loop = loop
        self._ages = wire.Ages()
        self._behind = False
        """Whether the node did not read for a while: amounts alone would not say when they were booked."""
        self._to_say: dict[str, None] = {}
        """Keys of which the node has still to be told where they stand."""
        self._saying = False
        """Whether the next page of these comes with the next turn of the loop."""
        self._timer: asyncio.TimerHandle | None = None
        self._unheard: set[str] = set()
        """Keys with calls elsewhere, of which nothing was heard since the link was lost."""
        self._forgetting: asyncio.TimerHandle | None = None
        counters.on_use = self._used

    def _used(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(QUICK_S, self._tick)

    def _tick(self) -> None:
        self._timer = None
        fast = self.tell()
        if self._counters.meters or self._to_say:
            self._timer = self._loop.call_later(QUICK_S if fast else TICK_S, self._tick)

    def tell(self) -> bool:
        """Tell the node what is new, if it listens; what it is not told now it is told later. Returns whether a limit is used up fast."""
        if not self._link.keeps_up:
            self._behind = True
            return False
        if self._behind:
            self._behind = False
            self._to_say |= dict.fromkeys(self._counters.meters)
            self._say_page()
        if self._to_say:
            # What is booked meanwhile is a part of where it stands.
            return False
        now = self._loop.time()
        told, fast = self._counters.tell(now)
        for start in range(0, len(told), wire.PAGE_KEYS):
            page = told[start : start + wire.PAGE_KEYS]
            self._link.count(wire.Counts(now, tuple(wire.Count(*each) for each in page)))
        return fast

    # Called by the link.

    def joined(self) -> None:
        """Say where everything stands, a page at a turn of the loop."""
        counters = self._counters
        self._ages = wire.Ages()
        self._behind = False
        self._to_say = dict.fromkeys([*counters.meters, *counters.resting])
        self._say_page(greet=True)

    def _say_page(self, *, greet: bool = False) -> None:
        """`greet` where the node does not know our clock yet: it could not tell that the first thing we say is late."""
        now = self._loop.time()
        page = list(islice(self._to_say, wire.PAGE_KEYS))
        for key_id in page:
            del self._to_say[key_id]
        standing = self._counters.stand(page, now)
        if standing or greet:
            self._link.count(wire.Counts(now, tuple(wire.Count(*each) for each in standing), resumed=True))
        if self._to_say and not self._saying:
            self._saying = True
            self._loop.call_soon(self._say_next)

    def _say_next(self) -> None:
        self._saying = False
        if not self._to_say:
            return
        if self._link.keeps_up:
            self._say_page()
        else:
            # It does not read what was said so far; the rest is not piled up here, and said when it does.
            self._behind = True
            self._used()

    def lost(self) -> None:
        """Go on alone."""
        counters = self._counters
        self._to_say.clear()
        for meters in (counters.meters, counters.resting):
            self._unheard.update(key_id for key_id, meter in meters.items() if meter.elsewhere)
        if self._unheard and self._forgetting is None:
            self._forgetting = self._loop.call_later(FORGET_S, self._forget)

    def _forget(self) -> None:
        self._forgetting = None
        for key_id in self._unheard:
            self._counters.find(key_id).set_elsewhere(0)
        self._unheard.clear()

    def set_clock(self, at: float) -> None:
        """The node's clock showed this a moment ago."""
        self._ages.of(at, self._loop.time())

    def take(self, shares: wire.Shares) -> None:
        """What others booked, or where the keys stand."""
        now = self._loop.time()
        now -= self._ages.of(shares.at, now)
        for share in shares.shares:
            meter = self._counters.find(share.key)
            if shares.whole:
                meter.rise(now, share.requests_s, share.tokens_s)
            else:
                meter.add(now, share.requests_s, share.tokens_s)
            meter.set_elsewhere(share.in_flight)
        if self._unheard:
            self._unheard.difference_update(share.key for share in shares.shares)
