"""How the machine is made to fail: a small disk, a faulty disk, a false clock, a cut socket. All of it real, and of one product only."""

import asyncio
import contextlib
import ctypes
import os
import resource
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.e2e.faults.arena import Arena
from tests.e2e.faults.clients import PATIENCE, Answer, Call, chat
from tests.support import requires
from tests.support.product import eventually

_PIDFD_OPEN: Final = 434
_PIDFD_GETFD: Final = 438
_CONNECTED: Final = "03"
"""The state of a Unix socket in the table of the system."""


@contextlib.contextmanager
def short_home() -> Iterator[Path]:
    """An empty home whose path is short enough for sockets."""
    directory = Path(tempfile.mkdtemp(prefix="sekisho-"))
    home = directory / "home"
    home.mkdir(mode=0o700)
    try:
        yield home
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def small_disk(place: Path, megabytes: int) -> Iterator[None]:
    """Mount a file system of its own, in memory, at a directory that is made for it."""
    requires.mounting()
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    options = f"size={megabytes}m,mode=0700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True, capture_output=True)


class Ballast:
    """Keeps a disk full: takes every byte that is free, and all that becomes free, until the block ends."""

    def __init__(self, place: Path) -> None:
        self._path = place / "ballast"
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._fill, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        eventually(lambda: _free(self._path.parent) == 0, "a full disk")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end.set()
        self._thread.join()
        self._path.unlink()

    def _fill(self) -> None:
        with self._path.open("wb", buffering=0) as file:
            while not self._end.wait(0.002):
                with contextlib.suppress(OSError):
                    while file.write(bytes(65536)):
                        pass


def _free(place: Path) -> int:
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize


def cpu_seconds(pid: int) -> float:
    """What a process has used of a processor so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def descriptors(pid: int) -> int:
    """How many a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


@contextlib.contextmanager
def few_descriptors(pid: int, most: int) -> Iterator[None]:
    """Lower how many descriptors a running process may have; those it has stay open."""
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


def cut(pid: int, path: Path) -> int:
    """Break every connection that a process has accepted on a Unix socket, from outside; says how many there were."""
    table = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
    inodes = {row[6] for row in table if len(row) > 7 and row[7] == str(path) and row[5] == _CONNECTED}
    libc = ctypes.CDLL(None, use_errno=True)
    process = libc.syscall(_PIDFD_OPEN, pid, 0)
    assert process >= 0, os.strerror(ctypes.get_errno())
    count = 0
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                if os.readlink(f"/proc/{pid}/fd/{name}") not in {f"socket:[{inode}]" for inode in inodes}:
                    continue
                copy = libc.syscall(_PIDFD_GETFD, process, int(name), 0)
                assert copy >= 0, os.strerror(ctypes.get_errno())
                with socket.socket(fileno=copy) as taken:
                    taken.shutdown(socket.SHUT_RDWR)
                count += 1
    finally:
        os.close(process)
    return count


def preloaded(*candidates: str) -> str:
    """A library of the system that is loaded into a program from outside; needs one of the candidates."""
    found = [path for path in candidates if Path(path).exists()]
    name = Path(candidates[0]).name.split(".")[0]
    requires.need(name, present=bool(found), remedy=f"install the system's package of {name}")
    return found[0]


async def rest(call: Call) -> Answer:
    """Read what follows the head of an answer, to its end."""
    async with asyncio.timeout(PATIENCE):
        while not call.answer.whole and not call.answer.closed:
            await call.read_piece()
    await close(call)
    return call.answer


async def close(call: Call) -> None:
    """Close a connection, and wait until it is."""
    call.writer.close()
    with contextlib.suppress(ConnectionError):
        await call.writer.wait_closed()


async def pump(arena: Arena, model: str, calls: int, *, at_once: int = 8, until: int = 0) -> list[Answer]:
    """Make so many calls over a few kept connections, with long headers that make long records; ends early at the status `until`."""
    answers: list[Answer] = []
    left = iter(range(calls))
    fields = ("user-agent: " + "a" * 128, "x-request-id: " + "i" * 128)
    done = asyncio.Event()

    async def client() -> None:
        connection: Call | None = None
        for _ in left:
            if done.is_set():
                break
            if connection is None:
                connection = await Call.open(arena.port)
            await connection.again(chat(model, "pump", arena.key, headers=fields))
            answer = await connection.read_to_end()
            answers.append(answer)
            if until and answer.status == until:
                done.set()
            if not connection.reusable:
                await close(connection)
                connection = None
        if connection is not None:
            await close(connection)

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(client())
    return answers
