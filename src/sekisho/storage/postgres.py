"""PostgreSQL: the database of several nodes.

Each node holds one connection that writes, a few that read, and one that listens for what the others commit. A writing transaction
first takes a lock that all nodes of the database share and that ends with the transaction: so there is one writer at a time, as on
SQLite, whatever is looked up in a transaction stays true in it, and numbers that are counted up are committed in their order.

No wait is endless. The server gives up statements, locks and idle transactions by itself; where it does not answer at all (stopped,
or behind a cut network), we hang up, and the wait ends like that for a server that died.
"""

import asyncio
import contextlib
import hashlib
import logging
import os
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import exc
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from sekisho import __version__
from sekisho.kit.clock import monotonic
from sekisho.storage.database import READERS, WAIT_SECONDS, Database
from sekisho.storage.errors import StorageError, UnavailableError, first_line, of_postgres

log = logging.getLogger(__name__)

OLDEST: Final = 13
"""Major version: the oldest that is still cared for by its makers when this was written."""
TURN: Final = int.from_bytes(b"sekisho\0")
"""The advisory lock of whoever writes."""
CHANNEL: Final = "sekisho_revision"
CONNECT_SECONDS: Final = 4
ANSWER_SECONDS: Final = 30.0
"""How long a transaction may take where nothing else is said. The longest of ours is a recorder's batch: some tens of milliseconds."""
IDLE_SECONDS: Final = 10
"""How long a writing transaction may stand still. A node that is frozen in the middle of one keeps the others waiting this long."""
CLAIM_SECONDS: Final = 20.0
"""How long a node's name may be another's before it is believed: the server takes 11 s to notice that a host has vanished."""
CLAIM_AGAIN_SECONDS: Final = 0.2
SILENCE_SECONDS: Final = 10.0
"""After which the listening connection is tried: a cut network tells nobody."""
RETRY_WITHIN: Final = 1.0
"""A connection that proves dead within this time was dead before; another one is tried at once."""

# What it warns of, such as a pipeline that ends with its connection, it raises as well; that is told in one line, once.
logging.getLogger("psycopg").setLevel(logging.ERROR)

_TIMEOUTS: Final = (
    "SELECT set_config('statement_timeout', %s, true), set_config('lock_timeout', %s, true), "
    "set_config('idle_in_transaction_session_timeout', %s, true)"
)


