"""Rows of users. No decision is made here."""

from typing import Any, Final

from sqlalchemy import Select, func, insert, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sekisho.identity.people.model import Found, User
from sekisho.rest.permissions import Role
from sekisho.storage.tables.people import users

_ESCAPE: Final = "\\"


def _user(row: Any) -> User:
    values = dict(row._mapping)
    password = values.pop("password")
    return User(**values | {"role": Role(row.role)}, has_password=password is not None)


async def find(connection: AsyncConnection, user_id: str) -> User | None:
    row = (await connection.execute(select(users).where(users.c.id == user_id))).one_or_none()
    return None if row is None else _user(row)


async def by_email(connection: AsyncConnection, email: str) -> User | None:
    row = (await connection.execute(select(users).where(users.c.email == email))).one_or_none()
    return None if row is None else _user(row)


async def password(connection: AsyncConnection, user_id: str) -> str | None:
    """What is kept of somebody's password."""
    return (await connection.execute(select(users.c.password).where(users.c.id == user_id))).scalar_one_or_none()


async def page(connection: AsyncConnection, found: Found, limit: int, after: tuple[int, str] | None) -> list[User]:
    """Newest first, beginning behind the position (created_at, id)."""
    statement = _filtered(found).order_by(users.c.created_at.desc(), users.c.id.desc()).limit(limit)
    if after is not None:
        statement = statement.where(tuple_(users.c.created_at, users.c.id) < after)
    return [_user(row) for row in await connection.execute(statement)]


def _filtered(found: Found) -> Select[Any]:
    statement = select(users)
    if found.query:
        escaped = "".join(_ESCAPE + letter if letter in "%_\\" else letter for letter in found.query.casefold())
        part = f"%{escaped}%"
        statement = statement.where(
            or_(users.c.email.like(part, escape=_ESCAPE), func.lower(users.c.name).like(part, escape=_ESCAPE)),
        )
    if found.role is not None:
        statement = statement.where(users.c.role == found.role.value)
    if found.active is not None:
        statement = statement.where(users.c.deactivated_at.is_(None) if found.active else users.c.deactivated_at.is_not(None))
    return statement


async def owners(connection: AsyncConnection) -> list[str]:
    """Who may come in as an owner."""
    statement = select(users.c.id).where(users.c.role == Role.OWNER.value, users.c.deactivated_at.is_(None))
    return list((await connection.execute(statement)).scalars())


async def any_owner(connection: AsyncConnection) -> bool:
    """Whether there ever was one."""
    statement = select(users.c.id).where(users.c.role == Role.OWNER.value).limit(1)
    return (await connection.execute(statement)).first() is not None


async def add(connection: AsyncConnection, user: User, password: str | None) -> None:
    values = {name: value for name, value in vars(user).items() if name != "has_password"}
    await connection.execute(insert(users).values(**values | {"role": user.role.value}, password=password))


async def change(connection: AsyncConnection, user_id: str, **values: object) -> None:
    await connection.execute(update(users).where(users.c.id == user_id).values(**values))
