"""The node's sockets stay where workers and commands look for them: one whose file was taken away is made anew.

Cleaners of directories delete what looks old, and a socket's file never looks young. What is connected already does not notice, and
whoever comes next would find nobody; so once a second each file is looked at.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from sekisho.app import homes
from sekisho.kit.files import Identity, identity_at

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 1.0

Serve = Callable[[socket.socket], Awaitable[None]]
"""Begins to serve on a listening socket, beside those that it serves on already."""


class Sockets:
    """Those of one node."""

    def __init__(self) -> None:
        self._serving: dict[Path, Serve] = {}
        self._identities: dict[Path, Identity | None] = {}

    async def open(self, path: Path, serve: Serve, bound: socket.socket | None = None) -> None:
        """Serve at a path, on a socket that is bound there already or is made now; raises HomeError."""
        if bound is None:
            bound = homes.bind_socket(path)
        self._identities[path] = identity_at(path)
        await serve(bound)
        self._serving[path] = serve

    async def watch(self) -> None:
        """Make anew what is gone, again and again. Never returns."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for path, serve in list(self._serving.items()):
                found = identity_at(path)
                if found is not None and found == self._identities[path]:
                    continue
                try:
                    homes.make_private(path.parent)
                    await self.open(path, serve)
                except homes.HomeError as error:
                    log.error("a socket of the node was taken away and cannot be made anew yet: %s", error)
                else:
                    log.warning("a socket of the node was taken away and is made anew", extra={"socket": path.name})
