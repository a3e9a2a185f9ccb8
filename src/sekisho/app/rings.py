"""The key ring at start. It is made once, beside a database that does not exist yet; a lost or wrong one stops the start.

A new ring beside an old database would look like a start that worked, and every sealed credential would be lost.
"""

import base64
import binascii
import json
from pathlib import Path

from sekisho.kit import crypto

VARIABLE = "SEKISHO_SECRET_KEY"


class RingError(Exception):
    """The secret key is missing or unreadable; the text is one line that says what to do."""


def open_ring(file: Path, text: str | None, database: Path) -> crypto.KeyRing:
    """The ring for a database that is a file; see `ring_for`."""
    return ring_for(file, text, str(database) if database.exists() and database.stat().st_size > 0 else None)


def ring_for(file: Path, text: str | None, present: str | None) -> crypto.KeyRing:
    """The ring of the environment, else of the file, else a new one where there is no database either. Raises RingError.

    `present` names a database that holds something already.
    """
    if text is not None:
        return _parse(text, VARIABLE)
    try:
        return _parse(file.read_text(), str(file))
    except FileNotFoundError:
        pass
    except (OSError, UnicodeDecodeError) as error:
        raise RingError(f"{file}: the secret key cannot be read ({error}); put the right file back") from error
    if present is not None:
        raise RingError(
            f"the database {present} is there, but its secret key {file} is missing; put the file back or set {VARIABLE} "
            "(to start empty instead, move the database away)"
        )
    ring = crypto.KeyRing.generate()
    crypto.write_private(file, ring.dumps().encode())
    return ring


def _parse(text: str, where: str) -> crypto.KeyRing:
    """Read the document of a `secret.key`, or the base64 of one key of 32 bytes."""
    try:
        if text.lstrip().startswith("{"):
            return crypto.KeyRing.loads(text)
        return crypto.KeyRing.loads(json.dumps({"keys": {"1": base64.b64encode(_decode(text.strip())).decode()}}))
    except (ValueError, binascii.Error):
        raise RingError(f"{where}: this is no secret key of Sekisho; put the right one back, or a key of 32 bytes in base64") from None


def _decode(text: str) -> bytes:
    padded = text + "=" * (-len(text) % 4)
    return base64.b64decode(padded.translate(str.maketrans("-_", "+/")), validate=True)
