"""The database as a node has it: open, away, or back. While it is away the sealed copy stands in for it, where the copy counts.

The copy counts only while the database cannot be read; where it says which state of which installation it is, only if that is the
copy's. Nobody else is let in before a database that was away is open, migrated and published whole: what was asked of it meanwhile is
refused, and what the workers recorded waits in the journal.
"""

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from sekisho.app.lifecycle import Outage
from sekisho.bridge.copies import SealedCopy
from sekisho.bridge.publisher import Publisher
from sekisho.bridge.sealed import CopyError
from sekisho.kit.clock import Clock, monotonic, to_rfc3339
from sekisho.kit.files import identity_at
from sekisho.storage.database import Database
from sekisho.storage.errors import StorageError, UnavailableError, UnreadableError
from sekisho.storage.preparation import Prepared
from sekisho.storage.sqlite import Sqlite
from sekisho.storage.standing import Standing, standing

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 1.0
"""Between two looks at a database: whether it is still where it was."""
AWAY_SECONDS: Final = 0.2
"""The same while it is away: whether it is back. Where a look takes longer, five times as long as that, a second at most."""
COPY_RETRY_SECONDS: Final = 10.0
"""After this time a sealed copy that could not be written is tried again."""


class ExchangedError(Exception):
    """Another database lies where the open one was. Nothing of the old one may be written or closed in order any more."""


