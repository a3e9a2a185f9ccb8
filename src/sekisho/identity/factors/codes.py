"""One-time passwords by time (RFC 6238) and recovery codes: arithmetic with the time as an argument.

A code is good in its own step of thirty seconds and one to either side, and once: who verifies remembers the step, and no step at or
before it is taken again, so a code that was looked over a shoulder opens nothing.
"""

import base64
import hashlib
import hmac
import re
from typing import Final
from urllib.parse import quote, urlencode

from sekisho.core.model.ids import ALPHABET, readable
from sekisho.kit.clock import SECOND

SECRET_BYTES: Final = 20
"""As long as the digest, which is what RFC 4226 recommends."""

DIGITS: Final = 6
STEP_SECONDS: Final = 30
DRIFT: Final = 1
"""Steps by which the clock of a telephone may be wrong."""

RECOVERY_CODES: Final = 10
RECOVERY_BYTES: Final = 10
_RECOVERY: Final = re.compile(rf"[{ALPHABET}]{{16}}")


def step_of(now: int) -> int:
    """The step in which a wall time in microseconds lies."""
    return now // (STEP_SECONDS * SECOND)


def code_at(secret: bytes, step: int, *, digits: int = DIGITS, digest: str = "sha1") -> str:
    """The code of a step (RFC 4226, section 5.3)."""
    mac = hmac.new(secret, step.to_bytes(8, "big"), digest).digest()
    offset = mac[-1] & 0x0F
    number = int.from_bytes(mac[offset : offset + 4], "big") & 0x7FFF_FFFF
    return str(number % 10**digits).zfill(digits)


def matching_step(secret: bytes, code: str, now: int, after: int) -> int | None:
    """The step that a code is of, if it may be taken now; None otherwise. `after` is the last step that was taken."""
    if len(code) != DIGITS or not code.isascii() or not code.isdigit():
        return None
    found = None
    # Every candidate is compared, so that the time taken says nothing about which one it was.
    for step in range(step_of(now) - DRIFT, step_of(now) + DRIFT + 1):
        if hmac.compare_digest(code_at(secret, step), code) and step > after:
            found = step
    return found


def otpauth(secret: bytes, issuer: str, account: str) -> str:
    """The address that authenticator applications read from a picture."""
    words = {"secret": spelled(secret), "issuer": issuer, "algorithm": "SHA1", "digits": DIGITS, "period": STEP_SECONDS}
    return f"otpauth://totp/{quote(issuer, safe='')}:{quote(account, safe='@')}?{urlencode(words, quote_via=quote)}"


def spelled(secret: bytes) -> str:
    """A secret as people type it into an authenticator: base 32 without padding."""
    return base64.b32encode(secret).decode().rstrip("=")


def recovery_code(entropy: bytes) -> str:
    """Sixteen letters in four groups: 80 bits, so that a plain digest of it is enough to keep."""
    letters = readable(entropy)
    return "-".join(letters[place : place + 4] for place in range(0, len(letters), 4))


def recovery_digest(code: str) -> bytes | None:
    """What is kept of a recovery code, however its groups are written; None where it is none."""
    letters = code.strip().lower().replace("-", "").replace(" ", "")
    if not _RECOVERY.fullmatch(letters):
        return None
    return hashlib.sha256(b"sekisho recovery code" + letters.encode()).digest()
