"""Issues links that open once, and lets them be used.

Whoever holds the link comes in, so it is a secret like a password: 256 random bits, kept as its digest, told once, ended by its use, by
a newer one for the same person, and by time. What a wrong, used or expired one is told is the same.
"""

import os
from dataclasses import dataclass, replace
from typing import Final

from sekisho.core.model.errors import Kind, Refusal
from sekisho.core.model.ids import readable
from sekisho.identity.links import repository
from sekisho.identity.links.model import INVITATION, INVITATION_PATH, RESET, RESET_PATH, Invitation, IssuedLink, ResetLink
from sekisho.identity.people.model import User, folded
from sekisho.identity.people.service import Changed, UserService
from sekisho.identity.projects.service import ProjectService, archived
from sekisho.kit.clock import SECOND, Clock
from sekisho.kit.crypto import Secret, sha256, token
from sekisho.rest.errors import ApiError, conflict, invalid, not_found
from sekisho.rest.permissions import RIGHTS, Caller, Permission, ProjectRole, Role, require
from sekisho.storage.session import Session

MAX_LENGTH: Final = 100
"""Characters of a link's secret; what is longer is none."""


@dataclass(frozen=True)
class Asked:
    """What an invitation is to be."""

    email: str
    role: Role
    project: str | None
    project_role: ProjectRole | None
    expires_in: int
    """Seconds."""


