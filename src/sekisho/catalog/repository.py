"""Rows of providers, credentials, models and rates. No decision is made here."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Select, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sekisho.catalog.model import CredentialFacts, ModelFacts, ProviderFacts, RateFacts
from sekisho.catalog.settings import CAPABILITIES
from sekisho.core.model.ids import canonical_model
from sekisho.core.model.snapshot import Rate
from sekisho.storage.tables.catalog import apis, credentials, models, providers, rates

_MODEL_ID = providers.c.name + "/" + models.c.name


async def find_provider(connection: AsyncConnection, name_or_id: str) -> ProviderFacts | None:
    for column in (providers.c.name, providers.c.id):
        row = (await connection.execute(select(providers).where(column == name_or_id))).one_or_none()
        if row is not None:
            return (await _with_parts(connection, [row]))[0]
    return None


async def provider_page(connection: AsyncConnection, limit: int, after: str) -> list[ProviderFacts]:
    """By name, beginning behind a name."""
    statement = select(providers).where(providers.c.name > after).order_by(providers.c.name).limit(limit)
    return await _with_parts(connection, (await connection.execute(statement)).all())


async def _with_parts(connection: AsyncConnection, rows: Sequence[Any]) -> list[ProviderFacts]:
    """Join providers to their credentials and models, in two statements for all of them."""
    ids = [row.id for row in rows]
    held: dict[str, list[CredentialFacts]] = {each: [] for each in ids}
    served: dict[str, list[str]] = {each: [] for each in ids}
    for row in await connection.execute(select(credentials).where(credentials.c.provider_id.in_(ids)).order_by(credentials.c.created_at)):
        held[row.provider_id].append(CredentialFacts(row.id, row.last4, row.fingerprint, row.weight, row.state, row.created_at))
    names = select(models.c.provider_id, models.c.name).where(models.c.provider_id.in_(ids)).order_by(models.c.name)
    for row in await connection.execute(names):
        served[row.provider_id].append(row.name)
    return [
        ProviderFacts(
            id=row.id,
            name=row.name,
            kind=row.kind,
            base_url=row.base_url,
            enabled=row.enabled,
            state=row.state,
            ca_bundle=row.ca_bundle,
            timeouts=row.timeouts,
            credentials=tuple(held[row.id]),
            models=tuple(canonical_model(row.name, name) for name in served[row.id]),
            created_at=row.created_at,
            updated_at=row.updated_at,
        )
        for row in rows
    ]


async def add_provider(connection: AsyncConnection, **values: object) -> None:
    await connection.execute(insert(providers).values(**values))


async def change_provider(connection: AsyncConnection, provider_id: str, **values: object) -> None:
    await connection.execute(update(providers).where(providers.c.id == provider_id).values(**values))


async def remove_provider(connection: AsyncConnection, provider_id: str) -> None:
    """With all that belongs to it."""
    await connection.execute(delete(providers).where(providers.c.id == provider_id))


async def add_credential(connection: AsyncConnection, **values: object) -> None:
    await connection.execute(insert(credentials).values(**values))


async def remove_credentials(connection: AsyncConnection, provider_id: str) -> None:
    await connection.execute(delete(credentials).where(credentials.c.provider_id == provider_id))


async def sealed_secret(connection: AsyncConnection, provider_id: str) -> tuple[str, bytes] | None:
    """Id and sealed bytes of the provider's heaviest active credential."""
    statement = select(credentials.c.id, credentials.c.sealed).where(
        credentials.c.provider_id == provider_id, credentials.c.state == "active"
    )
    row = (await connection.execute(statement.order_by(credentials.c.weight.desc(), credentials.c.created_at).limit(1))).one_or_none()
    return None if row is None else (row.id, row.sealed)


