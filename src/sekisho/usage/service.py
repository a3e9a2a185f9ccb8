"""Finds calls, counts them, explains one. What lies outside of the caller's projects is not there."""

from collections.abc import AsyncIterator
from dataclasses import replace

from sekisho.core.ports import KeyDirectory, PriceBook
from sekisho.rest.errors import not_found
from sekisho.storage.session import Session, Sessions
from sekisho.usage import repository
from sekisho.usage.model import Call, Count, Explained, Filter, Page, Position
from sekisho.usage.settings import HOUR, MOST_COUNTED, MOST_SCANNED

EXPORT_PAGE = 1000


class UsageService:
    """What can be asked about calls."""

    def __init__(self, keys: KeyDirectory, prices: PriceBook) -> None:
        self._keys = keys
        self._prices = prices

    async def require_visible(self, wanted: Filter) -> None:
        """Raise ApiError 404 where somebody with bounds asks for a project or a key beyond them, as if there were none.

        Whoever sees all may ask for what is gone: its records are still there.
        """
        if wanted.within is None:
            return
        if wanted.project is not None and wanted.project not in wanted.within:
            raise not_found("project", wanted.project)
        if wanted.key_id is not None:
            facts = (await self._keys.facts((wanted.key_id,))).get(wanted.key_id)
            if facts is None or facts.project not in wanted.within:
                raise not_found("key", wanted.key_id)

    async def page(self, session: Session, wanted: Filter, limit: int, position: Position | None) -> Page:
        """Calls by start, newest first, on from a position in its way."""
        bound = None
        if not repository.is_direct(wanted):
            bound = await repository.bound_of(session.connection, wanted, position, MOST_SCANNED)
        found = await repository.listed(session.connection, wanted, limit + 1, position, bound)
        shown = found[:limit]
        newer = position is not None and position.newer
        further = _place(shown[-1], newer) if len(found) > limit else bound
        back = None
        if shown and position is not None:
            back = _place(shown[0], not newer)
        elif position is not None:
            # Nothing is shown: the way back begins with the entry that the position is of.
            back = Position(position.started_at, position.number + (1 if newer else -1), not newer)
        if newer:
            return Page(tuple(reversed(shown)), older=back, newer=further)
        return Page(tuple(shown), older=further, newer=back)

    async def recorded(self, session: Session, wanted: Filter, limit: int, after: int) -> list[Call]:
        """In the order of recording, for who follows."""
        return await repository.recorded_calls(session.connection, wanted, limit, after)

    async def last_number(self, session: Session) -> int:
        """Where the recording is now."""
        return await repository.last_number(session.connection)

    async def find(self, session: Session, name: str, within: frozenset[str] | None = None) -> Call:
        """The call of this id or request id; raises ApiError 404."""
        boot, _, seq = name.rpartition("-")
        found = None
        if boot and seq.isascii() and seq.isdigit() and len(seq) <= 18:
            found = await repository.find_call(session.connection, boot, int(seq))
        if found is None:
            found = await repository.find_request(session.connection, name)
        if found is None or (within is not None and found.project not in within):
            raise not_found("call", name)
        return found

    async def explain(self, call: Call) -> Explained:
        """What makes a call's numbers."""
        return Explained(call, await self._prices.price(call.model, call.started_at))

    async def count(self, session: Session, wanted: Filter) -> Count:
        """How many calls there are: of whole hours from their sums, of what those do not know by looking."""
        connection = session.connection
        if not repository.is_counted_by_the_hour(wanted):
            bound = None
            sparse = wanted.error_code is not None or wanted.api is not None
            if not sparse or not repository.is_direct(wanted):
                bound = await repository.bound_of(connection, wanted, None, MOST_COUNTED)
            looked_at = wanted if bound is None else replace(wanted, since=bound.started_at)
            count = await repository.count_exactly(connection, looked_at, MOST_COUNTED)
            return Count(count, exact=bound is None and count < MOST_COUNTED)
        since = None if wanted.since is None else repository.hour_of(wanted.since + HOUR - 1)
        until = None if wanted.until is None else repository.hour_of(wanted.until)
        if since is not None and until is not None and since >= until:
            edges = [wanted]
            total = 0
        else:
            edges = []
            if since is not None and since != wanted.since:
                edges.append(replace(wanted, until=since))
            if until is not None and until != wanted.until:
                edges.append(replace(wanted, since=until))
            total = await repository.count_hours(connection, wanted, since, until)
        exact = True
        for edge in edges:
            found = await repository.count_exactly(connection, edge, MOST_COUNTED)
            exact &= found < MOST_COUNTED
            total += found
        return Count(total, exact)

    async def whole(self, session: Session, wanted: Filter) -> tuple[Filter, Count]:
        """A filter that no call is added to any more, and how many calls it is of."""
        fixed = replace(wanted, recorded=await repository.last_number(session.connection))
        return fixed, await self.count(session, wanted)

    async def all(self, sessions: Sessions, wanted: Filter) -> AsyncIterator[tuple[Call, ...]]:
        """Every call, newest first, in pages: each is a read of its own, so that a long export keeps nothing open."""
        position: Position | None = None
        while True:
            async with sessions.read() as session:
                page = await self.page(session, wanted, EXPORT_PAGE, position)
            yield page.calls
            if page.older is None:
                return
            position = page.older


def _place(call: Call, newer: bool) -> Position:
    return Position(call.started_at, call.number, newer)
