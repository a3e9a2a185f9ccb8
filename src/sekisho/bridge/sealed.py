"""The sealed copy: the last snapshot on disk, from which a node serves its workers while the database cannot be read.

    file = magic (8) · id (16) · origin (32) · parts
    part = length (u32) · sealed; sealed for the place `snapshot/<id>/<origin>/<number of the part>`

Little-endian. The first part is the whole configuration but for the keys, which follow in pages; each part after these is what one
revision changed. So a revocation is one short part and one sync, however many keys there are; when the changes outgrow the whole, the
file is written anew beside itself and takes its own place in one step. The id is random, so parts of two files cannot be mixed;
`origin` names the database that it is a copy of.

A part that the end of the file cuts was never acknowledged to anybody, and is left out. Whatever else is not as it was written makes
the copy worthless: it is refused, never read in part.
"""

import contextlib
import hashlib
import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from sekisho.core.model.ids import BUILTIN
from sekisho.core.model.snapshot import Catalog, Key, Model
from sekisho.kit.crypto import KeyRing, SealError
from sekisho.kit.files import identity_at, identity_of, sync

MAGIC: Final = b"SEKSNAP1"
"""Ends with the number of the format: another one is not read."""
ID_BYTES: Final = 16
ORIGIN_BYTES: Final = 32
HEAD_BYTES: Final = len(MAGIC) + ID_BYTES + ORIGIN_BYTES
LENGTH: Final = struct.Struct("<I")
SYNCED_AT_ONCE: Final = 1024 * 1024
"""Bytes of a whole: what is forced to the disk beside it, such as a revocation, waits for so much of it and not for all."""
PAGE_KEYS: Final = 1000


class CopyError(Exception):
    """The copy cannot be used; the text says why, after the words "the sealed copy ..."."""


class Held(msgspec.Struct, frozen=True):
    """A whole configuration."""

    revision: int
    catalog: Catalog
    keys: tuple[Key, ...]
    written_at: int = 0
    """When the copy was brought to this revision; wall time in microseconds."""


class _Start(msgspec.Struct, frozen=True, tag="whole"):
    """The first part."""

    revision: int
    catalog: Catalog
    written_at: int
    pages: int
    """How many parts with keys follow."""


class _Page(msgspec.Struct, frozen=True, tag="keys"):
    """A part of the keys: making one holds the node up for a millisecond."""

    keys: tuple[Key, ...]


class Change(msgspec.Struct, frozen=True, tag="change"):
    """What is newer than the part before it; `catalog` is None where only keys changed."""

    revision: int
    catalog: Catalog | None = None
    keys: tuple[Key, ...] = ()
    gone: tuple[bytes, ...] = ()
    written_at: int = 0


encoded: Final = msgspec.msgpack.Encoder().encode
_decode_start: Final = msgspec.msgpack.Decoder(_Start).decode
_decode_page: Final = msgspec.msgpack.Decoder(_Page).decode
_decode_change: Final = msgspec.msgpack.Decoder(Change).decode


def origin_of(database: str) -> bytes:
    """What a copy says of its database, from a text without secrets that tells this database from others."""
    return hashlib.sha256(b"sekisho database " + database.encode()).digest()


def is_of(path: Path, origin: bytes) -> bool:
    """Whether a copy of this database lies there, in whatever state; one that cannot be looked at counts as one."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return len(head) < HEAD_BYTES or not head.startswith(MAGIC) or head.endswith(origin)


def read(path: Path, ring: KeyRing, origin: bytes) -> Held | None:
    """The configuration that a copy holds, None where there is none. Raises CopyError where it cannot be trusted to the last byte."""
    try:
        data = memoryview(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CopyError(f"cannot be read: {error.strerror}") from error
    if len(data) < HEAD_BYTES or bytes(data[: len(MAGIC)]) != MAGIC:
        raise CopyError("is damaged, or was written by another version")
    if bytes(data[HEAD_BYTES - ORIGIN_BYTES : HEAD_BYTES]) != origin:
        raise CopyError("is of another database")
    place = _place(bytes(data[len(MAGIC) : len(MAGIC) + ID_BYTES]), origin)
    try:
        opened = [ring.open(bytes(sealed), f"{place}/{number}") for number, sealed in enumerate(_parts(data))]
        if not opened:
            raise CopyError("is damaged: nothing is in it")
        start = _decode_start(opened[0])
        behind = 1 + start.pages
        if len(opened) < behind:
            raise CopyError("is damaged: keys are missing from it")
        return _join(start, [_decode_page(each) for each in opened[1:behind]], [_decode_change(each) for each in opened[behind:]])
    except SealError:
        raise CopyError("is damaged, or was sealed with another secret key") from None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise CopyError("was written by another version") from None


def _parts(data: memoryview) -> list[memoryview]:
    """The parts that are there to their last byte."""
    found: list[memoryview] = []
    at = HEAD_BYTES
    while at + LENGTH.size <= len(data):
        (length,) = LENGTH.unpack_from(data, at)
        at += LENGTH.size
        if at + length > len(data):
            break
        found.append(data[at : at + length])
        at += length
    return found


def _join(start: _Start, pages: Sequence[_Page], changes: Sequence[Change]) -> Held:
    catalog = start.catalog
    keys = {key.digest: key for page in pages for key in page.keys}
    for change in changes:
        catalog = change.catalog or catalog
        for digest in change.gone:
            keys.pop(digest, None)
        keys.update((key.digest, key) for key in change.keys)
    newest = changes[-1] if changes else start
    return Held(newest.revision, catalog, tuple(keys.values()), newest.written_at)


def _place(identity: bytes, origin: bytes) -> str:
    return f"snapshot/{identity.hex()}/{origin.hex()}"


def with_engines(catalog: Catalog, models: tuple[Model, ...]) -> Catalog:
    """The same catalog with the built-in engine's models as they are now: where its servers listen is true for one life only."""
    rest = tuple(model for model in catalog.models if model.provider != BUILTIN)
    return msgspec.structs.replace(catalog, models=(*rest, *models))


