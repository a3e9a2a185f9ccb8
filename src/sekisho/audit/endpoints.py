"""`/api/refusals`: parse, authorise, call, render."""

from typing import Annotated

from sekisho.audit import schemas
from sekisho.audit.service import AuditService
from sekisho.rest import paging
from sekisho.rest.routing import ReadUsage, guarded_router, provided
from sekisho.storage.session import Sessions

router = guarded_router("audit")

Audits = Annotated[AuditService, provided(AuditService)]
Transactions = Annotated[Sessions, provided(Sessions)]


@router.get("/api/refusals")
async def list_refusals(
    _: ReadUsage, audit: Audits, sessions: Transactions, limit: paging.Limit = paging.USUAL, cursor: paging.Cursor = None
) -> schemas.RefusalPage:
    """Requests that no backend saw, newest first."""
    before = None if cursor is None else int(paging.decode(cursor, (int,))[0])
    async with sessions.read() as session:
        found = await audit.newest(session, limit + 1, before)
    shown = found[:limit]
    following = paging.encode(shown[-1].number) if len(found) > limit else None
    return schemas.RefusalPage(refusals=[schemas.RefusalTold.of(each) for each in shown], next_cursor=following)
