"""Finds calls and adds them up. Reports come from the hourly sums, so they cost the same with a thousand calls and with a billion."""

from sekisho.kit.clock import Clock
from sekisho.rest.errors import invalid, not_found
from sekisho.storage.session import Session
from sekisho.usage import repository
from sekisho.usage.model import Call, Filter, Report, Row
from sekisho.usage.settings import HOUR, MOST_ROWS, PERIODS


class UsageService:
    """What can be asked about calls."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def newest(self, session: Session, wanted: Filter, limit: int, after: tuple[int, int] | None) -> list[Call]:
        """By start, newest first."""
        return await repository.newest_calls(session.connection, wanted, limit, after)

    async def recorded(self, session: Session, wanted: Filter, limit: int, after: int) -> list[Call]:
        """In the order of recording, for who follows."""
        return await repository.recorded_calls(session.connection, wanted, limit, after)

    async def last_number(self, session: Session) -> int:
        """Where the recording is now."""
        return await repository.last_number(session.connection)

    async def find(self, session: Session, name: str) -> Call:
        """The call of this id or request id; raises ApiError 404."""
        boot, _, seq = name.rpartition("-")
        found = None
        if boot and seq.isascii() and seq.isdigit() and len(seq) <= 18:
            found = await repository.find_call(session.connection, boot, int(seq))
        if found is None:
            found = await repository.find_request(session.connection, name)
        if found is None:
            raise not_found("call", name)
        return found

    async def count(self, session: Session, wanted: Filter) -> int:
        """How many calls there are."""
        return await repository.count_calls(session.connection, wanted)

    async def report(self, session: Session, period: str, by: str) -> Report:
        """Sums over a period that ends now and begins with a whole hour."""
        now = self._clock.now()
        span = PERIODS[period]
        if span is None and by == "hour":
            raise invalid("all of time by the hour is too long a list; take a period, or by=day", "by")
        if span is None:
            since = await repository.first_hour(session.connection)
            since = now - now % HOUR if since is None else since
        else:
            since = (now - span) - (now - span) % HOUR
        totals = await repository.totals(session.connection, since)
        found = await repository.grouped(session.connection, since, by, MOST_ROWS + 1)
        rows = tuple(Row(key, label, sums) for key, label, sums in found[:MOST_ROWS])
        return Report(since, now, totals, rows, truncated=len(found) > MOST_ROWS)
