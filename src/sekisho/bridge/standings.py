"""Where limits stand, on disk: for the one case in which nobody is left who knows, when node and workers die together.

Written beside itself and renamed, at most once a second and only while calls are counted; not forced to the disk, because what a power cut
loses here is a few seconds of a minute. Times are wall times there, since no other clock outlives the processes. A file that cannot be
read is as none at all: limits begin unused, and nobody is refused for it.
"""

import asyncio
import contextlib
import logging
import os
from pathlib import Path
from typing import Final

import msgspec

from sekisho.bridge.counts import Counts, Standing
from sekisho.kit import clock

log = logging.getLogger(__name__)

INTERVAL_S: Final = 1.0
MANY: Final = 10_000
"""Keys with busy limits beyond which the file is written ten times less often: it takes the loop a microsecond for each."""


class _File(msgspec.Struct, frozen=True):
    at: int
    """Wall time in microseconds."""
    standings: tuple[Standing, ...]


_encode: Final = msgspec.msgpack.Encoder().encode
_decoder: Final = msgspec.msgpack.Decoder(_File)


class Standings:
    """Keeps the file of one node's counts."""

    def __init__(self, path: Path, wall: clock.Clock) -> None:
        self._path = path
        self._wall = wall
        self._changed = asyncio.Event()

    def restore(self, counts: Counts) -> None:
        """Let the counts stand where they stood. A clock that was set back meanwhile makes the file no older than it was."""
        try:
            found = _decoder.decode(self._path.read_bytes())
        except FileNotFoundError:
            return
        except (OSError, msgspec.MsgspecError) as error:
            log.warning("where the limits stood cannot be read; they begin unused", extra={"path": str(self._path), "reason": str(error)})
            return
        counts.restore(found.standings, max(self._wall.now() - found.at, 0) / clock.SECOND)

    def changed(self) -> None:
        """Something was counted."""
        self._changed.set()

    async def keep(self, counts: Counts) -> None:
        """Write whenever something was counted, for ever."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            await asyncio.to_thread(self._write, self._encoded(counts))
            await asyncio.sleep(INTERVAL_S if len(counts) < MANY else 10 * INTERVAL_S)

    def write(self, counts: Counts) -> None:
        """Write what was not written yet."""
        if self._changed.is_set():
            self._write(self._encoded(counts))

    def _encoded(self, counts: Counts) -> bytes:
        return _encode(_File(self._wall.now(), counts.standings()))

    def _write(self, data: bytes) -> None:
        beside = self._path.with_suffix(".new")
        try:
            beside.write_bytes(data)
            os.replace(beside, self._path)
        except OSError as error:
            log.warning("where the limits stand cannot be written", extra={"path": str(self._path), "reason": str(error)})
            with contextlib.suppress(OSError):
                beside.unlink()
