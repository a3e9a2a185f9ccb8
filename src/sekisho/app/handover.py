"""A new package takes over a running house: the supervisor executes itself anew, in the same process, with everything it holds.

What is replaced on disk while the product runs is another program: the workers that a supervisor of the old one starts would not
understand its orders. So a reload that finds other sources than those that run hands over: listening sockets, the lock of the home and
the children stay what they are, the program around them becomes the new one. It starts a new node and new workers, and only when these
are ready the old workers drain. Before that the new package is rehearsed in a process of its own: one that cannot be imported, or that
refuses the settings, never gets the house.
"""

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NoReturn

import msgspec

import sekisho

VARIABLE: Final = "SEKISHO_HANDOVER"
"""The descriptor of what is handed over, for as long as it takes to read it."""
REHEARSAL_S: Final = 30.0
"""How long a rehearsal may take; the imports take about a second."""

_SIGNALS: Final = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
"""They wait while nobody could take them: a process that begins would die of them."""

Print = tuple[tuple[str, int, int], ...]
"""Path, size and time of change of every source."""


class Kept(msgspec.Struct, frozen=True):
    """A child that goes on."""

    pid: int
    line: int
    """The descriptor of its standard input."""


class Opening(msgspec.Struct, frozen=True):
    """A listener that was opened while the product ran."""

    name: str
    scheme: str
    host: str
    descriptor: int


class Handover(msgspec.Struct, frozen=True):
    """What one supervisor leaves to the next: descriptors, which stay open, and children."""

    sockets: dict[str, int]
    lock: int
    node: Kept | None
    workers: tuple[Kept, ...]
    started_at: int
    """When the first of them started; wall time in microseconds."""
    openings: tuple[Opening, ...] = ()
    """Listeners that were opened meanwhile."""

    def descriptors(self) -> list[int]:
        """All that must stay open."""
        children = [self.node] if self.node is not None else []
        lines = [each.line for each in (*children, *self.workers)]
        return [*self.sockets.values(), *(each.descriptor for each in self.openings), self.lock, *lines]


class Rehearsal(msgspec.Struct, frozen=True):
    """What a new package has to be able to serve."""

    flags: dict[str, str]
    listeners: tuple[str, ...]


class HandoverError(Exception):
    """The package on disk cannot take over; the text says why."""


def fingerprint() -> Print:
    """Of the sources on disk; some milliseconds."""
    package = Path(sekisho.__file__).parent
    found = []
    for path in sorted(package.rglob("*.py")):
        with contextlib.suppress(FileNotFoundError):
            state = path.stat()
            found.append((str(path), state.st_size, state.st_mtime_ns))
    return tuple(found)


async def rehearse(flags: Mapping[str, str], listeners: Sequence[str]) -> None:
    """Import the package on disk and let it read the settings; raises HandoverError."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "sekisho.app.rehearsal",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(REHEARSAL_S):
            _, said = await process.communicate(msgspec.json.encode(Rehearsal(dict(flags), tuple(listeners))))
    except TimeoutError:
        process.kill()
        await process.wait()
        raise HandoverError(f"it was not imported within {REHEARSAL_S:g} s") from None
    if process.returncode != 0:
        lines = said.decode(errors="replace").strip().splitlines()
        raise HandoverError(lines[-1] if lines else f"exit status {process.returncode}")


def give(what: Handover) -> NoReturn:
    """Become the program on disk, with the same arguments; raises OSError and changes nothing where that cannot be."""
    with tempfile.TemporaryFile() as file:
        file.write(msgspec.json.encode(what))
        file.flush()
        kept = [*what.descriptors(), file.fileno()]
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            for descriptor in kept:
                os.set_inheritable(descriptor, True)
            os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, VARIABLE: str(file.fileno())})  # noqa: S606
        except OSError:
            for descriptor in kept:
                os.set_inheritable(descriptor, False)
            hear_signals()
            raise


def hear_signals() -> None:
    """Take what came meanwhile, now that there are handlers."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)


def taken() -> Handover | None:
    """What the program before us left, if there was one. The variable is gone afterwards, and no child inherits the descriptors."""
    given = os.environ.pop(VARIABLE, "")
    if not given:
        return None
    with os.fdopen(int(given), "rb") as file:
        file.seek(0)
        found = msgspec.json.decode(file.read(), type=Handover)
    for descriptor in found.descriptors():
        os.set_inheritable(descriptor, False)
    return found
