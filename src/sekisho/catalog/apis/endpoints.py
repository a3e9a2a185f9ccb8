"""`/api/apis`: parse, authorise, call, render."""

from typing import Annotated

from fastapi import Response

from sekisho.catalog.apis import schemas
from sekisho.catalog.apis.service import ApiService
from sekisho.rest import paging, repeats, versions
from sekisho.rest.routing import ReadCatalog, WriteCatalog, guarded_router, provided
from sekisho.storage.session import Session, Sessions

router = guarded_router("apis")

Apis = Annotated[ApiService, provided(ApiService)]
Transactions = Annotated[Sessions, provided(Sessions)]
Repeats = Annotated[repeats.Repeats, provided(repeats.Repeats)]


@router.post("/api/apis", status_code=201, response_model=schemas.ApiWritten)
async def create_api(
    caller: WriteCatalog, body: schemas.CreateApi, apis: Apis, sessions: Transactions, remembered: Repeats, repeat: repeats.Repeated
) -> Response:
    """Publish a model under a name of your own, with defaults where you want some."""

    async def make(session: Session) -> tuple[str, schemas.ApiWritten]:
        made = await apis.create(session, body.draft())
        return f"the API {made.api.name}", schemas.written(made, await session.revision(), ())

    done = await sessions.transact(lambda session: remembered.once(session, repeat, lambda: make(session)), by=caller)
    return repeats.created(done.value, done.warnings)


@router.get("/api/apis")
async def list_apis(
    _: ReadCatalog, apis: Apis, sessions: Transactions, limit: paging.Limit = paging.USUAL, cursor: paging.Cursor = None
) -> schemas.ApiPage:
    """All published APIs by name."""
    after = "" if cursor is None else str(paging.decode(cursor, (str,))[0])
    async with sessions.read() as session:
        found = await apis.page(session, limit + 1, after)
    shown = found[:limit]
    following = paging.encode(shown[-1].api.name) if len(found) > limit else None
    return schemas.ApiPage(apis=[schemas.ApiTold.of(each) for each in shown], next_cursor=following)


@router.get("/api/apis/{name}")
async def show_api(_: ReadCatalog, name: str, apis: Apis, sessions: Transactions, response: Response) -> schemas.ApiTold:
    """One API, with its version as ETag."""
    async with sessions.read() as session:
        found = await apis.find(session, name)
    versions.show(response, found.api.updated_at)
    return schemas.ApiTold.of(found)


@router.patch("/api/apis/{name}")
async def change_api(
    caller: WriteCatalog,
    name: str,
    body: schemas.ChangeApi,
    apis: Apis,
    sessions: Transactions,
    response: Response,
    if_match: versions.IfMatch = None,
) -> schemas.ApiWritten:
    """Change what is given; in force on every worker when this answers. Calls on their way end as they began."""
    done = await sessions.transact(lambda session: apis.change(session, name, body.changes(), if_match), by=caller)
    versions.show(response, done.value.api.updated_at)
    return schemas.written(done.value, done.revision, done.warnings)


@router.delete("/api/apis/{name}")
async def remove_api(caller: WriteCatalog, name: str, apis: Apis, sessions: Transactions) -> schemas.ApiRemoved:
    """Withdraw an API. Keys that may call nothing else open nothing from then on."""
    done = await sessions.transact(lambda session: apis.remove(session, name), by=caller)
    return schemas.removed(done.value, done.revision, done.warnings)
