"""Sealing, hashing and secrets that do not show themselves.

A field is sealed with AES-256-GCM; its place (table, row, column) is bound as associated data, so a ciphertext moved to another
row does not open. The key ring has versions: the newest seals, all open.
"""

import base64
import hashlib
import hmac
import json
import os
import secrets as _random
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12


class Secret:
    """A text that reveals itself only when asked: never in repr, str, format, logs or pickles."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself; call this only where it leaves for its destination."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and _random.compare_digest(self._text.encode(), other._text.encode())

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> str:
        raise TypeError("a secret is not pickled")


class SealError(Exception):
    """A sealed value does not open: wrong key ring, wrong place, or changed bytes."""


class KeyRing:
    """Versioned keys; `seal` uses the newest, `open` the one that the value names."""

    def __init__(self, keys: dict[int, bytes]) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys.values()):
            raise ValueError(f"a key ring needs at least one key of {KEY_BYTES} bytes")
        self._keys = keys
        self._newest = max(keys)

    @classmethod
    def generate(cls) -> "KeyRing":
        return cls({1: os.urandom(KEY_BYTES)})

    @classmethod
    def loads(cls, text: str) -> "KeyRing":
        """Read the form that `dumps` writes; raises ValueError where it is another."""
        try:
            document = json.loads(text)
            return cls({int(version): base64.b64decode(key, validate=True) for version, key in document["keys"].items()})
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError("this is no key ring of Sekisho") from error

    def dumps(self) -> str:
        return json.dumps({"format": 1, "keys": {str(version): base64.b64encode(key).decode() for version, key in self._keys.items()}})

    def fingerprint(self) -> str:
        """Names the ring without telling it: stored in the database, so that a wrong ring is noticed at start."""
        return hashlib.sha256(b"sekisho key ring" + self._keys[min(self._keys)]).hexdigest()[:16]

    def derive(self, purpose: str) -> dict[int, bytes]:
        """A key for one purpose out of each version, the newest being the highest: it tells nothing of the ring or of other purposes."""
        return {version: hmac.digest(key, b"sekisho key for " + purpose.encode(), "sha256") for version, key in self._keys.items()}

    def seal(self, plain: bytes, place: str) -> bytes:
        """Encrypt for one place; the same plain text gives other bytes each time."""
        nonce = os.urandom(NONCE_BYTES)
        return self._newest.to_bytes(2, "big") + nonce + AESGCM(self._keys[self._newest]).encrypt(nonce, plain, place.encode())

    def open(self, sealed: bytes, place: str) -> bytes:
        """Decrypt what was sealed for this place; raises SealError."""
        version = int.from_bytes(sealed[:2], "big")
        key = self._keys.get(version)
        if key is None:
            raise SealError(f"the key ring has no key of version {version}")
        try:
            return AESGCM(key).decrypt(sealed[2 : 2 + NONCE_BYTES], sealed[2 + NONCE_BYTES :], place.encode())
        except (InvalidTag, ValueError):
            raise SealError("the sealed value does not open: another key ring, another place, or changed bytes") from None


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def digest_of(text: str | None) -> str | None:
    """Which text it is, such as a bundle of authorities, where the text itself is too long to show: `sha256:` and 64 digits."""
    return None if text is None else f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def token(size: int = 32) -> str:
    """A random URL-safe text of `size` bytes of entropy (32 bytes give 43 characters)."""
    return _random.token_urlsafe(size)


def fingerprint(text: str) -> str:
    """Eight characters that tell two secrets apart and tell neither."""
    return hashlib.sha256(b"sekisho fingerprint" + text.encode()).hexdigest()[:8]


def write_private(path: Path, data: bytes) -> None:
    """Create a file of mode 0600 whole: a crash leaves the old one or the new one, and an existing one is replaced."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    temporary.replace(path)
