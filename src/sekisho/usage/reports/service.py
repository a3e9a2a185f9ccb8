"""Adds calls up. Reports come from sums, so they cost the same with a thousand calls and with a billion."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sekisho.core.ports import KeyDirectory
from sekisho.kit.clock import Clock
from sekisho.rest.errors import invalid, not_found
from sekisho.storage.session import Session, Sessions
from sekisho.usage.reports import repository
from sekisho.usage.reports.histograms import Histogram
from sekisho.usage.reports.model import Asked, Latency, Part, Report, Row, Sampled, Span, Sums
from sekisho.usage.reports.settings import DAY, FOLD_CALLS, HOUR, LONGEST, MOST_ROWS, MOST_SAMPLED, PERIODS

if TYPE_CHECKING:
    from datetime import tzinfo

LOCAL_OWNER = "local owner"
"""How keys are named that no user made."""


class ReportService:
    """What can be asked about many calls at once."""

    def __init__(self, clock: Clock, keys: KeyDirectory) -> None:
        self._clock = clock
        self._keys = keys

    async def fold(self, session: Session) -> None:
        """Add a few thousand more calls to the sums of long reports."""
        await repository.fold(session.connection, FOLD_CALLS)

    async def unfolded(self, session: Session) -> int:
        """About how many calls wait for that."""
        return await repository.unfolded(session.connection)

    async def report(self, sessions: Sessions, asked: Asked) -> Report:
        """Sums over a period of whole hours; raises ApiError 404 and 422."""
        if asked.within is not None and asked.project is not None and asked.project not in asked.within:
            raise not_found("project", asked.project)
        projects = asked.within if asked.project is None else frozenset({asked.project})
        zone = _zone(asked.zone)
        now = self._clock.now()
        async with sessions.read() as session:
            span, end = await self._span(session, asked, now)
            after = await repository.reached(session.connection)
            before = None
            if asked.compare:
                earlier = Span(2 * span.since - _ceiling(end), span.since)
                before = await _part(session, earlier, span.since, projects, after)
            if asked.by in ("hour", "day"):
                rows = await _times(session, asked.by, zone, span, _ceiling(end), projects, after)
                whole = await asyncio.to_thread(_whole, span.since, end, rows)
                return Report(whole, tuple(rows[:MOST_ROWS]), len(rows) > MOST_ROWS, before, None)
            by = "key" if asked.by == "user" else asked.by
            sums = await repository.by_name(session.connection, by, span, projects, after)
            whole = Part(span.since, end, Sums.total(sums.values()), await _latency(session, span, projects, after))
            sample = await repository.sample(session.connection, by, span, projects, MOST_SAMPLED)
            most_used = sorted(sums, key=lambda name: (-sums[name].calls, name))
            shown = most_used if asked.by == "user" else most_used[:MOST_ROWS]
            labels = await self._labels(session, shown, sample) if asked.by == "key" else {}
        if asked.by == "user":
            return await self._by_user(whole, before, sums, sample)
        latency = _by_name([(each.name, each) for each in sample])
        rows = [Row(name, labels.get(name), sums[name], latency.get(name)) for name in shown]
        return Report(whole, tuple(rows), len(most_used) > MOST_ROWS, before, len(sample))

    async def _labels(self, session: Session, keys: Sequence[str], sample: Sequence[Sampled]) -> dict[str, str]:
        """What keys were called last. Nearly all are in the sample; the others are looked up."""
        found = {each.name: each.label for each in reversed(sample)}
        missing = [key for key in keys if key not in found]
        return found | await repository.labels(session.connection, missing)

    async def _by_user(self, whole: Part, before: Part | None, sums: Mapping[str, Sums], sample: Sequence[Sampled]) -> Report:
        """Keys by who made them; those that no user made, or that are gone, are one line."""
        facts = await self._keys.facts(tuple(sums))
        makers = {key: (fact.maker_id or "", fact.maker) for key, fact in facts.items()}
        found: dict[str, Sums] = {}
        names: dict[str, str | None] = {"": LOCAL_OWNER}
        for key, its in sums.items():
            maker, name = makers.get(key, ("", None))
            found.setdefault(maker, Sums()).add(its)
            if maker:
                names[maker] = name
        latency = _by_name([(makers.get(each.name, ("", None))[0], each) for each in sample])
        users = sorted(found, key=lambda user: (-found[user].calls, user))
        rows = [Row(user, names[user], found[user], latency.get(user)) for user in users[:MOST_ROWS]]
        return Report(whole, tuple(rows), len(users) > MOST_ROWS, before, len(sample))

    async def _span(self, session: Session, asked: Asked, now: int) -> tuple[Span, int]:
        """The whole hours of a report, and when it ends for people."""
        if asked.since is not None or asked.until is not None:
            end = now if asked.until is None else asked.until
            if asked.since is None:
                raise invalid("until needs since: a period has a beginning", "since")
            if asked.since >= end:
                raise invalid("since is not before until", "since")
            if end - asked.since > LONGEST:
                raise invalid(f"from since to until are more than {LONGEST // DAY} days; take a shorter period, or period=all", "since")
            return Span(_floor(asked.since), None if asked.until is None else _ceiling(end)), end
        length = PERIODS[asked.period]
        if length is not None:
            return Span(_floor(now - length)), now
        if asked.by == "hour":
            raise invalid("all of time by the hour is too long a list; take a period, or by=day", "by")
        if asked.compare:
            raise invalid("there is nothing before all of time to compare with; take a period", "compare")
        first = await repository.first_hour(session.connection)
        return Span(_floor(now) if first is None else first), now


def _floor(at: int) -> int:
    return at - at % HOUR


def _ceiling(at: int) -> int:
    return at - at % -HOUR


async def _part(session: Session, span: Span, end: int, projects: repository.Projects, after: int | None) -> Part:
    sums = await repository.sums(session.connection, span, projects, after)
    return Part(span.since, end, sums.get(0) or Sums(), await _latency(session, span, projects, after))


async def _latency(session: Session, span: Span, projects: repository.Projects, after: int | None) -> Latency:
    return (await repository.latencies(session.connection, span, projects, after)).get(0) or Latency()


def _whole(since: int, end: int, rows: Sequence[Row]) -> Part:
    """What rows that leave nothing out come to."""
    latencies = Latency.total(row.latency for row in rows if row.latency is not None)
    return Part(since, end, Sums.total(row.sums for row in rows), latencies)


def _by_name(sample: Sequence[tuple[str, Sampled]]) -> dict[str, Latency]:
    found: dict[str, list[Sampled]] = {}
    for name, each in sample:
        found.setdefault(name, []).append(each)
    return {
        name: Latency(Histogram(each.duration_us for each in its), Histogram(each.ttfb_us for each in its if each.ttfb_us is not None))
        for name, its in found.items()
    }


def _zone(name: str) -> "tzinfo":
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        raise invalid(f"there is no time zone {name!r}; write it as in Asia/Tokyo or UTC", "tz") from None


_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def _offset(at: int, zone: "tzinfo") -> int:
    """How far a zone's clocks are ahead at a time, in microseconds."""
    ahead = (_EPOCH + timedelta(microseconds=at)).astimezone(zone).utcoffset()
    return 0 if ahead is None else ahead // timedelta(microseconds=1)


