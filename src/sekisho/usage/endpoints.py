"""`/api/calls`: parse, authorise, call, render. What lies outside of the caller's projects is answered like what is not there."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Query, Request
from fastapi.responses import StreamingResponse

from sekisho.rest import exports, paging
from sekisho.rest.permissions import caller_of
from sekisho.rest.routing import ReadUsage, guarded_router, provided
from sekisho.rest.schemas import Moment
from sekisho.storage.session import Session, Sessions
from sekisho.usage import schemas
from sekisho.usage.model import Filter, Position
from sekisho.usage.service import UsageService

router = guarded_router("usage")

Usages = Annotated[UsageService, provided(UsageService)]
Transactions = Annotated[Sessions, provided(Sessions)]

NOW = "now"
START = "start"

Name = Annotated[str | None, Query(max_length=400)]


async def _filter(
    request: Request,
    usage: Usages,
    status: schemas.Status | None = None,
    model: Name = None,
    provider: Name = None,
    key_id: Name = None,
    project: Name = None,
    error_code: Annotated[str | None, Query(min_length=1, max_length=100)] = None,
    min_duration_ms: Annotated[float | None, Query(ge=0, le=1e9, description="Calls that took so long or longer.")] = None,
    q: Annotated[str | None, Query(min_length=1, max_length=200, description="How a request id begins: ours, or the client's own.")] = None,
    api: Annotated[str | None, Query(min_length=1, max_length=63, description="Calls that named this API.")] = None,
    since: Annotated[Moment | None, Query(description="Calls that started at this time or later.")] = None,
    until: Annotated[Moment | None, Query(description="Calls that started before this time.")] = None,
) -> Filter:
    wanted = Filter(
        status,
        model,
        provider,
        key_id,
        since,
        until,
        project,
        error_code,
        None if min_duration_ms is None else round(min_duration_ms * 1000),
        q,
        caller_of(request).within(),
        api,
    )
    await usage.require_visible(wanted)
    return wanted


Wanted = Annotated[Filter, Depends(_filter)]


@router.get("/api/calls")
async def list_calls(
    _: ReadUsage,
    usage: Usages,
    sessions: Transactions,
    wanted: Wanted,
    limit: paging.Limit = paging.USUAL,
    cursor: Annotated[str | None, Query(max_length=500, description="The `next_cursor` or `previous_cursor` of another page.")] = None,
    after: Annotated[
        str | None,
        Query(max_length=500, description="Follow: calls in the order of recording behind this cursor, or behind `now` or `start`."),
    ] = None,
) -> schemas.CallPage:
    """Calls, newest first; with `after` as they are recorded, and then `next_cursor` is never null."""
    async with sessions.read() as session:
        if after is not None:
            return await _follow(session, usage, wanted, limit, after)
        found = await usage.page(session, wanted, limit, None if cursor is None else _position(cursor))
    return schemas.CallPage(
        calls=[schemas.CallTold.of(call) for call in found.calls], next_cursor=_cursor(found.older), previous_cursor=_cursor(found.newer)
    )


def _position(cursor: str) -> Position:
    started_at, number, newer = (int(part) for part in paging.decode(cursor, (int, int, int)))
    return Position(started_at, number, bool(newer))


def _cursor(position: Position | None) -> str | None:
    return None if position is None else paging.encode(position.started_at, position.number, int(position.newer))


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
        found = await usage.count(session, wanted)
    return schemas.Count(count=found.count, exact=found.exact)


@router.get(
    "/api/calls/export",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {}, "application/x-ndjson": {}}, "description": "A file; `x-total-count` has its entries."}},
)
async def export_calls(
    _: ReadUsage, usage: Usages, sessions: Transactions, wanted: Wanted, kind: Annotated[exports.Format, Query(alias="format")] = "csv"
) -> StreamingResponse:
    """All calls of the filters that are recorded now, newest first, as a file. Amounts keep all their digits."""
    async with sessions.read() as session:
        fixed, count = await usage.whole(session, wanted)

    async def pieces() -> AsyncIterator[str]:
        if kind == "csv":
            yield exports.csv_lines([[*schemas.CSV_FIELDS, "error"]])
        async for calls in usage.all(sessions, fixed):
            if kind == "csv":
                yield exports.csv_lines(schemas.csv_row(call) for call in calls)
            else:
                yield exports.json_lines(schemas.CallTold.of(call).model_dump(mode="json") for call in calls)

    return exports.response(pieces(), kind, "sekisho-calls", count.count if count.exact else None)


@router.get("/api/calls/{name}")
async def show_call(caller: ReadUsage, name: str, usage: Usages, sessions: Transactions) -> schemas.CallExplained:
    """One call, by its id or its request id, and what makes its numbers."""
    async with sessions.read() as session:
        found = await usage.find(session, name, caller.within())
    return schemas.CallExplained.of_explained(await usage.explain(found))
