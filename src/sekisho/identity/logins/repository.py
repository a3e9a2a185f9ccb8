"""The row of the setup link. No decision is made here."""

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sekisho.storage.tables.people import setup_links


async def replace_link(connection: AsyncConnection, digest: bytes, at: int) -> None:
    """Let this be the only link."""
    await connection.execute(delete(setup_links))
    await connection.execute(insert(setup_links).values(digest=digest, created_at=at))


async def is_link(connection: AsyncConnection, digest: bytes) -> bool:
    return (await connection.execute(select(setup_links.c.digest).where(setup_links.c.digest == digest))).first() is not None


async def remove_links(connection: AsyncConnection) -> None:
    await connection.execute(delete(setup_links))
