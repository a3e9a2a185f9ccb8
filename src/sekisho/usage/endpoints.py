"""`/api/calls` and `/api/usage`: parse, authorise, call, render."""

from typing import Annotated

from fastapi import Depends, Query

from sekisho.rest import paging
from sekisho.rest.routing import ReadUsage, guarded_router, provided
from sekisho.storage.session import Session, Sessions
from sekisho.usage import schemas
from sekisho.usage.model import Filter
from sekisho.usage.service import UsageService

router = guarded_router("usage")

Usages = Annotated[UsageService, provided(UsageService)]
Transactions = Annotated[Sessions, provided(Sessions)]

NOW = "now"
START = "start"


def _filter(
    status: schemas.Status | None = None,
    model: str | None = None,
    provider: str | None = None,
    key_id: str | None = None,
    since: Annotated[schemas.Moment | None, Query(description="Calls that started at this time or later.")] = None,
    until: Annotated[schemas.Moment | None, Query(description="Calls that started before this time.")] = None,
) -> Filter:
    return Filter(status, model, provider, key_id, since, until)


Wanted = Annotated[Filter, Depends(_filter)]


@router.get("/api/calls")
async def list_calls(
    _: ReadUsage,
    usage: Usages,
    sessions: Transactions,
    wanted: Wanted,
    limit: paging.Limit = paging.USUAL,
    cursor: paging.Cursor = None,
    after: Annotated[
        str | None,
        Query(max_length=500, description="Follow: calls in the order of recording behind this cursor, or behind `now` or `start`."),
    ] = None,
) -> schemas.CallPage:
    """Calls, newest first; with `after` as they are recorded, and then `next_cursor` is never null."""
    async with sessions.read() as session:
        if after is not None:
            return await _follow(session, usage, wanted, limit, after)
        position = None if cursor is None else paging.decode(cursor, (int, int))
        found = await usage.newest(session, wanted, limit + 1, None if position is None else (int(position[0]), int(position[1])))
    shown = found[:limit]
    following = paging.encode(shown[-1].started_at, shown[-1].number) if len(found) > limit else None
    return schemas.CallPage(calls=[schemas.CallTold.of(call) for call in shown], next_cursor=following)


async def _follow(session: Session, usage: UsageService, wanted: Filter, limit: int, after: str) -> schemas.CallPage:
    if after == NOW:
        return schemas.CallPage(calls=[], next_cursor=paging.encode(await usage.last_number(session)))
    number = 0 if after == START else int(paging.decode(after, (int,), "after")[0])
    found = await usage.recorded(session, wanted, limit, number)
    # A page that is not full has looked at everything, so what its filter left out is not looked at again.
    seen = found[-1].number if len(found) == limit else max(number, await usage.last_number(session))
    return schemas.CallPage(calls=[schemas.CallTold.of(call) for call in found], next_cursor=paging.encode(seen))


@router.get("/api/calls/count")
async def count_calls(_: ReadUsage, usage: Usages, sessions: Transactions, wanted: Wanted) -> schemas.Count:
    """How many calls there are."""
    async with sessions.read() as session:
        return schemas.Count(count=await usage.count(session, wanted))


@router.get("/api/calls/{name}")
async def show_call(_: ReadUsage, name: str, usage: Usages, sessions: Transactions) -> schemas.CallTold:
    """One call, by its id or its request id."""
    async with sessions.read() as session:
        return schemas.CallTold.of(await usage.find(session, name))


@router.get("/api/usage")
async def report(
    _: ReadUsage, usage: Usages, sessions: Transactions, period: schemas.Period = "24h", by: schemas.By = "model"
) -> schemas.ReportTold:
    """Sums over a period that ends now and begins with a whole hour."""
    async with sessions.read() as session:
        return schemas.ReportTold.of(await usage.report(session, period, by))
