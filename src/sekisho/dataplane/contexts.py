"""The certificate that the doors show, and its change in place: looked at once a second, never on the path of a request.

A pair of files that does not load changes nothing: the one in force goes on, and the log says what is wrong, once. A handshake takes
the context that is in force when it begins, so no handshake ever meets half a pair.
"""

import logging
import os
import ssl
from collections.abc import Callable
from typing import Final

from sekisho.dataplane.settings import Tls

CIPHERS: Final = "@SECLEVEL=2:ECDHE+AESGCM:ECDHE+CHACHA20"
"""Suites of TLS 1.2: forward secrecy and authenticated encryption, nothing else. Those of TLS 1.3 are all of that kind."""
RENEW_S: Final = 12 * 3600.0
"""A context's tickets are sealed with a key that lives as long as the context: it is made anew that often, the certificate the same."""

_log = logging.getLogger(__name__)

_REASONS: Final = {
    "KEY_VALUES_MISMATCH": "the key does not belong to the certificate",
    "NO_START_LINE": "it is no PEM",
    "EE_KEY_TOO_SMALL": "the certificate's key is too weak; make one of at least 2048 bits RSA or P-256",
    "CA_KEY_TOO_SMALL": "a key in the chain is too weak",
    "CA_MD_TOO_WEAK": "a signature in the chain is too weak; SHA-256 or better is needed",
    "BAD_DECRYPT": "the key is encrypted; store it without a passphrase, readable by Sekisho's user alone",
}

Seen = tuple[tuple[int, int, int], ...]
"""Time of change, size and number of both files: what tells one state of them from another."""


class BadPairError(Exception):
    """Certificate and key cannot be served; the text names the file and says why."""


def load(tls: Tls) -> ssl.SSLContext:
    """A server's context over the two files; raises BadPairError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_ciphers(CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    for path in (tls.certificate, tls.key):
        try:
            with open(path, "rb"):
                pass
        except OSError as error:
            raise BadPairError(f"{path}: {error.strerror}") from error
    try:
        # The passphrase of a key that has one is asked for at the terminal, if nobody answers here.
        context.load_cert_chain(tls.certificate, tls.key, password=lambda: b"")
    except ssl.SSLError as error:
        raise BadPairError(_explained(tls, error)) from error
    except OSError as error:
        raise BadPairError(f"{tls.certificate}: {error.strerror}") from error
    return context


def _explained(tls: Tls, error: ssl.SSLError) -> str:
    both = f"{tls.certificate} with {tls.key}"
    reason = _REASONS.get(error.reason or "")
    return f"{both}: {reason or f'they do not load as a PEM chain and its key ({error.reason})'}"


class Certificate:
    """The pair in force in this process."""

    def __init__(self, tls: Tls, clock: Callable[[], float]) -> None:
        self._tls = tls
        self._clock = clock
        self.context: ssl.SSLContext | None = None
        """For the next handshake; None only where not even the first pair could be loaded."""
        self._loaded: Seen | None = None
        self._refused: Seen | None = None
        self._last: Seen | None = None
        self._renew_at = 0.0
        self.reload()

    @property
    def hsts(self) -> bool:
        """Whether browsers may be told to come back by TLS only."""
        return self._tls.hsts

    def reload(self) -> bool:
        """Read the files now. Returns whether they are in force; where not, the log says why."""
        self._last = seen = self._look_at_files()
        try:
            self.context = load(self._tls)
        except BadPairError as error:
            self._refused = seen
            goes_on = "the certificate in force goes on" if self.context is not None else "TLS connections are refused until it is mended"
            _log.error("the certificate is not taken, %s: %s", goes_on, error)
            return False
        if self._loaded is not None and self._loaded != seen:
            _log.info("a new certificate is in force", extra={"certificate": self._tls.certificate})
        self._loaded, self._refused = seen, None
        self._renew_at = self._clock() + RENEW_S
        return True

    def tend(self) -> None:
        """Take over what lies on disk, once it was the same in two looks: two files are never replaced in one instant."""
        seen, before = self._look_at_files(), self._last
        self._last = seen
        changed = seen == before and seen not in (self._loaded, self._refused)
        if changed or (seen == self._loaded and self._clock() >= self._renew_at):
            self.reload()

    def _look_at_files(self) -> Seen:
        return tuple(_state_of(path) for path in (self._tls.certificate, self._tls.key))


def _state_of(path: str) -> tuple[int, int, int]:
    try:
        found = os.stat(path)
    except OSError:
        return (0, 0, 0)
    return (found.st_mtime_ns, found.st_size, found.st_ino)
