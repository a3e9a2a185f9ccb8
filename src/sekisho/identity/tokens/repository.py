"""Rows of access tokens. No decision is made here."""

from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sekisho.identity.tokens.model import AccessToken
from sekisho.storage.tables.access import access_tokens


def _token(row: Any) -> AccessToken:
    return AccessToken(
        id=row.id,
        user_id=row.user_id,
        name=row.name,
        last4=row.last4,
        scopes=None if row.scopes is None else tuple(row.scopes),
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )


async def add(connection: AsyncConnection, token: AccessToken, digest: bytes) -> None:
    values = {**vars(token), "scopes": None if token.scopes is None else list(token.scopes)}
    await connection.execute(insert(access_tokens).values(digest=digest, **values))


async def by_digest(connection: AsyncConnection, digest: bytes) -> AccessToken | None:
    row = (await connection.execute(select(access_tokens).where(access_tokens.c.digest == digest))).one_or_none()
    return None if row is None else _token(row)


async def of_user(connection: AsyncConnection, user_id: str) -> list[AccessToken]:
    """Those that were not revoked, newest first."""
    theirs = (access_tokens.c.user_id == user_id) & access_tokens.c.revoked_at.is_(None)
    statement = select(access_tokens).where(theirs).order_by(access_tokens.c.created_at.desc(), access_tokens.c.id.desc())
    return [_token(row) for row in await connection.execute(statement)]


async def change(connection: AsyncConnection, token_id: str, **values: object) -> None:
    await connection.execute(update(access_tokens).where(access_tokens.c.id == token_id).values(**values))
