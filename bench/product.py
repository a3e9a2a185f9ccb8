"""Sekisho as a user has it: started by `sekisho serve` in a home of its own, filled through the command line, stopped by `sekisho stop`.

Two things go past the command line, both over interfaces that are documented: the count of calls is asked on the node's socket
while a load runs (starting a Python for each look would load the core it looks at), and processes are pinned by their pids, which
`sekisho status` gives.
"""

import contextlib
import hashlib
import http.client
import json
import os
import shutil
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from bench import machine
from bench.load.nginx import Certificates
from bench.processes import BenchError, Processes, free_ports, pin

RPM: Final = 100_000_000
TPM: Final = 1_000_000_000
CONCURRENCY: Final = 100_000
"""Limits that are on and never reached."""
UPSTREAM_KEY: Final = "sk-upstream-bench"
START_SECONDS: Final = 30.0


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over the node's socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=10)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(10)
        self.sock.connect(self._path)


class Product:
    """One home and, between `start` and `stop`, what runs in it."""

    def __init__(self, processes: Processes, folder: Path, name: str = "sekisho") -> None:
        self.name = name
        """What its log is called."""
        self.home = folder / name
        self.gateway_port, self.console_port = free_ports(2)
        self.key = ""
        self.supervisor = 0
        self.node = 0
        self.workers: list[int] = []
        self._folder = folder
        self._processes = processes
        self._flags: tuple[str, ...] = ()
        self._context: ssl.SSLContext | None = None
        """What clients trust, where the gateway speaks TLS."""
        self._serve: subprocess.Popen[bytes] | None = None
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SEKISHO_")}
        path = os.pathsep.join(filter(None, [str(machine.ROOT / "src"), os.environ.get("PYTHONPATH", "")]))
        self._environment = {**kept, "SEKISHO_HOME": str(self.home), "PYTHONPATH": path}

    def cli(self, *arguments: str, stdin: str = "") -> Any:
        """What a command answers as `data`; raises BenchError with the command's own words where it fails."""
        command = [sys.executable, "-m", "sekisho", "--format", "json", *arguments]
        name = f"`sekisho {' '.join(arguments[:2])}`"
        try:
            done = subprocess.run(command, env=self._environment, input=stdin, capture_output=True, text=True, timeout=60, check=False)
        except subprocess.TimeoutExpired:
            raise BenchError(f"{name} did not end within a minute") from None
        try:
            answer = json.loads(done.stdout if done.returncode == 0 else done.stderr)
        except ValueError:
            words = (done.stderr or done.stdout).strip().splitlines()
            raise BenchError(f"{name} gave no JSON (exit {done.returncode}): {words[-1][:300] if words else 'no output'}") from None
        if "data" not in answer:
            raise BenchError(f"{name} failed: {answer.get('error', {}).get('message', f'exit {done.returncode}')}")
        return answer["data"]

    def twin(self, name: str) -> "Product":
        """Another product with a copy of this one's home; this one must be stopped."""
        other = Product(self._processes, self._folder, name)
        shutil.copytree(self.home, other.home, ignore=shutil.ignore_patterns("run"))
        other.key = self.key
        return other

    def secure(self, certificates: Certificates) -> None:
        """Speak TLS at the gateway's port from the next start on, with a certificate that is given."""
        self._context = ssl.create_default_context(cafile=str(certificates.authority))
        files = ("--tls-certificate", str(certificates.certificate), "--tls-key", str(certificates.key))
        self._flags = ("--tls", "files", *files, "--https-port", str(self.gateway_port))

    @property
    def base_url(self) -> str:
        """Where clients call, without a path."""
        return f"{'http' if self._context is None else 'https'}://127.0.0.1:{self.gateway_port}"

    def connect(self, timeout: float) -> http.client.HTTPConnection:
        """A connection to the gateway, not opened yet."""
        if self._context is None:
            return http.client.HTTPConnection("127.0.0.1", self.gateway_port, timeout=timeout)
        return http.client.HTTPSConnection("127.0.0.1", self.gateway_port, timeout=timeout, context=self._context)

    def plant_keys(self, count: int) -> None:
        """Put so many more keys into the database of a home that nothing runs in. Their secrets are known to nobody."""
        path = self.home / "sekisho.db"
        try:
            with contextlib.closing(sqlite3.connect(path)) as database, database:
                (project,) = database.execute("SELECT id FROM projects ORDER BY created_at LIMIT 1").fetchone()
                database.execute("UPDATE revisions SET revision = revision + 1")
                (revision,) = database.execute("SELECT revision FROM revisions").fetchone()
                names = [f"bench{number:011d}" for number in range(count)]
                database.executemany(
                    "INSERT INTO keys (id, label, project_id, rpm, tpm, concurrency, last4, created_at, revision) "
                    "VALUES (?,?,?,?,?,?,?,?,?)",
                    ((name, f"customer {name}", project, 600, 100_000, 10, name[-4:], 1, revision) for name in names),
                )
                database.executemany(
                    "INSERT INTO key_secrets (digest, key_id, created_at) VALUES (?,?,?)",
                    ((hashlib.sha256(name.encode()).digest(), name, 1) for name in names),
                )
        except (sqlite3.Error, TypeError) as error:
            raise BenchError(f"keys could not be put into {path}: {error}") from None

    def start(self, *, pinned: bool = True, workers: int = 1, more: Mapping[str, str] | None = None, path: str = "") -> float:
        """Start `serve` and wait for the first answer of the gateway; returns the seconds that took.

        `more` joins its environment, `path` its modules' path.

        Pinned: supervisor and node on the other core, workers on the measured one (`adopt` moves them). A worker that is started
        anew inherits the supervisor's core, which `check_workers` notices. Not pinned: for the start time, which may use both.
        """
        argv = [sys.executable, "-m", "sekisho", "serve", "--host", "127.0.0.1", "--port", str(self.gateway_port)]
        argv += ["--console-host", "127.0.0.1", "--console-port", str(self.console_port), "--workers", str(workers)]
        argv += self._flags
        begun = time.monotonic()
        environment = {**self._environment, **(more or {})}
        if path:
            environment["PYTHONPATH"] = os.pathsep.join((path, environment["PYTHONPATH"]))
        self._serve = self._processes.spawn(self.name, argv, cores={self._processes.other} if pinned else None, env=environment)
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection = self.connect(1)
                try:
                    connection.request("GET", "/health")
                    if connection.getresponse().status == 200:
                        break
                finally:
                    connection.close()
            if self._serve.poll() is not None:
                raise BenchError(f"`sekisho serve` ended at its start (exit {self._serve.returncode}): {self._processes.tail(self.name)}")
            if time.monotonic() - begun > START_SECONDS:
                raise BenchError(f"`sekisho serve` gave no answer within {START_SECONDS:.0f} s: {self._processes.tail(self.name)}")
            time.sleep(0.005)
        return time.monotonic() - begun

    def adopt(self, *, pinned: bool = True) -> None:
        """Learn the pids from `sekisho status`, once the node answers there, and put the workers on the measured core."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                status = self.cli("status")
                self.supervisor, self.node, self.workers = (
                    int(status["supervisor"]),
                    int(status["node"]),
                    [int(pid) for pid in status["workers"]],
                )
                if self.workers:
                    break
            except (BenchError, KeyError, TypeError) as error:
                if time.monotonic() > deadline:
                    raise BenchError(f"`sekisho status` does not tell the pids: {error}") from None
            if time.monotonic() > deadline:
                raise BenchError("`sekisho status` names no worker")
            time.sleep(0.1)
        if pinned:
            pin([self.supervisor, self.node], {self._processes.other})
            pin(self.workers, {self._processes.measured})

    def fill(self, upstreams: dict[str, str], ca_bundle: Path) -> None:
        """Add one provider with the model `gpt-4o-mini` per upstream (name → base URL), and a key with all three limits on."""
        for name, url in upstreams.items():
            tls = ["--ca-bundle", str(ca_bundle)] if url.startswith("https:") else []
            self.cli(
                *("providers", "add", "--kind", "custom", "--name", name, "--base-url", url, "--api-key-stdin", "--no-probe"),
                *tls,
                stdin=UPSTREAM_KEY,
            )
            self.cli("models", "add", f"{name}/gpt-4o-mini", "--input-price", "0.15", "--output-price", "0.60")
        limits = ["--rpm", str(RPM), "--tpm", str(TPM), "--concurrency", str(CONCURRENCY)]
        self.key = str(self.cli("api-keys", "create", "--label", "bench", *limits)["plain_key"])

    def first_call(self, model: str, since: float) -> float:
        """Ask until a call with the key is answered; returns the seconds since `since` (a monotonic time)."""
        body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Hello"}]})
        headers = {"authorization": f"Bearer {self.key}", "content-type": "application/json"}
        seen = "no answer"
        while time.monotonic() - since < START_SECONDS:
            connection = self.connect(5)
            try:
                connection.request("POST", "/v1/chat/completions", body, headers)
                answer = connection.getresponse()
                text = answer.read()
                if answer.status == 200:
                    return time.monotonic() - since
                seen = f"{answer.status} {text[:200].decode(errors='replace')}"
            except (OSError, http.client.HTTPException) as error:
                seen = str(error) or type(error).__name__
            finally:
                connection.close()
            time.sleep(0.005)
        raise BenchError(f"no call to {model} is answered after {START_SECONDS:.0f} s: {seen}")

    def manage(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        """What the management API answers on the node's socket; raises BenchError unless that is a success."""
        connection = _UnixConnection(str(self.home / "run" / "node.sock"))
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, {} if content is None else {"content-type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise BenchError(f"{method} {path} cannot be asked: {error}") from None
        finally:
            connection.close()
        if answer.status >= 300:
            raise BenchError(f"{method} {path} answers {answer.status}: {text[:200].decode(errors='replace')}")
        return json.loads(text)

    def count(self) -> int:
        """How many calls are recorded by now."""
        return int(self.manage("GET", "/api/calls/count")["count"])

    def wait_recorded(self, expected: int, seconds: float = 120.0) -> float:
        """Return when at least `expected` calls are recorded, with the seconds that took; raises BenchError after `seconds`."""
        begun = time.monotonic()
        while (seen := self.count()) < expected:
            if time.monotonic() - begun > seconds:
                raise BenchError(f"{seen:,} of {expected:,} calls are recorded {seconds:.0f} s after the load ended")
            # Each look reads an index of all calls in the node's own process: the more is missing, the rarer the looks. What they
            # cost counts against the recorder.
            time.sleep(min(1.0, max(0.1, (expected - seen) / 40_000)))
        return time.monotonic() - begun

    def check_workers(self) -> None:
        """Raise BenchError where a worker of ours died meanwhile: its successor runs on another core, and the figures mean nothing."""
        gone = [pid for pid in self.workers if machine.born(pid) is None]
        if gone:
            raise BenchError(f"worker {gone[0]} ended during the measurement: {self._processes.tail(self.name)}")

    def stop(self) -> None:
        """`sekisho stop`, and by force where that does not end it. Harmless where nothing runs."""
        if self._serve is None:
            return
        with contextlib.suppress(BenchError):
            self.cli("stop")
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._serve.wait(10)
        self._processes.stop(self._serve)
        self._serve = None
        self.supervisor = self.node = 0
        self.workers = []

    def forget(self) -> None:
        """Remove the home."""
        shutil.rmtree(self.home, ignore_errors=True)
