"""Unfinished files lie in a private directory of their own: gone when the work ends, and cleared away where its process was killed.

Whether somebody still works in one is told by the lock on a file inside, which the kernel lets go of with the process.
"""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sekisho.kit.clock import SECOND, SystemClock
from sekisho.storage.errors import StorageError

PREFIX: Final = ".sekisho-"
SUFFIX: Final = ".unfinished"
_LOCK: Final = "lock"
_YOUNG_SECONDS: Final = 60
"""One without a lock is being made just now, or was when its process died; making it takes milliseconds."""


@contextlib.contextmanager
def workspace(parent: Path) -> Iterator[Path]:
    """A directory of mode 0700 in `parent`, gone at the end with all that is in it; raises StorageError where it cannot be made."""
    sweep(parent)
    path = parent / f"{PREFIX}{os.urandom(6).hex()}{SUFFIX}"
    descriptor = -1
    try:
        try:
            path.mkdir(mode=0o700)
            descriptor = _lock(path)
        except OSError as error:
            raise StorageError(f"no file can be made in {parent}: {error.strerror}") from None
        yield path
    finally:
        _clear(path)
        if descriptor >= 0:
            os.close(descriptor)


def _lock(path: Path) -> int:
    """The lock is taken before it has its name: under that name nobody ever finds it free while we live."""
    unnamed = path / f"{_LOCK}.new"
    descriptor = os.open(unnamed, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    # Where the file system knows no locks nothing is ever cleared away, which is the lesser evil.
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    unnamed.rename(path / _LOCK)
    return descriptor


def sweep(parent: Path) -> None:
    """Remove the workspaces of processes that are gone; what cannot be removed stays."""
    for path in parent.glob(f"{PREFIX}*{SUFFIX}"):
        if _is_left(path):
            _clear(path)


def _clear(path: Path) -> None:
    """Remove a workspace, its lock last: killed in between, it is still seen to be nobody's."""
    with contextlib.suppress(OSError):
        for each in path.iterdir():
            if each.name == _LOCK:
                continue
            if each.is_dir():
                shutil.rmtree(each, ignore_errors=True)
            else:
                each.unlink()
    shutil.rmtree(path, ignore_errors=True)


def _is_left(path: Path) -> bool:
    try:
        descriptor = os.open(path / _LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        with contextlib.suppress(OSError):
            return SystemClock().now() / SECOND - path.stat().st_mtime > _YOUNG_SECONDS
        return False
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
