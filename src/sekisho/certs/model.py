"""A certificate as it is told. Times are wall times in microseconds."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CertificateFacts:
    """One certificate on disk."""

    role: str
    """`root`, or `server`: what the doors show."""
    mode: str
    path: str
    key_path: str | None
    """None where the key lies elsewhere, or is nobody's here."""
    subject: str
    issuer: str
    names: tuple[str, ...]
    """Host names and addresses that it is good for."""
    serial: str
    fingerprint: str
    """SHA-256 of the whole certificate, in hexadecimal."""
    not_before: int
    not_after: int
    in_use: bool
    """Whether the doors show it in the mode that is set."""


@dataclass(frozen=True)
class CertificateFault:
    """A file that should be a certificate and cannot be read as one."""

    path: str
    message: str
