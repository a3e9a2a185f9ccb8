"""What the node does about logins by itself: it writes down how many failures were left out of the audit."""

import asyncio
import logging
from typing import Final

from sekisho.identity.logins.failures import Failures
from sekisho.storage.errors import StorageError

_log: Final = logging.getLogger(__name__)

EVERY_SECONDS: Final = 10.0


async def keep(failures: Failures) -> None:
    """Look after it, for ever."""
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        try:
            await failures.tell()
        except StorageError as error:
            _log.debug("what failed logins left out of the audit cannot be written now: %s", error)
