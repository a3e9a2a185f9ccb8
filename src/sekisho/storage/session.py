"""One request is one transaction; what it changed is published after the commit and dies with a rollback.

What was recorded for the audit is a part of it: no change without its row, no row without its change.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sekisho.core.model.audit import ERASED
from sekisho.core.ports import Actor, ConfigurationPublisher
from sekisho.storage import chains, records
from sekisho.storage.chains import Chain
from sekisho.storage.database import Database
from sekisho.storage.tables.revisions import revisions

T = TypeVar("T")


class Session:
    """The transaction that a service works in."""

    def __init__(self, connection: AsyncConnection, *, audited: bool = False) -> None:
        """`audited` is whether somebody appends to the audit what is recorded here."""
        self.connection = connection
        self._audited = audited
        self._revision: int | None = None
        self._catalog = False
        self._entries: list[records.Entry] = []
        self._erased: dict[str, str] = {}
        self._afterwards: list[Callable[[], None]] = []

    async def revision(self) -> int:
        """The configuration's revision as this transaction sees it."""
        if self._revision is not None:
            return self._revision
        return int((await self.connection.execute(select(revisions.c.revision))).scalar_one())

    @property
    def has_changes(self) -> bool:
        """Whether anything was announced."""
        return self._revision is not None

    def record(
        self,
        action: str,
        object_kind: str,
        object_id: str,
        *,
        project: str | None = None,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
        person: str | None = None,
    ) -> None:
        """Note down for the audit what this transaction does; raises TypeError where a state holds what is no JSON, such as a Secret.

        `action` is `<noun>.<past tense>`. States hold no secret; of two only what differs is kept, and names. `person` is the user whom
        the states tell something about (an e-mail address, say), if that is not the object itself: they go when that person is erased.
        """
        if not self._audited:
            raise RuntimeError(f"{action}: what only reads records nothing; use Sessions.transact")
        self._entries.append(records.entry(action, object_kind, object_id, project=project, before=before, after=after, person=person))

    def afterwards(self, tell: Callable[[], None]) -> None:
        """Call this as soon as the transaction is committed, before the workers are waited for; not at all where it is not committed."""
        self._afterwards.append(tell)

    def committed(self) -> None:
        """Call what was to be called."""
        for tell in self._afterwards:
            tell()

    async def erase(self, person_id: str) -> str:
        """Let the audit forget a person, the rows of this transaction included; the pseudonym that stands there from now on."""
        pseudonym = await self.connection.run_sync(chains.pseudonym_of, person_id)
        self._erased[person_id] = pseudonym
        self.record(ERASED, "user", person_id, after={"pseudonym": pseudonym})
        return pseudonym

    async def chain(self, chain: Chain, by: Actor | None) -> None:
        """Append what was recorded."""
        if self._entries:
            await self.connection.run_sync(chain.append, self._entries, by)
        for person_id, pseudonym in self._erased.items():
            await self.connection.run_sync(chain.erase, person_id, pseudonym)

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

    def __init__(self, database: Database, publisher: ConfigurationPublisher, chain: Chain) -> None:
        self._database = database
        self._publisher = publisher
        self._chain = chain

    @asynccontextmanager
    async def read(self, *, seconds: float | None = None) -> AsyncIterator[Session]:
        """A consistent, read-only view; `seconds` is for what takes longer than any request."""
        async with self._database.reader(seconds=seconds) as connection:
            yield Session(connection)

    async def transact(self, work: Callable[[Session], Awaitable[T]], by: Actor | None = None) -> Committed[T]:
        """Do the work in one transaction, commit it, and return once the workers have acknowledged what it changed.

        `by` is who the audit names for what was recorded; without, it is the product itself.
        """
        async with self._database.writer() as connection:
            session = Session(connection, audited=True)
            value = await work(session)
            await session.chain(self._chain, by)
            revision = await session.revision()
            if session.has_changes:
                await self._database.announce(connection, revision)
        session.committed()
        # Also where nothing changed: what was repeated because of a warning returns only when the workers know the first one.
        publication = await self._publisher.publish()
        return Committed(value, revision, publication.warnings)
