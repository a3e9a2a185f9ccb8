"""Rows of projects and keys. No decision is made here."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, insert, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sekisho.identity.model import ApiKey
from sekisho.storage.tables.identity import key_secrets, keys, projects


def _keys() -> Select[Any]:
    return select(keys, projects.c.name.label("project")).join(projects, projects.c.id == keys.c.project_id)


def _key(row: Any) -> ApiKey:
    return ApiKey(
        id=row.id,
        label=row.label,
        project=row.project,
        models=None if row.models is None else tuple(row.models),
        rpm=row.rpm,
        tpm=row.tpm,
        concurrency=row.concurrency,
        last4=row.last4,
        created_at=row.created_at,
        expires_at=row.expires_at,
        rotated_at=row.rotated_at,
        revoked_at=row.revoked_at,
    )


async def project_id(connection: AsyncConnection, name: str) -> str | None:
    return (await connection.execute(select(projects.c.id).where(projects.c.name == name))).scalar_one_or_none()


async def find(connection: AsyncConnection, key_id: str) -> ApiKey | None:
    row = (await connection.execute(_keys().where(keys.c.id == key_id))).one_or_none()
    return None if row is None else _key(row)


async def page(connection: AsyncConnection, limit: int, after: tuple[int, str] | None) -> list[ApiKey]:
    """Newest first, beginning behind the position (created_at, id)."""
    statement = _keys().order_by(keys.c.created_at.desc(), keys.c.id.desc()).limit(limit)
    if after is not None:
        statement = statement.where(tuple_(keys.c.created_at, keys.c.id) < after)
    return [_key(row) for row in await connection.execute(statement)]


async def add(connection: AsyncConnection, key: ApiKey, project: str, revision: int) -> None:
    """Insert a key that belongs to the project of this id."""
    await connection.execute(
        insert(keys).values(
            id=key.id,
            label=key.label,
            project_id=project,
            models=None if key.models is None else list(key.models),
            rpm=key.rpm,
            tpm=key.tpm,
            concurrency=key.concurrency,
            last4=key.last4,
            created_at=key.created_at,
            expires_at=key.expires_at,
            revision=revision,
        )
    )


async def add_secret(connection: AsyncConnection, key_id: str, digest: bytes, created_at: int) -> None:
    await connection.execute(insert(key_secrets).values(digest=digest, key_id=key_id, created_at=created_at))


async def end_secrets(connection: AsyncConnection, key_id: str, at: int) -> None:
    """Let every secret of a key end at a time, or before where it already does."""
    later = or_(key_secrets.c.expires_at.is_(None), key_secrets.c.expires_at > at)
    await connection.execute(update(key_secrets).where(key_secrets.c.key_id == key_id, later).values(expires_at=at))


async def change(connection: AsyncConnection, key_id: str, revision: int, **values: object) -> None:
    await connection.execute(update(keys).where(keys.c.id == key_id).values(revision=revision, **values))


async def scoped(connection: AsyncConnection) -> Sequence[tuple[str, tuple[str, ...]]]:
    """Id and models of every key that may not use all models."""
    rows = await connection.execute(select(keys.c.id, keys.c.models).where(keys.c.models.is_not(None), keys.c.revoked_at.is_(None)))
    return [(row.id, tuple(row.models)) for row in rows]


async def live_without(connection: AsyncConnection, now: int) -> list[ApiKey]:
    """Live keys that have no expiry, or no limit at all."""
    unlimited = keys.c.rpm.is_(None) & keys.c.tpm.is_(None) & keys.c.concurrency.is_(None)
    live = keys.c.revoked_at.is_(None) & or_(keys.c.expires_at.is_(None), keys.c.expires_at > now)
    statement = _keys().where(live, or_(keys.c.expires_at.is_(None), unlimited)).order_by(keys.c.created_at).limit(100)
    return [_key(row) for row in await connection.execute(statement)]
