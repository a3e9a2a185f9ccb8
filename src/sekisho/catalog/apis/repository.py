"""Rows of published APIs. No decision is made here."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, func, insert, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sekisho.catalog.apis.model import Api, ordered
from sekisho.core.model.ids import canonical_model
from sekisho.storage.tables.catalog import apis, models, providers


def _api(row: Any) -> Api:
    return Api(**dict(row._mapping) | {"defaults": ordered(row.defaults)})


async def find(connection: AsyncConnection, name: str) -> Api | None:
    row = (await connection.execute(select(apis).where(apis.c.name == name))).one_or_none()
    return None if row is None else _api(row)


async def page(connection: AsyncConnection, limit: int, after: str) -> list[Api]:
    """By name, beginning behind one."""
    statement = select(apis).where(apis.c.name > after).order_by(apis.c.name).limit(limit)
    return [_api(row) for row in await connection.execute(statement)]


async def count(connection: AsyncConnection) -> int:
    return int((await connection.execute(select(func.count()).select_from(apis))).scalar_one())


async def add(connection: AsyncConnection, api: Api) -> None:
    await connection.execute(insert(apis).values(**vars(api) | {"defaults": dict(api.defaults)}))


async def change(connection: AsyncConnection, name: str, **values: object) -> None:
    await connection.execute(update(apis).where(apis.c.name == name).values(**values))


async def remove(connection: AsyncConnection, name: str) -> None:
    await connection.execute(delete(apis).where(apis.c.name == name))


async def names_a_model(connection: AsyncConnection, name: str) -> bool:
    """Whether some model is called so, with its provider's name or without."""
    statement = select(models.c.id).where(or_(models.c.name == name, models.c.upstream_model == name)).limit(1)
    return (await connection.execute(statement)).first() is not None


async def providers_on(connection: AsyncConnection, targets: Sequence[str]) -> dict[str, bool]:
    """Of those of these models that exist: whether their provider is on."""
    pairs = [(provider, name) for provider, _, name in (each.partition("/") for each in targets)]
    statement = (
        select(providers.c.name.label("provider"), models.c.name, providers.c.enabled)
        .join(models, models.c.provider_id == providers.c.id)
        .where(tuple_(providers.c.name, models.c.name).in_(pairs))
    )
    return {canonical_model(row.provider, row.name): bool(row.enabled) for row in await connection.execute(statement)}
