"""What the node does about the audit by itself: it notes down where the chain ends, and lets go of what is too old."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from sekisho.audit.service import AuditService
from sekisho.audit.settings import Audit
from sekisho.storage.errors import StorageError

_log: Final = logging.getLogger(__name__)

EVERY_SECONDS: Final = 3600.0
AGAIN_SECONDS: Final = 60.0
"""After a look that the database did not allow."""


async def keep(audit: AuditService, settings: Callable[[], Audit]) -> None:
    """Look after the audit, for ever. A database that is away is tried again a little later."""
    told = False
    while True:
        pause = EVERY_SECONDS
        try:
            if not told:
                # Whoever keeps the logs elsewhere can tell by it whether the chain was put back to an older state.
                _log.info("the audit chain's head", extra={"anchor": str(await audit.head())})
                told = True
            wanted = settings()
            cut, removed = await audit.forget(wanted.retention_days, wanted.refusal_days)
            if cut or removed:
                _log.info("let go of what is too old", extra={"audit_rows": cut, "refusals": removed})
        except StorageError as error:
            _log.debug("the audit cannot be looked after now: %s", error)
            pause = AGAIN_SECONDS
        await asyncio.sleep(pause)