class Postgres(Database):
    """An open PostgreSQL database, one of possibly many nodes'."""

    kind = "postgresql"
    mark = "%s"
    shared = True

    def __init__(self, url: str, *, readers: int = READERS, wait: float = WAIT_SECONDS, seconds: float = ANSWER_SECONDS) -> None:
        self._conninfo = _parsed(url)
        super().__init__(_name(self._conninfo), readers=readers, wait=wait)
        self._seconds = seconds
        shared = {"statement_timeout": _ms(seconds), "lock_timeout": _ms(wait)}
        writes = {"default_transaction_isolation": r"read\ committed", "idle_in_transaction_session_timeout": _ms(IDLE_SECONDS)}
        reads = {"default_transaction_isolation": r"repeatable\ read", "default_transaction_read_only": "on"}
        reads["idle_in_transaction_session_timeout"] = _ms(seconds)
        self._writer = self._engine(1, shared | writes)
        self._readers = self._engine(readers, shared | reads)
        self._listening: psycopg.AsyncConnection[Any] | None = None
        """The connection of the claim, for as long as nobody listens on it."""
        self._claimed = ""
        self._holds = False
        """Whether a connection that is listened on has the claim."""
        self._doubted = False
        """Whether it was told that the name of a running node is another's."""

    def __repr__(self) -> str:
        return f"Postgres({self.name!r})"

    @property
    def connections(self) -> int:
        return self.readers + 2

    async def holds_anything(self) -> bool:
        async with self.reader() as connection:
            found = await connection.exec_driver_sql("SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = current_schema() LIMIT 1")
            return found.first() is not None

    async def open(self) -> None:
        """Connect, and make sure that the server is one that we know how to use."""
        async with self.reader() as connection:
            found = await connection.exec_driver_sql("SELECT current_setting('server_version_num'), current_setting('server_encoding')")
            version, encoding = map(str, found.one())
        if int(version) // 10_000 < OLDEST:
            raise StorageError(f"the database {self.name} is of PostgreSQL {int(version) // 10_000}; {OLDEST} is the oldest that works")
        if encoding != "UTF8":
            raise StorageError(f"the database {self.name} has the encoding {encoding}; create one with: createdb --encoding=UTF8")

    async def close(self) -> None:
        if self._listening is not None:
            await self._listening.close()
            self._listening = None
        await self._readers.dispose()
        await self._writer.dispose()

    def settled(self) -> AbstractAsyncContextManager[AsyncConnection]:
        # A commit whose answer was lost may still be under way over there, holding the turn.
        return self.writer()

    async def announce(self, connection: AsyncConnection, revision: int) -> None:
        await connection.exec_driver_sql("SELECT pg_notify(%s, %s)", (CHANNEL, str(revision)))

    async def claim(self, name: str) -> str | None:
        try:
            self._claimed = name
            if self._holds:
                return None
            if self._listening is None or self._listening.closed:
                self._listening = await self._listener()
            connection = self._listening
            deadline = monotonic() + CLAIM_SECONDS
            with _hung_up(connection, CLAIM_SECONDS + CONNECT_SECONDS):
                while not (self._holds or await _is_ours(connection, name)):
                    if monotonic() > deadline:
                        return await _holder(connection, name)
                    await asyncio.sleep(CLAIM_AGAIN_SECONDS)
        except psycopg.Error as error:
            raise UnavailableError(f"the database {self.name} cannot be asked for other nodes: {first_line(error)}") from None
        return None

    async def announcements(self) -> AsyncGenerator[int, None]:
        try:
            # A connection that holds a claim is the one to listen on; a claim that was lost with its connection is made again.
            taken, self._listening = self._listening, None
            async with taken or await self._listener() as connection:
                with _hung_up(connection, CONNECT_SECONDS):
                    await connection.execute(f"LISTEN {CHANNEL}")
                while True:
                    with _hung_up(connection, CONNECT_SECONDS):
                        await self._claim_again(connection)
                    yield 0
                    async for notice in connection.notifies(timeout=SILENCE_SECONDS):
                        yield int(notice.payload) if notice.payload.isdecimal() else 0
                    with _hung_up(connection, CONNECT_SECONDS):
                        await connection.execute("SELECT 1")
        except psycopg.Error as error:
            raise UnavailableError(f"the database {self.name} cannot be listened to: {first_line(error)}") from None
        finally:
            self._holds = False

    async def _claim_again(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Have the claim, also where its connection was lost. Another one's may be our own lost connection's, for some seconds."""
        if not self._claimed or (self._listening is not None and not self._listening.closed):
            return
        self._holds = await _is_ours(connection, self._claimed)
        if not self._holds and not self._doubted:
            log.warning("the name of this node is another's in the database", extra={"where": await _holder(connection, self._claimed)})
        self._doubted = not self._holds

    @asynccontextmanager
    async def _write(self, seconds: float | None) -> AsyncIterator[AsyncConnection]:
        async with self._turn(seconds or self._wait), contextlib.AsyncExitStack() as stack:
            connection = await self._begun(self._writer, stack, seconds)
            await connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (TURN,))
            yield connection

    @asynccontextmanager
    async def _read(self, seconds: float | None) -> AsyncIterator[AsyncConnection]:
        async with contextlib.AsyncExitStack() as stack:
            try:
                connection = await self._begun(self._readers, stack, seconds)
            except exc.TimeoutError:
                raise UnavailableError(f"the database {self.name} is busy with other reads; try again") from None
            yield connection

    async def _begun(self, engine: AsyncEngine, stack: contextlib.AsyncExitStack, seconds: float | None) -> AsyncConnection:
        """A connection in a transaction that has taken its first step. One that died while nobody used it is replaced."""
        started = monotonic()
        while True:
            try:
                async with contextlib.AsyncExitStack() as attempt:
                    connection = await attempt.enter_async_context(engine.connect())
                    raw: Any = (await connection.get_raw_connection()).driver_connection
                    attempt.enter_context(_hung_up(raw, seconds or self._seconds))
                    await attempt.enter_async_context(connection.begin())
                    await self._first_step(connection, seconds)
                    stack.push_async_exit(attempt.pop_all())
                    return connection
            except exc.DBAPIError as error:
                if not error.connection_invalidated or monotonic() - started > RETRY_WITHIN:
                    raise

    async def _first_step(self, connection: AsyncConnection, seconds: float | None) -> None:
        if seconds is None:
            await connection.exec_driver_sql("SELECT 1")
        else:
            await connection.exec_driver_sql(_TIMEOUTS, (_ms(seconds),) * 3)

    def _translated(self, error: exc.DBAPIError) -> Exception:
        return of_postgres(error, self.name)

    def _engine(self, size: int, settings: dict[str, str]) -> AsyncEngine:
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())

        async def connect() -> psycopg.AsyncConnection[Any]:
            return await self._connect({"options": f"{self._conninfo.get('options', '')} {options}".strip()})

        return create_async_engine(
            "postgresql+psycopg://",
            async_creator=connect,
            pool_size=size,
            max_overflow=0,
            pool_timeout=self._wait,
            use_native_hstore=False,
            # An error of the database is logged, and what people's rows hold is not.
            hide_parameters=True,
        )

    async def _listener(self) -> psycopg.AsyncConnection[Any]:
        options = f"{self._conninfo.get('options', '')} {_KEPT_ALIVE}".strip()
        return await self._connect({"application_name": f"sekisho {__version__} listens", "options": options}, autocommit=True)

    async def _connect(self, more: dict[str, str], *, autocommit: bool = False) -> psycopg.AsyncConnection[Any]:
        return await psycopg.AsyncConnection.connect(**{**_PATIENCE, **self._conninfo, **more}, autocommit=autocommit)


async def _is_ours(connection: psycopg.AsyncConnection[Any], name: str) -> bool:
    """Take the lock of a node's name, for as long as the connection lives; whether it is ours. Asked again, it is not taken twice."""
    statement = f"SELECT EXISTS (SELECT 1 FROM pg_locks WHERE {_LOCK} AND pid = pg_backend_pid()) OR pg_try_advisory_lock(%s)"  # noqa: S608
    row = await (await connection.execute(statement, (*_halves(name), _number(name)))).fetchone()
    return bool(row and row[0])


async def _holder(connection: psycopg.AsyncConnection[Any], name: str) -> str:
    """Where the process is that has the lock of a node's name."""
    statement = f"SELECT client_addr::text FROM pg_stat_activity WHERE pid IN (SELECT pid FROM pg_locks WHERE {_LOCK})"  # noqa: S608
    row = await (await connection.execute(statement, _halves(name))).fetchone()
    return str(row[0]) if row and row[0] else "the database's own host"


def _number(name: str) -> int:
    """The advisory lock of a node's name."""
    return int.from_bytes(hashlib.sha256(b"sekisho node " + name.encode()).digest()[:8], signed=True)


def _halves(name: str) -> tuple[int, int]:
    """The same as the table of locks shows it."""
    number = _number(name) % 2**64
    return number >> 32, number % 2**32


_LOCK: Final = (
    "locktype = 'advisory' AND objsubid = 1 AND classid = %s::bigint::oid AND objid = %s::bigint::oid AND granted "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
_KEPT_ALIVE: Final = "-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3"
"""A claim is to end soon after a host that vanished; the server's own patience may be hours."""
_PATIENCE: Final[dict[str, Any]] = {
    "connect_timeout": CONNECT_SECONDS,
    "application_name": f"sekisho {__version__}",
    # A host that vanished is noticed within about ten seconds, also where we only wait.
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""What a URL may say otherwise."""


def _parsed(url: str) -> dict[str, Any]:
    """A URL as libpq reads it. Raises StorageError, and does not repeat what may be a password."""
    with contextlib.suppress(psycopg.Error):
        found = dict(conninfo_to_dict(url))
        # Where a password has an @ or a / that is not escaped, its rest would pass for host or port, and be told as such.
        ports = str(found.get("port") or "").split(",")
        if "@" not in str(found.get("host") or "") and all(port.isdecimal() or not port for port in ports):
            return found
    raise StorageError(
        "the database URL is not readable; write postgresql://user:password@host:5432/database, with %-escapes for special characters"
    )


def _name(conninfo: dict[str, Any]) -> str:
    host = conninfo.get("host") or os.environ.get("PGHOST") or "localhost"
    port = conninfo.get("port") or os.environ.get("PGPORT") or "5432"
    return f"postgresql://{host}:{port}/{conninfo.get('dbname') or os.environ.get('PGDATABASE') or ''}"


def _ms(seconds: float) -> str:
    return str(round(seconds * 1000))


@contextlib.contextmanager
def _hung_up(connection: psycopg.AsyncConnection[Any], seconds: float) -> Iterator[None]:
    """Hang up on a server that has not let us come to the end of the block in time."""
    timer = asyncio.get_running_loop().call_later(seconds, _hang_up, connection)
    try:
        yield
    finally:
        timer.cancel()


def _hang_up(connection: psycopg.AsyncConnection[Any]) -> None:
    # Below the driver: a cancelled wait would go on waiting for the server's word that it is cancelled.
    with contextlib.suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.pgconn.socket)) as line:
        line.shutdown(socket.SHUT_RDWR)
