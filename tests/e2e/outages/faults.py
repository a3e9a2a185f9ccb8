"""What can happen to a database, done for real: each fault is a context manager that begins it, and ends it with the block."""

import contextlib
import os
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from tests.support import requires

Fault = Callable[[Path], AbstractContextManager[None]]
"""Of the database file that it is given."""

COMPANIONS: Final = ("", "-wal", "-shm")
GARBAGE_BYTES: Final = 65536
PULSE_HELD_S: Final = 0.4
PULSE_FREE_S: Final = 0.05


@contextlib.contextmanager
def locked(database: Path) -> Iterator[None]:
    """Another program holds the database for itself."""
    with contextlib.closing(sqlite3.connect(database, isolation_level=None, timeout=10)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


@contextlib.contextmanager
def pulses(database: Path) -> Iterator[None]:
    """Another program holds the database again and again, so that every write waits for it."""
    done = threading.Event()

    def hold() -> None:
        with contextlib.closing(sqlite3.connect(database, isolation_level=None, timeout=10)) as other:
            while not done.wait(PULSE_FREE_S):
                other.execute("BEGIN EXCLUSIVE")
                done.wait(PULSE_HELD_S)
                other.execute("ROLLBACK")

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@contextlib.contextmanager
def taken_away(database: Path) -> Iterator[None]:
    """Somebody moves the file away, and puts the same one back."""
    elsewhere = database.with_name("elsewhere")
    elsewhere.mkdir()
    present = [path for path in (database.with_name(database.name + end) for end in COMPANIONS) if path.exists()]
    for path in present:
        path.rename(elsewhere / path.name)
    yield
    for path in present:
        (elsewhere / path.name).rename(path)
    elsewhere.rmdir()


@contextlib.contextmanager
def full(database: Path) -> Iterator[None]:
    """Not a byte is free where the database lies."""
    filler = database.with_name("filler")
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    yield
    filler.unlink()


@contextlib.contextmanager
def read_only(database: Path) -> Iterator[None]:
    """The disk takes no writes at all. Nobody may have a file open there for writing when this begins."""
    subprocess.run(["mount", "-o", "remount,ro", str(database.parent)], check=True)
    yield
    subprocess.run(["mount", "-o", "remount,rw", str(database.parent)], check=True)


@contextlib.contextmanager
def unmounted(database: Path) -> Iterator[None]:
    """The disk is not there: the directory below it is. Nobody may use it when this begins."""
    place, aside = database.parent, database.parent.with_name("aside")
    aside.mkdir()
    subprocess.run(["mount", "--move", str(place), str(aside)], check=True)
    yield
    subprocess.run(["mount", "--move", str(aside), str(place)], check=True)
    aside.rmdir()


@contextlib.contextmanager
def damaged(database: Path) -> Iterator[None]:
    """The file is garbage, with its log gone; and whole again after. Nobody may use it when this begins."""
    kept = {path: path.read_bytes() for path in (database.with_name(database.name + end) for end in COMPANIONS) if path.exists()}
    for path in kept:
        path.unlink()
    database.write_bytes(os.urandom(GARBAGE_BYTES))
    yield
    # As a person would put it back: a new file that takes the name in one step.
    for path, data in kept.items():
        if path != database and not path.name.endswith("-shm"):
            path.write_bytes(data)
    fresh = database.with_name("fresh")
    fresh.write_bytes(kept[database])
    fresh.rename(database)


@contextlib.contextmanager
def small_disk(place: Path, megabytes: int = 8) -> Iterator[Path]:
    """A directory that is a file system of its own."""
    requires.mounting()
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)], check=True, capture_output=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=False)
