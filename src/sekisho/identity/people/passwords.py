"""Passwords are hashed slowly on purpose, so it is done beside the loop, in few threads, with a bounded queue.

The threads are as modest as the system lets them be: hundreds of logins at once cost the calls of the gateway nothing but idle time.
An account that does not exist costs as much as one that does.
"""

import asyncio
import contextlib
import os
import sys
import threading
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from sekisho.core.model.errors import Kind, Refusal
from sekisho.identity.people.settings import LANES, LONGEST, MEMORY_KIB, QUEUE, SHORTEST, THREADS, TIME_COST
from sekisho.rest.errors import ApiError, invalid

T = TypeVar("T")

_LOWER: Final = 5
"""Added to the niceness of the node, which has been added to that of the workers: about a third of the share of each."""
_LOWEST: Final = 19
_OBVIOUS: Final = frozenset(
    (
        "123456789012", "1234567890123", "12345678901234", "123123123123", "administrator", "adminadminadmin", "changemechangeme",
        "letmeinletmein", "passwordpassword", "password1234", "password12345", "password123456", "qwertyuiop12", "qwertyuiop123",
        "qwertyqwerty", "iloveyouiloveyou", "welcomewelcome", "sekishosekisho",
    )
)  # fmt: skip


def require_good(password: str, *about: str, param: str = "password") -> None:
    """Raises ApiError 422 where nobody should have this password; `about` are texts that others know of the person."""
    text = _normal(password).casefold()
    if len(text) < SHORTEST:
        raise invalid(f"{param}: a password has at least {SHORTEST} characters; a sentence is good", param, "password_too_short")
    if len(text) > LONGEST:
        raise invalid(f"{param}: a password has at most {LONGEST} characters", param, "password_too_long")
    if text in _OBVIOUS or len(set(text)) < 4 or any(known and text == known.casefold() for known in about):
        raise invalid(f"{param}: this password is among the first that anybody would try; choose another", param, "password_too_common")


class Passwords:
    """Hashes and compares. `close()` when done."""

    def __init__(self, *, threads: int = THREADS, queue: int = QUEUE) -> None:
        self._hasher = PasswordHasher(time_cost=TIME_COST, memory_cost=MEMORY_KIB, parallelism=LANES, type=Type.ID)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="passwords", initializer=_be_modest)
        self._most = threads + queue
        self._waiting = 0
        self._nobodys: str | None = None

    async def hash(self, password: str) -> str:
        """What is kept of a password; raises ApiError 503 where too many wait already."""
        return await self._run(lambda: self._hasher.hash(_normal(password)))

    async def matches(self, password: str, kept: str | None) -> bool:
        """Whether this is the password; without one that is kept it is not, at the same cost. Raises ApiError 503."""
        return await self._run(lambda: self._compare(_normal(password[: 4 * LONGEST]), kept))

    def require_room(self) -> None:
        """Raises ApiError 503 where too many wait already, before anything else is done for one more."""
        if self._waiting >= self._most:
            message = "too many passwords are being looked at; try again in a moment"
            raise ApiError(Refusal(503, Kind.OVERLOADED, "logins_busy", message, retry_after=2, should_retry=True))

    def is_dated(self, kept: str) -> bool:
        """Whether what is kept was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(kept)

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _compare(self, password: str, kept: str | None) -> bool:
        if kept is None and self._nobodys is None:
            self._nobodys = self._hasher.hash(os.urandom(16).hex())
        try:
            return self._hasher.verify(kept or self._nobodys or "", password) and kept is not None
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        self.require_room()
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1


def _normal(password: str) -> str:
    """One form for what is typed on different keyboards."""
    return unicodedata.normalize("NFKC", password)


def _be_modest() -> None:
    # On Linux a thread has a niceness of its own; elsewhere it would be the whole process's.
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            thread = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, thread, min(_LOWEST, os.getpriority(os.PRIO_PROCESS, thread) + _LOWER))
