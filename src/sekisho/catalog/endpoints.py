"""`/api/providers` and `/api/models`: parse, authorise, call, render."""

from typing import Annotated

from fastapi import Response

from sekisho.catalog import builtins, schemas
from sekisho.catalog.model import Listing
from sekisho.catalog.service import FAILING, READY, CatalogService
from sekisho.rest import paging, repeats, versions
from sekisho.rest.errors import ApiError
from sekisho.rest.routing import ReadCatalog, WriteCatalog, guarded_router, provided
from sekisho.storage.session import Session, Sessions

router = guarded_router("catalog")

Catalogs = Annotated[CatalogService, provided(CatalogService)]
Transactions = Annotated[Sessions, provided(Sessions)]
Repeats = Annotated[repeats.Repeats, provided(repeats.Repeats)]


@router.post("/api/providers", status_code=201, response_model=schemas.ProviderWritten)
async def create_provider(
    caller: WriteCatalog,
    body: schemas.CreateProvider,
    catalog: Catalogs,
    sessions: Transactions,
    remembered: Repeats,
    repeat: repeats.Repeated,
) -> Response:
    """Add a provider. Unless told otherwise it is asked for its models first, and saved only if it answers."""
    draft = catalog.draft(
        body.name,
        body.kind,
        body.base_url,
        api_key=schemas.opened(body.api_key),
        ca_bundle=body.ca_bundle,
        timeouts=None if body.timeouts is None else body.timeouts.given(),
    )
    async with sessions.read() as session:
        known = await remembered.known(session, repeat)
        if known is not None:
            return repeats.created(known)
        await catalog.require_free(session, draft.name)
    listing = await catalog.ask(draft) if body.probe else None

    async def make(session: Session) -> tuple[str, schemas.ProviderWritten]:
        added = await catalog.add_provider(session, draft, listing)
        return f"the provider {added.name}", schemas.written(added, await session.revision(), ())

    done = await sessions.transact(lambda session: remembered.once(session, repeat, lambda: make(session)), by=caller)
    return repeats.created(done.value, done.warnings)


@router.get("/api/providers")
async def list_providers(
    _: ReadCatalog, catalog: Catalogs, sessions: Transactions, limit: paging.Limit = paging.USUAL, cursor: paging.Cursor = None
) -> schemas.ProviderPage:
    """All providers by name, the sandbox and the built-in engine among them."""
    after = "" if cursor is None else str(paging.decode(cursor, (str,))[0])
    async with sessions.read() as session:
        found = await catalog.providers(session, limit + 1, after)
    shown = found[:limit]
    following = paging.encode(shown[-1].name) if len(found) > limit else None
    return schemas.ProviderPage(providers=[schemas.ProviderTold.of(each) for each in shown], next_cursor=following)


@router.get("/api/providers/{name}")
async def show_provider(_: ReadCatalog, name: str, catalog: Catalogs, sessions: Transactions, response: Response) -> schemas.ProviderTold:
    """One provider, by name or id, with its version as ETag."""
    async with sessions.read() as session:
        provider = await catalog.provider(session, name)
    versions.show(response, provider.updated_at)
    return schemas.ProviderTold.of(provider)


@router.patch("/api/providers/{name}")
async def change_provider(
    caller: WriteCatalog,
    name: str,
    body: schemas.ChangeProvider,
    catalog: Catalogs,
    sessions: Transactions,
    response: Response,
    if_match: versions.IfMatch = None,
) -> schemas.ProviderWritten:
    """Change what is given."""
    done = await sessions.transact(lambda session: catalog.change_provider(session, name, body.changes(), if_match), by=caller)
    versions.show(response, done.value.updated_at)
    return schemas.written(done.value, done.revision, done.warnings)


@router.delete("/api/providers/{name}")
async def remove_provider(caller: WriteCatalog, name: str, catalog: Catalogs, sessions: Transactions) -> schemas.ProviderRemoved:
    """Remove a provider with its credentials and models."""
    done = await sessions.transact(lambda session: catalog.remove_provider(session, name), by=caller)
    return schemas.ProviderRemoved(
        id=done.value.id, name=done.value.name, deleted=True, revision=done.revision, warnings=list(done.warnings)
    )


