"""Rows of refusals. No decision is made here."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from sekisho.audit.model import RefusedRequest
from sekisho.storage.tables.audit import refusals


async def newest(connection: AsyncConnection, limit: int, before: int | None) -> list[RefusedRequest]:
    """Newest recorded first, beginning behind a number."""
    statement = select(refusals).order_by(refusals.c.number.desc()).limit(limit)
    if before is not None:
        statement = statement.where(refusals.c.number < before)
    return [RefusedRequest(**row._mapping) for row in await connection.execute(statement)]
