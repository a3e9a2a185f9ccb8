"""Rows of sessions and of the people behind them. No decision is made here."""

from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sekisho.identity.sessions.model import LoginSession, Person
from sekisho.rest.permissions import Role
from sekisho.storage.tables.people import refresh_tokens, sessions, users


def _session(row: Any) -> LoginSession:
    return LoginSession(row.id, row.user_id, row.kind, row.created_at, row.seen_at, row.expires_at, row.address, row.agent)


def _person(row: Any) -> Person:
    return Person(row.user_id, row.email, row.name, Role(row.role), row.deactivated_at is None)


_PERSON = (users.c.id.label("user_id"), users.c.email, users.c.name, users.c.role, users.c.deactivated_at)
_BEHIND = select(sessions, *_PERSON[1:]).join(users, users.c.id == sessions.c.user_id)


async def behind(connection: AsyncConnection, session_id: str) -> tuple[LoginSession, Person] | None:
    """A session and who is behind it: two look-ups by primary key in one statement."""
    row = (await connection.execute(_BEHIND.where(sessions.c.id == session_id))).one_or_none()
    return None if row is None else (_session(row), _person(row))


async def person(connection: AsyncConnection, user_id: str) -> Person | None:
    row = (await connection.execute(select(*_PERSON).where(users.c.id == user_id))).one_or_none()
    return None if row is None else _person(row)


async def add(connection: AsyncConnection, session: LoginSession) -> None:
    await connection.execute(insert(sessions).values(**vars(session)))


async def of_user(connection: AsyncConnection, user_id: str) -> list[LoginSession]:
    """Those used last first."""
    statement = select(sessions).where(sessions.c.user_id == user_id).order_by(sessions.c.seen_at.desc(), sessions.c.id)
    return [_session(row) for row in await connection.execute(statement)]


async def seen(connection: AsyncConnection, session_id: str, at: int) -> None:
    await connection.execute(update(sessions).where(sessions.c.id == session_id, sessions.c.seen_at < at).values(seen_at=at))


async def remove(connection: AsyncConnection, session_ids: list[str]) -> None:
    await connection.execute(delete(refresh_tokens).where(refresh_tokens.c.session_id.in_(session_ids)))
    await connection.execute(delete(sessions).where(sessions.c.id.in_(session_ids)))


async def ended(connection: AsyncConnection, now: int, seen_before: int) -> list[str]:
    """A few of the sessions that are over, whoever's they were."""
    statement = select(sessions.c.id).where((sessions.c.expires_at <= now) | (sessions.c.seen_at <= seen_before)).limit(100)
    return list((await connection.execute(statement)).scalars())


async def add_refresh(connection: AsyncConnection, digest: bytes, session_id: str, at: int) -> None:
    await connection.execute(insert(refresh_tokens).values(digest=digest, session_id=session_id, created_at=at))


async def refresh(connection: AsyncConnection, digest: bytes) -> tuple[str, bool] | None:
    """The session that a refresh token belongs to, and whether it was used already."""
    row = (await connection.execute(select(refresh_tokens).where(refresh_tokens.c.digest == digest))).one_or_none()
    return None if row is None else (row.session_id, row.used_at is not None)


async def use_refresh(connection: AsyncConnection, digest: bytes, at: int) -> None:
    await connection.execute(update(refresh_tokens).where(refresh_tokens.c.digest == digest).values(used_at=at))
