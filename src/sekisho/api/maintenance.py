"""Backups, checks and the doctor: looking after a home that is in use."""

import asyncio
import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sekisho.catalog.model import ProviderFacts, credential_place
from sekisho.core.model.audit import Fault
from sekisho.identity.model import ApiKey
from sekisho.kit.clock import SECOND, Clock, to_rfc3339
from sekisho.kit.crypto import KeyRing
from sekisho.kit.net import is_loopback
from sekisho.rest.errors import conflict, invalid
from sekisho.storage import backups, checks, sqlite
from sekisho.storage.database import Database
from sekisho.storage.errors import StorageError, UnavailableError

LITTLE_SPACE: Final = 1024**3
"""Bytes free below which the disk is a worry: a busy hour of journals and their database."""

OLD_BACKUP: Final = 7 * 86400 * SECOND

ERROR: Final = "error"
WARNING: Final = "warning"
HINT: Final = "hint"

DATABASE: Final = "database"
"""The name of the finding that the database cannot be used."""


@dataclass(frozen=True)
class Finding:
    """Something that somebody should look at."""

    level: str
    """error, warning or hint."""
    name: str
    message: str
    remedy: str


class Maintenance:
    """Works on the home and its database.

    `console_host` is the address that the console's port is bound to; `look_around` finds what lies beyond this layer, and may block;
    `node` is this node's name in a database that several share.
    """

    def __init__(
        self,
        store: Database,
        ring: KeyRing,
        clock: Clock,
        home: Path,
        console_host: str,
        look_around: Callable[[], list[Finding]] = list,
        node: str = "",
    ) -> None:
        self._database = store
        self._ring = ring
        self._clock = clock
        self._home = home
        self._console_host = console_host
        self._look_around = look_around
        self._node = node
        self._progress: tuple[int, int] | None = None

    @property
    def _backups(self) -> Path:
        return self._home / "backups"

    async def back_up(self, target: Path) -> backups.Contents:
        """Write a backup to a new file; raises ApiError."""
        try:
            return await backups.create(self._database, self._ring, self._clock, target, self._hear)
        except UnavailableError:
            raise
        except StorageError as error:
            raise invalid(str(error), "path", "backup_failed") from None
        finally:
            self._progress = None

    def _hear(self, done: int, total: int) -> None:
        self._progress = done, total

    @property
    def progress(self) -> tuple[int, int] | None:
        """How many rows the backup that is being made has, and of how many; None where none is being made."""
        return self._progress

    def target(self, path: str | None) -> Path:
        """The new file that a backup is written to, in the home's own place or at an absolute path; raises ApiError."""
        target = self._target(path)
        if target.exists():
            raise conflict(f"{target} exists; a backup replaces no file: name another one", "path", "file_exists")
        return target

    def _target(self, path: str | None) -> Path:
        name = f"sekisho-{to_rfc3339(self._clock.now()).replace(':', '')}{backups.SUFFIX}"
        if path is None:
            return self._backups / name
        target = Path(path)
        if not target.is_absolute():
            raise invalid("path: give an absolute path of a new file or of a directory", "path")
        if target.is_dir():
            return target / name
        if not target.parent.is_dir():
            raise invalid(f"path: there is no directory {target.parent}; make it first", "path")
        return target

    async def list_backups(self) -> list[backups.Contents]:
        """Those in the home's own place, newest first."""
        return await asyncio.to_thread(self._described)

    def _described(self) -> list[backups.Contents]:
        found = []
        for path in self._backups.glob(f"*{backups.SUFFIX}"):
            try:
                found.append(backups.describe(path))
            except StorageError:
                continue  # A file that is no backup is none of ours, whatever it is called.
        return sorted(found, key=lambda each: each.created_at, reverse=True)

    async def check(self, lag: float) -> list[checks.Check]:
        """Every question that can be asked of what is stored; `lag` is for how long records have been waiting, in seconds."""
        around = checks.Surroundings(self._ring, self._home / "journal", self._backups, credential_place, self._node, lag)
        try:
            return await checks.run(self._database, around)
        except StorageError as error:
            return [checks.Check("integrity", False, str(error))]

    async def examine(
        self, unbounded: list[ApiKey], providers: list[ProviderFacts], unread: str | None = None, fault: Fault | None = None
    ) -> list[Finding]:
        """What the doctor finds, worst first; `unread` is why keys and providers could not be read, `fault` what is wrong in the audit."""
        found = await asyncio.to_thread(lambda: self._examine_home() + self._look_around())
        if unread is not None and not any(each.name == DATABASE for each in found):
            found.append(Finding(ERROR, DATABASE, unread, "mend what is said; it goes on by itself"))
        if fault is not None:
            remedy = "sekisho check --audit; see docs/howto/recover.md"
            found.append(Finding(ERROR, "audit", f"row {fault.seq}: {fault.reason}", remedy))
        found += self._examine_library() + self._examine_console() + _examine_keys(unbounded) + _examine_providers(providers)
        return sorted(found, key=lambda each: (ERROR, WARNING, HINT).index(each.level))

    def _examine_home(self) -> list[Finding]:
        found = []
        for path, most in self._private_places():
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode & ~most:
                message = f"{path} can be opened by others (mode {mode:04o})"
                found.append(Finding(ERROR, "file modes", message, f"chmod {most:04o} {path}"))
        free = shutil.disk_usage(self._home).free
        if free < LITTLE_SPACE:
            message = f"{free // 1024**2} MB are free where {self._home} lies"
            found.append(Finding(WARNING, "disk space", message, "make room: with a full disk new calls are refused"))
        newest = next(iter(self._described()), None)
        if newest is None or self._clock.now() - newest.created_at > OLD_BACKUP:
            message = "there is no backup yet" if newest is None else f"the newest backup is of {to_rfc3339(newest.created_at)}"
            found.append(Finding(HINT, "backups", message, "sekisho backup create; keep secret.key somewhere else"))
        return found

    def _private_places(self) -> list[tuple[Path, int]]:
        """What exists of the home, with the most that its mode may be."""
        files = ["secret.key", "sekisho.toml", "snapshot.sealed"]
        if isinstance(self._database, sqlite.Sqlite):
            files += [self._database.path.name, f"{self._database.path.name}-wal"]
        directories = [self._home, self._home / "journal", self._backups, self._home / "run"]
        places = [(self._home / name, 0o600) for name in files] + [(path, 0o700) for path in directories]
        places += [(path, 0o600) for path in self._backups.glob(f"*{backups.SUFFIX}")]
        return [(path, most) for path, most in places if path.exists()]

    def _examine_library(self) -> list[Finding]:
        if self._database.kind != "sqlite" or not sqlite.library_may_corrupt_wal():
            return []
        version = ".".join(map(str, sqlite.library_version()))
        message = f"SQLite {version} can corrupt a database that several connections write; Sekisho writes through one and is not affected"
        return [Finding(HINT, "sqlite version", message, "never open the database for writing with another program while Sekisho runs")]

    def _examine_console(self) -> list[Finding]:
        if is_loopback(self._console_host) or self._console_host == "localhost":
            return []
        message = f"the console's port is bound to {self._console_host}, in plain HTTP"
        return [Finding(WARNING, "console address", message, "bind it to 127.0.0.1, or put a proxy with TLS in front")]


