"""`/api/usage`: parse, authorise, call, render."""

import asyncio
from typing import Annotated

from fastapi import Query, Response

from sekisho.rest.routing import ReadUsage, guarded_router, provided
from sekisho.rest.schemas import Moment
from sekisho.storage.session import Sessions
from sekisho.usage.reports import schemas
from sekisho.usage.reports.model import Asked
from sekisho.usage.reports.service import ReportService

router = guarded_router("usage")

Reports = Annotated[ReportService, provided(ReportService)]
Transactions = Annotated[Sessions, provided(Sessions)]


@router.get("/api/usage", response_model=schemas.ReportTold)
async def report(
    caller: ReadUsage,
    reports: Reports,
    sessions: Transactions,
    period: schemas.Period = "24h",
    by: schemas.By = "model",
    since: Annotated[Moment | None, Query(description="Instead of the period: from the whole hour that this lies in.")] = None,
    until: Annotated[Moment | None, Query(description="With since: to the end of the hour that this lies in. Default: now.")] = None,
    tz: Annotated[str, Query(max_length=64, description="By whose midnights days are told apart, such as Asia/Tokyo.")] = "UTC",
    project: Annotated[str | None, Query(max_length=400)] = None,
    compare: Annotated[bool, Query(description="Whether to add up the period of the same length before, too.")] = False,
) -> Response:
    """Sums over a period that ends now, or where it is told to, and consists of whole hours."""
    asked = Asked(period, by, since, until, tz, project, caller.within(), compare)
    found = await reports.report(sessions, asked)
    return Response(await asyncio.to_thread(schemas.encoded, found), media_type="application/json")
