"""Rows of projects and their members. No decision is made here."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Select, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sekisho.identity.projects.model import Member, Project
from sekisho.storage.tables.identity import keys, projects
from sekisho.storage.tables.people import users
from sekisho.storage.tables.projects import project_members


def _projects() -> Select[Any]:
    return select(projects).where(projects.c.deleted_at.is_(None))


def _project(row: Any) -> Project:
    return Project(
        id=row.id,
        name=row.name,
        title=row.title,
        description=row.description,
        owner_id=row.owner_id,
        created_at=row.created_at,
        updated_at=max(row.updated_at, row.created_at),
        archived_at=row.archived_at,
    )


async def find(connection: AsyncConnection, name_or_id: str) -> Project | None:
    """By id, else by name."""
    rows = await connection.execute(_projects().where(or_(projects.c.id == name_or_id, projects.c.name == name_or_id)))
    found = {row.id: _project(row) for row in rows}
    return found.get(name_or_id) or next(iter(found.values()), None)


async def is_taken(connection: AsyncConnection, name: str) -> bool:
    """Whether a project has or had this name, or has this id."""
    taken = or_(projects.c.id == name, projects.c.name == name)
    return (await connection.execute(select(projects.c.id).where(taken).limit(1))).first() is not None


async def page(
    connection: AsyncConnection, limit: int, after: str, within: Collection[str] | None, archived: bool | None, words: str | None
) -> list[Project]:
    """By name, beginning behind one; only those of these names, where some are given."""
    statement = _projects().where(projects.c.name > after).order_by(projects.c.name).limit(limit)
    if within is not None:
        statement = statement.where(projects.c.name.in_(within))
    if archived is not None:
        statement = statement.where(projects.c.archived_at.is_not(None) if archived else projects.c.archived_at.is_(None))
    if words:
        part = words.lower()
        statement = statement.where(
            or_(projects.c.name.contains(part, autoescape=True), func.lower(projects.c.title).contains(part, autoescape=True))
        )
    return [_project(row) for row in await connection.execute(statement)]


async def add(connection: AsyncConnection, project: Project) -> None:
    await connection.execute(insert(projects).values(**vars(project)))


async def change(connection: AsyncConnection, project_id: str, **values: object) -> None:
    await connection.execute(update(projects).where(projects.c.id == project_id).values(**values))


async def live_keys(connection: AsyncConnection, project_id: str, now: int) -> int:
    """How many keys of a project open something, or will when they are used."""
    live = keys.c.revoked_at.is_(None) & or_(keys.c.expires_at.is_(None), keys.c.expires_at > now)
    statement = select(func.count()).select_from(keys).where(keys.c.project_id == project_id, live)
    return int((await connection.execute(statement)).scalar_one())


async def members(connection: AsyncConnection, project_id: str, limit: int, after: str) -> list[Member]:
    """By e-mail address, beginning behind one."""
    statement = (
        select(users.c.id, users.c.email, users.c.name, project_members.c.role, project_members.c.created_at)
        .join(users, users.c.id == project_members.c.user_id)
        .where(project_members.c.project_id == project_id, users.c.email > after)
        .order_by(users.c.email)
        .limit(limit)
    )
    return [Member(row.id, row.email, row.name, row.role, row.created_at) for row in await connection.execute(statement)]


async def member(connection: AsyncConnection, project_id: str, user_id: str) -> Member | None:
    statement = (
        select(users.c.id, users.c.email, users.c.name, project_members.c.role, project_members.c.created_at)
        .join(users, users.c.id == project_members.c.user_id)
        .where(project_members.c.project_id == project_id, users.c.id == user_id)
    )
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else Member(row.id, row.email, row.name, row.role, row.created_at)


async def count(connection: AsyncConnection, project_id: str, role: str) -> int:
    """How many members have a role."""
    statement = (
        select(func.count()).select_from(project_members).where(project_members.c.project_id == project_id, project_members.c.role == role)
    )
    return int((await connection.execute(statement)).scalar_one())


async def active_user(connection: AsyncConnection, email: str) -> str | None:
    """The id of whoever has this folded address and may log in."""
    statement = select(users.c.id).where(users.c.email == email, users.c.deactivated_at.is_(None))
    return (await connection.execute(statement)).scalar_one_or_none()


async def add_member(connection: AsyncConnection, project_id: str, user_id: str, role: str, now: int) -> None:
    await connection.execute(insert(project_members).values(project_id=project_id, user_id=user_id, role=role, created_at=now))


async def change_member(connection: AsyncConnection, project_id: str, user_id: str, role: str) -> None:
    theirs = (project_members.c.project_id == project_id) & (project_members.c.user_id == user_id)
    await connection.execute(update(project_members).where(theirs).values(role=role))


async def remove_member(connection: AsyncConnection, project_id: str, user_id: str) -> None:
    await connection.execute(
        delete(project_members).where(project_members.c.project_id == project_id, project_members.c.user_id == user_id)
    )


async def remove_members(connection: AsyncConnection, project_id: str) -> list[str]:
    """Remove all; their ids."""
    statement = delete(project_members).where(project_members.c.project_id == project_id).returning(project_members.c.user_id)
    return [row.user_id for row in await connection.execute(statement)]


async def of_user(connection: AsyncConnection, user_id: str) -> list[tuple[str, str]]:
    """Name and role of every project that somebody belongs to."""
    statement = (
        select(projects.c.name, project_members.c.role)
        .join(projects, projects.c.id == project_members.c.project_id)
        .where(project_members.c.user_id == user_id, projects.c.deleted_at.is_(None))
        .order_by(projects.c.name)
    )
    return [(row.name, row.role) for row in await connection.execute(statement)]


async def counts(connection: AsyncConnection, project_ids: Collection[str], now: int) -> dict[str, tuple[int, int]]:
    """Members and live keys of some projects."""
    live = keys.c.revoked_at.is_(None) & or_(keys.c.expires_at.is_(None), keys.c.expires_at > now)
    of_members = (
        select(project_members.c.project_id, func.count().label("number"))
        .where(project_members.c.project_id.in_(project_ids))
        .group_by(project_members.c.project_id)
    )
    of_keys = (
        select(keys.c.project_id, func.count().label("number")).where(keys.c.project_id.in_(project_ids), live).group_by(keys.c.project_id)
    )
    members_of = {row.project_id: row.number for row in await connection.execute(of_members)}
    keys_of = {row.project_id: row.number for row in await connection.execute(of_keys)}
    return {each: (members_of.get(each, 0), keys_of.get(each, 0)) for each in project_ids}
