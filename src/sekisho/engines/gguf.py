"""Reads the few facts we want from the head of a GGUF file. The file may be hostile: nothing outside a small buffer is ever touched.

    GGUF · version (u32) · tensors (u64) · pairs (u64) · pairs of key (string), type (u32), value

Little-endian. A string is a length (u64) and bytes; an array is a type (u32), a count (u64) and values. Writers put the facts of the
architecture before the vocabulary, so the first part of the file is enough; what is not found there is not known.
"""

import os
import stat
import struct
from pathlib import Path
from typing import Final

import msgspec

HEAD_BYTES: Final = 256 * 1024
"""As much of the file as is read."""
MOST_PAIRS: Final = 1000
MOST_CONTEXT: Final = 2**31
"""A larger context length is damage."""

_SIZES: Final = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of each plain type."""
_INTEGERS: Final = {4: "<I", 5: "<i", 10: "<Q", 11: "<q"}
_STRING: Final = 8
_ARRAY: Final = 9


class NotGGUFError(Exception):
    """The file cannot be used; the text says why."""


class Facts(msgspec.Struct, frozen=True):
    """What a head tells."""

    architecture: str
    context_length: int | None = None
    """Tokens that the model was trained for."""


class _EndError(Exception):
    """The buffer is over."""


class _Cursor:
    """Takes values off a buffer and never leaves it."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def skip(self, size: int) -> None:
        if size > len(self._data) - self._at:
            raise _EndError
        self._at += size

    def number(self, form: str) -> int:
        start = self._at
        self.skip(struct.calcsize(form))
        return int(struct.unpack_from(form, self._data, start)[0])

    def string(self) -> bytes:
        size = self.number("<Q")
        start = self._at
        self.skip(size)
        return self._data[start : self._at]


def read(path: Path) -> Facts:
    """Read the facts of a file; raises NotGGUFError, also where it cannot be read."""
    try:
        # A pipe in place of a file must not hold us.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise NotGGUFError(f"it cannot be read: {error.strerror}") from None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NotGGUFError("it is no file")
        return parse(os.pread(descriptor, HEAD_BYTES, 0))
    except OSError as error:
        raise NotGGUFError(f"it cannot be read: {error.strerror}") from None
    finally:
        os.close(descriptor)


def parse(data: bytes) -> Facts:
    """Read the facts from the first bytes of a file; raises NotGGUFError."""
    cursor = _Cursor(data)
    strings: dict[bytes, bytes] = {}
    numbers: dict[bytes, int] = {}
    try:
        if data[:4] != b"GGUF":
            raise NotGGUFError("it is no GGUF file")
        cursor.skip(4)
        if (version := cursor.number("<I")) not in (2, 3):
            raise NotGGUFError(f"its GGUF version {version} is none that is known (2 and 3 are); download it anew")
        cursor.skip(8)
        for _ in range(min(cursor.number("<Q"), MOST_PAIRS)):
            _pair(cursor, strings, numbers)
    except _EndError:
        pass  # the rest lies beyond the part that was read
    architecture = strings.get(b"general.architecture", b"")
    if not architecture:
        raise NotGGUFError("its head names no architecture; it is damaged, or not a model")
    length = numbers.get(architecture + b".context_length")
    return Facts(architecture.decode("ascii", "replace")[:64], length if length is not None and 0 < length <= MOST_CONTEXT else None)


def _pair(cursor: _Cursor, strings: dict[bytes, bytes], numbers: dict[bytes, int]) -> None:
    key, kind = cursor.string(), cursor.number("<I")
    if kind == _STRING:
        strings[key] = cursor.string()
    elif kind in _INTEGERS:
        numbers[key] = cursor.number(_INTEGERS[kind])
    elif kind == _ARRAY:
        _skip_array(cursor)
    elif kind in _SIZES:
        cursor.skip(_SIZES[kind])
    else:
        raise _EndError  # what follows cannot be found


def _skip_array(cursor: _Cursor) -> None:
    kind, count = cursor.number("<I"), cursor.number("<Q")
    if kind in _SIZES:
        cursor.skip(_SIZES[kind] * count)
    elif kind == _STRING:
        for _ in range(min(count, HEAD_BYTES)):
            cursor.string()
    else:
        raise _EndError  # no writer nests arrays
