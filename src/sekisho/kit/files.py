"""Which file stands at a name, and when what is in it is on the disk."""

import os
from pathlib import Path

Identity = tuple[int, int]
"""Device and inode: what tells one file from another, whatever its name."""


def identity_at(path: Path) -> Identity | None:
    """Of the file that has this name now; None where there is none to be seen. Costs two microseconds."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def identity_of(descriptor: int) -> Identity:
    """Of an open file; raises OSError."""
    found = os.fstat(descriptor)
    return found.st_dev, found.st_ino


def sync(path: Path) -> None:
    """Force a file's bytes, or the names in a directory, to the disk; raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
