"""One request is one transaction; what it changed is published after the commit and dies with a rollback."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sekisho.core.ports import ConfigurationPublisher
from sekisho.storage.database import Database
from sekisho.storage.tables.revisions import revisions

T = TypeVar("T")


class Session:
    """The transaction that a service works in."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection
        self._revision: int | None = None
        self._catalog = False

    async def revision(self) -> int:
        """The configuration's revision as this transaction sees it."""
        if self._revision is not None:
            return self._revision
        return int((await self.connection.execute(select(revisions.c.revision))).scalar_one())

    @property
    def has_changes(self) -> bool:
        """Whether anything was announced."""
        return self._revision is not None

    async def change_keys(self) -> int:
        """Announce that keys change in this transaction; the revision to write beside them."""
        if self._revision is None:
            statement = update(revisions).values(revision=revisions.c.revision + 1).returning(revisions.c.revision)
            self._revision = int((await self.connection.execute(statement)).scalar_one())
        return self._revision

    async def change_catalog(self) -> int:
        """Announce that anything but keys changes in this transaction."""
        revision = await self.change_keys()
        if not self._catalog:
            await self.connection.execute(update(revisions).values(catalog_revision=revision))
            self._catalog = True
        return revision


@dataclass(frozen=True)
class Committed(Generic[T]):
    """What a transaction gave, and what came of its publication."""

    value: T
    revision: int
    warnings: tuple[str, ...]


class Sessions:
    """Hands out transactions."""

    def __init__(self, database: Database, publisher: ConfigurationPublisher) -> None:
        self._database = database
        self._publisher = publisher

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Session]:
        """A consistent, read-only view."""
        async with self._database.reader() as connection:
            yield Session(connection)

    async def transact(self, work: Callable[[Session], Awaitable[T]]) -> Committed[T]:
        """Do the work in one transaction, commit it, and return once the workers have acknowledged what it changed."""
        async with self._database.writer() as connection:
            session = Session(connection)
            value = await work(session)
            revision = await session.revision()
            if session.has_changes:
                await self._database.announce(connection, revision)
        # Also where nothing changed: what was repeated because of a warning returns only when the workers know the first one.
        publication = await self._publisher.publish()
        return Committed(value, revision, publication.warnings)
