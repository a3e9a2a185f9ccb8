"""A backup is one consistent copy of the database, sealed with a key of its own that only the key ring opens.

    file  = magic (8) · header length (u32) · header (JSON) · chunks
    chunk = length (u32) · AES-256-GCM(plain); nonce = number of the chunk (u64) · 1 where it is the last (u32)

Little-endian. Every chunk is bound to the header's SHA-256, so chunks of two backups cannot be mixed; the number and the mark of the
last one make a cut, a repeated and a moved chunk fail. The key ring itself is never inside: keep `secret.key` apart from the backups.
"""

import asyncio
import base64
import contextlib
import hashlib
import json
import os
import shutil
import sqlite3
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sekisho.kit.clock import Clock
from sekisho.kit.crypto import KEY_BYTES, KeyRing, SealError
from sekisho.storage.database import Database
from sekisho.storage.errors import StorageError

SUFFIX: Final = ".sekisho-backup"
MAGIC: Final = b"SEKBAK01"
CHUNK: Final = 1024 * 1024
_LENGTH: Final = struct.Struct("<I")
_NONCE: Final = struct.Struct("<QI")
_MAX_HEADER: Final = 64 * 1024
_PLACE: Final = "backup/key"


@dataclass(frozen=True)
class Contents:
    """What a backup says of itself."""

    path: Path
    created_at: int
    """Wall time in microseconds."""
    calls: int
    keys: int
    bytes: int
    """Size of the file."""


@dataclass(frozen=True)
class Restored:
    """What a restore did."""

    created_at: int
    """When the backup was made."""
    calls: int
    keys: int
    safety_copy: Path | None
    """The directory with what was there before; None where nothing was."""


async def create(database: Database, ring: KeyRing, clock: Clock, target: Path) -> Contents:
    """Write a backup to a file that does not exist yet, while others go on writing; raises StorageError."""
    return await asyncio.to_thread(_create, database.path, ring, clock.now(), target)


def verify(source: Path, ring: KeyRing) -> Contents:
    """Open every chunk and check the database inside; raises StorageError. Needs as much room as the database, beside the backup."""
    with _temporary(source) as copy:
        contents = _open(source, ring, copy)
        _check_copy(copy, ring, source)
    return contents


def restore(source: Path, database: Path, ring: KeyRing, clock: Clock) -> Restored:
    """Put a backup in the database's place; the caller holds the home's lock.

    What is there is copied first, damaged or not. Raises StorageError, and then the database is as it was.
    """
    with _temporary(database) as copy:
        contents = _open(source, ring, copy)
        _check_copy(copy, ring, source)
        try:
            safety_copy = _keep(database, clock.now())
            # The old WAL goes before the new file comes: a WAL of another database is poison.
            for leftover in _companions(database):
                leftover.unlink(missing_ok=True)
            copy.replace(database)
            _sync_directory(database.parent)
        except OSError as error:
            raise StorageError(f"the backup could not be put in place: {error}") from None
    return Restored(contents.created_at, contents.calls, contents.keys, safety_copy)


def describe(source: Path) -> Contents:
    """What a backup's header says, unproven; raises StorageError where the file is no backup."""
    try:
        with source.open("rb") as file:
            header, _ = _read_header(file, source)
            return _contents(header, source)
    except OSError as error:
        raise StorageError(f"the backup {source} cannot be read: {error.strerror}") from None


def _create(path: Path, ring: KeyRing, now: int, target: Path) -> Contents:
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _temporary(path) as copy:
            header = _copy(path, copy) | {"format": 1, "created_at": now}
            key = AESGCM.generate_key(KEY_BYTES * 8)
            header["key"] = base64.b64encode(ring.seal(key, _PLACE)).decode()
            with _temporary(target) as unfinished:
                with copy.open("rb") as plain, unfinished.open("wb") as sealed:
                    _seal(plain, sealed, json.dumps(header, sort_keys=True).encode(), key)
                    sealed.flush()
                    os.fsync(sealed.fileno())
                # The empty file of our own takes the name, so that the rename replaces nobody else's.
                os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
                unfinished.replace(target)
            _sync_directory(target.parent)
    except FileExistsError:
        raise StorageError(f"{target} exists; a backup replaces no file: name another one") from None
    except OSError as error:
        raise StorageError(f"the backup {target} cannot be written: {error.strerror}") from None
    return describe(target)


def _copy(path: Path, copy: Path) -> dict[str, Any]:
    """One consistent copy through SQLite's own backup, in one step: a writer neither waits for it nor makes it start again."""
    with (
        contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as source,
        contextlib.closing(sqlite3.connect(copy, isolation_level=None)) as target,
    ):
        source.backup(target)
        target.execute("PRAGMA journal_mode=DELETE")
        return {
            "calls": target.execute("SELECT count(*) FROM calls").fetchone()[0],
            "keys": target.execute("SELECT count(*) FROM keys").fetchone()[0],
            "schema": target.execute("SELECT version_num FROM alembic_version").fetchone()[0],
        }


