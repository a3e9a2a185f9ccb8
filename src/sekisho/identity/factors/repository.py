"""Rows of authenticators and recovery codes. No decision is made here."""

from collections.abc import Collection

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sekisho.identity.factors.model import Authenticator
from sekisho.storage.tables.access import authenticators, recovery_codes


async def find(connection: AsyncConnection, user_id: str) -> Authenticator | None:
    row = (await connection.execute(select(authenticators).where(authenticators.c.user_id == user_id))).one_or_none()
    return None if row is None else Authenticator(**row._mapping)


async def put(connection: AsyncConnection, authenticator: Authenticator) -> None:
    """In the place of the one before."""
    await connection.execute(delete(authenticators).where(authenticators.c.user_id == authenticator.user_id))
    await connection.execute(insert(authenticators).values(**vars(authenticator)))


async def change(connection: AsyncConnection, user_id: str, **values: object) -> None:
    await connection.execute(update(authenticators).where(authenticators.c.user_id == user_id).values(**values))


async def remove(connection: AsyncConnection, user_id: str) -> None:
    """With the recovery codes."""
    await connection.execute(delete(recovery_codes).where(recovery_codes.c.user_id == user_id))
    await connection.execute(delete(authenticators).where(authenticators.c.user_id == user_id))


async def set_recovery(connection: AsyncConnection, user_id: str, digests: Collection[bytes]) -> None:
    """In the place of those before."""
    await connection.execute(delete(recovery_codes).where(recovery_codes.c.user_id == user_id))
    await connection.execute(insert(recovery_codes), [{"user_id": user_id, "digest": digest} for digest in digests])


async def use_recovery(connection: AsyncConnection, user_id: str, digest: bytes, now: int) -> bool:
    """Whether it was one that had not been used."""
    unused = (recovery_codes.c.user_id == user_id) & (recovery_codes.c.digest == digest) & recovery_codes.c.used_at.is_(None)
    return bool((await connection.execute(update(recovery_codes).where(unused).values(used_at=now))).rowcount)


async def recovery_left(connection: AsyncConnection, user_id: str) -> int:
    left = (recovery_codes.c.user_id == user_id) & recovery_codes.c.used_at.is_(None)
    return int((await connection.execute(select(func.count()).select_from(recovery_codes).where(left))).scalar_one())
