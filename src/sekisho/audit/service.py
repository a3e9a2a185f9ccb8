"""Tells what was refused and who changed what, says whether that is whole, and lets go of what is too old. Nothing else removes a row."""

from collections.abc import AsyncIterator, Collection, Sequence

from sekisho.audit import repository
from sekisho.audit.model import RefusedRequest, Wanted
from sekisho.core.model.audit import AuditRow, Fault
from sekisho.kit.clock import SECOND, Clock
from sekisho.kit.crypto import KeyRing
from sekisho.storage import chains
from sekisho.storage.chains import Chain, Head, Verdict
from sekisho.storage.session import Session, Sessions

DAY = 86400 * SECOND
PAGE = 500
"""Rows of an export that are read at once."""
GLANCE = 2000
"""Rows that are looked at where a whole check would take too long."""
MOST_AT_ONCE = 5000
"""Rows that are removed in one transaction."""


class AuditService:
    """What can be asked about refusals and audit rows."""

    def __init__(self, sessions: Sessions, ring: KeyRing, clock: Clock) -> None:
        self._sessions = sessions
        self._ring = ring
        self._clock = clock

    async def refusals(self, session: Session, limit: int, before: int | None, within: Collection[str] | None) -> list[RefusedRequest]:
        """Newest recorded first; of the keys of some projects only, where these are named."""
        return await repository.newest_refusals(session.connection, limit, before, within)

    async def newest(self, session: Session, wanted: Wanted, limit: int, before: int | None) -> list[AuditRow]:
        """The last appended first, beginning behind a row."""
        return await repository.newest_rows(session.connection, wanted, limit, before)

    async def count(self, session: Session, wanted: Wanted) -> tuple[int, int]:
        """How many rows there are, and the last row that was looked at."""
        head = await chains.head_of(session.connection)
        return await repository.count_rows(session.connection, wanted, head.seq), head.seq

    async def all(self, wanted: Wanted, through: int) -> AsyncIterator[Sequence[AuditRow]]:
        """In the order of the chain, page by page, each read on its own: whoever fetches them slowly keeps nothing open."""
        after = 0
        while True:
            async with self._sessions.read() as session:
                rows = await repository.rows_between(session.connection, wanted, PAGE, after, through)
            if rows:
                yield rows
            if len(rows) < PAGE:
                return
            after = rows[-1].seq

    async def verify(self, session: Session, anchors: Sequence[Head]) -> Verdict:
        """Look at every row and at the head; `anchors` are heads that were noted down elsewhere."""
        return await chains.verify(session.connection, self._ring, anchors)

    async def glance(self, session: Session) -> Fault | None:
        """What is wrong with the head or the newest rows: quick, however many there are."""
        return (await chains.verify(session.connection, self._ring, newest=GLANCE)).fault

    async def head(self) -> Head:
        """Where the chain ends."""
        async with self._sessions.read() as session:
            return await chains.head_of(session.connection)

    async def forget(self, retention_days: int | None, refusal_days: int | None) -> tuple[int, int]:
        """Let go of what is older than so many days; how many audit rows and refusals that were.

        Audit rows go in batches, at most once a day, so that the rows that tell of it stay few.
        """
        now = self._clock.now()
        cut = removed = 0
        if retention_days is not None:
            before = now - retention_days * DAY
            async with self._sessions.read() as session:
                oldest = await repository.rows_between(session.connection, Wanted(), 1, 0, 2**62)
            due = bool(oldest) and oldest[0].at < before - DAY
            while due and (gone := await self._cut(before)):
                cut += gone
        while refusal_days is not None and (gone := await self._forget_refusals(now - refusal_days * DAY)):
            removed += gone
        return cut, removed

    async def _cut(self, before: int) -> int:
        chain = Chain(self._ring, self._clock)
        done = await self._sessions.transact(lambda session: session.connection.run_sync(chain.cut, before, MOST_AT_ONCE))
        return done.value

    async def _forget_refusals(self, before: int) -> int:
        done = await self._sessions.transact(lambda session: repository.forget_refusals(session.connection, before, MOST_AT_ONCE))
        return done.value
