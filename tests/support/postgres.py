"""A throw-away PostgreSQL: its own cluster in a temporary directory, on a free loopback port and a Unix socket, ended with its block.

    with Cluster.start() as cluster:
        url = cluster.create()

`initdb` and the server refuse root, so as root they run as the user of Debian's package. `durable=False` (the default) forces nothing to
the disk and is quicker; a test that kills the server wants `durable=True`.
"""

import contextlib
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

import psycopg

from tests.support.product import alive, descendants, eventually, free_ports

USER: Final = "tester"
"""Is let in whatever password it gives, because a real check costs as much as a short test."""
GUARDED: Final = "guarded"
"""A superuser whose password is asked for."""
PASSWORD: Final = "pass word/@:%"
"""Every character that a URL has to escape."""
START_S: Final = 30.0
FAST: Final = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
_SERVER_USER: Final = "postgres"


def programs() -> Path | None:
    """The directory of the newest installed server's programs; None where there is none."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    found += [Path(path).parent for path in (shutil.which("initdb"),) if path]
    return max(found, key=lambda path: [int(part) for part in path.parts if part.isdigit()], default=None)


class Cluster:
    """One running server; see the module."""

    def __init__(self, directory: Path, settings: tuple[str, ...]) -> None:
        self.directory = directory
        self.port = free_ports(1)[0]
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._count = itertools.count(1)

    @classmethod
    @contextmanager
    def start(cls, *settings: str, durable: bool = False) -> Iterator[Self]:
        """A new cluster; `settings` are `name=value` as in postgresql.conf."""
        directory = Path(tempfile.mkdtemp(prefix="sekisho-pg-"))
        try:
            if os.geteuid() == 0:
                shutil.chown(directory, _SERVER_USER, _SERVER_USER)
            cluster = cls(directory, (*(() if durable else FAST), *settings))
            cluster._initialise()
            cluster.begin()
            cluster.execute(f"CREATE ROLE {GUARDED} SUPERUSER LOGIN PASSWORD '{PASSWORD}'")
            try:
                yield cluster
            finally:
                cluster.end()
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def _initialise(self) -> None:
        self._run("initdb", "-D", str(self.data), "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
        rules = self.data / "pg_hba.conf"
        rules.write_text(f"host all {USER} 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n")

    @property
    def data(self) -> Path:
        return self.directory / "data"

    def _command(self, program: str, *arguments: str) -> list[str]:
        folder = programs()
        assert folder is not None
        as_user = ["setpriv", f"--reuid={_SERVER_USER}", f"--regid={_SERVER_USER}", "--clear-groups", "--"] if os.geteuid() == 0 else []
        return [*as_user, str(folder / program), *arguments]

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(self._command(program, *arguments), cwd="/", capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{program}: {done.stdout}\n{done.stderr}"

    # Its life

    def begin(self) -> None:
        """Start the server and wait until it answers."""
        given = [f"port={self.port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={self.directory}", *self._settings]
        options = [word for setting in given for word in ("-c", setting)]
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command("postgres", "-D", str(self.data), *options), cwd="/", stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        eventually(self._answers, "PostgreSQL's readiness", START_S, explain=self.log)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"PostgreSQL ended:\n{self.log()}"
        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def log(self) -> str:
        return (self.directory / "log").read_text(errors="replace")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """End the postmaster as a crash does (-9), and wait until its children have noticed."""
        children = descendants(self.pid)
        os.kill(self.pid, signal.SIGKILL)
        self._gone(children)

    def stop(self) -> None:
        """End it at once and in order, as a restart does."""
        children = descendants(self.pid)
        os.kill(self.pid, signal.SIGINT)
        self._gone(children)

    def _gone(self, children: list[int]) -> None:
        assert self._process is not None
        self._process.wait(START_S)
        self._process = None
        eventually(lambda: not any(alive(child) for child in children), "the end of PostgreSQL's children", START_S)

    def pause(self) -> None:
        """Let every process of it stand still: connections stay, and nothing answers."""
        for pid in (self.pid, *descendants(self.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)

    def resume(self) -> None:
        for pid in (*descendants(self.pid), self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def end(self) -> None:
        """End it for good; may be called when it does not run."""
        if self._process is not None and self._process.poll() is None:
            children = descendants(self.pid)
            self.resume()
            os.kill(self.pid, signal.SIGQUIT)
            self._gone(children)

    # What is in it

    def conninfo(self, database: str = "postgres") -> dict[str, Any]:
        return {"host": "127.0.0.1", "port": self.port, "user": USER, "password": PASSWORD, "dbname": database, "connect_timeout": 5}

    def url(self, database: str, *, user: str = USER, password: str = PASSWORD) -> str:
        """What `SEKISHO_DATABASE_URL` is set to."""
        from urllib.parse import quote

        return f"postgresql://{quote(user, safe='')}:{quote(password, safe='')}@127.0.0.1:{self.port}/{database}"

    def execute(self, sql: str, *, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run a statement by itself; its rows, where it has some."""
        with psycopg.connect(**self.conninfo(database), autocommit=True) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def create(self, template: str | None = None, *, name: str | None = None) -> str:
        """Make a database, empty or a copy of another that nobody uses; its name."""
        name = name or f"test_{next(self._count)}"
        self.execute(f"CREATE DATABASE {name}" + (f" TEMPLATE {template} STRATEGY WAL_LOG" if template else ""))
        return name

    def clear(self, name: str) -> None:
        """Make a database empty again: without tables."""
        self.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public", database=name)


class Slate:
    """A copy of a migrated database, wiped for each test: many times quicker than a new one."""

    def __init__(self, cluster: Cluster, template: str) -> None:
        self._cluster, self._template = cluster, template
        self._name = cluster.create(template)
        self.url = cluster.url(self._name)
        self._tables = self._found()
        self._wipe = f"TRUNCATE {', '.join(self._tables)} RESTART IDENTITY CASCADE"
        self._rows = {table: cluster.execute(f"SELECT * FROM {table}", database=template) for table in ("revisions", "projects")}

    def _found(self) -> list[str]:
        sql = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' ORDER BY 1"
        return [table for (table,) in self._cluster.execute(sql, database=self._name)]

    def wipe(self) -> None:
        """Bring it back to the state in which it was found; a test that took a table away gets a new copy made."""
        if self._found() != self._tables:
            self._cluster.execute(f"DROP DATABASE {self._name} WITH (FORCE)")
            self._cluster.create(self._template, name=self._name)
            return
        with psycopg.connect(**self._cluster.conninfo(self._name)) as connection:
            connection.execute(self._wipe.encode())
            for table, rows in self._rows.items():
                for row in rows:
                    connection.execute(f"INSERT INTO {table} VALUES ({', '.join(['%s'] * len(row))})".encode(), row)


def nobody_listens() -> int:
    """A loopback port on which connections are refused."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
