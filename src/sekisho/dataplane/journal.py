"""The memory-mapped writer of records. An append is a copy into memory: no system call, nothing to wait for, and `kill -9` loses nothing.

The kernel writes mapped pages back whatever becomes of the process. Space is reserved before it is used, so a full disk shows when the
next segment is made, never inside a call. A segment is locked as long as its writer lives: whoever can lock it knows that it is dead.
"""

import fcntl
import mmap
import os
from pathlib import Path
from typing import Final

from sekisho.core.model.records import Closed, Frame, Rolled
from sekisho.core.wire import journal as wire

ROOM: Final = 1024
"""Kept free at a segment's end, for the frame that says where it goes on."""
SMALLEST: Final = 4 * wire.MAX_PAYLOAD
"""A smaller segment would spend itself on rolling."""


class JournalFullError(Exception):
    """No segment could be made; calls are refused or records dropped, as the settings say."""


class _Segment:
    """One mapped file."""

    __slots__ = ("descriptor", "map", "position", "size")

    def __init__(self, path: Path, size: int, boot: str, worker: int, number: int) -> None:
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
        except BaseException:
            os.close(self.descriptor)
            unfinished.unlink(missing_ok=True)
            raise
        self.position = wire.HEADER_BYTES
        self.size = size

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
        """Make the first segment; raises JournalFullError."""
        self._directory = directory
        self._worker = worker
        self._boot = boot
        self._segment_bytes = max(segment_bytes, SMALLEST)
        self._number = 1
        self._spare: _Segment | None = None
        self._segment = self._make(1)
        self._map = self._segment.map
        self._position = self._segment.position
        self._limit = self._segment.size - ROOM
        self.dropped = 0
        """Records that found no room."""

    def _make(self, number: int) -> _Segment:
        path = self._directory / wire.segment_name(self._boot, self._worker, number)
        try:
            return _Segment(path, self._segment_bytes, self._boot, self._worker, number)
        except OSError as error:
            raise JournalFullError(f"no room for a journal segment of {self._segment_bytes} bytes: {error.strerror}") from error

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

    @property
    def full(self) -> bool:
        """Whether the next record would find no room."""
        return self._position + wire.MAX_PAYLOAD > self._limit and self._spare is None and not self._prepare()

    def tend(self) -> None:
        """Make the next segment ahead of need; called now and then, outside of any call."""
        if self._spare is None and self._position > self._limit // 2:
            self._prepare()

    def _prepare(self) -> bool:
        if self._spare is None:
            try:
                self._spare = self._make(self._number + 1)
            except JournalFullError:
                return False
        return True

    def _roll(self) -> bool:
        if not self._prepare():
            return False
        spare, self._spare = self._spare, None
        assert spare is not None
        self._number += 1
        last = wire.encode(Rolled(self._number))
        self._map[self._position : self._position + len(last)] = last
        self._segment.close()
        self._segment = spare
        self._map = spare.map
        self._position = spare.position
        self._limit = spare.size - ROOM
        return True

    def close(self, at: int) -> None:
        """Say that nothing follows, and let go of the segment."""
        data = wire.encode(Closed(at))
        end = self._position + len(data)
        if end <= self._segment.size:
            self._map[self._position : end] = data
        self._segment.close()
        if self._spare is not None:
            self._spare.close()
            (self._directory / wire.segment_name(self._boot, self._worker, self._number + 1)).unlink(missing_ok=True)