class SealedFile:
    """One file of the copy, open for writing. Belongs to one thread at a time; every method may block, and raises OSError."""

    def __init__(self, path: Path, ring: KeyRing, origin: bytes, *, suffix: str) -> None:
        self._path = path
        self._unfinished = path.with_name(f".{path.name}.{suffix}")
        self._ring = ring
        identity = os.urandom(ID_BYTES)
        self._head = MAGIC + identity + origin
        self._place = _place(identity, origin)
        self._parts = 0
        self._descriptor = -1
        self.whole_bytes = 0
        self.changes_bytes = 0

    @classmethod
    def resumed(cls, path: Path, ring: KeyRing, origin: bytes, *, suffix: str) -> "tuple[SealedFile, int, str]":
        """Go on with the copy that lies there; with it, its newest revision and its installation. Raises CopyError where it is not fit.

        Only its two ends are opened: that takes milliseconds, however many keys there are. Damage in between is found by whoever reads it.
        """
        data = memoryview(path.read_bytes())
        if len(data) < HEAD_BYTES or bytes(data[: len(MAGIC)]) != MAGIC or bytes(data[HEAD_BYTES - ORIGIN_BYTES : HEAD_BYTES]) != origin:
            raise CopyError("is of another database or version")
        file = cls(path, ring, origin, suffix=suffix)
        file._head = bytes(data[:HEAD_BYTES])
        file._place = _place(file._head[len(MAGIC) : len(MAGIC) + ID_BYTES], origin)
        parts = _parts(data)
        file._parts = len(parts)
        try:
            start = _decode_start(ring.open(bytes(parts[0]), f"{file._place}/0"))
            behind = 1 + start.pages
            if len(parts) < behind:
                raise CopyError("is damaged: keys are missing from it")
            revision = start.revision
            if len(parts) > behind:
                revision = _decode_change(ring.open(bytes(parts[-1]), f"{file._place}/{len(parts) - 1}")).revision
        except (SealError, IndexError, msgspec.MsgspecError, UnicodeDecodeError):
            raise CopyError("is damaged, or was sealed with another secret key") from None
        file.whole_bytes = HEAD_BYTES + sum(LENGTH.size + len(each) for each in parts[:behind])
        file.changes_bytes = sum(LENGTH.size + len(each) for each in parts[behind:])
        file._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        # What the end cut was acknowledged to nobody, and nothing may come behind it.
        os.ftruncate(file._descriptor, file.whole_bytes + file.changes_bytes)
        return file, revision, start.catalog.instance

    def create(self, whole: Held) -> None:
        """Write the whole to the disk, under a name that no start looks at."""
        self._descriptor = os.open(self._unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        pages = [_Page(whole.keys[at : at + PAGE_KEYS]) for at in range(0, len(whole.keys), PAGE_KEYS)]
        data = bytearray(self._head + self._sealed(encoded(_Start(whole.revision, whole.catalog, whole.written_at, len(pages)))))
        for page in pages:
            data += self._sealed(encoded(page))
            if len(data) > SYNCED_AT_ONCE:
                self.whole_bytes += self._write(data)
                data = bytearray()
        self.whole_bytes += self._write(data)

    def append(self, payloads: Sequence[bytes]) -> None:
        """Return when these changes are on the disk."""
        if payloads:
            self.changes_bytes += self._write(b"".join(map(self._sealed, payloads)))

    def take_place(self) -> None:
        """Be the copy from now on."""
        self._unfinished.replace(self._path)
        sync(self._path.parent)

    def is_in_place(self) -> bool:
        """Whether a start would read this file, and not another or none."""
        return identity_at(self._path) == identity_of(self._descriptor)

    def withdraw(self) -> None:
        """Remove whatever copy is there."""
        self.discard()
        self._path.unlink(missing_ok=True)
        sync(self._path.parent)

    def discard(self) -> None:
        """Remove what was not finished."""
        with contextlib.suppress(OSError):
            self._unfinished.unlink(missing_ok=True)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _sealed(self, payload: bytes) -> bytes:
        sealed = self._ring.seal(payload, f"{self._place}/{self._parts}")
        self._parts += 1
        return LENGTH.pack(len(sealed)) + sealed

    def _write(self, data: bytes | bytearray) -> int:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        os.fsync(self._descriptor)
        return len(data)
