"""The bodies of `/api/projects`."""

from typing import Annotated

from pydantic import Field

from sekisho.identity.projects.model import Member, Project
from sekisho.rest.permissions import ProjectRole
from sekisho.rest.schemas import SHORT, SHORT_WORDS, Asked, OneLine, Time, Told, spelled

Name = Annotated[str, Field(pattern=SHORT, description="Small letters, digits, - and _; it never changes."), spelled(SHORT, SHORT_WORDS)]
Title = Annotated[str, Field(min_length=1, max_length=200), OneLine]
Description = Annotated[str, Field(max_length=2000)]


class CreateProject(Asked):
    name: Name
    title: Title | None = Field(default=None, description="What people read; the name, if not given.")
    description: Description = ""


class PutProject(Asked):
    title: Title
    description: Description = ""
    archived: bool = Field(default=False, strict=True, description="An archived project takes no new keys and members.")


class ProjectTold(Told):
    id: str
    name: str
    title: str
    description: str
    owner_id: str | None = Field(description="The user who made it; null where the local owner did.")
    archived: bool
    archived_at: Time | None
    created_at: Time
    updated_at: Time
    members: int
    live_keys: int
    role: ProjectRole | None = Field(description="The caller's own part in it; null for those whom no project bounds.")

    @classmethod
    def of(cls, project: Project, counts: tuple[int, int], role: ProjectRole | None) -> "ProjectTold":
        return cls(
            **{**vars(project), "title": project.shown},
            archived=project.archived_at is not None,
            members=counts[0],
            live_keys=counts[1],
            role=role,
        )


class ProjectPage(Told):
    projects: list[ProjectTold]
    next_cursor: str | None


class ProjectDeleted(Told):
    id: str
    deleted: bool


class AddMember(Asked):
    email: Annotated[str, Field(min_length=3, max_length=254), OneLine] = Field(description="Of somebody who has an account here.")
    role: ProjectRole


class PutMember(Asked):
    role: ProjectRole


class MemberTold(Told):
    user_id: str
    email: str
    name: str
    role: ProjectRole
    created_at: Time

    @classmethod
    def of(cls, member: Member) -> "MemberTold":
        return cls(**vars(member))


class MemberPage(Told):
    members: list[MemberTold]
    next_cursor: str | None


class MemberRemoved(Told):
    user_id: str
    removed: bool
