"""What is ordered and lies beyond the database: it is recorded before it is done, as an act in the imperative, for it cannot be undone
together with its row. What then did not happen is a row of its own.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final

from sekisho.core.ports import Actor
from sekisho.kit.tasks import Tasks
from sekisho.storage.errors import StorageError
from sekisho.storage.session import Session, Sessions

_log: Final = logging.getLogger(__name__)

URGENT_SECONDS: Final = 2.0


async def order(
    sessions: Sessions,
    by: Actor,
    action: str,
    object_kind: str,
    object_id: str,
    after: Mapping[str, Any] | None = None,
    *,
    urgent: bool = False,
) -> None:
    """Record an order; raises StorageError where that cannot be.

    `urgent` is for what has to be possible while the database is away or hangs, such as to stop: it waits for its row for a moment only,
    and where there is none the log has the order.
    """

    async def work(session: Session) -> None:
        session.record(action, object_kind, object_id, after=after)

    recording = _under_way.start(sessions.transact(work, by=by), f"row of {action}")
    await asyncio.wait((recording,), timeout=URGENT_SECONDS if urgent else None)
    reason = "the database gives no answer"
    if recording.done():
        try:
            await recording
        except StorageError as error:
            if not urgent:
                raise
            reason = str(error)
        else:
            return
    _log.warning(
        "an order has no row in the audit yet: %s", reason, extra={"action": action, "object": object_id, "request": by.request_id}
    )


def _fell(name: str, error: BaseException) -> None:
    if not isinstance(error, StorageError):
        _log.error("the %s fell", name, exc_info=error)


_under_way: Final = Tasks(_fell)
