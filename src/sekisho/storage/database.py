"""What both databases of ours do alike: one writer at a time, consistent reads, and one line for every trouble.

Everything above this layer is written as if it were alone with the database: what it looks up in a writing transaction stays true until
that transaction ends. SQLite gives that by itself. On PostgreSQL each writing transaction takes one lock that all nodes share, so the
decisions of the slices are the same on both, and two nodes wait for each other for the milliseconds of a commit.
"""

import abc
import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from typing import ClassVar, Final

from sqlalchemy import exc
from sqlalchemy.ext.asyncio import AsyncConnection

from sekisho.storage.errors import MigrationFailedError, UnavailableError

READERS: Final = 4
"""Reading connections at most: what people ask at once is little."""

WAIT_SECONDS: Final = 5.0
"""How long a write waits for its turn before it is refused; a console that hangs longer helps nobody."""


def legible(row: tuple[object, ...]) -> tuple[object, ...]:
    """The same row with a mark in the place of each zero character: PostgreSQL's texts hold none, and SQLite's may."""
    return tuple(value.replace("\0", "\ufffd") if isinstance(value, str) else value for value in row)


class Database(abc.ABC):
    """An open database. `open()` before use, `close()` after; both inside the loop that uses it."""

    kind: ClassVar[str]
    """sqlite or postgresql."""
    mark: ClassVar[str]
    """How the driver spells a parameter in SQL that is written by hand."""
    shared: ClassVar[bool] = False
    """Whether other nodes may write it."""

    def __init__(self, name: str, *, readers: int, wait: float) -> None:
        self.name: Final = name
        """For people: the file, or host, port and database; never a password."""
        self.readers: Final = readers
        self._wait = wait
        self._lock = asyncio.Lock()
        self._frozen: str | None = None
        self._shut: str | None = None
        self._opener: asyncio.Task[object] | None = None
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    @abc.abstractmethod
    def connections(self) -> int:
        """How many connections there are at most."""

    @property
    def frozen(self) -> str | None:
        """Why it takes no writes; None where it does."""
        return self._frozen

    def freeze(self, reason: str) -> None:
        """Refuse all writes from now on: what is there is not what this version would make of it."""
        self._frozen = reason

    def shut(self, reason: str) -> None:
        """Refuse everybody with this reason until `unshut`, except for the task that is `opening` it: it cannot be read, or must not be."""
        self._shut = reason

    def unshut(self) -> None:
        """Let everybody in again."""
        self._shut = None

    @contextmanager
    def opening(self) -> Iterator[None]:
        """Let the current task in, whether or not it is shut, for the length of the block."""
        self._opener = asyncio.current_task()
        try:
            yield
        finally:
            self._opener = None

    @abc.abstractmethod
    async def holds_anything(self) -> bool:
        """Whether there is something that a new key ring would lose; asked before `open`. Raises StorageError."""

    @abc.abstractmethod
    async def open(self) -> None:
        """Connect and make sure that this can be our database; raises StorageError, and then nothing was changed."""

    async def drain(self, seconds: float = WAIT_SECONDS) -> None:
        """Wait until no block is under way, or as long as that: a connection that is in use when its loop ends is never given back."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()

    @abc.abstractmethod
    async def close(self) -> None:
        """Let go of all connections."""

    @asynccontextmanager
    async def writer(self, *, seconds: float | None = None) -> AsyncIterator[AsyncConnection]:
        """One transaction that has no other writer beside it: committed at the end of the block, rolled back where it raises.

        `seconds` is for work that takes longer than any request, such as a migration. Raises UnavailableError when the turn does not
        come in time.
        """
        self._let_in()
        if self._frozen is not None:
            raise MigrationFailedError(self._frozen)
        try:
            with self._counted():
                async with self._write(seconds) as connection:
                    yield connection
        except exc.DBAPIError as error:
            raise self._translated(error) from error

    @asynccontextmanager
    async def reader(self, *, seconds: float | None = None) -> AsyncIterator[AsyncConnection]:
        """One consistent read: all statements of the block see the same state. It cannot write.

        `seconds` is for reads that take longer than any request, such as a check of everything.
        """
        self._let_in()
        try:
            with self._counted():
                async with self._read(seconds) as connection:
                    yield connection
        except exc.DBAPIError as error:
            if self._frozen is not None:
                # An older schema may lack what this version asks for.
                raise MigrationFailedError(self._frozen) from error
            raise self._translated(error) from error

    def settled(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A read after which no write of this node is still under way, whatever became of its connection."""
        return self.reader()

    @abc.abstractmethod
    async def announce(self, connection: AsyncConnection, revision: int) -> None:
        """Tell every node of a new revision, once this transaction is committed."""

    async def claim(self, name: str) -> str | None:
        """Make a node's name ours until `close`; None where it is, else where the process is that has it. Raises StorageError.

        Where there are no other nodes it is ours. One that was cut off from the database is waited for.
        """
        return None

    def announcements(self) -> AsyncGenerator[int, None]:
        """The revisions that are announced, by whichever node; 0 as soon as none is missed any more, and when all has been silent.

        Only where the database is shared. Raises UnavailableError when the connection is lost.
        """
        raise NotImplementedError

    @abc.abstractmethod
    def _write(self, seconds: float | None) -> AbstractAsyncContextManager[AsyncConnection]: ...

    @abc.abstractmethod
    def _read(self, seconds: float | None) -> AbstractAsyncContextManager[AsyncConnection]: ...

    @abc.abstractmethod
    def _translated(self, error: exc.DBAPIError) -> Exception: ...

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self._under_way += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()

    def _let_in(self) -> None:
        if self._shut is not None and asyncio.current_task() is not self._opener:
            raise UnavailableError(self._shut)

    @asynccontextmanager
    async def _turn(self, seconds: float) -> AsyncIterator[None]:
        """This node's own order of writers; raises UnavailableError when it does not come in time."""
        try:
            async with asyncio.timeout(seconds):
                await self._lock.acquire()
        except TimeoutError:
            raise UnavailableError(f"the database {self.name} is busy with another write; try again") from None
        try:
            yield
        finally:
            self._lock.release()
