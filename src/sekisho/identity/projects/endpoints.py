"""`/api/projects`: parse, authorise, call, render."""

from typing import Annotated

from fastapi import Query, Response

from sekisho.identity.projects import schemas
from sekisho.identity.projects.model import Project
from sekisho.identity.projects.service import ProjectService
from sekisho.rest import paging, repeats, versions
from sekisho.rest.permissions import Caller
from sekisho.rest.routing import ReadProjects, WriteProjects, guarded_router, provided
from sekisho.storage.session import Session, Sessions

router = guarded_router("projects")

Projects = Annotated[ProjectService, provided(ProjectService)]
Repeats = Annotated[repeats.Repeats, provided(repeats.Repeats)]
Transactions = Annotated[Sessions, provided(Sessions)]


@router.post("/api/projects", status_code=201, response_model=schemas.ProjectTold)
async def create_project(
    caller: WriteProjects,
    body: schemas.CreateProject,
    projects: Projects,
    sessions: Transactions,
    remembered: Repeats,
    repeat: repeats.Repeated,
) -> Response:
    """Make a project; whoever makes it maintains it."""

    async def make(session: Session) -> tuple[str, schemas.ProjectTold]:
        made = await projects.create(session, caller, name=body.name, title=body.title or body.name, description=body.description)
        return f"the project {made.name}", (await _told(session, projects, caller, [made], maker=True))[0]

    done = await sessions.transact(lambda session: remembered.once(session, repeat, lambda: make(session)), by=caller)
    return repeats.created(done.value)


@router.get("/api/projects")
async def list_projects(
    caller: ReadProjects,
    projects: Projects,
    sessions: Transactions,
    archived: Annotated[bool | None, Query(description="Only those in the archive, or only those outside it.")] = None,
    q: Annotated[str | None, Query(max_length=200, description="A part of the name or title.")] = None,
    limit: paging.Limit = paging.USUAL,
    cursor: paging.Cursor = None,
) -> schemas.ProjectPage:
    """The projects that the caller may see, by name."""
    after = "" if cursor is None else str(paging.decode(cursor, (str,))[0])
    async with sessions.read() as session:
        found = await projects.page(session, caller, limit + 1, after, archived=archived, words=q)
        shown = await _told(session, projects, caller, found[:limit])
    return schemas.ProjectPage(projects=shown, next_cursor=paging.encode(shown[-1].name) if len(found) > limit else None)


@router.get("/api/projects/{project_id}")
async def show_project(
    caller: ReadProjects, project_id: str, projects: Projects, sessions: Transactions, response: Response
) -> schemas.ProjectTold:
    """One project, by id or name, with its version as ETag."""
    async with sessions.read() as session:
        found = await projects.find(session, caller, project_id)
        versions.show(response, found.updated_at)
        return (await _told(session, projects, caller, [found]))[0]


@router.put("/api/projects/{project_id}")
async def change_project(
    caller: WriteProjects,
    project_id: str,
    body: schemas.PutProject,
    projects: Projects,
    sessions: Transactions,
    response: Response,
    if_match: versions.IfMatch = None,
) -> schemas.ProjectTold:
    """Set title, description, and whether it is in the archive. Its name stays."""

    async def work(session: Session) -> schemas.ProjectTold:
        changed = await projects.change(
            session, caller, project_id, title=body.title, description=body.description, archived=body.archived, version=if_match
        )
        versions.show(response, changed.updated_at)
        return (await _told(session, projects, caller, [changed]))[0]

    return (await sessions.transact(work, by=caller)).value


@router.delete("/api/projects/{project_id}")
async def delete_project(caller: WriteProjects, project_id: str, projects: Projects, sessions: Transactions) -> schemas.ProjectDeleted:
    """End a project. One that has live keys is refused with their number; the records of its calls stay."""
    done = await sessions.transact(lambda session: projects.delete(session, caller, project_id), by=caller)
    return schemas.ProjectDeleted(id=done.value.id, deleted=True)


@router.get("/api/projects/{project_id}/members")
async def list_members(
    caller: ReadProjects,
    project_id: str,
    projects: Projects,
    sessions: Transactions,
    limit: paging.Limit = paging.USUAL,
    cursor: paging.Cursor = None,
) -> schemas.MemberPage:
    """Who belongs to a project, by e-mail address."""
    after = "" if cursor is None else str(paging.decode(cursor, (str,))[0])
    async with sessions.read() as session:
        found = await projects.members(session, caller, project_id, limit + 1, after)
    shown = found[:limit]
    following = paging.encode(shown[-1].email) if len(found) > limit else None
    return schemas.MemberPage(members=[schemas.MemberTold.of(each) for each in shown], next_cursor=following)


@router.post("/api/projects/{project_id}/members", status_code=201)
async def add_member(
    caller: WriteProjects, project_id: str, body: schemas.AddMember, projects: Projects, sessions: Transactions
) -> schemas.MemberTold:
    """Add somebody who has an account here."""
    done = await sessions.transact(lambda session: projects.add_member(session, caller, project_id, body.email, body.role), by=caller)
    return schemas.MemberTold.of(done.value)


@router.put("/api/projects/{project_id}/members/{user_id}")
async def change_member(
    caller: WriteProjects,
    project_id: str,
    user_id: str,
    body: schemas.PutMember,
    projects: Projects,
    sessions: Transactions,
) -> schemas.MemberTold:
    """Give a member another role in the project."""
    done = await sessions.transact(lambda session: projects.change_member(session, caller, project_id, user_id, body.role), by=caller)
    return schemas.MemberTold.of(done.value)


@router.delete("/api/projects/{project_id}/members/{user_id}")
async def remove_member(
    caller: ReadProjects, project_id: str, user_id: str, projects: Projects, sessions: Transactions
) -> schemas.MemberRemoved:
    """Take somebody out of a project; everybody may take out themselves."""
    await sessions.transact(lambda session: projects.remove_member(session, caller, project_id, user_id), by=caller)
    return schemas.MemberRemoved(user_id=user_id, removed=True)


async def _told(
    session: Session, projects: ProjectService, caller: Caller, found: list[Project], *, maker: bool = False
) -> list[schemas.ProjectTold]:
    counts = await projects.counts(session, found)
    roles = await projects.memberships(session, caller.user_id) if maker and caller.user_id is not None else caller.projects
    return [schemas.ProjectTold.of(each, counts[each.id], roles.get(each.name)) for each in found]
