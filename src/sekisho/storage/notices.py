"""A notice lies in the home while a restore runs: where that was killed, the next start says what became of it and what to do.

It names the installation that the restored database becomes. So whoever finds it knows whether the database in place is still the one
before or already the restored one; there is nothing in between.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from sekisho.kit.files import sync

NAME: Final = "restore.notice"
"""In the home's directory for what a running process keeps there."""


class _Notice(msgspec.Struct, frozen=True):
    source: str
    """The backup."""
    instance: str
    """What the database is called once the restore is done."""


@contextlib.contextmanager
def notice(path: Path | None, source: Path, instance: str) -> Iterator[None]:
    """Have a notice lie there for the length of the block; only a process that dies in the block leaves it. Raises OSError."""
    if path is None:
        yield
        return
    beside = path.with_suffix(".new")
    beside.write_bytes(msgspec.json.encode(_Notice(str(source), instance)))
    sync(beside)
    os.replace(beside, path)
    sync(path.parent)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def taken(path: Path, instance: str) -> str | None:
    """What to tell of a restore that was killed, once; None where none was. `instance` is the installation that was found."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_Notice)
        path.unlink()
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError):
        return f"a restore was cut short, and its notice {path} cannot be read; look at the data, and restore again where it is the old"
    if found.instance == instance:
        return f"the restore of {found.source} was cut short at its very end: the database is the restored one, and nothing is to be done"
    return (
        f"the restore of {found.source} was cut short: the database is whole, and as it was before; "
        f"to restore it after all: sekisho stop, then: sekisho backup restore {found.source}"
    )
