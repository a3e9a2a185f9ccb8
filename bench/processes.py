"""Starts processes on chosen cores and ends every one of them, whatever happens to the bench itself.

Three nets, each for when the one before it is torn: `stop` in the `finally` of the run; the process group that each child leads;
and the kernel's own signal to a child whose parent is gone.
"""

import contextlib
import ctypes
import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Final

from bench import machine

PR_SET_PDEATHSIG: Final = 1
MOST_DESCRIPTORS: Final = 65_536
GRACE_SECONDS: Final = 8.0
"""How long a child may take to end by itself before it is killed; the product drains for up to 5 s."""


class BenchError(Exception):
    """The bench, or one row of it, cannot be measured; the message is one line for people."""


class Processes:
    """All children of one run. Use as a context manager."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._all = os.sched_getaffinity(0)
        cores = sorted(self._all)
        self.measured, self.other = cores[:2]
        """The core of what is measured, and the core of everything else: load, upstreams, node and the bench itself."""
        self.second = cores[2] if len(cores) > 2 else self.other
        """The core of a second worker; its own where there are three."""
        self.descriptors = raise_descriptors()
        """How many files and sockets each child may have open."""
        self._running: list[subprocess.Popen[bytes]] = []
        self._libc = ctypes.CDLL(None, use_errno=True)

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._running.copy()):
            self.stop(process)

    def spawn(
        self,
        name: str,
        argv: list[str],
        *,
        cores: set[int] | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdout: int | IO[bytes] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a child on the given cores (None: all that the bench was given); what it says goes to `<name>.log`."""

        everywhere = self._all

        def prepare() -> None:
            self._libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
            os.sched_setaffinity(0, cores if cores is not None else everywhere)

        with self.log(name).open("ab") as log:
            process = subprocess.Popen(
                argv,
                env=env,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=log if stdout is None else stdout,
                stderr=log,
                start_new_session=True,
                preexec_fn=prepare,
            )
        self._running.append(process)
        return process

    def log(self, name: str) -> Path:
        """Where the output of the children of this name is kept while the run lasts."""
        return self._folder / f"{name}.log"

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """End a child and all that descends from it: asked first, killed after `GRACE_SECONDS`."""
        family = machine.tree(process.pid) if process.poll() is None else []
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_SECONDS)
        # The group's number stays reserved while a member lives; a descendant that made a group of its own is known by `family`.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        for pid, born in family:
            if machine.born(pid) == born:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
        if process in self._running:
            self._running.remove(process)

    def tail(self, name: str) -> str:
        """The last line that a child of this name logged, for the message of a failure."""
        with contextlib.suppress(OSError):
            lines = [line.strip() for line in self.log(name).read_text(errors="replace").splitlines() if line.strip()]
            if lines:
                return lines[-1][:300]
        return "it said nothing"


def raise_descriptors() -> int:
    """Allow this process and its children as many open files as the system lets us, up to `MOST_DESCRIPTORS`; returns how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (MOST_DESCRIPTORS, hard):
        most = max(hard, wanted) if hard != resource.RLIM_INFINITY else hard
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
            return wanted
    return soft


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nothing listens on now; all different."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def wait_port(process: subprocess.Popen[bytes], port: int, name: str, processes: Processes, seconds: float = 20.0) -> None:
    """Return when a port of loopback accepts; raises BenchError where the process ends or the time passes first."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if process.poll() is not None:
            raise BenchError(f"{name} ended at its start (exit {process.returncode}): {processes.tail(name)}")
        if time.monotonic() > deadline:
            raise BenchError(f"{name} does not listen on port {port} after {seconds:.0f} s: {processes.tail(name)}")
        time.sleep(0.02)


def pin(pids: Iterable[int], cores: set[int]) -> None:
    """Hold processes with all their threads on the given cores."""
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(int(task.name), cores)
