"""Folds calls into the sums of long reports, a few thousand at a time, beside the recorder and never inside it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from sekisho.kit.clock import monotonic
from sekisho.storage.database import Database
from sekisho.storage.errors import StorageError
from sekisho.storage.session import Session
from sekisho.usage.reports.service import ReportService
from sekisho.usage.reports.settings import FOLD_CALLS, FOLD_SECONDS, REST_SHARE

_log: Final = logging.getLogger(__name__)

RETRY_SECONDS: Final = 10.0
"""After a look that the database did not allow."""

TIDY_SECONDS: Final = 60.0
"""Between two looks for answers that are not told again."""


async def fold(database: Database, reports: ReportService) -> bool:
    """Fold the next calls, if there are any; says whether there is more to do right now."""
    async with database.reader() as connection:
        waiting = await reports.unfolded(Session(connection))
    if waiting:
        async with database.writer() as connection:
            await reports.fold(Session(connection))
    return waiting > FOLD_CALLS


async def keep(database: Database, reports: ReportService, tidy: Callable[[], Awaitable[None]]) -> None:
    """Fold, and have what is stale wiped, for ever.

    A database that is away is asked again: reports add what was not folded as they are read, so nothing is missing meanwhile.
    """
    tidied = 0.0
    while True:
        try:
            began = monotonic()
            pause = FOLD_SECONDS
            if await fold(database, reports):
                pause = REST_SHARE * (monotonic() - began)
            if monotonic() - tidied > TIDY_SECONDS:
                await tidy()
                tidied = monotonic()
        except StorageError as error:
            _log.debug("calls were not folded: %s", error)
            pause = RETRY_SECONDS
        await asyncio.sleep(pause)
