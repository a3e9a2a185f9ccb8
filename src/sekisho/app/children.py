"""A supervisor's children: how they are started, told things, waited for and ended.

Their standard input stays open as long as there is a supervisor: its end tells a child that it is alone. A supervisor that is replaced
by a newer one in place (`handover.py`) leaves its children to that one, which did not start them but is their parent all the same.
"""

import abc
import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 10.0
"""Between restarts of a child that falls before it was ready; each pause is twice the one before."""
LOOK_S: Final = 0.05
"""Between two looks whether an adopted child has ended."""
_KEPT_FROM_CHILDREN: Final = ("SEKISHO_SECRET_KEY", "SEKISHO_DATABASE_URL", "SEKISHO_DATABASE__URL", "SEKISHO_API_KEY")
"""Variables that hold secrets; a child that needs one is told on its standard input."""


class Child(abc.ABC):
    """A process below ours."""

    def __init__(self, pid: int) -> None:
        self.pid: Final = pid
        self.ready = asyncio.Event()

    @property
    @abc.abstractmethod
    def ended(self) -> bool:
        """Whether it is gone."""

    @abc.abstractmethod
    async def wait(self) -> int:
        """Its end: the exit status, or the negative number of a signal."""

    @abc.abstractmethod
    def tell(self, line: bytes) -> None:
        """Write a line to its standard input; one that is gone does not hear it."""

    @abc.abstractmethod
    def let_go(self) -> None:
        """Close its standard input, by which it knows that it is to end."""

    @abc.abstractmethod
    def line(self) -> int:
        """The descriptor of our end of its standard input."""

    @abc.abstractmethod
    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it is still there."""

    async def end(self, seconds: float) -> None:
        """Wait for its end, and kill it where that does not come in time."""
        try:
            async with asyncio.timeout(seconds):
                await self.wait()
        except TimeoutError:
            log.warning("a process did not end in time and is killed", extra={"child": self.pid})
            self.signal(signal.SIGKILL)
            await self.wait()


class Started(Child):
    """A process that was started here."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        super().__init__(process.pid)
        self._process = process

    @property
    def ended(self) -> bool:
        return self._process.returncode is not None

    async def wait(self) -> int:
        return await self._process.wait()

    async def hear(self) -> bytes:
        """The next line of its standard output; empty at the end."""
        assert self._process.stdout is not None
        return await self._process.stdout.readline()

    def tell(self, line: bytes) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.write(line + b"\n")

    def let_go(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()

    def line(self) -> int:
        assert self._process.stdin is not None
        return int(self._process.stdin.transport.get_extra_info("pipe").fileno())

    def signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)


class Adopted(Child):
    """A process that the supervisor before us started, which was the same process as ours. It was ready; what it says went to that one."""

    def __init__(self, pid: int, line: int) -> None:
        super().__init__(pid)
        self.ready.set()
        self._line: int | None = line
        self._status: int | None = None

    @property
    def ended(self) -> bool:
        if self._status is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                self._status = 0
            else:
                self._status = os.waitstatus_to_exitcode(status) if pid else None
        return self._status is not None

    async def wait(self) -> int:
        while not self.ended:  # noqa: ASYNC110 - nobody would set an event
            await asyncio.sleep(LOOK_S)
        assert self._status is not None
        return self._status

    def tell(self, line: bytes) -> None:
        if self._line is not None:
            with contextlib.suppress(OSError):
                os.write(self._line, line + b"\n")

    def let_go(self) -> None:
        if self._line is not None:
            os.close(self._line)
            self._line = None

    def line(self) -> int:
        assert self._line is not None
        return self._line

    def signal(self, number: signal.Signals) -> None:
        # Until it is waited for, its pid is nobody else's.
        if not self.ended:
            os.kill(self.pid, number)


class Pauses:
    """How long to wait before the next start of a child: not at all where it had worked, longer and longer where it never does."""

    def __init__(self) -> None:
        self._next = FIRST_PAUSE_S

    def after(self, *, was_ready: bool) -> float:
        if was_ready:
            self._next = FIRST_PAUSE_S
            return 0.0
        pause, self._next = self._next, min(self._next * 2, LONGEST_PAUSE_S)
        return pause


async def start(command: Sequence[str], *, pass_fds: tuple[int, ...], stdout: int, fast: Path | None = None) -> Started:
    """Start a child; `fast` is a directory to import from before all others."""
    environment = {name: value for name, value in os.environ.items() if name not in _KEPT_FROM_CHILDREN}
    if fast is not None:
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(fast), environment.get("PYTHONPATH"))))
    # A session of its own: an interrupt at the terminal is ours to pass on, in order.
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=stdout,
        pass_fds=pass_fds,
        start_new_session=True,
        env=environment,
    )
    return Started(process)


def described(status: int) -> str:
    """An end as people read it."""
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