def _stretches(span: Span, end: int, zone: "tzinfo") -> list[tuple[Span, int]]:
    """The parts of a span in each of which a zone's clocks are ahead by the same time."""
    parts: list[tuple[Span, int]] = []
    begin, offset = span.since, _offset(span.since, zone)
    at = begin
    while at < end:
        following = min(at + DAY, end)
        if _offset(following, zone) != offset:
            while at < following and _offset(at, zone) == offset:
                at += HOUR
            parts.append((Span(begin, at), offset))
            begin, offset = at, _offset(at, zone)
        else:
            at = following
    parts.append((Span(begin, span.until), offset))
    return parts


async def _times(
    session: Session, by: str, zone: "tzinfo", span: Span, end: int, projects: repository.Projects, after: int | None
) -> list[Row]:
    """Hours or days, newest first. A day begins at the zone's midnight, or with the hour that midnight lies in."""
    rows: dict[int, Row] = {}
    step = DAY if by == "day" else HOUR
    for part, offset in _stretches(span, end, zone) if by == "day" else [(span, 0)]:
        latencies = await repository.latencies(session.connection, part, projects, after, step, offset)
        sums = await repository.sums(session.connection, part, projects, after, step, offset)

        def name(start: int, since: int = part.since) -> int:
            # A stretch may begin within a day: its first step is told by where it does, not by where that day began.
            return _day(max(start, since), zone) if by == "day" else start

        await asyncio.to_thread(_take, rows, sums, latencies, name)
    return [rows[key] for key in sorted(rows, reverse=True)]


def _take(rows: dict[int, Row], sums: Mapping[int, Sums], latencies: Mapping[int, Latency], name: Callable[[int], int]) -> None:
    """Make rows of the sums of steps; two steps of one name are one row."""
    for start, its in sums.items():
        key, latency = name(start), latencies.get(start) or Latency()
        if (known := rows.get(key)) is not None:
            its.add(known.sums)
            assert known.latency is not None
            latency.add(known.latency)
        rows[key] = Row(key, None, its, latency)


def _day(at: int, zone: "tzinfo") -> int:
    """The midnight before a time, by a zone's clocks."""
    local = (_EPOCH + timedelta(microseconds=at)).astimezone(zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight - _EPOCH) // timedelta(microseconds=1)
