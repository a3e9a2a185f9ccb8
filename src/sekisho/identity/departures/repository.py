"""Rows that tell something of one person, wherever they stand. No decision is made here."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sekisho.storage.tables.access import access_tokens, authenticators, issuer_identities, one_time_links, recovery_codes
from sekisho.storage.tables.audit import audit_rows
from sekisho.storage.tables.identity import keys, projects
from sekisho.storage.tables.people import refresh_tokens, sessions, users
from sekisho.storage.tables.projects import project_members

PAGE: Final = 500
"""Rows read at once."""

_SECRET: Final = frozenset(
    ("password", "digest", "sealed", "actor_salt", "actor_digest", "detail_salt", "detail_digest", "prev", "hash", "last_step", "models")
)
"""Columns that are told to nobody, and those that say nothing of a person."""


def _told(table: Table) -> list[Any]:
    return [column for column in table.columns if column.name not in _SECRET]


def _places(user_id: str, email: str) -> list[tuple[str, Table, ColumnElement[bool]]]:
    """What a row is called, where it stands, and which ones are meant."""
    return [
        ("account", users, users.c.id == user_id),
        ("session", sessions, sessions.c.user_id == user_id),
        ("access_token", access_tokens, access_tokens.c.user_id == user_id),
        ("authenticator", authenticators, authenticators.c.user_id == user_id),
        ("issuer_identity", issuer_identities, issuer_identities.c.user_id == user_id),
        ("membership", project_members, project_members.c.user_id == user_id),
        ("project", projects, projects.c.owner_id == user_id),
        ("key", keys, keys.c.created_by == user_id),
        (
            "link",
            one_time_links,
            or_(one_time_links.c.user_id == user_id, one_time_links.c.email == email, one_time_links.c.made_by == user_id),
        ),
    ]


async def everything(connection: AsyncConnection, user_id: str, email: str) -> list[tuple[str, dict[str, Any]]]:
    """All rows but those of the audit, each with what it is called."""
    found: list[tuple[str, dict[str, Any]]] = []
    for kind, table, theirs in _places(user_id, email):
        rows = await connection.execute(select(*_told(table)).where(theirs))
        found.extend((kind, dict(row._mapping)) for row in rows)
    return found


async def audit(connection: AsyncConnection, user_id: str, after: int) -> Sequence[dict[str, Any]]:
    """A page of what somebody did, or what was done to them, behind a row."""
    theirs = or_(audit_rows.c.actor_id == user_id, audit_rows.c.person_id == user_id)
    statement = select(*_told(audit_rows)).where(theirs, audit_rows.c.seq > after).order_by(audit_rows.c.seq).limit(PAGE)
    return [dict(row._mapping) for row in await connection.execute(statement)]


async def remove(connection: AsyncConnection, user_id: str, email: str) -> None:
    """The account, and all that belongs to it. Keys and projects stay: they are the team's."""
    theirs = select(sessions.c.id).where(sessions.c.user_id == user_id)
    await connection.execute(delete(refresh_tokens).where(refresh_tokens.c.session_id.in_(theirs)))
    for table in (sessions, access_tokens, recovery_codes, authenticators, issuer_identities, project_members):
        await connection.execute(delete(table).where(table.c.user_id == user_id))
    await connection.execute(delete(one_time_links).where(or_(one_time_links.c.user_id == user_id, one_time_links.c.email == email)))
    await connection.execute(update(projects).where(projects.c.owner_id == user_id).values(owner_id=None))
    await connection.execute(delete(users).where(users.c.id == user_id))
