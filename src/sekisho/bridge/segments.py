"""One file of a journal, read from where the database says.

A file that is taken away while it is open here is read to its end all the same: the disk keeps it as long as somebody holds it.
"""

import contextlib
import fcntl
import logging
import os
import zlib
from pathlib import Path
from typing import Final

from sekisho.core.model.records import Frame
from sekisho.core.wire import journal
from sekisho.kit.files import identity_at, identity_of

log = logging.getLogger(__name__)

WINDOW_BYTES: Final = 1024 * 1024
"""Read at once; more than the largest frame, so a frame that is cut by the window is whole in the next."""
UNFINISHED: Final = ".new"
"""Ends the name of a segment that its worker is making."""
DAMAGED: Final = ".damaged"
"""Is added to the name of a file that is kept for a person to look at."""


class Segment:
    """One file, read from where the database says."""

    def __init__(self, path: Path, number: int, offset: int) -> None:
        self.path: Final = path
        self.number: Final = number
        self.descriptor: Final = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.offset = offset
        """Committed: where the next batch begins."""
        self.synced = offset
        self.ended = False
        """Nothing more will be read: it was rolled or closed, or is damaged from here on."""
        self.damaged = False

    def read(self, most: int) -> tuple[list[Frame], int, str]:
        """Frames from the offset on, the offset after them, and why reading stopped there: `more`, `end` or `torn`."""
        head = os.pread(self.descriptor, journal.FRAME.size, self.offset)
        if len(head) < journal.FRAME.size or head[:4] == b"\0\0\0\0":
            return [], self.offset, "end"
        window = os.pread(self.descriptor, WINDOW_BYTES, self.offset)
        frames, read, torn = journal.decode_from(memoryview(window), 0, most)
        return frames, self.offset + read, "torn" if torn and not frames else "more"

    def has_more(self) -> bool:
        """Whether something stands after the committed offset."""
        return not self.ended and os.pread(self.descriptor, 4, self.offset) not in (b"", b"\0\0\0\0")

    def frame_at(self, offset: int) -> bytes:
        """The bytes of the frame there, head included, as far as they are written."""
        length = journal.FRAME.unpack_from(os.pread(self.descriptor, journal.FRAME.size, offset).ljust(journal.FRAME.size, b"\0"))[0]
        return os.pread(self.descriptor, journal.FRAME.size + length, offset)

    def is_cut(self) -> bool:
        """Whether the torn frame at the offset was not finished and is the last thing that was written: a kill, not damage."""
        window = os.pread(self.descriptor, WINDOW_BYTES, self.offset)
        length, crc = journal.FRAME.unpack_from(window) if len(window) >= journal.FRAME.size else (0, 0)
        if length > journal.MAX_PAYLOAD or (length and zlib.crc32(window[journal.FRAME.size :][:length]) == crc):
            return False  # A frame that is whole was not cut, whatever it says.
        return not any(window[journal.FRAME.size + length :][: journal.MAX_PAYLOAD])

    def is_abandoned(self) -> bool:
        """Whether no process holds its lock any more."""
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return False
        fcntl.flock(self.descriptor, fcntl.LOCK_UN)
        return True

    def is_gone(self) -> bool:
        """Whether its name leads nowhere, or to another file: nobody can open it again."""
        return identity_at(self.path) != identity_of(self.descriptor)

    def go_back(self, offset: int) -> None:
        """Read again from an offset."""
        self.offset = self.synced = offset
        self.ended = self.damaged = False

    def delete(self) -> bool:
        """Close it and take it away, or set it aside where it is damaged.

        Where False, its place must stay known: it will be found again.
        """
        self.close()
        try:
            if self.damaged:
                self.path.rename(self.path.with_name(f"{self.path.name}{DAMAGED}"))
            else:
                self.path.unlink()
        except FileNotFoundError:
            return True
        except OSError as error:
            log.error("a journal that is recorded cannot be deleted: %s", error, extra={"segment": self.path.name})
            return False
        return True

    def close(self) -> None:
        os.close(self.descriptor)


def has_frames(path: Path) -> bool:
    """Whether a frame stands at the start of a segment; a file that went meanwhile had none."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        file.seek(journal.HEADER_BYTES)
        return file.read(4) not in (b"", b"\0\0\0\0")
    return False


def keep(path: Path, data: bytes) -> None:
    """Write a private file, down to the disk."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def force(descriptors: list[int]) -> bool:
    """Force files to the disk, and close them; says whether all of them are there."""
    whole = True
    for descriptor in descriptors:
        try:
            os.fsync(descriptor)
        except OSError as error:
            whole = False
            log.error("a journal cannot be forced to the disk, it is tried again: %s", error)
        finally:
            os.close(descriptor)
    return whole
