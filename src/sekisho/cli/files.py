"""Files that commands write and read: new ones, private, whole or not at all; and no more of one than is wanted."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sekisho.cli.failures import CommandError


@contextmanager
def new_file(path: Path) -> Iterator[Callable[[str], object]]:
    """Writes to a file of mode 0600 that is not there yet, and that does not stay where it is not whole; raises CommandError."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise CommandError("FILE_EXISTS", f"{path} exists; an export replaces no file: name another one") from None
    except OSError as error:
        raise CommandError("FILE_UNUSABLE", f"{path} cannot be written: {error.strerror}") from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            yield file.write
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def bounded(path: Path, most: int, what: str) -> bytes:
    """What a file holds, if that is not more than so many bytes; `what` says who asks, such as `-f`. Raises CommandError."""
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise CommandError("FILE_UNREADABLE", f"{what}: {path} cannot be read ({error.strerror})") from error
    if len(data) > most:
        raise CommandError("FILE_TOO_LARGE", f"{what}: {path} is larger than {most:,} bytes, the most that is read")
    return data
