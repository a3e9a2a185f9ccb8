"""Rows of issuers and of the people whom they vouch for. No decision is made here."""

from typing import Any

from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sekisho.identity.issuers.model import Identity, Issuer
from sekisho.rest.permissions import Role
from sekisho.storage.tables.access import issuer_identities, issuers


def _issuer(row: Any) -> Issuer:
    return Issuer(
        id=row.id,
        name=row.name,
        title=row.title,
        issuer=row.issuer,
        client_id=row.client_id,
        has_secret=row.sealed_secret is not None,
        console_url=row.console_url,
        algorithm=row.algorithm,
        scopes=tuple(row.scopes),
        groups_claim=row.groups_claim,
        group_roles={group: Role(role) for group, role in row.group_roles.items()},
        default_role=None if row.default_role is None else Role(row.default_role),
        link_by_email=row.link_by_email,
        ca_bundle=row.ca_bundle,
        enabled=row.enabled,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _values(issuer: Issuer) -> dict[str, object]:
    return {
        **{name: value for name, value in vars(issuer).items() if name != "has_secret"},
        "scopes": list(issuer.scopes),
        "group_roles": {group: role.value for group, role in issuer.group_roles.items()},
        "default_role": None if issuer.default_role is None else issuer.default_role.value,
    }


async def everything(connection: AsyncConnection) -> list[Issuer]:
    """By name."""
    return [_issuer(row) for row in await connection.execute(select(issuers).order_by(issuers.c.name))]


async def find(connection: AsyncConnection, name_or_id: str) -> Issuer | None:
    """By name or id; names cannot be mistaken for ids of others, since ids are never chosen."""
    statement = select(issuers).where(or_(issuers.c.name == name_or_id, issuers.c.id == name_or_id)).order_by(issuers.c.id != name_or_id)
    row = (await connection.execute(statement.limit(1))).first()
    return None if row is None else _issuer(row)


async def sealed_secret(connection: AsyncConnection, issuer_id: str) -> bytes | None:
    return (await connection.execute(select(issuers.c.sealed_secret).where(issuers.c.id == issuer_id))).scalar_one_or_none()


async def add(connection: AsyncConnection, issuer: Issuer) -> None:
    await connection.execute(insert(issuers).values(**_values(issuer)))


async def change(connection: AsyncConnection, issuer: Issuer) -> None:
    await connection.execute(update(issuers).where(issuers.c.id == issuer.id).values(**_values(issuer)))


async def set_secret(connection: AsyncConnection, issuer_id: str, sealed: bytes | None) -> None:
    await connection.execute(update(issuers).where(issuers.c.id == issuer_id).values(sealed_secret=sealed))


async def remove(connection: AsyncConnection, issuer_id: str) -> None:
    await connection.execute(delete(issuers).where(issuers.c.id == issuer_id))


async def identity(connection: AsyncConnection, issuer: str, subject: str) -> Identity | None:
    theirs = (issuer_identities.c.issuer == issuer) & (issuer_identities.c.subject == subject)
    row = (await connection.execute(select(issuer_identities).where(theirs))).one_or_none()
    return None if row is None else Identity(**row._mapping)


async def identities(connection: AsyncConnection, user_id: str) -> list[Identity]:
    statement = select(issuer_identities).where(issuer_identities.c.user_id == user_id).order_by(issuer_identities.c.created_at)
    return [Identity(**row._mapping) for row in await connection.execute(statement)]


async def add_identity(connection: AsyncConnection, found: Identity) -> None:
    await connection.execute(insert(issuer_identities).values(**vars(found)))


async def logged_in(connection: AsyncConnection, identity_id: str, now: int) -> None:
    await connection.execute(update(issuer_identities).where(issuer_identities.c.id == identity_id).values(last_login_at=now))
