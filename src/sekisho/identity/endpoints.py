"""`/api/keys`: parse, authorise, call, render. What lies outside of the caller's projects is answered like what is not there."""

from typing import Annotated

from fastapi import Query, Response

from sekisho.core.model.ids import DEFAULT_PROJECT
from sekisho.identity import schemas
from sekisho.identity.model import Wanted
from sekisho.identity.service import KeyService
from sekisho.rest import paging, repeats, versions
from sekisho.rest.routing import ReadKeys, WriteKeys, guarded_router, provided
from sekisho.storage.session import Session, Sessions

router = guarded_router("keys")

Keys = Annotated[KeyService, provided(KeyService)]
Transactions = Annotated[Sessions, provided(Sessions)]
Repeats = Annotated[repeats.Repeats, provided(repeats.Repeats)]


@router.post("/api/keys", status_code=201, response_model=schemas.KeyCreated)
async def create_key(
    caller: WriteKeys, body: schemas.CreateKey, keys: Keys, sessions: Transactions, remembered: Repeats, repeat: repeats.Repeated
) -> Response:
    """Make a key; its secret is in this answer and nowhere else."""

    async def make(session: Session) -> tuple[str, schemas.KeyCreated]:
        issued = await keys.create(
            session,
            label=body.label,
            project=body.project or DEFAULT_PROJECT,
            models=body.models,
            rpm=body.rpm,
            tpm=body.tpm,
            concurrency=body.concurrency,
            expires_in=body.expires_in_s,
            by=caller,
        )
        return f"the key {issued.key.id}", schemas.created(issued, keys.now())

    done = await sessions.transact(
        lambda session: remembered.once(session, repeat, lambda: make(session), repeats.SECRETS_REMEMBERED), by=caller
    )
    return repeats.created(done.value, done.warnings)


@router.get("/api/keys")
async def list_keys(
    caller: ReadKeys,
    keys: Keys,
    sessions: Transactions,
    project: Annotated[str | None, Query(max_length=200)] = None,
    state: Annotated[schemas.State | None, Query(description="`soon`: active, and within ten days of its end.")] = None,
    q: Annotated[str | None, Query(min_length=1, max_length=200, description="A part of the label, or the beginning of the id.")] = None,
    limit: paging.Limit = paging.USUAL,
    cursor: paging.Cursor = None,
) -> schemas.KeyPage:
    """The keys of the caller's projects, newest first."""
    after = None if cursor is None else paging.decode(cursor, (int, str))
    wanted = Wanted(project=project, state=state, text=q, within=caller.within())
    async with sessions.read() as session:
        found = await keys.page(session, limit + 1, None if after is None else (int(after[0]), str(after[1])), wanted)
    shown = found[:limit]
    following = paging.encode(shown[-1].created_at, shown[-1].id) if len(found) > limit else None
    return schemas.KeyPage(api_keys=[schemas.KeyTold.of(key, keys.now()) for key in shown], next_cursor=following)


@router.get("/api/keys/{key_id}")
async def show_key(caller: ReadKeys, key_id: str, keys: Keys, sessions: Transactions, response: Response) -> schemas.KeyTold:
    """One key, with its version as ETag."""
    async with sessions.read() as session:
        key = await keys.find(session, key_id, caller)
    versions.show(response, key.revision)
    return schemas.KeyTold.of(key, keys.now())


@router.patch("/api/keys/{key_id}")
async def change_key(
    caller: WriteKeys,
    key_id: str,
    body: schemas.ChangeKey,
    keys: Keys,
    sessions: Transactions,
    response: Response,
    if_match: versions.IfMatch = None,
) -> schemas.KeyChanged:
    """Change what is given. When this answers without warnings, every worker goes by it."""
    done = await sessions.transact(lambda session: keys.change(session, key_id, body.changes(), version=if_match, by=caller), by=caller)
    versions.show(response, done.value.revision)
    return schemas.changed(done.value, keys.now(), done.revision, done.warnings)


@router.post("/api/keys/{key_id}/revoke")
async def revoke_key(caller: WriteKeys, key_id: str, keys: Keys, sessions: Transactions) -> schemas.KeyRevoked:
    """End a key. When this answers without warnings, no worker accepts it any more."""
    done = await sessions.transact(lambda session: keys.revoke(session, key_id, caller), by=caller)
    assert done.value.revoked_at is not None
    return schemas.KeyRevoked(
        id=key_id, revoked=True, revoked_at=done.value.revoked_at, revision=done.revision, warnings=list(done.warnings)
    )


@router.post("/api/keys/{key_id}/rotate")
async def rotate_key(
    caller: WriteKeys, key_id: str, keys: Keys, sessions: Transactions, body: schemas.RotateKey | None = None
) -> schemas.KeyRotated:
    """Give a key a new secret; the id stays."""
    asked = body or schemas.RotateKey()
    done = await sessions.transact(
        lambda session: keys.rotate(session, key_id, overlap=asked.overlap_s, label=asked.label, by=caller), by=caller
    )
    return schemas.rotated(done.value, done.revision, done.warnings)
