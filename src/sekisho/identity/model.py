"""What a key is to people. Its secret exists as text only in the moment of issue."""

from dataclasses import dataclass
from typing import Final

from sekisho.kit.crypto import Secret

ACTIVE: Final = "active"
SOON: Final = "soon"
DISABLED: Final = "disabled"
EXPIRED: Final = "expired"
REVOKED: Final = "revoked"


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
    disabled_at: int | None = None
    """Since when it is switched off; None where it is on."""
    created_by: str | None = None
    """The id of the user who made it; None for the local owner."""
    maker: str | None = None
    """That user's address; None where there is none, or no longer."""
    last_used_at: int | None = None
    """When the newest of its recorded calls started."""
    revision: int = 0
    """Of its last change: what an ETag names."""

    def state(self, now: int) -> str:
        """active, disabled, expired or revoked: the first of these, from the right, that is true."""
        if self.revoked_at is not None:
            return REVOKED
        if self.expires_at is not None and self.expires_at <= now:
            return EXPIRED
        return ACTIVE if self.disabled_at is None else DISABLED


@dataclass(frozen=True)
class Wanted:
    """Which keys are asked for; None means any."""

    project: str | None = None
    state: str | None = None
    """active, soon (active, and about to expire), disabled, expired or revoked."""
    text: str | None = None
    """A part of the label, or the beginning of the id."""
    within: frozenset[str] | None = None
    """The projects that whoever asks may see."""


@dataclass(frozen=True)
class Issued:
    """A key with its new secret, to be shown once."""

    key: ApiKey
    plain: Secret
    overlap_until: int | None = None
    """Until when the secrets before this one open as well; None where they died at once."""