class LinkService:
    """What can be done with invitations and reset links."""

    def __init__(self, clock: Clock, users: UserService, projects: ProjectService) -> None:
        self._clock = clock
        self._users = users
        self._projects = projects

    # Invitations

    async def invite(self, session: Session, caller: Caller, asked: Asked) -> tuple[Invitation, IssuedLink]:
        """Invite somebody who has no account; an older invitation of the same address ends. Raises ApiError."""
        if asked.role is Role.OWNER:
            require(caller, Permission.OWNERS_WRITE)
        email = folded(asked.email)
        if await self._users.by_email(session, email) is not None:
            raise conflict(f"there is an account for {email} already", "email", "email_taken")
        project = None if asked.project is None else await self._projects.find(session, caller, asked.project)
        if project is not None and project.archived_at is not None:
            raise archived(project)
        now = self._clock.now()
        await repository.revoke_open(session.connection, INVITATION, now, email=email)
        made = Invitation(
            id=readable(os.urandom(10)),
            email=email,
            role=asked.role,
            project_id=None if project is None else project.id,
            project=None if project is None else project.name,
            project_role=None if project is None else asked.project_role or ProjectRole.VIEWER,
            made_by=caller.user_id or "",
            created_at=now,
            expires_at=now + asked.expires_in * SECOND,
            used_at=None,
            revoked_at=None,
        )
        plain = token()
        await repository.add_invitation(session.connection, made, sha256(plain.encode()))
        session.record("invitation.created", "invitation", made.id, project=made.project, after=_told(made))
        return made, IssuedLink(made.id, Secret(INVITATION_PATH + plain), made.expires_at)

    async def invitations(self, session: Session, limit: int, after: tuple[int, str] | None) -> list[Invitation]:
        """Newest first, used and ended ones included."""
        return await repository.invitations(session.connection, limit, after)

    async def withdraw(self, session: Session, caller: Caller, link_id: str) -> Invitation:
        """End an invitation that was not used; raises ApiError 404 and 409."""
        found = await repository.invitation(session.connection, link_id=link_id)
        if found is None:
            raise not_found("invitation", link_id)
        if found.role is Role.OWNER:
            require(caller, Permission.OWNERS_WRITE)
        if found.used_at is not None:
            raise conflict("the invitation was accepted already; change the account instead", None, "invitation_used")
        if found.revoked_at is not None:
            return found
        now = self._clock.now()
        await repository.change(session.connection, link_id, revoked_at=now)
        session.record("invitation.withdrawn", "invitation", link_id, project=found.project, before=_told(found))
        return replace(found, revoked_at=now)

    async def invitation(self, session: Session, plain: str) -> Invitation:
        """The invitation that a link opens now; raises ApiError 404."""
        found = None if not _is_secret(plain) else await repository.invitation(session.connection, digest=sha256(plain.encode()))
        if found is None or found.used_at is not None or found.revoked_at is not None or found.expires_at <= self._clock.now():
            raise _dead()
        needed = Permission.OWNERS_WRITE if found.role is Role.OWNER else Permission.USERS_WRITE
        await self._require_maker(session, found.made_by, needed)
        return found

    async def promised(self, session: Session, invitation: str, email: str) -> Role:
        """What an invitation makes of whoever has this address (folded). Raises ApiError 404, and 422 for another address."""
        return (await self._for(session, invitation, email)).role

    async def redeem(self, session: Session, invitation: str, email: str) -> Role:
        """Use an invitation up for this address (folded); what the new user becomes. Raises ApiError 404, and 422 for another address."""
        found = await self._for(session, invitation, email)
        await repository.change(session.connection, found.id, used_at=self._clock.now())
        return found.role

    async def _for(self, session: Session, invitation: str, email: str) -> Invitation:
        found = await self.invitation(session, invitation)
        if found.email != folded(email):
            raise invalid("this invitation is for another address; register with the one that it was sent to", "email", "wrong_address")
        return found

    async def redeemed(self, session: Session, invitation: str, user_id: str) -> None:
        """The user is there now: make them the member that was promised."""
        found = await repository.invitation(session.connection, digest=sha256(invitation.encode()))
        assert found is not None
        await repository.change(session.connection, found.id, user_id=user_id)
        session.record("invitation.accepted", "invitation", found.id, project=found.project, after={"user_id": user_id}, person=user_id)
        if found.project is not None and found.project_role is not None:
            await self._projects.join_by_name(session, found.project, user_id, found.project_role)

    # Reset links

    async def issue_reset(self, session: Session, caller: Caller, user_id: str, expires_in: int) -> IssuedLink:
        """A link by which somebody sets a new password; one before it ends. `expires_in` in seconds. Raises ApiError."""
        user = await self._users.another(session, user_id, caller)
        if user.deactivated_at is not None:
            raise conflict(f"{user.email} is deactivated; let them in again first", None, "user_deactivated")
        now = self._clock.now()
        await repository.revoke_open(session.connection, RESET, now, user_id=user_id)
        made = ResetLink(readable(os.urandom(10)), user_id, caller.user_id or "", now, now + expires_in * SECOND, None, None)
        plain = token()
        await repository.add_reset(session.connection, made, sha256(plain.encode()))
        session.record("reset_link.created", "user", user_id, after={"expires_in_s": expires_in})
        return IssuedLink(made.id, Secret(RESET_PATH + plain), made.expires_at)

    async def reset_of(self, session: Session, plain: str) -> tuple[ResetLink, User]:
        """The link and the person whose password it sets; raises ApiError 404."""
        found = None if not _is_secret(plain) else await repository.reset(session.connection, sha256(plain.encode()))
        if found is None or found.used_at is not None or found.revoked_at is not None or found.expires_at <= self._clock.now():
            raise _dead()
        user = await self._users.find(session, found.user_id)
        if user.deactivated_at is not None:
            raise _dead()
        needed = Permission.OWNERS_WRITE if user.role is Role.OWNER else Permission.USERS_WRITE
        await self._require_maker(session, found.made_by, needed)
        return found, user

    async def reset(self, session: Session, plain: str, password: str) -> Changed:
        """Set the password (its hash) that a link allows; all sessions of the person end. Raises ApiError 404."""
        found, user = await self.reset_of(session, plain)
        await repository.change(session.connection, found.id, used_at=self._clock.now())
        session.record("reset_link.used", "user", user.id)
        return await self._users.set_password(session, user.id, password)

    async def _require_maker(self, session: Session, made_by: str, needed: Permission) -> None:
        """A link is worth what its maker may do now: who has lost the right has left no door open."""
        if not made_by:
            return
        try:
            maker = await self._users.find(session, made_by)
        except ApiError:
            raise _dead() from None
        if maker.deactivated_at is not None or needed not in RIGHTS[maker.role]:
            raise _dead()


def _is_secret(plain: str) -> bool:
    return 0 < len(plain) <= MAX_LENGTH and plain.isascii()


def _dead() -> ApiError:
    message = "this link was used, has expired or was withdrawn; ask for a new one"
    return ApiError(Refusal(404, Kind.NOT_FOUND, "link_dead", message, "token"))


def _told(invitation: Invitation) -> dict[str, object]:
    # Without the address: it is a person's, who has no account yet and may never have one.
    return {"role": invitation.role.value, "project_role": invitation.project_role and invitation.project_role.value}
