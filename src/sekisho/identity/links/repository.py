"""Rows of invitations and reset links. No decision is made here."""

from typing import Any

from sqlalchemy import Select, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sekisho.identity.links.model import INVITATION, RESET, Invitation, ResetLink
from sekisho.rest.permissions import ProjectRole, Role
from sekisho.storage.tables.access import one_time_links as links
from sekisho.storage.tables.identity import projects


def _invitations() -> Select[Any]:
    return (
        select(links, projects.c.name.label("project"))
        .outerjoin(projects, projects.c.id == links.c.project_id)
        .where(links.c.kind == INVITATION)
    )


def _invitation(row: Any) -> Invitation:
    return Invitation(
        id=row.id,
        email=row.email,
        role=Role(row.role),
        project_id=row.project_id,
        project=row.project,
        project_role=None if row.project_role is None else ProjectRole(row.project_role),
        made_by=row.made_by,
        created_at=row.created_at,
        expires_at=row.expires_at,
        used_at=row.used_at,
        revoked_at=row.revoked_at,
    )


def _reset(row: Any) -> ResetLink:
    return ResetLink(row.id, row.user_id, row.made_by, row.created_at, row.expires_at, row.used_at, row.revoked_at)


async def add_invitation(connection: AsyncConnection, invitation: Invitation, digest: bytes) -> None:
    values = {name: value for name, value in vars(invitation).items() if name != "project"}
    await connection.execute(insert(links).values(kind=INVITATION, digest=digest, **values))


async def add_reset(connection: AsyncConnection, link: ResetLink, digest: bytes) -> None:
    await connection.execute(insert(links).values(kind=RESET, digest=digest, **vars(link)))


async def invitation(connection: AsyncConnection, *, digest: bytes | None = None, link_id: str | None = None) -> Invitation | None:
    """By the digest of its secret, or by its id."""
    statement = _invitations().where(links.c.id == link_id if digest is None else links.c.digest == digest)
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else _invitation(row)


async def reset(connection: AsyncConnection, digest: bytes) -> ResetLink | None:
    row = (await connection.execute(select(links).where(links.c.kind == RESET, links.c.digest == digest))).one_or_none()
    return None if row is None else _reset(row)


async def invitations(connection: AsyncConnection, limit: int, after: tuple[int, str] | None) -> list[Invitation]:
    """Newest first, beginning behind the position (created_at, id)."""
    statement = _invitations().order_by(links.c.created_at.desc(), links.c.id.desc()).limit(limit)
    if after is not None:
        statement = statement.where(tuple_(links.c.created_at, links.c.id) < after)
    return [_invitation(row) for row in await connection.execute(statement)]


async def change(connection: AsyncConnection, link_id: str, **values: object) -> None:
    await connection.execute(update(links).where(links.c.id == link_id).values(**values))


async def revoke_open(connection: AsyncConnection, kind: str, now: int, *, email: str | None = None, user_id: str | None = None) -> None:
    """End what is still open of a kind, for an address or a user."""
    whose = links.c.user_id == user_id if email is None else links.c.email == email
    still_open = (links.c.kind == kind) & links.c.used_at.is_(None) & links.c.revoked_at.is_(None)
    await connection.execute(update(links).where(still_open, whose).values(revoked_at=now))
