"""Sekisho as a user has it: `python -m sekisho serve` in a home of its own, driven from outside.

with Product() as product:
    product.cli("providers", "add", "--kind", "custom", "--name", "up", "--base-url", upstream.base_url)
    httpx.post(product.base_url + "/chat/completions", headers=product.authorization, json=...)
"""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import httpx

from tests.support.patience import within

ROOT: Final = Path(__file__).parents[2]
KEY: Final = re.compile(r"sk-sek-[0-9a-z]+-[A-Za-z0-9_-]{43}")
START_TIMEOUT: Final = 30.0
STOP_TIMEOUT: Final = 20.0

T = TypeVar("T")


class CommandError(Exception):
    """A command of the CLI ended with an error: what it said, and how it ended."""

    def __init__(self, arguments: Sequence[str], exit_code: int, code: str, message: str, stderr: str) -> None:
        super().__init__(f"sekisho {' '.join(arguments)} ended with {exit_code}, {code}: {message}\n{stderr}")
        self.exit_code = exit_code
        self.code = code
        self.message = message
        self.stderr = stderr


class Product:
    """One running Sekisho; see the module. Ends with everything it started when the block ends."""

    def __init__(
        self,
        home: Path | None = None,
        *,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        workers: int = 1,
        settings: str | None = None,
        models: Mapping[str, Path] | None = None,
        launcher: Sequence[str] = (),
    ) -> None:
        """`launcher` is a command that runs the one behind it.

        `settings` is the text of `sekisho.toml`; `models` are GGUF files to put (as links) into the home, by file name.
        """
        self._temporary = None if home else Path(tempfile.mkdtemp(prefix="sekisho-"))
        self.home = home or (self._temporary or Path()) / "home"
        self.port, self.console_port = free_ports(2)
        self._workers = workers
        self._arguments = list(arguments)
        self._launcher = list(launcher)
        self.environment = _environment(self.home, environment or {})
        self.process: subprocess.Popen[str] | None = None
        self._lines: dict[str, list[str]] = {"stdout": [], "stderr": []}
        self._readers: list[threading.Thread] = []
        self._former: list[tuple[subprocess.Popen[str], list[threading.Thread]]] = []
        if settings is not None:
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
            (self.home / "sekisho.toml").write_text(settings)
        for name, path in (models or {}).items():
            self.add_model(name, path)

    # Where it is

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        """What an OpenAI SDK is pointed at."""
        return self.origin + "/v1"

    @property
    def console_url(self) -> str:
        return f"http://127.0.0.1:{self.console_port}"

    @property
    def key(self) -> str:
        """The first key, which the first start prints soon after the gateway is ready."""
        return eventually(lambda: KEY.search(self.stdout), "the first key", explain=lambda: self.output).group()

    @property
    def authorization(self) -> dict[str, str]:
        """The header of the first key."""
        return {"authorization": f"Bearer {self.key}"}

    @property
    def stdout(self) -> str:
        return "".join(self._lines["stdout"])

    @property
    def stderr(self) -> str:
        return "".join(self._lines["stderr"])

    @property
    def output(self) -> str:
        return f"--- stdout of sekisho serve\n{self.stdout}--- stderr of sekisho serve\n{self.stderr}---"

    # Its life

    def start(self, *, wait: bool = True) -> Self:
        """Start it and wait until the gateway is ready; fails with its output where it ends or does not come up."""
        flags = ["--port", str(self.port), "--console-port", str(self.console_port), "--workers", str(self._workers)]
        self.process = subprocess.Popen(
            [*self._launcher, sys.executable, "-m", "sekisho", "serve", *flags, *self._arguments],
            env=self.environment,
            cwd=self.home.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._readers = [
            threading.Thread(target=self._read, args=(stream, self._lines[name]), daemon=True)
            for name, stream in (("stdout", self.process.stdout), ("stderr", self.process.stderr))
        ]
        for reader in self._readers:
            reader.start()
        if wait:
            try:
                self.wait_ready()
            except BaseException:
                self.stop()
                raise
        return self

    def wait_ready(self, timeout: float = START_TIMEOUT) -> None:
        """Return when the gateway says that it is ready."""
        eventually(self._is_ready, "readiness", timeout, explain=lambda: self.output)

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"sekisho serve ended with {self.process.returncode}:\n{self.output}"
        try:
            return httpx.get(self.origin + "/health/ready", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def wait_exit(self, timeout: float = STOP_TIMEOUT) -> int:
        """The exit code, once it has ended by itself."""
        assert self.process is not None
        code = self.process.wait(timeout)
        self._drain()
        return code

    def stop(self) -> None:
        """End it as SIGTERM does; may be called twice. What does not end in time is killed, and that is an error."""
        process, overdue = self.process, False
        if process is not None and process.poll() is None:
            children = descendants(process.pid)
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                overdue = True
                for pid in (process.pid, *children):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                process.wait()
        self._drain()
        assert not overdue, f"sekisho serve did not end within {STOP_TIMEOUT} s of SIGTERM:\n{self.output}"

    def restart(self) -> None:
        """Stop it and start it again in the same home, on the same ports."""
        self.stop()
        self.start()

    def lose_supervisor(self) -> list[int]:
        """End the supervisor alone as a crash does; returns the pids that it leaves behind. `start` may follow at once."""
        assert self.process is not None
        orphans = descendants(self.process.pid)
        self.process.kill()
        self.process.wait()
        # What is left goes on writing to the same pipes.
        self._former.append((self.process, self._readers))
        return orphans

    def _drain(self) -> None:
        lives = [*self._former, (self.process, self._readers)] if self.process is not None else self._former
        self._former = []
        for process, readers in lives:
            for reader in readers:
                reader.join(5)
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()

    @staticmethod
    def _read(stream: Any, lines: list[str]) -> None:
        with contextlib.suppress(ValueError):  # closed while a grandchild still held the other end
            lines.extend(iter(stream.readline, ""))

    # Driving it

    def cli(self, *arguments: str, input: str | None = None, timeout: float = 30.0) -> Any:
        """Run a command with JSON output and return its `data`; raises CommandError where it fails."""
        done = self.run(*arguments, input=input, timeout=timeout)
        if done.returncode == 0:
            return json.loads(done.stdout)["data"]
        last = done.stderr.strip().rsplit("\n", 1)[-1]
        try:
            error = json.loads(last)["error"]
        except (ValueError, KeyError, TypeError):
            error = {"code": "", "message": last}
        raise CommandError(arguments, done.returncode, error["code"], error["message"], done.stderr)

    def run(self, *arguments: str, input: str | None = None, timeout: float = 30.0) -> subprocess.CompletedProcess[str]:
        """Run a command and return how it ended, whatever that is."""
        command = [sys.executable, "-m", "sekisho", "--format", "json", *arguments]
        return subprocess.run(
            command, env=self.environment, input=input or "", capture_output=True, text=True, timeout=timeout, check=False
        )

    def status(self) -> dict[str, Any]:
        return dict(self.cli("status"))

    def create_key(self, label: str = "test", *flags: str) -> dict[str, Any]:
        """A new key; its text is under `plain_key`."""
        return dict(self.cli("api-keys", "create", "--label", label, *flags))

    def add_provider(self, name: str, base_url: str, *flags: str, api_key: str | None = None, kind: str = "custom") -> dict[str, Any]:
        """Register an upstream; its key goes in by stdin."""
        flags = (*flags, "--api-key-stdin") if api_key is not None else flags
        return dict(self.cli("providers", "add", "--kind", kind, "--name", name, "--base-url", base_url, *flags, input=api_key))

    def add_model(self, name: str, path: Path) -> Path:
        """Put a GGUF file into the home's models, as a link."""
        folder = self.home / "models"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        link = folder / name
        link.symlink_to(path)
        return link

    def calls(self, *flags: str, limit: int = 1000) -> list[dict[str, Any]]:
        """The records of calls, newest first, as far as they are written."""
        return list(self.cli("calls", "list", "--limit", str(limit), *flags)["calls"])

    def wait_calls(self, count: int, *flags: str, timeout: float = 15.0) -> list[dict[str, Any]]:
        """The records, once there are at least so many."""

        def enough() -> list[dict[str, Any]]:
            calls = self.calls(*flags)
            return calls if len(calls) >= count else []

        return eventually(enough, f"{count} recorded calls", timeout, explain=lambda: f"{self.calls(*flags)}\n{self.output}")

    def kill_worker(self, place: int = 0) -> int:
        """End a worker as a crash does; returns its pid."""
        pid = int(self.status()["workers"][place])
        os.kill(pid, signal.SIGKILL)
        return pid

    def kill_node(self) -> int:
        """End the node as a crash does; returns its pid."""
        pid = int(self.status()["node"])
        os.kill(pid, signal.SIGKILL)
        return pid

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self.stop()
        finally:
            print(self.output)  # pytest shows it where the test fails
            self.clean()

    def clean(self) -> None:
        """Remove the home, where it is a temporary one."""
        if self._temporary:
            shutil.rmtree(self._temporary, ignore_errors=True)


def eventually(happened: Callable[[], T | None], what: str, timeout: float = 10.0, *, explain: Callable[[], str] = str) -> T:
    """Ask again every few milliseconds until the answer is true; for things outside this process that cannot tell us themselves."""
    deadline = time.monotonic() + within(timeout)
    while True:
        value = happened()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what} did not happen within {within(timeout):g} s\n{explain()}"
        time.sleep(0.02)


def free_ports(count: int) -> list[int]:
    """Loopback ports that nobody listened on a moment ago."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


def descendants(pid: int, running: str = "", *, deep: bool = True) -> list[int]:
    """All processes below this one (only its own children where not `deep`), as the process table has them.

    With `running` only those whose command line has that text.
    """
    with subprocess.Popen(["ps", "-A", "-ww", "-o", "pid=,ppid=,args="], stdout=subprocess.PIPE, text=True) as ps:
        assert ps.stdout is not None
        table = [line.split(maxsplit=2) for line in ps.stdout]
    rows = {int(row[0]): (int(row[1]), row[2] if len(row) > 2 else "") for row in table if int(row[0]) != ps.pid}
    found = {pid}
    while more := {child for child, (parent, _) in rows.items() if parent in found and child not in found}:
        found |= more
        if not deep:
            break
    return sorted(each for each in found - {pid} if running in rows[each][1])


def alive(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return done.returncode == 0 and not done.stdout.strip().startswith("Z")


def _environment(home: Path, more: Mapping[str, str]) -> dict[str, str]:
    """Ours without anything that steers Sekisho, and with this source tree first."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SEKISHO_")}
    path = os.pathsep.join(filter(None, (str(ROOT / "src"), inherited.get("PYTHONPATH", ""))))
    return {**inherited, "PYTHONPATH": path, "SEKISHO_HOME": str(home), **more}
