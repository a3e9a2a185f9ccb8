"""A server that a command starts and leaves behind: `proxy start` where none runs, `proxy stop` for what it left.

What the first start prints, the first key among it, goes to whoever typed the command and into no file; the log goes to `run/serve.log`.
"""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sekisho.cli.failures import EXIT_INTERNAL, CommandError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sekisho.app.homes import Home
    from sekisho.cli.screens import Screen

START_SECONDS: Final = 60.0
LOG: Final = "serve.log"
MARK: Final = "background"
"""In `run`: the pid of a server that was started here."""
_KEY: Final = re.compile(r"sk-sek-[0-9a-z]+-[A-Za-z0-9_-]{43}")


def start(home: "Home", flags: "Sequence[str]", screen: "Screen") -> tuple[int, str | None]:
    """Start a server and wait until it is ready; its pid, and the first key where one was made. Raises CommandError."""
    from sekisho.app import homes
    from sekisho.cli import client

    try:
        home.create()
    except homes.HomeError as error:
        raise CommandError("HOME_UNUSABLE", str(error)) from error
    place = home.run / LOG
    command = [sys.executable, "-m", "sekisho", "serve", "--home", str(home.path), *flags]
    with tempfile.TemporaryFile() as said, open(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
        began = log.tell()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=log, start_new_session=True)

        def settled() -> bool:
            # The last thing that a start does is to say so.
            return process.poll() is not None or os.fstat(said.fileno()).st_size > 0

        with screen.working("starting the server"):
            in_time = client.await_true(settled, START_SECONDS)
        if process.poll() is not None:
            raise CommandError("START_FAILED", _last_words(place, began))
        if not in_time:
            process.terminate()
            raise CommandError("START_FAILED", f"the server was not ready within {START_SECONDS:g} s; see {place}", EXIT_INTERNAL)
        said.seek(0)
        found = _KEY.search(said.read().decode(errors="replace"))
    (home.run / MARK).write_text(f"{process.pid}\n")
    # It is nobody's child when this command ends.
    process.returncode = 0
    return process.pid, found.group() if found else None


def _last_words(place: Path, began: int) -> str:
    with place.open("rb") as log:
        log.seek(began)
        lines = [line for line in log.read().decode(errors="replace").splitlines() if line.strip()]
    return lines[-1].removeprefix("sekisho: ") if lines else "the server ended without a word"


def left_behind(home: "Home") -> int | None:
    """The pid of the running server, if it was started here."""
    with contextlib.suppress(OSError, ValueError):
        pid = int((home.run / MARK).read_text())
        if home.holder() == pid:
            return pid
    return None