class Truth:
    """Opens the database of one node and keeps an eye on it.

    `prepare` brings an open database to this version's state; `on_back` is told when one that was away can be used again.
    """

    def __init__(
        self,
        database: Database,
        publisher: Publisher,
        copy: SealedCopy,
        clock: Clock,
        prepare: Callable[[], Awaitable[Prepared]],
        on_back: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._publisher = publisher
        self._copy = copy
        self._clock = clock
        self._prepare = prepare
        self._on_back = on_back
        self._file = database if isinstance(database, Sqlite) else None
        self._look: Callable[[], Awaitable[None]] = self._look_for_file
        """What the next look is for."""
        self._doubted = False
        """Whether it was seen damaged or missing: then all of it is read before it is believed, whatever it says of its revision."""
        self.prepared: Prepared | None = None
        """None as long as the database was not open in this life."""
        self.outage: Outage | None = None
        """What is wrong with the database; None where nothing is known to be."""

    async def open(self) -> None:
        """Open the database, bring it up to date, and publish what is in it. Raises StorageError, and then nothing was overwritten."""
        unwritable: str | None = None
        with self._database.opening():
            await self._refuse_an_empty_one()
            try:
                await self._database.open()
            except UnavailableError as error:
                # What cannot be written may be read all the same.
                unwritable = str(error)
            self.prepared = await self._prepare()
            if self._doubted or self.prepared.migrated_from is not None or not await self._is_published():
                await self._publisher.load()
        self._doubted = False
        self._database.unshut()
        self.outage, self._look = None, self._look_for_file
        if unwritable is not None:
            self._begin(Outage(unwritable, self._clock.now()), self._try_to_write)

    def copy_all(self, *, anew: bool = False) -> Awaitable[None]:
        """Begin to write the sealed copy of what is published; what is published from now on comes after it.

        With `anew` nothing of the one that lies there is believed, whatever it says of its revision.
        """
        held = self._publisher.held()
        return self._copy.renew(held) if anew else self._copy.begin(held)

    async def stand_in(self, error: StorageError) -> None:
        """Publish the sealed copy in place of a database that could not be opened. Raises StorageError where it does not count."""
        name = self._copy.path.name
        self._doubted = isinstance(error, UnreadableError)
        try:
            held = await asyncio.to_thread(self._copy.read)
        except CopyError as reason:
            raise StorageError(f"{error}; {name} cannot stand in for it: the sealed copy {reason}") from error
        if held is None:
            raise error
        found = await self._standing()
        await self._let_go()
        if found is not None and found != Standing(held.revision, held.catalog.instance):
            other = "" if found.instance == held.catalog.instance else ", of another installation"
            raise StorageError(
                f"{error}; {name} cannot stand in for it: it is of revision {held.revision}, the database of {found.revision}{other}"
            ) from error
        self._publisher.adopt(held)
        self._shut(Outage(str(error), self._clock.now(), held.revision, held.written_at), self._try_again)

    async def keep(self) -> None:
        """Watch over the database for ever: notice when its file is taken away, and when it is back. Raises ExchangedError."""
        pause = LOOK_SECONDS
        tried_at = monotonic()
        while True:
            await asyncio.sleep(pause)
            began = monotonic()
            await self._look()
            ended = monotonic()
            pause = LOOK_SECONDS if self.outage is None else min(LOOK_SECONDS, max(AWAY_SECONDS, 5 * (ended - began)))
            if self._copy.trouble is not None and ended - tried_at > COPY_RETRY_SECONDS:
                tried_at = ended
                await self.copy_all()

    async def _refuse_an_empty_one(self) -> None:
        """A home that has a copy has had a database: a new one in its place would look like a start that worked. Raises StorageError."""
        try:
            refused = self._copy.is_there() and not await self._database.holds_anything()
        except OSError as error:
            raise UnreadableError(f"the database {self._database.name} cannot be looked at: {error.strerror}") from error
        if refused:
            raise UnreadableError(
                f"the database {self._database.name} is missing or empty, but {self._copy.path.name} has a copy of its configuration; "
                "nothing was changed: put the database back, or restore a backup (to start empty, move that file away, too)"
            )

    async def _is_published(self) -> bool:
        """Whether what the copy brought to the workers is what the database holds: then a hundred thousand keys need not be read again."""
        if self._publisher.revision == 0:
            return False
        held = self._publisher.held()
        return await standing(self._database) == Standing(held.revision, held.catalog.instance)

    async def _standing(self) -> Standing | None:
        """What an unfit database says of itself all the same; None where it says nothing."""
        try:
            with self._database.opening():
                return await standing(self._database)
        except Exception as error:
            log.debug("the database does not say of which revision it is: %s", error)
            return None

    async def _let_go(self) -> None:
        """Hold nothing open of a database that cannot be read: another file may be put in its place before the next attempt."""
        await self._database.close()

    # What a look is for, one after the other.

    async def _look_for_file(self) -> None:
        """Nothing is wrong: is the file that is open still in its place, or the installation that it was opened as?"""
        if self.prepared is not None and self._publisher.instance != self.prepared.instance:
            raise ExchangedError(f"another state of the database {self._database.name} was put in the place of the one that was open")
        if self._file is None or self._is_in_place(self._file):
            return
        reason = f"the database {self._file.path} was taken away while it was open; put it back where it was"
        self._shut(Outage(reason, self._clock.now()), self._look_for_return)

    async def _look_for_return(self) -> None:
        """The file is away: is it back? What is open is still the same file, so there is nothing to be read again."""
        if self._file is None or self._is_in_place(self._file):
            self._database.unshut()
            self._end()

    async def _try_again(self) -> None:
        """The copy stands in: can the database be opened now?"""
        before, doubted = self.outage, self._doubted
        try:
            await self.open()
        except StorageError as error:
            await self._let_go()
            self._doubted |= isinstance(error, UnreadableError)
            if before is not None and str(error) != before.reason:
                log.warning("the database still cannot be read: %s", error)
                self._shut(dataclasses.replace(before, reason=str(error)), self._try_again)
            return
        # Not waited for: until it is written, a revocation waits for it, but nobody else has to.
        self.copy_all(anew=doubted)
        if self.outage is None:
            self._end()

    async def _try_to_write(self) -> None:
        """It can be read, but not written: can it be now?"""
        await self._look_for_file()
        if self._look == self._try_to_write:
            with contextlib.suppress(StorageError):
                async with self._database.writer():
                    pass
                self._end()

    def _is_in_place(self, file: Sqlite) -> bool:
        """Whether the file that is open still has its name; raises ExchangedError where another one has."""
        found = identity_at(file.path)
        if found is not None and found != file.identity:
            raise ExchangedError(f"another file was put in the place of the open database {file.path}")
        return found is not None

    def _shut(self, outage: Outage, look: Callable[[], Awaitable[None]]) -> None:
        told = f"{outage.reason}. Until then calls are served, but nothing can be read or changed here"
        if self._database.frozen is None:
            self._database.shut(told)
        self._begin(outage, look)

    def _begin(self, outage: Outage, look: Callable[[], Awaitable[None]]) -> None:
        if self.outage is None:
            extra = {"copy_revision": outage.copy_revision, "copy_of": outage.copy_written_at and to_rfc3339(outage.copy_written_at)}
            how = "cannot be read; calls are served" if look != self._try_to_write else "cannot be written; calls are served"
            how += " from the sealed copy" if outage.copy_revision is not None else ""
            log.error("the database %s, records wait: %s", how, outage.reason, extra=extra if outage.copy_revision is not None else {})
        self.outage, self._look = outage, look

    def _end(self) -> None:
        log.warning("the database is back", extra={"revision": self._publisher.revision})
        self.outage, self._look = None, self._look_for_file
        self._on_back()
