"""What a browser or a script carries of its session: a JWT, signed by one fixed algorithm with a key of the ring.

It says only which session it is for, and of which kind; whether that session still is, and who is behind it, the database says at each
request. So a forged or stale one is refused without asking the database, and a session that ended is dead at once.
"""

import base64
import hmac
from typing import Any, Final

import jwt

from sekisho.kit.clock import SECOND
from sekisho.kit.crypto import KeyRing, Secret

ALGORITHM: Final = "HS256"
ISSUER: Final = "sekisho"
MAX_BYTES: Final = 1024
"""Ours are about 300 bytes."""

_HEADER: Final = frozenset(("alg", "kid", "typ"))
"""No more is understood, so no more is accepted: neither `crit` nor an address of keys."""
_CLAIMS: Final = frozenset(("iss", "aud", "sub", "iat", "exp"))
_OPTIONS: Any = {"verify_exp": False, "verify_iat": False, "verify_nbf": False, "require": sorted(_CLAIMS)}
"""The times are compared here, with the clock of the house."""


class Passes:
    """Signs passes and reads them. The ring's newest key signs, all read."""

    def __init__(self, ring: KeyRing) -> None:
        self._keys = ring.derive("sessions")
        self._newest = max(self._keys)
        self._csrf = ring.derive("csrf tokens")[min(self._keys)]

    def sign(self, session_id: str, kind: str, issued_at: int, expires_at: int) -> Secret:
        """A pass for one session; times in microseconds, kept to the second."""
        claims = {"iss": ISSUER, "aud": kind, "sub": session_id, "iat": issued_at // SECOND, "exp": expires_at // SECOND}
        return Secret(jwt.encode(claims, self._keys[self._newest], ALGORITHM, headers={"kid": str(self._newest)}))

    def read(self, text: str, kind: str, now: int) -> str | None:
        """The session that a pass of this kind is for; None where it is none of ours, or ended."""
        if len(text) > MAX_BYTES:
            return None
        try:
            header = jwt.get_unverified_header(text)
            key = self._keys.get(_version(header.get("kid")))
            if key is None or not _HEADER.issuperset(header) or header.get("alg") != ALGORITHM:
                return None
            claims = jwt.decode(text, key, algorithms=[ALGORITHM], audience=kind, issuer=ISSUER, options=_OPTIONS)
        except (jwt.InvalidTokenError, ValueError, RecursionError):
            return None
        end = claims["exp"]
        if type(end) is not int or end * SECOND <= now or type(claims["sub"]) is not str or not _CLAIMS.issuperset(claims):
            return None
        return str(claims["sub"])

    def csrf(self, session_id: str) -> str:
        """What a page of ours sends beside the cookie with every change; no other page can know it."""
        return base64.urlsafe_b64encode(hmac.digest(self._csrf, session_id.encode(), "sha256")).decode().rstrip("=")

    def csrf_matches(self, session_id: str, given: str) -> bool:
        return hmac.compare_digest(self.csrf(session_id).encode(), given.encode())


def _version(kid: object) -> int:
    return int(kid) if isinstance(kid, str) and kid.isascii() and kid.isdigit() and len(kid) < 6 else -1
