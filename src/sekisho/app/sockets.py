"""The node's sockets stay where workers and commands look for them: one whose file was taken away is made anew.

Cleaners of directories delete what looks old, and a socket's file never looks young. What is connected already does not notice, and
whoever comes next would find nobody; so once a second each file is looked at.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from sekisho.app import homes

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 1.0

Serve = Callable[[socket.socket], Awaitable[None]]
"""Begins to serve on a listening socket, beside those that it serves on already."""


class Sockets:
    """Those of one node."""

    def __init__(self) -> None:
        self._serving: dict[Path, Serve] = {}
        self._identities: dict[Path, tuple[int, int] | None] = {}

    async def open(self, path: Path, serve: Serve, bound: socket.socket | None = None) -> None:
        """Serve at a path, on a socket that is bound there already or is made now; raises HomeError."""
        if bound is None:
            bound = homes.bind_socket(path)
        self._identities[path] = _identity(path)
        await serve(bound)
        self._serving[path] = serve

    async def watch(self) -> None:
        """Make anew what is gone, again and again. Never returns."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for path, serve in list(self._serving.items()):
                found = _identity(path)
                if found is not None and found == self._identities[path]:
                    continue
                try:
                    homes.make_private(path.parent)
                    await self.open(path, serve)
                except homes.HomeError as error:
                    log.error("a socket of the node was taken away and cannot be made anew yet: %s", error)
                else:
                    log.warning("a socket of the node was taken away and is made anew", extra={"socket": path.name})


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file stands there; None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