@router.post("/api/providers/{name}/test")
async def probe_provider(caller: WriteCatalog, name: str, catalog: Catalogs, sessions: Transactions) -> schemas.ProviderTested:
    """Ask a provider for its models and say how that went; nothing is generated and nothing paid."""
    if name in builtins.RESERVED:
        async with sessions.read() as session:
            provider = await catalog.provider(session, name)
        return schemas.ProviderTested(ok=True, latency_ms=None, models=len(provider.models), error=None)
    async with sessions.read() as session:
        draft = await catalog.drafted(session, name)
    listing: Listing | None = None
    error: str | None = None
    try:
        listing = await catalog.ask(draft)
    except ApiError as refused:
        error = refused.refusal.message
    await sessions.transact(lambda session: catalog.note_state(session, draft.name, FAILING if listing is None else READY), by=caller)
    if listing is None:
        return schemas.ProviderTested(ok=False, latency_ms=None, models=0, error=error)
    return schemas.ProviderTested(ok=True, latency_ms=listing.latency_us / 1000, models=len(listing.models), error=None)


@router.post("/api/providers/{name}/refresh")
async def refresh_provider(caller: WriteCatalog, name: str, catalog: Catalogs, sessions: Transactions) -> schemas.ProviderRefreshed:
    """Ask a provider for its models again; what a person added stays."""
    async with sessions.read() as session:
        draft = await catalog.drafted(session, name)
    listing = await catalog.ask(draft)
    done = await sessions.transact(lambda session: catalog.refresh(session, draft.name, listing), by=caller)
    return schemas.refreshed(done.value, done.revision, done.warnings)


@router.post("/api/models", status_code=201, response_model=schemas.ModelWritten)
async def add_model(
    caller: WriteCatalog,
    body: schemas.AddModel,
    catalog: Catalogs,
    sessions: Transactions,
    remembered: Repeats,
    repeat: repeats.Repeated,
) -> Response:
    """Add a model by hand, or take over one that its provider listed."""

    async def make(session: Session) -> tuple[str, schemas.ModelWritten]:
        added = await catalog.add_model(
            session,
            body.id,
            upstream_model=body.upstream_model,
            rate=body.rate(),
            capabilities=body.capabilities,
            context_length=body.context_length,
        )
        return f"the model {added.id}", schemas.model_written(added, await session.revision(), ())

    done = await sessions.transact(lambda session: remembered.once(session, repeat, lambda: make(session)), by=caller)
    return repeats.created(done.value, done.warnings)


@router.get("/api/models")
async def list_models(
    _: ReadCatalog,
    catalog: Catalogs,
    sessions: Transactions,
    provider: str | None = None,
    limit: paging.Limit = paging.USUAL,
    cursor: paging.Cursor = None,
) -> schemas.ModelPage:
    """All models by id."""
    after = "" if cursor is None else str(paging.decode(cursor, (str,))[0])
    async with sessions.read() as session:
        found = await catalog.models(session, limit + 1, after, provider)
    shown = found[:limit]
    following = paging.encode(shown[-1].id) if len(found) > limit else None
    return schemas.ModelPage(models=[schemas.ModelTold.of(each) for each in shown], next_cursor=following)


@router.put("/api/models/{model_id:path}/rate")
async def set_rate(
    caller: WriteCatalog, model_id: str, body: schemas.SetRate, catalog: Catalogs, sessions: Transactions
) -> schemas.ModelWritten:
    """Put a rate in force from now on."""
    done = await sessions.transact(lambda session: catalog.set_rate(session, model_id, body.rate()), by=caller)
    return schemas.model_written(done.value, done.revision, done.warnings)


@router.get("/api/models/{model_id:path}")
async def show_model(_: ReadCatalog, model_id: str, catalog: Catalogs, sessions: Transactions) -> schemas.ModelTold:
    """One model."""
    async with sessions.read() as session:
        return schemas.ModelTold.of(await catalog.model(session, model_id))


@router.delete("/api/models/{model_id:path}")
async def remove_model(caller: WriteCatalog, model_id: str, catalog: Catalogs, sessions: Transactions) -> schemas.ModelRemoved:
    """Remove a model; a provider that lists it brings it back at the next refresh."""
    done = await sessions.transact(lambda session: catalog.remove_model(session, model_id), by=caller)
    return schemas.ModelRemoved(id=done.value.id, deleted=True, revision=done.revision, warnings=list(done.warnings))
