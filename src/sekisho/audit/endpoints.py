"""`/api/refusals` and `/api/audit`: parse, authorise, call, render. Nothing here changes a row."""

from collections.abc import AsyncIterator
from typing import Annotated, Final

from fastapi import Depends, Query
from fastapi.responses import StreamingResponse

from sekisho.audit import schemas
from sekisho.audit.model import Wanted
from sekisho.audit.service import AuditService
from sekisho.rest import paging
from sekisho.rest.errors import invalid
from sekisho.rest.routing import ReadAudit, ReadUsage, guarded_router, provided
from sekisho.rest.schemas import Moment
from sekisho.storage.chains import Head
from sekisho.storage.session import Sessions

router = guarded_router("audit")

Audits = Annotated[AuditService, provided(AuditService)]
Transactions = Annotated[Sessions, provided(Sessions)]
LONG_SECONDS: Final = 3600.0
"""A check reads every row."""
Text = Annotated[str | None, Query(max_length=400)]


@router.get("/api/refusals")
async def list_refusals(
    caller: ReadUsage, audit: Audits, sessions: Transactions, limit: paging.Limit = paging.USUAL, cursor: paging.Cursor = None
) -> schemas.RefusalPage:
    """Requests that no backend saw, newest first. Whoever is bound to projects sees those of their keys."""
    before = None if cursor is None else int(paging.decode(cursor, (int,))[0])
    async with sessions.read() as session:
        found = await audit.refusals(session, limit + 1, before, caller.within())
    shown = found[:limit]
    following = paging.encode(shown[-1].number) if len(found) > limit else None
    return schemas.RefusalPage(refusals=[schemas.RefusalTold.of(each) for each in shown], next_cursor=following)


def _wanted(
    actor: Annotated[str | None, Query(max_length=400, description="A name, or a user's id.")] = None,
    action: Annotated[
        str | None, Query(max_length=100, description="Such as `key.created`, or `key` for all that happened to keys.")
    ] = None,
    object_kind: Text = None,
    object_id: Text = None,
    project: Text = None,
    request_id: Text = None,
    since: Annotated[Moment | None, Query(description="Rows of this time or later.")] = None,
    until: Annotated[Moment | None, Query(description="Rows before this time.")] = None,
) -> Wanted:
    return Wanted(actor, action, object_kind, object_id, project, request_id, since, until)


Filter = Annotated[Wanted, Depends(_wanted)]


@router.get("/api/audit")
async def list_audit(
    _: ReadAudit, audit: Audits, sessions: Transactions, wanted: Filter, limit: paging.Limit = paging.USUAL, cursor: paging.Cursor = None
) -> schemas.AuditPage:
    """Who changed what, newest first."""
    before = None if cursor is None else int(paging.decode(cursor, (int,))[0])
    async with sessions.read() as session:
        found = await audit.newest(session, wanted, limit + 1, before)
    shown = found[:limit]
    following = paging.encode(shown[-1].seq) if len(found) > limit else None
    return schemas.AuditPage(rows=[schemas.AuditRowTold.of(each) for each in shown], next_cursor=following)


@router.get("/api/audit/count")
async def count_audit(_: ReadAudit, audit: Audits, sessions: Transactions, wanted: Filter) -> schemas.AuditCount:
    """How many rows there are."""
    async with sessions.read() as session:
        return schemas.AuditCount(count=(await audit.count(session, wanted))[0])


@router.get("/api/audit/check")
async def check_audit(
    _: ReadAudit,
    audit: Audits,
    sessions: Transactions,
    anchor: Annotated[
        list[str] | None, Query(max_length=100, description="`<row>:<hash>` as a log or a check told it; may come several times.")
    ] = None,
) -> schemas.AuditChecked:
    """Whether any row was edited, removed, added or moved; reads all of them."""
    try:
        anchors = [Head.parse(each) for each in anchor or ()]
    except ValueError as error:
        raise invalid(str(error), "anchor") from None
    async with sessions.read(seconds=LONG_SECONDS) as session:
        return schemas.AuditChecked.of(await audit.verify(session, anchors))


@router.get("/api/audit/export", response_class=StreamingResponse)
async def export_audit(
    _: ReadAudit, audit: Audits, sessions: Transactions, wanted: Filter, format: schemas.Form = "csv"
) -> StreamingResponse:
    """All rows in the order of the chain, up to the one that is the last now; `x-total-count` says how many lines follow the heading."""
    async with sessions.read() as session:
        total, through = await audit.count(session, wanted)

    async def lines() -> AsyncIterator[str]:
        if format == "csv":
            yield schemas.heading()
        async for rows in audit.all(wanted, through):
            yield "".join(schemas.line(row, format) for row in rows)

    headers = {"x-total-count": str(total), "content-disposition": f'attachment; filename="audit.{format}"'}
    return StreamingResponse(lines(), headers=headers, media_type=schemas.MEDIA[format])
