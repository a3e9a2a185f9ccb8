"""Makes, changes and ends projects, and says who belongs to them.

The name of a project is given once and never again, even after its end: calls and sums carry it, and whoever could take the name of
another's project would be shown its history.
"""

import os
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Final

from sekisho.core.model.errors import Kind, Refusal
from sekisho.core.model.ids import DEFAULT_PROJECT, readable
from sekisho.identity.people.model import folded
from sekisho.identity.projects import repository
from sekisho.identity.projects.model import Member, Project
from sekisho.identity.sessions.service import SessionService
from sekisho.kit.clock import Clock
from sekisho.rest import versions
from sekisho.rest.errors import ApiError, conflict, invalid, not_found
from sekisho.rest.permissions import Caller, Permission, ProjectRole, require
from sekisho.storage.session import Session

MOST: Final = 1000
"""Projects that one person may belong to: all of them are looked up with each request."""


class ProjectService:
    """What can be done with projects. Whoever comes to belong to one, or ends to, has what is open for them looked at again."""

    def __init__(self, clock: Clock, sessions: SessionService) -> None:
        self._clock = clock
        self._sessions = sessions

    async def create(self, session: Session, caller: Caller, *, name: str, title: str, description: str) -> Project:
        """Make a project; whoever makes it maintains it. Raises ApiError 409."""
        if await repository.is_taken(session.connection, name):
            raise conflict(f"the name {name!r} is taken, or was once; take another one", "name", "name_taken")
        now = self._clock.now()
        project = Project(readable(os.urandom(10)), name, title, description, caller.user_id, now, now, None)
        await repository.add(session.connection, project)
        session.record("project.created", "project", project.id, project=name, after=_told(project))
        if caller.user_id is not None:
            await self.join(session, project, caller.user_id, ProjectRole.MAINTAINER)
        return project

    async def find(self, session: Session, caller: Caller, name_or_id: str) -> Project:
        """A project that the caller may see, by id or name; raises ApiError 404."""
        project = await repository.find(session.connection, name_or_id)
        within = caller.within()
        if project is None or (within is not None and project.name not in within):
            raise not_found("project", name_or_id)
        return project

    async def maintained(self, session: Session, caller: Caller, name_or_id: str) -> Project:
        """A project that the caller may change; raises ApiError 404, or 403 where it may only be seen."""
        project = await self.find(session, caller, name_or_id)
        require_maintainer(caller, project)
        return project

    async def page(
        self, session: Session, caller: Caller, limit: int, after: str, *, archived: bool | None = None, words: str | None = None
    ) -> list[Project]:
        """By name, those that the caller may see."""
        return await repository.page(session.connection, limit, after, caller.within(), archived, words)

    async def counts(self, session: Session, projects: Collection[Project]) -> dict[str, tuple[int, int]]:
        """Members and live keys by project id."""
        return await repository.counts(session.connection, [each.id for each in projects], self._clock.now())

    async def change(
        self,
        session: Session,
        caller: Caller,
        name_or_id: str,
        *,
        title: str,
        description: str,
        archived: bool,
        version: str | None = None,
    ) -> Project:
        """Set what people may change, if `version` (an If-Match) is the one that is there; raises ApiError."""
        project = await self.maintained(session, caller, name_or_id)
        versions.require_current(version, project.updated_at, "project")
        now = self._clock.now()
        archived_at = (project.archived_at or now) if archived else None
        if archived and project.archived_at is None:
            await self._require_idle(session, project, "archive")
        changed = replace(project, title=title, description=description, archived_at=archived_at)
        if changed == project:
            return project
        changed = replace(changed, updated_at=now)
        await repository.change(
            session.connection, project.id, title=title, description=description, archived_at=archived_at, updated_at=now
        )
        session.record("project.changed", "project", project.id, project=project.name, before=_told(project), after=_told(changed))
        return changed

    async def delete(self, session: Session, caller: Caller, name_or_id: str) -> Project:
        """End a project that has no live key. Raises ApiError 409 with the reason."""
        project = await self.maintained(session, caller, name_or_id)
        await self._require_idle(session, project, "delete")
        members = await repository.remove_members(session.connection, project.id)
        for user_id in members:
            self._sessions.turn(session, user_id)
        now = self._clock.now()
        await repository.change(session.connection, project.id, deleted_at=now, updated_at=now, description="")
        session.record("project.deleted", "project", project.id, project=project.name, before={**_told(project), "members": len(members)})
        return project

    # Members

    async def members(self, session: Session, caller: Caller, name_or_id: str, limit: int, after: str) -> list[Member]:
        """By e-mail address."""
        project = await self.find(session, caller, name_or_id)
        return await repository.members(session.connection, project.id, limit, after)

    async def add_member(self, session: Session, caller: Caller, name_or_id: str, email: str, role: ProjectRole) -> Member:
        """Add somebody who has an account; raises ApiError."""
        project = await self.maintained(session, caller, name_or_id)
        if project.archived_at is not None:
            raise archived(project)
        user_id = await repository.active_user(session.connection, folded(email))
        if user_id is None:
            raise not_found("user", email)
        if await repository.member(session.connection, project.id, user_id) is not None:
            raise conflict(f"{email} is a member already; change the role instead", "email", "already_member")
        return await self.join(session, project, user_id, role)

    async def join(self, session: Session, project: Project, user_id: str, role: ProjectRole) -> Member:
        """Make somebody a member who is none yet, such as who was invited; raises ApiError."""
        await self._require_room(session, user_id)
        await repository.add_member(session.connection, project.id, user_id, role, self._clock.now())
        session.record("member.added", "member", user_id, project=project.name, after={"role": role.value})
        self._sessions.turn(session, user_id)
        return await self._member(session, project, user_id)

    async def join_by_name(self, session: Session, name: str, user_id: str, role: ProjectRole) -> None:
        """The same where the project may be gone or archived by now; then nothing happens."""
        project = await repository.find(session.connection, name)
        if project is not None and project.name == name and project.archived_at is None:
            await self.join(session, project, user_id, role)

    async def change_member(self, session: Session, caller: Caller, name_or_id: str, user_id: str, role: ProjectRole) -> Member:
        """Give a member another role; raises ApiError."""
        project = await self.maintained(session, caller, name_or_id)
        member = await self._member(session, project, user_id)
        if member.role == role:
            return member
        await self._require_another_maintainer(session, caller, project, member)
        await repository.change_member(session.connection, project.id, user_id, role)
        session.record("member.changed", "member", user_id, project=project.name, before={"role": member.role}, after={"role": role.value})
        self._sessions.turn(session, user_id)
        return replace(member, role=role)

    async def remove_member(self, session: Session, caller: Caller, name_or_id: str, user_id: str) -> None:
        """Take somebody out; anybody may take out themselves. Raises ApiError."""
        project = await self.find(session, caller, name_or_id)
        if user_id != caller.user_id:
            require(caller, Permission.PROJECTS_WRITE)
            require_maintainer(caller, project)
        elif caller.scopes is not None:
            # Whoever may only look may leave; a token that may only look may not.
            require(caller, Permission.PROJECTS_WRITE)
        member = await self._member(session, project, user_id)
        await self._require_another_maintainer(session, caller, project, member)
        await repository.remove_member(session.connection, project.id, user_id)
        session.record("member.removed", "member", user_id, project=project.name, before={"role": member.role})
        self._sessions.turn(session, user_id)

    async def memberships(self, session: Session, user_id: str) -> Mapping[str, ProjectRole]:
        """The projects that somebody belongs to, by name; fills `sessions.model.Memberships`."""
        return {name: ProjectRole(role) for name, role in await repository.of_user(session.connection, user_id)}

    async def _member(self, session: Session, project: Project, user_id: str) -> Member:
        member = await repository.member(session.connection, project.id, user_id)
        if member is None:
            raise not_found("member", user_id)
        return member

    async def _require_room(self, session: Session, user_id: str) -> None:
        if len(await repository.of_user(session.connection, user_id)) >= MOST:
            raise conflict(f"nobody can belong to more than {MOST} projects", None, "too_many_projects")

    async def _require_idle(self, session: Session, project: Project, act: str) -> None:
        """Raise ApiError 409 where the project cannot be put away."""
        if project.name == DEFAULT_PROJECT:
            raise conflict(f"the project {DEFAULT_PROJECT!r} is where keys without a project go; it stays", None, "project_is_default")
        live = await repository.live_keys(session.connection, project.id, self._clock.now())
        if live:
            keys = "1 live key" if live == 1 else f"{live} live keys"
            raise conflict(f"the project {project.name!r} has {keys}; revoke them first, then {act} it", None, "project_in_use")

    async def _require_another_maintainer(self, session: Session, caller: Caller, project: Project, member: Member) -> None:
        """Who is bounded by projects does not leave one without anybody to look after it; an administrator may."""
        if member.role != ProjectRole.MAINTAINER or caller.within() is None:
            return
        if await repository.count(session.connection, project.id, ProjectRole.MAINTAINER) == 1:
            raise conflict(
                "this is the project's last maintainer; make somebody else a maintainer first, or delete the project",
                None,
                "last_maintainer",
            )


def require_maintainer(caller: Caller, project: Project) -> None:
    """Raise ApiError 403 where the caller may see a project and not change it."""
    if caller.within() is not None and caller.projects.get(project.name) is not ProjectRole.MAINTAINER:
        raise not_a_maintainer(project)


def not_a_maintainer(project: Project) -> ApiError:
    """403 for a member that is none of those who look after the project."""
    return ApiError(
        Refusal(403, Kind.PERMISSION, "maintainer_required", f"only a maintainer of {project.name!r} may do this; ask one of them")
    )


def archived(project: Project) -> ApiError:
    """422 for what is to be put into a project that takes nothing any more."""
    return invalid(f"the project {project.name!r} is archived; take it out of the archive first", "project", "project_archived")


def _told(project: Project) -> dict[str, object]:
    return {
        "name": project.name,
        "title": project.title,
        "description": project.description,
        "archived": project.archived_at is not None,
    }
