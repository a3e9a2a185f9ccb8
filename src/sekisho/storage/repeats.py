"""Rows of what creating requests with an `Idempotency-Key` did. They are read and written in the transaction that creates."""

from dataclasses import dataclass

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sekisho.storage.tables.repeats import repeats


@dataclass(frozen=True)
class Done:
    """What a request did."""

    body: bytes
    """SHA-256 of its body."""
    what: str
    """For people: `the key ab12`."""
    created_at: int
    """Wall time in microseconds."""
    answer: bytes | None
    """Sealed; None once it is not told again."""
    answer_until: int


async def find(connection: AsyncConnection, digest: bytes) -> Done | None:
    """What was done under this digest."""
    row = (await connection.execute(select(repeats).where(repeats.c.digest == digest))).one_or_none()
    return None if row is None else Done(row.body, row.what, row.created_at, row.answer, row.answer_until)


async def keep(connection: AsyncConnection, digest: bytes, done: Done) -> None:
    """Remember what was done."""
    await connection.execute(insert(repeats).values(digest=digest, **vars(done)))


async def forget(connection: AsyncConnection, before: int, now: int) -> None:
    """Drop what was done before a time, and the answers that are not told again."""
    await connection.execute(delete(repeats).where(repeats.c.created_at < before))
    await connection.execute(update(repeats).where(repeats.c.answer.is_not(None), repeats.c.answer_until <= now).values(answer=None))


async def has_stale(connection: AsyncConnection, before: int, now: int) -> bool:
    """Whether `forget` would have something to do."""
    stale = (repeats.c.created_at < before) | (repeats.c.answer.is_not(None) & (repeats.c.answer_until <= now))
    return (await connection.execute(select(repeats.c.digest).where(stale).limit(1))).first() is not None
