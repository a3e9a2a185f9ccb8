"""The bodies of `/api/invitations` and of reset links."""

from typing import Annotated, Any, Final

from pydantic import Field

from sekisho.identity.links.model import Invitation, IssuedLink
from sekisho.identity.people.schemas import Email, GivenRole, PlainPassword
from sekisho.rest.permissions import ProjectRole
from sekisho.rest.schemas import Asked, OneLine, Time, Told

MAX_LIFE: Final = 90 * 86400
INVITATION_LIFE: Final = 7 * 86400
RESET_LIFE: Final = 86400

Token = Annotated[str, Field(min_length=1, max_length=200)]


class CreateInvitation(Asked):
    email: Email
    role: GivenRole = "user"
    project: Annotated[str, Field(min_length=1, max_length=200), OneLine] | None = Field(
        default=None, description="Where they become a member, by name or id."
    )
    project_role: ProjectRole | None = Field(default=None, description="What they become there; viewer, if not given.")
    expires_in_s: Annotated[int, Field(ge=60, le=MAX_LIFE, strict=True)] = Field(default=INVITATION_LIFE, description="Seconds from now.")


class InvitationTold(Told):
    id: str
    email: str
    role: str
    project: str | None
    project_role: str | None
    made_by: str | None = Field(description="The user who invited; null for the local owner.")
    created_at: Time
    expires_at: Time
    accepted_at: Time | None
    withdrawn_at: Time | None

    @classmethod
    def of(cls, invitation: Invitation) -> "InvitationTold":
        return cls(**facts(invitation))


class InvitationCreated(InvitationTold):
    path: str = Field(description="The link, behind the console's address; it is shown this once.")

    @classmethod
    def issued(cls, invitation: Invitation, link: IssuedLink) -> "InvitationCreated":
        return cls(**facts(invitation), path=link.path.reveal())


class InvitationPage(Told):
    invitations: list[InvitationTold]
    next_cursor: str | None


class OpenLink(Asked):
    token: Token = Field(description="What stands behind # in the link.")


class InvitationOpened(Told):
    email: str = Field(description="The account's address.")
    role: str
    project: str | None
    expires_at: Time


class CreateReset(Asked):
    expires_in_s: Annotated[int, Field(ge=60, le=7 * 86400, strict=True)] = Field(default=RESET_LIFE, description="Seconds from now.")


class ResetCreated(Told):
    path: str = Field(description="The link, behind the console's address; it is shown this once.")
    expires_at: Time


class UseReset(Asked):
    token: Token = Field(description="What stands behind # in the link.")
    password: PlainPassword


class ResetDone(Told):
    email: str = Field(description="Whose password was set.")


def facts(invitation: Invitation) -> dict[str, Any]:
    """The fields of `InvitationTold`."""
    values = {**vars(invitation), "accepted_at": invitation.used_at, "withdrawn_at": invitation.revoked_at}
    values["made_by"] = invitation.made_by or None
    return {name: values[name] for name in InvitationTold.model_fields}
