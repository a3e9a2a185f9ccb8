"""What other nodes commit reaches this node's workers: the database announces each revision, and what is newer is published.

An announcement is only a hint to look. What was announced while nobody listened is found by the look that follows every new connection,
and by one now and then in between, so that nothing depends on a hint that was lost.
"""

import asyncio
import contextlib
import logging
from typing import Final, Protocol

from sekisho.storage.database import Database
from sekisho.storage.errors import StorageError

log = logging.getLogger(__name__)

RETRY_SECONDS: Final = 1.0
"""Between two attempts to listen."""


class Publication(Protocol):
    """What came of a publication."""

    @property
    def warnings(self) -> tuple[str, ...]: ...


class Publisher(Protocol):
    """`bridge.publisher.Publisher`, as far as it is needed here."""

    @property
    def revision(self) -> int: ...

    async def publish(self) -> Publication: ...


class Watcher:
    """Listens for one node."""

    def __init__(self, database: Database, publisher: Publisher) -> None:
        self._database = database
        self._publisher = publisher
        self._deaf = False

    async def run(self) -> None:
        """Publish what others commit, for ever; returns at once where there can be no others."""
        if not self._database.shared:
            return
        while True:
            try:
                async with contextlib.aclosing(self._database.announcements()) as announcements:
                    async for revision in announcements:
                        if self._deaf:
                            self._deaf = False
                            log.info("changes of other nodes are heard again")
                        # Our own commits are announced too, and published by whoever made them.
                        if revision == 0 or revision > self._publisher.revision:
                            await self._look()
            except StorageError as error:
                if not self._deaf:
                    self._deaf = True
                    log.warning("changes of other nodes are not heard, it is tried again: %s", error)
            await asyncio.sleep(RETRY_SECONDS)

    async def _look(self) -> None:
        for warning in (await self._publisher.publish()).warnings:
            log.warning("a change made on another node: %s", warning)