def _examine_keys(unbounded: list[ApiKey]) -> list[Finding]:
    rules: tuple[tuple[str, Callable[[ApiKey], bool], str], ...] = (
        ("never expire", lambda key: key.expires_at is None, "sekisho api-keys create --expires 90d, then revoke the old one"),
        (
            "have no limit",
            lambda key: key.rpm is None and key.tpm is None and key.concurrency is None,
            "give new keys --rpm, --tpm or --concurrency",
        ),
    )
    found = []
    for what, holds, remedy in rules:
        labels = [key.label for key in unbounded if holds(key)]
        if labels:
            shown = ", ".join(labels[:5]) + (", ..." if len(labels) > 5 else "")
            found.append(Finding(HINT, "keys", f"{len(labels)} keys {what}: {shown}", remedy))
    return found


def _examine_providers(providers: list[ProviderFacts]) -> list[Finding]:
    found = []
    for each in providers:
        scheme, _, rest = each.base_url.partition("://")
        host = rest.partition("/")[0].rpartition(":")[0] or rest.partition("/")[0]
        if scheme == "http" and not is_loopback(host.strip("[]")) and host != "localhost":
            message = f"provider {each.name} is reached over plain HTTP beyond this host: prompts and its credential can be read on the way"
            found.append(Finding(WARNING, "provider address", message, "use an https address"))
        if each.state == "failing":
            found.append(
                Finding(WARNING, "provider state", f"provider {each.name} failed its last test", f"sekisho providers test {each.name}")
            )
    return found
