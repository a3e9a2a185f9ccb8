"""`/api/keys`: parse, authorise, call, render."""

from typing import Annotated

from sekisho.core.model.ids import DEFAULT_PROJECT
from sekisho.identity import schemas
from sekisho.identity.service import KeyService
from sekisho.rest import paging
from sekisho.rest.routing import ReadKeys, WriteKeys, guarded_router, provided
from sekisho.storage.session import Sessions

router = guarded_router("keys")

Keys = Annotated[KeyService, provided(KeyService)]
Transactions = Annotated[Sessions, provided(Sessions)]


@router.post("/api/keys", status_code=201)
async def create_key(_: WriteKeys, body: schemas.CreateKey, keys: Keys, sessions: Transactions) -> schemas.KeyCreated:
    """Make a key; its secret is in this answer and nowhere else."""
    done = await sessions.transact(
        lambda session: keys.create(
            session,
            label=body.label,
            project=body.project or DEFAULT_PROJECT,
            models=body.models,
            rpm=body.rpm,
            tpm=body.tpm,
            concurrency=body.concurrency,
            expires_in=body.expires_in_s,
        )
    )
    return schemas.created(done.value, done.revision, done.warnings)


@router.get("/api/keys")
async def list_keys(
    _: ReadKeys, keys: Keys, sessions: Transactions, limit: paging.Limit = paging.USUAL, cursor: paging.Cursor = None
) -> schemas.KeyPage:
    """All keys, newest first."""
    after = None if cursor is None else paging.decode(cursor, (int, str))
    async with sessions.read() as session:
        found = await keys.page(session, limit + 1, None if after is None else (int(after[0]), str(after[1])))
    shown = found[:limit]
    following = paging.encode(shown[-1].created_at, shown[-1].id) if len(found) > limit else None
    return schemas.KeyPage(api_keys=[schemas.KeyTold.of(key) for key in shown], next_cursor=following)


@router.get("/api/keys/{key_id}")
async def show_key(_: ReadKeys, key_id: str, keys: Keys, sessions: Transactions) -> schemas.KeyTold:
    """One key."""
    async with sessions.read() as session:
        return schemas.KeyTold.of(await keys.find(session, key_id))


@router.post("/api/keys/{key_id}/revoke")
async def revoke_key(_: WriteKeys, key_id: str, keys: Keys, sessions: Transactions) -> schemas.KeyRevoked:
    """End a key. When this answers without warnings, no worker accepts it any more."""
    done = await sessions.transact(lambda session: keys.revoke(session, key_id))
    assert done.value.revoked_at is not None
    return schemas.KeyRevoked(
        id=key_id, revoked=True, revoked_at=done.value.revoked_at, revision=done.revision, warnings=list(done.warnings)
    )


@router.post("/api/keys/{key_id}/rotate")
async def rotate_key(
    _: WriteKeys, key_id: str, keys: Keys, sessions: Transactions, body: schemas.RotateKey | None = None
) -> schemas.KeyRotated:
    """Give a key a new secret; the id stays."""
    asked = body or schemas.RotateKey()
    done = await sessions.transact(lambda session: keys.rotate(session, key_id, overlap=asked.overlap_s, label=asked.label))
    return schemas.rotated(done.value, done.revision, done.warnings)
