"""Prepares databases, each time in a child that kills itself with -9 at the step that it is told.

One line in (step, URL, directory for backups), one line out: `killed`, or `whole` where it came to its end before that step. A step is
a statement that may change something, or a commit. The children are forked, so that what takes long, the imports, is done once.
"""

import asyncio
import itertools
import os
import signal
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

from sekisho.kit.clock import SystemClock
from sekisho.storage import backups, postgres, sqlite  # noqa: F401 - what a child would import
from sekisho.storage.migrations import runner  # noqa: F401
from sekisho.storage.preparation import prepare
from sekisho.storage.urls import of_url
from tests.migration.conftest import RING


async def live(url: str, directory: Path) -> None:
    database = of_url(url)
    await database.open()
    await prepare(database, RING, SystemClock(), directory)
    await database.close()


def die_at(step: int) -> None:
    count = itertools.count(1)

    def take(*_: Any) -> None:
        if next(count) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    def consider(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if not statement.lstrip().upper().startswith(("SELECT", "PRAGMA")):
            take()

    event.listen(Engine, "before_cursor_execute", consider)
    event.listen(Engine, "commit", take)


def main() -> None:
    for line in sys.stdin:
        step, url, directory = line.split()
        child = os.fork()
        if not child:
            die_at(int(step))
            asyncio.run(live(url, Path(directory)))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        if not killed and status:
            sys.exit(f"the child ended with {status}")
        print("killed" if killed else "whole", flush=True)


if __name__ == "__main__":
    main()
