"""What is known of somebody's second factor. Times are wall times in microseconds."""

from dataclasses import dataclass

from sekisho.kit.crypto import Secret


@dataclass(frozen=True)
class Authenticator:
    """The secret that an authenticator shares with us, sealed."""

    user_id: str
    sealed: bytes
    last_step: int
    """The newest step of which a code was taken."""
    created_at: int
    confirmed_at: int | None
    """Since when a login asks for a code; None while nobody has shown that it works."""


@dataclass(frozen=True)
class Enrolment:
    """What an authenticator is set up with; shown once."""

    secret: Secret
    address: Secret
    """The `otpauth:` address for a picture."""


@dataclass(frozen=True)
class Standing:
    """Whether a login asks for a second factor, and how many recovery codes are left."""

    confirmed_at: int | None
    recovery_codes: int


def place(user_id: str) -> str:
    """What the sealed secret is bound to."""
    return f"authenticators.sealed.{user_id}"
