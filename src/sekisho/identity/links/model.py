"""What a link that opens once is to people. Its secret exists as text only in the moment of issue. Times are wall times in microseconds."""

from dataclasses import dataclass
from typing import Final

from sekisho.kit.crypto import Secret
from sekisho.rest.permissions import ProjectRole, Role

INVITATION: Final = "invitation"
RESET: Final = "reset"

INVITATION_PATH: Final = "/invite#"
RESET_PATH: Final = "/reset#"
"""In the console. What stands behind the # is not sent to any server, so it stands in no log."""


@dataclass(frozen=True)
class Invitation:
    """What somebody who comes in by it becomes."""

    id: str
    email: str
    """Folded: the account's address, whatever the person types."""
    role: Role
    project_id: str | None
    project: str | None
    """Its name."""
    project_role: ProjectRole | None
    made_by: str
    """Empty for the local owner."""
    created_at: int
    expires_at: int
    used_at: int | None
    revoked_at: int | None


@dataclass(frozen=True)
class ResetLink:
    """Leave to set one person's password, once."""

    id: str
    user_id: str
    made_by: str
    created_at: int
    expires_at: int
    used_at: int | None
    revoked_at: int | None


@dataclass(frozen=True)
class IssuedLink:
    """Where a new link leads: a path of the console with the secret in it, to be shown once."""

    id: str
    path: Secret
    expires_at: int
