"""The home: one private directory that holds everything of one installation, and the lock by which it has one master.

Nobody but the owner may look in: directories are 0700, files and sockets 0600. A Unix socket's path is short (about 100 bytes), so
where the home's is too long, the sockets live in a private directory beside the temporary files.
"""

import contextlib
import fcntl
import hashlib
import os
import socket
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

MOST_SOCKET_PATH: Final = 100
"""Bytes; Linux allows 107, macOS 103."""
_LONGEST_SOCKET_NAME: Final = len("/run/tunnel.sock")
SEALED_COPY: Final = "snapshot.sealed"
_OURS: Final = frozenset({"sekisho.toml", "sekisho.db", "secret.key", SEALED_COPY, "models", "journal", "backups", "certs", "run"})
_ENDED: Final = b"\n\n"
"""Ends the lock's file once its master has ended in order: a blank line behind the pid."""
_LEFTOVER_S: Final = 5.0
"""How long the lock of a supervisor that is gone is waited for: its node ends itself within this time."""


class HomeError(Exception):
    """The home cannot be used; the text says what to do."""


class LockedError(HomeError):
    """Another process is the master of this home."""


class Home:
    """Names every place in the home; touches the disk only in its methods."""

    def __init__(self, path: Path) -> None:
        self.path: Final = Path(os.path.abspath(path.expanduser()))
        self.config: Final = self.path / "sekisho.toml"
        self.database: Final = self.path / "sekisho.db"
        self.ring_file: Final = self.path / "secret.key"
        self.sealed_copy: Final = self.path / SEALED_COPY
        self.models: Final = self.path / "models"
        self.journal: Final = self.path / "journal"
        self.backups: Final = self.path / "backups"
        self.certs: Final = self.path / "certs"
        self.run: Final = self.path / "run"
        self.lock: Final = self.run / "lock"
        sockets = self._socket_directory()
        self.node_socket: Final = sockets / "node.sock"
        self.tunnel_socket: Final = sockets / "tunnel.sock"
        self.link_socket: Final = sockets / "link.sock"
        self.doors_socket: Final = sockets / "doors.sock"

    def __repr__(self) -> str:
        return f"Home({str(self.path)!r})"

    def _socket_directory(self) -> Path:
        if len(os.fsencode(self.path)) + _LONGEST_SOCKET_NAME <= MOST_SOCKET_PATH:
            return self.run
        name = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"sekisho-{os.getuid()}-{name}"

    def is_new(self) -> bool:
        """Whether nothing of an installation is here yet; a home that holds nothing but models is new."""
        return not any(file.exists() for file in (self.database, self.ring_file, self.sealed_copy))

    def create(self) -> None:
        """Make what is missing and close what is open to others; raises HomeError."""
        self._refuse_a_shared_directory()
        for directory in (self.path, self.models, self.journal, self.backups, self.run, self.node_socket.parent):
            make_private(directory)
        for file in (self.ring_file, self.database, self.sealed_copy, self.config):
            close_to_others(file)

    def _refuse_a_shared_directory(self) -> None:
        """A directory that serves other purposes is not locked away from their users by a slip of the hand."""
        try:
            names = set(os.listdir(self.path))
        except FileNotFoundError:
            return
        except OSError as error:
            raise HomeError(f"{self.path}: {error.strerror}; choose another home with --home") from error
        if names and not any(name in _OURS for name in names):
            raise HomeError(f"{self.path} holds other files, such as {min(names)}; choose an own directory with --home")

    def holder(self) -> int | None:
        """The pid of the process that is the master of this home now; None where there is none."""
        try:
            descriptor = os.open(self.lock, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return _read_pid(descriptor)
        finally:
            os.close(descriptor)
        return None

    def take_lock(self) -> int:
        """Become the master; returns the descriptor that holds the lock until its last copy is closed. Raises LockedError."""
        descriptor = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + _LEFTOVER_S
        asked = 0
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                pid = _read_pid(descriptor)
                # Another process that only looks (`holder`) has it for an instant; the node of a dead supervisor for a few seconds.
                asked += 1
                if (asked > 3 and _is_alive(pid)) or time.monotonic() > deadline:
                    os.close(descriptor)
                    raise LockedError(_locked_message(self.path, pid)) from None
                time.sleep(0.02)
            else:
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
                return descriptor

    def was_cut_short(self) -> bool:
        """Whether its last master did not end in order, or has not ended; ask before you take the lock."""
        with contextlib.suppress(FileNotFoundError):
            text = self.lock.read_bytes()
            return bool(text) and not text.endswith(_ENDED)
        return False

    @contextlib.contextmanager
    def locked(self) -> Iterator[int]:
        """Be the master for a while; gives the lock's descriptor. Raises LockedError."""
        descriptor = self.take_lock()
        try:
            yield descriptor
        finally:
            release(descriptor)


def release(descriptor: int) -> None:
    """Give our copy of a lock back, in order."""
    with contextlib.suppress(OSError):
        os.pwrite(descriptor, _ENDED, os.fstat(descriptor).st_size - 1)
    os.close(descriptor)


def _locked_message(path: Path, pid: int | None) -> str:
    who = f"Sekisho runs already in {path}" + (f" (pid {pid})" if pid else "")
    return f"{who}; stop it with `sekisho stop`, or choose another home with --home"


def _read_pid(descriptor: int) -> int | None:
    text = os.pread(descriptor, 32, 0).strip()
    return int(text) if text.isdigit() else None


def _is_alive(pid: int | None) -> bool:
    if pid is None:
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def make_private(directory: Path) -> None:
    """Make a directory of mode 0700, or take an existing one of ours away from others; raises HomeError."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = directory.lstat() if directory.parent == Path(tempfile.gettempdir()) else directory.stat()
        if not stat.S_ISDIR(found.st_mode):
            raise HomeError(f"{directory} is no directory; remove it or choose another home with --home")
        if found.st_uid != os.getuid():
            raise HomeError(f"{directory} belongs to another user; choose another home with --home")
        if stat.S_IMODE(found.st_mode) & 0o077:
            directory.chmod(0o700)
    except OSError as error:
        raise HomeError(f"{directory}: {error.strerror}; choose another home with --home") from error


def close_to_others(file: Path) -> None:
    """Give a file of ours mode 0600 where it exists and is open to others; raises HomeError where it is not ours."""
    try:
        found = file.stat()
    except OSError:
        return
    if found.st_uid != os.getuid():
        raise HomeError(f"{file} belongs to another user; run Sekisho as the user who owns its home")
    if stat.S_IMODE(found.st_mode) & 0o077:
        file.chmod(0o600)


def default_path(environ: Mapping[str, str], platform: str = sys.platform, user_home: Callable[[], Path] = Path.home) -> Path:
    """The platform's directory for a program's data."""
    if platform == "darwin":
        return user_home() / "Library" / "Application Support" / "Sekisho"
    base = environ.get("XDG_DATA_HOME", "")
    # The specification says that a relative path there is to be ignored.
    return (Path(base) if base.startswith("/") else user_home() / ".local" / "share") / "sekisho"


def bind_socket(path: Path) -> socket.socket:
    """A listening Unix socket of mode 0600 at a path, in place of one that a killed process left; raises HomeError."""
    try:
        path.unlink(missing_ok=True)
        bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        bound.bind(str(path))
        path.chmod(0o600)
        bound.listen(128)
    except OSError as error:
        raise HomeError(f"the socket {path} cannot be made: {error.strerror}") from error
    bound.setblocking(False)
    return bound
