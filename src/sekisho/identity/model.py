"""What a key is to people. Its secret exists as text only in the moment of issue."""

from dataclasses import dataclass

from sekisho.kit.crypto import Secret


@dataclass(frozen=True)
class ApiKey:
    """A client's key, without its secret. Times are wall times in microseconds."""

    id: str
    label: str
    project: str
    models: tuple[str, ...] | None
    """Canonical ids and `provider/*`; None means all."""
    rpm: int | None
    tpm: int | None
    concurrency: int | None
    last4: str
    created_at: int
    expires_at: int | None
    rotated_at: int | None
    revoked_at: int | None


@dataclass(frozen=True)
class Issued:
    """A key with its new secret, to be shown once."""

    key: ApiKey
    plain: Secret
    overlap_until: int | None = None
    """Until when the secrets before this one open as well; None where they died at once."""
