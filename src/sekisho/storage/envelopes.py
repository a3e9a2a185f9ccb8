"""A backup's file: what it says of itself, and a sealed stream that only the key ring opens.

    file  = magic (8) · header length (u32) · header (JSON) · chunks
    chunk = length (u32) · AES-256-GCM(plain); nonce = number of the chunk (u64) · 1 where it is the last (u32)

Little-endian. The chunks' plain bytes, one after the other, are one zlib stream. Every chunk is bound to the header's SHA-256, so a
changed header opens nothing and chunks of two backups cannot be mixed; the number and the mark of the last one make a cut, a repeated
and a moved chunk fail. Each file has a key of its own, which lies in the header, sealed with the key ring: the ring itself is never
inside.
"""

import base64
import hashlib
import json
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sekisho.kit.crypto import KEY_BYTES, KeyRing, SealError
from sekisho.storage.errors import StorageError

MAGIC: Final = b"SEKBAK01"
FORMAT: Final = 2
"""1 held a copy of a SQLite file and never left this house."""
CHUNK: Final = 1024 * 1024
LEVEL: Final = 1
"""Of the compression: records shrink to a fifth with it, at a speed that no disk waits for."""
_LENGTH: Final = struct.Struct("<I")
_NONCE: Final = struct.Struct("<QI")
_TAG_BYTES: Final = 16
_MAX_HEADER: Final = 64 * 1024
_PLACE: Final = "backup/key"


@dataclass(frozen=True)
class Header:
    """What a backup says of itself, readable without the key ring; proven only by opening the chunks behind it."""

    created_at: int
    """Wall time in microseconds."""
    schema: str
    """The migration that the tables were at."""
    instance: str
    """The name of the installation that made it."""
    rows: dict[str, int]
    """How many rows of each table are inside."""


class Writer:
    """Seals what is written to it; `finish` makes the last chunk and forces the file to the disk."""

    def __init__(self, file: IO[bytes], header: Header, ring: KeyRing) -> None:
        key = AESGCM.generate_key(KEY_BYTES * 8)
        sealed_key = base64.b64encode(ring.seal(key, _PLACE)).decode()
        raw = json.dumps({"format": FORMAT, "key": sealed_key, **asdict(header)}, sort_keys=True).encode()
        self._file = file
        self._cipher = AESGCM(key)
        self._bound = hashlib.sha256(raw).digest()
        self._number = 0
        self._squeeze = zlib.compressobj(LEVEL)
        self._waiting = bytearray()
        file.write(MAGIC + _LENGTH.pack(len(raw)) + raw)

    def write(self, plain: bytes) -> None:
        """Raises OSError."""
        self._waiting += self._squeeze.compress(plain)
        # One chunk always stays back: which one is the last shows only at the end.
        while len(self._waiting) > CHUNK:
            self._seal(bytes(self._waiting[:CHUNK]), last=False)
            del self._waiting[:CHUNK]

    def finish(self) -> None:
        """Raises OSError."""
        self._waiting += self._squeeze.flush()
        while len(self._waiting) > CHUNK:
            self._seal(bytes(self._waiting[:CHUNK]), last=False)
            del self._waiting[:CHUNK]
        self._seal(bytes(self._waiting), last=True)
        self._file.flush()
        os.fsync(self._file.fileno())

    def _seal(self, chunk: bytes, *, last: bool) -> None:
        data = self._cipher.encrypt(_NONCE.pack(self._number, last), chunk, self._bound)
        self._file.write(_LENGTH.pack(len(data)) + data)
        self._number += 1


def read_header(file: IO[bytes], source: Path) -> Header:
    """What the file says of itself, unproven; raises StorageError where it is no backup."""
    return _parse(_read_raw(file, source), source)[0]


def open_sealed(file: IO[bytes], ring: KeyRing, source: Path) -> tuple[Header, Iterator[bytes]]:
    """The header, and the plain stream piece by piece; both raise StorageError, the stream at the first byte that is not as it was."""
    raw = _read_raw(file, source)
    header, sealed_key = _parse(raw, source)
    try:
        key = ring.open(base64.b64decode(sealed_key), _PLACE)
    except (SealError, ValueError):
        raise StorageError(f"the backup {source} was sealed with another secret key; put that key's file in place first") from None
    return header, _inflated(_unsealed(file, AESGCM(key), hashlib.sha256(raw).digest(), source), source)


def _read_raw(file: IO[bytes], source: Path) -> bytes:
    start = file.read(len(MAGIC) + _LENGTH.size)
    if len(start) == len(MAGIC) + _LENGTH.size and start.startswith(MAGIC):
        (length,) = _LENGTH.unpack_from(start, len(MAGIC))
        raw = file.read(min(length, _MAX_HEADER))
        if len(raw) == length:
            return raw
    raise _no_backup(source)


def _parse(raw: bytes, source: Path) -> tuple[Header, str]:
    try:
        document: Any = json.loads(raw)
        if document["format"] != FORMAT:
            raise StorageError(
                f"the backup {source} has the format {document['format']!r}, which this version of Sekisho does not read; "
                "use the version that made it"
            )
        rows = {str(table): int(count) for table, count in document["rows"].items()}
        header = Header(int(document["created_at"]), str(document["schema"]), str(document["instance"]), rows)
        return header, str(document["key"])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _no_backup(source) from None


def _no_backup(source: Path) -> StorageError:
    return StorageError(f"{source} is no backup of Sekisho, or its beginning is damaged")


def _unsealed(file: IO[bytes], cipher: AESGCM, bound: bytes, source: Path) -> Iterator[bytes]:
    number, following = 0, file.read(_LENGTH.size)
    while True:
        length = _LENGTH.unpack(following)[0] if len(following) == _LENGTH.size else 0
        data = file.read(min(length, CHUNK + _TAG_BYTES))
        if len(data) != length:
            raise _damaged(source, f"chunk {number}")
        # Whether a chunk is the last is a part of what seals it; whether bytes stand behind it shows which of the two to expect.
        following = file.read(_LENGTH.size)
        try:
            yield cipher.decrypt(_NONCE.pack(number, not following), data, bound)
        except (InvalidTag, ValueError):
            raise _damaged(source, f"chunk {number}") from None
        if not following:
            return
        number += 1


def _inflated(chunks: Iterator[bytes], source: Path) -> Iterator[bytes]:
    inflate = zlib.decompressobj()
    try:
        for chunk in chunks:
            rest = chunk
            while rest:
                yield inflate.decompress(rest, CHUNK)
                rest = inflate.unconsumed_tail
        yield inflate.flush()
    except zlib.error:
        raise _damaged(source, "its compression") from None
    if not inflate.eof:
        raise _damaged(source, "its end")


def _damaged(source: Path, where: str) -> StorageError:
    return StorageError(f"the backup {source} is cut or damaged ({where}); use another one")
