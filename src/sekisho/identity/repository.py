"""Rows of projects and keys. No decision is made here."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, func, insert, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sekisho.core.ports import KeyFacts
from sekisho.identity.model import ACTIVE, DISABLED, EXPIRED, REVOKED, SOON, ApiKey, Wanted
from sekisho.storage.tables.identity import key_secrets, keys, projects
from sekisho.storage.tables.people import users
from sekisho.storage.tables.usage import calls

MOST_PARAMETERS: Final = 500
"""In one statement."""


def _keys() -> Select[Any]:
    # One step down the index of calls by key and start: recording a call costs nothing for it.
    last_used_at = select(func.max(calls.c.started_at)).where(calls.c.key_id == keys.c.id).scalar_subquery()
    return (
        select(keys, projects.c.name.label("project"), users.c.email.label("maker"), last_used_at.label("last_used_at"))
        .join(projects, projects.c.id == keys.c.project_id)
        .outerjoin(users, users.c.id == keys.c.created_by)
    )


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
        disabled_at=row.disabled_at,
        created_by=row.created_by,
        maker=row.maker,
        last_used_at=row.last_used_at,
        revision=row.revision,
    )


def _conditions(wanted: Wanted, now: int, soon: int) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.within is not None:
        conditions.append(projects.c.name.in_(sorted(wanted.within)))
    if wanted.project is not None:
        conditions.append(projects.c.name == wanted.project)
    if wanted.text is not None:
        text = wanted.text.lower()
        inside = func.lower(keys.c.label).contains(text, autoescape=True)
        conditions.append(or_(inside, keys.c.id.startswith(text, autoescape=True)))
    if wanted.state is not None:
        alive = keys.c.revoked_at.is_(None) & or_(keys.c.expires_at.is_(None), keys.c.expires_at > now)
        states: dict[str, ColumnElement[bool]] = {
            ACTIVE: alive & keys.c.disabled_at.is_(None),
            SOON: keys.c.revoked_at.is_(None) & (keys.c.expires_at > now) & (keys.c.expires_at < soon) & keys.c.disabled_at.is_(None),
            DISABLED: alive & keys.c.disabled_at.is_not(None),
            EXPIRED: keys.c.revoked_at.is_(None) & (keys.c.expires_at <= now),
            REVOKED: keys.c.revoked_at.is_not(None),
        }
        conditions.append(states[wanted.state])
    return conditions


async def project_id(connection: AsyncConnection, name: str) -> str | None:
    """Of a project that takes keys; None where there is none of this name."""
    open_to_keys = projects.c.deleted_at.is_(None) & projects.c.archived_at.is_(None)
    return (await connection.execute(select(projects.c.id).where(projects.c.name == name, open_to_keys))).scalar_one_or_none()


async def has_project(connection: AsyncConnection, name: str) -> bool:
    """Whether there is a project of this name, whatever became of it."""
    return (await connection.execute(select(projects.c.id).where(projects.c.name == name))).first() is not None


async def find(connection: AsyncConnection, key_id: str) -> ApiKey | None:
    row = (await connection.execute(_keys().where(keys.c.id == key_id))).one_or_none()
    return None if row is None else _key(row)


async def page(connection: AsyncConnection, wanted: Wanted, now: int, soon: int, limit: int, after: tuple[int, str] | None) -> list[ApiKey]:
    """Newest first, beginning behind the position (created_at, id). `soon` is until when an end counts as near."""
    statement = _keys().where(*_conditions(wanted, now, soon)).order_by(keys.c.created_at.desc(), keys.c.id.desc()).limit(limit)
    if after is not None:
        statement = statement.where(tuple_(keys.c.created_at, keys.c.id) < after)
    return [_key(row) for row in await connection.execute(statement)]


async def some(connection: AsyncConnection, key_ids: Sequence[str]) -> dict[str, KeyFacts]:
    """What others may know of those of these keys that exist."""
    found: dict[str, KeyFacts] = {}
    statement = (
        select(keys.c.id, projects.c.name, keys.c.created_by, users.c.email)
        .join(projects, projects.c.id == keys.c.project_id)
        .outerjoin(users, users.c.id == keys.c.created_by)
    )
    for start in range(0, len(key_ids), MOST_PARAMETERS):
        for row in await connection.execute(statement.where(keys.c.id.in_(key_ids[start : start + MOST_PARAMETERS]))):
            found[row.id] = KeyFacts(row.name, row.created_by, row.email)
    return found


async def add(connection: AsyncConnection, key: ApiKey, project: str) -> None:
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
            created_by=key.created_by,
            revision=key.revision,
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
