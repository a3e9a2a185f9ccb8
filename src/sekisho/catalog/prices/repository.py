"""Rows of rates, looked up by time. No decision is made here."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from sekisho.core.ports import Price
from sekisho.storage.tables.catalog import models, providers, rates


async def in_force(connection: AsyncConnection, provider: str, model: str, at: int) -> Price | None:
    """The rate of a provider's model at a time."""
    statement = (
        select(rates)
        .join(models, models.c.id == rates.c.model_id)
        .join(providers, providers.c.id == models.c.provider_id)
        .where(providers.c.name == provider, models.c.name == model, rates.c.from_at <= at)
        .order_by(rates.c.from_at.desc())
        .limit(1)
    )
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else Price(row.input, row.output, row.cached, row.currency, row.source, row.from_at)