def _models() -> Select[Any]:
    """Models with the newest of their rates."""
    newest = select(rates.c.model_id, func.max(rates.c.from_at).label("from_at")).group_by(rates.c.model_id).subquery()
    return (
        select(
            models,
            providers.c.name.label("provider"),
            rates.c.input,
            rates.c.output,
            rates.c.cached,
            rates.c.currency,
            rates.c.source,
            rates.c.from_at,
        )
        .join(providers, providers.c.id == models.c.provider_id)
        .outerjoin(newest, newest.c.model_id == models.c.id)
        .outerjoin(rates, (rates.c.model_id == models.c.id) & (rates.c.from_at == newest.c.from_at))
    )


def _model(row: Any) -> ModelFacts:
    rate = None
    if row.from_at is not None:
        rate = RateFacts(Rate(row.input, row.output, row.cached, row.currency), row.source, row.from_at)
    return ModelFacts(
        id=canonical_model(row.provider, row.name),
        provider=row.provider,
        upstream_model=row.upstream_model,
        capabilities=CAPABILITIES if row.capabilities is None else tuple(row.capabilities),
        context_length=row.context_length,
        origin=row.origin,
        created_at=row.created_at,
        rate=rate,
    )


async def find_model(connection: AsyncConnection, provider: str, name: str) -> tuple[str, ModelFacts] | None:
    """The row's id and the model."""
    row = (await connection.execute(_models().where(providers.c.name == provider, models.c.name == name))).one_or_none()
    return None if row is None else (row.id, _model(row))


async def model_page(connection: AsyncConnection, limit: int, after: str, provider: str | None) -> list[ModelFacts]:
    """By canonical id, beginning behind one."""
    statement = _models().where(after < _MODEL_ID).order_by(_MODEL_ID).limit(limit)
    if provider is not None:
        statement = statement.where(providers.c.name == provider)
    return [_model(row) for row in await connection.execute(statement)]


async def add_models(connection: AsyncConnection, rows: Sequence[dict[str, object]]) -> None:
    if rows:
        await connection.execute(insert(models), list(rows))


async def change_model(connection: AsyncConnection, model_id: str, **values: object) -> None:
    await connection.execute(update(models).where(models.c.id == model_id).values(**values))


async def remove_model(connection: AsyncConnection, model_id: str) -> None:
    await connection.execute(delete(models).where(models.c.id == model_id))


async def names_by_origin(connection: AsyncConnection, provider_id: str) -> dict[str, tuple[str, str]]:
    """Id and origin of each of a provider's models, by name."""
    rows = await connection.execute(select(models.c.name, models.c.id, models.c.origin).where(models.c.provider_id == provider_id))
    return {row.name: (row.id, row.origin) for row in rows}


async def remove_models(connection: AsyncConnection, model_ids: Iterable[str]) -> None:
    for model_id in model_ids:
        await remove_model(connection, model_id)


async def add_rate(connection: AsyncConnection, model_id: str, rate: Rate, source: str, from_at: int) -> None:
    await connection.execute(
        insert(rates).values(
            model_id=model_id,
            from_at=from_at,
            input=rate.input,
            output=rate.output,
            cached=rate.cached,
            currency=rate.currency,
            source=source,
        )
    )


async def add_rates(connection: AsyncConnection, rows: Sequence[dict[str, object]]) -> None:
    """Many at once, as the table has them."""
    if rows:
        await connection.execute(insert(rates), list(rows))


async def existing(connection: AsyncConnection, provider: str, name: str | None) -> bool:
    """Whether a provider exists, or one of its models."""
    statement = select(providers.c.id).where(providers.c.name == provider)
    if name is not None:
        statement = statement.join(models, models.c.provider_id == providers.c.id).where(models.c.name == name)
    return (await connection.execute(statement.limit(1))).first() is not None


async def has_api(connection: AsyncConnection, name: str) -> bool:
    return (await connection.execute(select(apis.c.name).where(apis.c.name == name))).first() is not None


async def rename_targets(connection: AsyncConnection, old: str, new: str) -> None:
    """Let the APIs' models follow a provider's new name."""
    for row in (await connection.execute(select(apis.c.name, apis.c.target))).all():
        provider, _, model = row.target.partition("/")
        if provider == old:
            await connection.execute(update(apis).where(apis.c.name == row.name).values(target=canonical_model(new, model)))
