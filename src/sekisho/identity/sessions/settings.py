"""How long a login lasts, and how somebody may come to have one."""

from typing import Annotated, Literal

import msgspec

Seconds = Annotated[int, msgspec.Meta(ge=60, le=400 * 86400)]


class People(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """People with logins."""

    registration: Literal["closed", "invite-only", "open"] = "invite-only"
    """Who may make an account by themselves: nobody, who was invited, anybody who reaches the console."""
    registration_role: Literal["user", "guest"] = "user"
    """What somebody becomes who registers without an invitation."""
    session_idle_s: Seconds = 12 * 3600
    """A session that was not used for so long has ended. Seconds."""
    session_life_s: Seconds = 7 * 86400
    """A session ends after so long, however busy it is. Seconds."""
    access_token_s: Seconds = 15 * 60
    """How long a script's access token opens before it has to be refreshed. Seconds."""
