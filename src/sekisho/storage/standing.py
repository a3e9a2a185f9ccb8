"""Which state of which installation a database holds, asked of one that may not be fit for anything else."""

from dataclasses import dataclass

from sqlalchemy import select

from sekisho.storage.database import Database
from sekisho.storage.tables.revisions import revisions


@dataclass(frozen=True)
class Standing:
    """What must be equal for two copies of a configuration to be the same."""

    revision: int
    instance: str
    """The name of the installation; a restored backup has a new one."""


async def standing(database: Database) -> Standing | None:
    """What the database says of itself; None where it has no such row. Raises StorageError, or whatever the driver does."""
    async with database.reader() as connection:
        row = (await connection.execute(select(revisions.c.revision, revisions.c.instance))).one_or_none()
    return None if row is None else Standing(row.revision, row.instance)