def _seal(plain: IO[bytes], sealed: IO[bytes], header: bytes, key: bytes) -> None:
    sealed.write(MAGIC + _LENGTH.pack(len(header)) + header)
    cipher, bound = AESGCM(key), hashlib.sha256(header).digest()
    number, chunk = 0, plain.read(CHUNK)
    while True:
        following = plain.read(CHUNK)
        data = cipher.encrypt(_NONCE.pack(number, not following), chunk, bound)
        sealed.write(_LENGTH.pack(len(data)) + data)
        if not following:
            return
        number, chunk = number + 1, following


def _open(source: Path, ring: KeyRing, copy: Path) -> Contents:
    try:
        with source.open("rb") as sealed, copy.open("wb") as plain:
            header, raw = _read_header(sealed, source)
            try:
                key = ring.open(base64.b64decode(header["key"]), _PLACE)
            except (SealError, ValueError, KeyError, TypeError):
                raise StorageError(f"the backup {source} was sealed with another secret key; put that key's file in place first") from None
            _unseal(sealed, plain, hashlib.sha256(raw).digest(), key, source)
            plain.flush()
            os.fsync(plain.fileno())
        return _contents(header, source)
    except OSError as error:
        raise StorageError(f"the backup {source} cannot be read: {error.strerror}") from None


def _unseal(sealed: IO[bytes], plain: IO[bytes], bound: bytes, key: bytes, source: Path) -> None:
    cipher = AESGCM(key)
    number, last = 0, False
    while not last:
        length = sealed.read(_LENGTH.size)
        data = b"" if len(length) < _LENGTH.size else sealed.read(min(_LENGTH.unpack(length)[0], CHUNK + 16))
        # Whether a chunk is the last is a part of what seals it; more bytes behind it show which of the two to expect.
        following = sealed.read(1)
        last = not following
        try:
            plain.write(cipher.decrypt(_NONCE.pack(number, last), data, bound))
        except (InvalidTag, ValueError):
            raise StorageError(f"the backup {source} is cut or damaged (chunk {number}); use another one") from None
        number += 1
        if following:
            sealed.seek(-1, os.SEEK_CUR)


def _read_header(file: IO[bytes], source: Path) -> tuple[dict[str, Any], bytes]:
    start = file.read(len(MAGIC) + _LENGTH.size)
    if len(start) == len(MAGIC) + _LENGTH.size and start.startswith(MAGIC):
        (length,) = _LENGTH.unpack_from(start, len(MAGIC))
        raw = file.read(min(length, _MAX_HEADER))
        try:
            header = json.loads(raw)
            if header["format"] == 1:
                return header, raw
        except (ValueError, KeyError, TypeError):
            pass
    raise StorageError(f"{source} is no backup of Sekisho, or its beginning is damaged")


def _contents(header: dict[str, Any], source: Path) -> Contents:
    try:
        created_at, calls, keys = (int(header[name]) for name in ("created_at", "calls", "keys"))
    except (KeyError, TypeError, ValueError):
        raise StorageError(f"{source} is no backup of Sekisho, or its beginning is damaged") from None
    return Contents(source, created_at, calls, keys, source.stat().st_size)


def _check_copy(copy: Path, ring: KeyRing, source: Path) -> None:
    """Make sure that the opened copy is a sound database of this key ring."""
    try:
        with contextlib.closing(sqlite3.connect(f"{copy.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            verdict = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
            fingerprint = (connection.execute("SELECT ring_fingerprint FROM revisions").fetchone() or ("nobody",))[0]
    except sqlite3.DatabaseError as error:
        raise StorageError(f"the database inside {source} is damaged: {error}") from None
    if verdict != "ok":
        raise StorageError(f"the database inside {source} is damaged: {verdict}")
    if fingerprint != ring.fingerprint():
        raise StorageError(
            f"the database inside {source} belongs to another secret key ({fingerprint}); put that key's file in place first"
        )


def _keep(database: Path, now: int) -> Path | None:
    """Copy the database and its companions to a directory of their own."""
    present = [each for each in (database, *_companions(database)) if each.exists()]
    if not present:
        return None
    directory = database.parent / "backups" / f"replaced-{now}"
    directory.mkdir(mode=0o700, parents=True)
    for each in present:
        shutil.copy2(each, directory / each.name)
        with (directory / each.name).open("rb") as file:
            os.fsync(file.fileno())
    _sync_directory(directory)
    return directory


def _companions(database: Path) -> tuple[Path, Path]:
    return database.with_name(f"{database.name}-wal"), database.with_name(f"{database.name}-shm")


@contextlib.contextmanager
def _temporary(beside: Path) -> Iterator[Path]:
    """A file of mode 0600 in the same directory, gone at the end."""
    path = beside.with_name(f".{beside.name}.{os.urandom(6).hex()}")
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError as error:
        raise StorageError(f"no file can be made in {beside.parent}: {error.strerror}") from None
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
