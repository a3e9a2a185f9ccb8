"""Keeps the sealed copy of one node as new as what the node publishes; see `bridge.sealed` for the file.

A copy that cannot be written is withdrawn: an old one would open doors that were closed since.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import msgspec

from sekisho.bridge.sealed import Change, CopyError, Held, SealedFile, encoded, is_of, read
from sekisho.kit.clock import Clock, SystemClock
from sekisho.kit.crypto import KeyRing
from sekisho.kit.tasks import Tasks

log = logging.getLogger(__name__)

LEAST_CHANGES: Final = 1024 * 1024
"""Bytes of changes that are never a reason to write the whole anew."""


class SealedCopy:
    """Keeps the copy of one node as new as what it publishes.

    Whatever is written, is written by one thread (the hand) in the order in which it was asked for. Only a whole that replaces a file
    which has grown too long is prepared beside it, so that no revocation waits for it.
    """

    def __init__(self, path: Path, ring: KeyRing, origin: bytes, clock: Clock | None = None) -> None:
        self.path = path
        self._ring = ring
        self._origin = origin
        self._clock = clock or SystemClock()
        self._hand = ThreadPoolExecutor(1, "sealed copy")
        self._tasks = Tasks(lambda name, error: log.error("%s failed", name, exc_info=error))
        self._file: SealedFile | None = None
        """Belongs to the hand."""
        self._since: list[bytes] | None = None
        """Changes that a whole which is being prepared does not have."""
        self._shortening = False
        self._resumed = False
        """Whether the copy was found, and not made by us."""
        self.asked = 0
        """The newest revision that was given to the hand; 0 where it has to begin with a whole."""
        self.revision = 0
        """The newest that is on the disk; 0 where no copy of ours is."""
        self.trouble: str | None = None
        """Why there is no copy that could be used; None where there is one, or none was asked for yet."""
        self.stale = False
        """Whether an older copy lies there that could neither be written nor removed."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What whoever made a change has to know of the copy."""
        if not self.stale:
            return ()
        return (
            f"{self.trouble}, nor removed: delete {self.path} yourself, or a node that starts while the database cannot be read goes on "
            "with the configuration before this change",
        )

    def read(self) -> Held | None:
        """What is on the disk now; see the function. May block."""
        return read(self.path, self._ring, self._origin)

    def is_there(self) -> bool:
        """Whether a copy of this database lies there, in whatever state."""
        return is_of(self.path, self._origin)

    def renew(self, held: Held) -> Awaitable[None]:
        """Begin to replace the copy by a whole one; what is returned is done when it is on the disk, or withdrawn, and raises nothing."""
        self._since = None
        return self._ask(self._put_whole, msgspec.structs.replace(held, written_at=self._clock.now()), held.revision)

    def begin(self, held: Held) -> Awaitable[None]:
        """Likewise at a start: where a copy of this very state lies there, changes are added to it while the new whole is made beside it.

        So the first revocation after a start waits for its own part, and not for a hundred thousand keys.
        """
        since: list[bytes] = []
        self._since = since
        found = self._ask(self._go_on, held, held.revision)
        return self._tasks.start(self._replace(found, held, since), "the beginning of the sealed copy")

    async def _replace(self, found: Awaitable[None], held: Held, since: list[bytes]) -> None:
        await found
        if self._since is since and self._resumed and not self._shortening:
            await self._shorten(held, since)
        elif self._since is since:
            self._since = None

    async def keep(self, change: Change, whole: Callable[[], Held]) -> None:
        """Return when a change is on the disk, or the copy withdrawn; raises nothing. `whole` gives all of it, the change included."""
        if not self.asked:
            await self.renew(whole())
            return
        payload = encoded(msgspec.structs.replace(change, written_at=self._clock.now()))
        if self._since is not None:
            self._since.append(payload)
        await self._ask(self._add, payload, change.revision)
        if self.trouble is not None:
            # The file may have been moved away, or its disk was full: one attempt to begin anew, before it is told.
            await self.renew(whole())
        elif not self._shortening and self._is_long():
            self._since = []
            self._tasks.start(self._shorten(whole(), self._since), "a new whole of the sealed copy")

    async def close(self) -> None:
        """Give the file back; the copy stays."""
        await self._tasks.stop()
        await asyncio.get_running_loop().run_in_executor(self._hand, self._let_go)
        self._hand.shutdown()

    def _is_long(self) -> bool:
        file = self._file
        return file is not None and file.changes_bytes > max(file.whole_bytes, LEAST_CHANGES)

    async def _shorten(self, held: Held, since: list[bytes]) -> None:
        """Prepare a whole beside the file, and let it take over with what has come `since`."""
        self._shortening = True
        fresh = SealedFile(self.path, self._ring, self._origin, suffix="next")
        try:
            await asyncio.to_thread(fresh.create, msgspec.structs.replace(held, written_at=self._clock.now()))
            if self._since is since:
                self._since = None
                await self._ask(lambda ready: self._take_over(ready, since), fresh, self.asked)
                return
            # A whole was asked for meanwhile, which has all of this.
        except OSError as error:
            # The file that is there is as good as before; a later change tries again.
            log.warning("the sealed copy grows, a new whole cannot be written: %s", error)
            if self._since is since:
                self._since = None
        finally:
            self._shortening = False
        await asyncio.to_thread(fresh.discard)
        await asyncio.to_thread(fresh.close)

    def _ask(self, work: Callable[[Any], None], given: object, revision: int) -> Awaitable[None]:
        """Give the hand something to do after all that it was given before."""
        self.asked = revision
        future = asyncio.get_running_loop().run_in_executor(self._hand, work, given)
        return self._tasks.start(self._note(future, revision), "sealed copy")

    async def _note(self, future: "asyncio.Future[None]", revision: int) -> None:
        try:
            await future
        except OSError as error:
            self.asked = self.revision = 0
            trouble = f"the sealed copy {self.path} cannot be written ({error.strerror or error})"
            if trouble != self.trouble:
                log.error("%s; it is withdrawn, and written again with the next change", trouble, extra={"withdrawn": not self.stale})
            self.trouble = trouble
        else:
            if self.trouble is not None:
                log.info("the sealed copy is written again", extra={"revision": revision})
            self.revision, self.trouble, self.stale = revision, None, False

    # What follows is done by the hand.

    def _go_on(self, held: Held) -> None:
        """Take the copy that lies there for ours, or put a whole in its place."""
        self._resumed = False
        try:
            file, revision, instance = SealedFile.resumed(self.path, self._ring, self._origin, suffix="new")
        except (OSError, CopyError):
            self._put_whole(msgspec.structs.replace(held, written_at=self._clock.now()))
            return
        if (revision, instance) != (held.revision, held.catalog.instance):
            file.close()
            self._put_whole(msgspec.structs.replace(held, written_at=self._clock.now()))
            return
        self._swap(file)
        self._resumed = True

    def _put_whole(self, held: Held) -> None:
        fresh = SealedFile(self.path, self._ring, self._origin, suffix="new")
        try:
            fresh.create(held)
            fresh.take_place()
        except OSError:
            self._withdraw(fresh)
            raise
        self._swap(fresh)

    def _add(self, payload: bytes) -> None:
        file = self._file
        if file is None:
            raise OSError("it was withdrawn")
        try:
            file.append((payload,))
            if not file.is_in_place():
                raise OSError("somebody moved it away")
        except OSError:
            self._withdraw(file)
            raise

    def _take_over(self, fresh: SealedFile, since: Sequence[bytes]) -> None:
        try:
            fresh.append(since)
            fresh.take_place()
        except OSError:
            self._withdraw(fresh)
            raise
        self._swap(fresh)

    def _swap(self, fresh: SealedFile) -> None:
        self._let_go()
        self._file = fresh

    def _withdraw(self, broken: SealedFile) -> None:
        try:
            broken.withdraw()
            self.stale = False
        except OSError:
            self.stale = True
        finally:
            broken.close()
            self._let_go()

    def _let_go(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
