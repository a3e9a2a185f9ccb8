"""The memory-mapped writer of records. An append is a copy into memory: no system call, nothing to wait for, and `kill -9` loses nothing.

The kernel writes mapped pages back whatever becomes of the process. Space is reserved before it is used, so a full disk shows when the
next segment is made, never inside a call. A segment is locked as long as its writer lives: whoever can lock it knows that it is dead.

A call that has begun will end, and its end must find room when nothing else does: the last quarter of a segment is for ends alone as
long as no further segment can be made. A segment whose file was taken away is left for a new one, which the reader can find.
"""

import fcntl
import logging
import mmap
import os
from pathlib import Path
from typing import Final

from sekisho.core.model.records import Closed, Frame, Rolled
from sekisho.core.wire import journal as wire
from sekisho.kit import clock
from sekisho.kit.files import identity_at, identity_of

ROOM: Final = 1024
"""Kept free at a segment's end, for the frame that says where it goes on."""
SMALLEST: Final = 4 * wire.MAX_PAYLOAD
"""A smaller segment would spend itself on rolling."""
MOST_KEPT: Final = 16 * 1024 * 1024
"""Bytes that are kept for the ends of running calls, at most: enough for as many as a worker has connections."""
RETRY_S: Final = 0.1
"""After a segment that could not be made: a full disk is not asked for every call that it refuses."""

_log = logging.getLogger(__name__)


class _Segment:
    """One mapped file."""

    __slots__ = ("descriptor", "identity", "map", "path", "position", "size")

    def __init__(self, path: Path, size: int, boot: str, worker: int, number: int) -> None:
        self.path = path
        # Made under another name, so that nobody takes an unlocked or unfinished file for a dead worker's segment.
        unfinished = path.with_suffix(".new")
        self.descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            _reserve(self.descriptor, size)
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.map = mmap.mmap(self.descriptor, size)
            header = wire.segment_header(boot, worker, number)
            self.map[: len(header)] = header
            unfinished.rename(path)
            self.identity = identity_of(self.descriptor)
        except BaseException:
            os.close(self.descriptor)
            unfinished.unlink(missing_ok=True)
            raise
        self.position = wire.HEADER_BYTES
        self.size = size

    def is_gone(self) -> bool:
        """Whether its name leads nowhere, or to another file."""
        return identity_at(self.path) != self.identity

    def close(self) -> None:
        self.map.close()
        os.close(self.descriptor)


def _reserve(descriptor: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
        return
    # macOS has no posix_fallocate; writing zeros reserves as well.
    block = bytes(1024 * 1024)
    for offset in range(0, size, len(block)):
        os.pwrite(descriptor, block[: size - offset], offset)


class Journal:
    """The records of one worker's life. Not shared between threads."""

    def __init__(self, directory: Path, worker: int, boot: str, segment_bytes: int) -> None:
        """Make the first segment; where there is no room for it, the journal is full, and mends itself like any that is."""
        self._directory = directory
        self._worker = worker
        self._boot = boot
        self._segment_bytes = max(segment_bytes, SMALLEST)
        self._number = 0
        """Of the last segment that was made, or tried: no name is used twice."""
        self._spare: _Segment | None = None
        self._segment: _Segment | None = None
        # Before there is a segment nothing fits, so nothing is ever written here.
        self._map = mmap.mmap(-1, mmap.PAGESIZE)
        self._position = 0
        self._limit = 0
        self._brim = -1
        """Beyond this position there is only the room that is kept for ends."""
        self._trouble = ""
        """Why the last segment could not be made; empty where it could."""
        self._retry_at = 0.0
        self._told_trouble = False
        self._told_dropped = 0
        self.dropped = 0
        """Records that found no room."""
        self._roll()

    def append(self, frame: Frame) -> bool:
        """Leave a record. False where there was no room for it."""
        data = wire.encode(frame)
        position = self._position
        end = position + len(data)
        if end > self._limit:
            if not self._roll():
                self.dropped += 1
                return False
            position = self._position
            end = position + len(data)
        self._map[position:end] = data
        self._position = end
        return True

    def offer(self, frame: Frame) -> bool:
        """Leave a record that is no call's end. False where only the room for ends is left."""
        if self.full:
            self.dropped += 1
            return False
        return self.append(frame)

    @property
    def full(self) -> bool:
        """Whether there is room for nothing but the ends of calls that run."""
        return self._position > self._brim and self._spare is None and not self._prepare()

    def tend(self) -> None:
        """Make the next segment ahead of need, leave one whose file is gone, tell of what is wrong; once a second, outside of any call."""
        self._retry_at = 0.0
        if self._spare is not None and self._spare.is_gone():
            self._spare.close()
            self._spare = None
        if self._segment is None:
            self._roll()
        elif self._segment.is_gone():
            name = self._segment.path.name
            if self._roll():
                _log.error("a journal's file was taken away; a new one is made", extra={"segment": name})
        elif self._spare is None and self._position > self._limit // 2:
            self._prepare()
        self._tell()

    def _tell(self) -> None:
        """Say once that there is no room, how many records that costs as long as it does, and once that there is room again."""
        if self._trouble and self.full:
            if not self._told_trouble:
                _log.error("the journal is full, only calls that run are recorded: %s", self._trouble)
            self._told_trouble = True
        elif self._told_trouble:
            self._told_trouble = False
            _log.warning("the journal has room again")
        if self.dropped > self._told_dropped:
            _log.error("records found no room in the journal and are not kept", extra={"records": self.dropped - self._told_dropped})
            self._told_dropped = self.dropped

    def _prepare(self) -> bool:
        if self._spare is None:
            now = clock.monotonic()
            if now < self._retry_at:
                return False
            try:
                self._spare = self._make()
            except OSError as error:
                self._retry_at = now + RETRY_S
                self._trouble = f"no room for a segment of {self._segment_bytes} bytes in {self._directory}: {error.strerror or error}"
                return False
            self._trouble = ""
        return True

    def _make(self) -> _Segment:
        self._number += 1
        path = self._directory / wire.segment_name(self._boot, self._worker, self._number)
        try:
            return _Segment(path, self._segment_bytes, self._boot, self._worker, self._number)
        except FileNotFoundError:
            # The directory was taken away; what is to be recorded from here on needs one.
            self._directory.mkdir(mode=0o700, exist_ok=True)
            return _Segment(path, self._segment_bytes, self._boot, self._worker, self._number)

    def _roll(self) -> bool:
        if not self._prepare():
            return False
        spare, self._spare = self._spare, None
        assert spare is not None
        if self._segment is not None:
            last = wire.encode(Rolled(self._number))
            self._map[self._position : self._position + len(last)] = last
            self._segment.close()
        self._segment = spare
        self._map = spare.map
        self._position = spare.position
        self._limit = spare.size - ROOM
        self._brim = self._limit - min(spare.size // 4, MOST_KEPT)
        return True

    def close(self, at: int) -> None:
        """Say that nothing follows, and let go of the segment."""
        data = wire.encode(Closed(at))
        end = self._position + len(data)
        if self._segment is not None:
            if end <= self._segment.size:
                self._map[self._position : end] = data
            self._segment.close()
        if self._spare is not None:
            self._spare.close()
            self._spare.path.unlink(missing_ok=True)
