"""Rows of the audit about logins that failed: so many of one source in a minute, and of the others their number.

Strangers can fail as often as they like, and what the audit holds is held for long. Where some were left out, a closing row says how
many, once their minute is over: with the next failure, or when the node looks after it (`jobs`). A node that stops forgets the numbers
of its last minute, and nothing else.
"""

import logging
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sekisho.kit.clock import Clock
from sekisho.rest.permissions import Caller
from sekisho.storage.errors import StorageError
from sekisho.storage.session import Session, Sessions

_log: Final = logging.getLogger(__name__)

ROWS_PER_MINUTE: Final = 30
"""Failures of one source that are written down in a minute."""

MINUTE_S: Final = 60.0

MOST: Final = 1_000
"""Sources that are told apart within a minute; all further ones are one source together."""

LEFT_OUT: Final = "left_out"
"""In a closing row: how many failures have no row."""


@dataclass(frozen=True)
class Source:
    """Where failures come from, and what a closing row names."""

    action: str
    """Such as `login.failed`."""
    kind: str
    """Of the object, such as `address`."""
    name: str


@dataclass
class _Minute:
    ends: float
    written: int = 0
    left_out: int = 0


class Failures:
    """Writes them down."""

    def __init__(self, clock: Clock, transactions: Sessions) -> None:
        self._clock = clock
        self._transactions = transactions
        # The oldest minute first: all are equally long.
        self._minutes: OrderedDict[Source, _Minute] = OrderedDict()

    async def write(self, source: Source, kind: str, object_id: str, after: Mapping[str, Any], by: Caller) -> None:
        """Write down a failure that concerns this object, or count it; raises StorageError."""
        closing = self._over()
        minute = self._minute(source)
        if minute.written >= ROWS_PER_MINUTE:
            minute.left_out += 1
            await self._close(closing)
            return
        minute.written += 1

        async def work(session: Session) -> None:
            session.record(source.action, kind, object_id, after=after)

        await self._close(closing)
        await self._transactions.transact(work, by=by)

    async def tell(self) -> None:
        """Write the closing rows of the minutes that are over; raises StorageError, and then the log has the numbers."""
        await self._close(self._over())

    def _minute(self, source: Source) -> _Minute:
        if source not in self._minutes and len(self._minutes) >= MOST:
            source = Source(source.action, source.kind, "")
        return self._minutes.setdefault(source, _Minute(self._clock.monotonic() + MINUTE_S))

    def _over(self) -> list[tuple[Source, int]]:
        """Forget the minutes that are over; those of them that left something out, and how much."""
        now, found = self._clock.monotonic(), []
        while self._minutes and next(iter(self._minutes.values())).ends <= now:
            source, minute = self._minutes.popitem(last=False)
            if minute.left_out:
                found.append((source, minute.left_out))
        return found

    async def _close(self, closing: list[tuple[Source, int]]) -> None:
        async def work(session: Session) -> None:
            for source, number in closing:
                session.record(source.action, source.kind, source.name, after={LEFT_OUT: number})

        if not closing:
            return
        try:
            await self._transactions.transact(work)
        except StorageError:
            number = sum(each for _, each in closing)
            _log.warning("failed logins were left out of the audit, and so was their number", extra={LEFT_OUT: number})
            raise
