"""`/api/users`: parse, authorise, call, render."""

from typing import Annotated

from fastapi import Query, Response

from sekisho.identity.people import schemas
from sekisho.identity.people.model import Found
from sekisho.identity.people.passwords import Passwords, require_good
from sekisho.identity.people.service import Changed, UserService
from sekisho.identity.sessions.service import SessionService
from sekisho.rest import paging
from sekisho.rest.permissions import Permission, Role, require
from sekisho.rest.routing import ReadUsers, WriteUsers, guarded_router, provided
from sekisho.storage.session import Session, Sessions

router = guarded_router("users")

Users = Annotated[UserService, provided(UserService)]
Logins = Annotated[SessionService, provided(SessionService)]
Hashes = Annotated[Passwords, provided(Passwords)]
Transactions = Annotated[Sessions, provided(Sessions)]


@router.get("/api/users")
async def list_users(
    _: ReadUsers,
    users: Users,
    sessions: Transactions,
    q: Annotated[str | None, Query(max_length=200, description="Part of the name or of the address.")] = None,
    role: Annotated[schemas.GivenRole | None, Query()] = None,
    active: Annotated[bool | None, Query()] = None,
    limit: paging.Limit = paging.USUAL,
    cursor: paging.Cursor = None,
) -> schemas.UserPage:
    """All people, newest first."""
    after = None if cursor is None else paging.decode(cursor, (int, str))
    found = Found(q, None if role is None else Role(role), active)
    async with sessions.read() as session:
        rows = await users.page(session, found, limit + 1, None if after is None else (int(after[0]), str(after[1])))
    shown = rows[:limit]
    following = paging.encode(shown[-1].created_at, shown[-1].id) if len(rows) > limit else None
    return schemas.UserPage(users=[schemas.UserTold.of(each) for each in shown], next_cursor=following)


@router.post("/api/users", status_code=201)
async def create_user(
    caller: WriteUsers, body: schemas.CreateUser, users: Users, hashes: Hashes, sessions: Transactions
) -> schemas.UserTold:
    """Make an account for somebody."""
    if Role(body.role) is Role.OWNER:
        require(caller, Permission.OWNERS_WRITE)
    hashed = None
    if body.password is not None:
        require_good(body.password, body.email, body.name)
        hashed = await hashes.hash(body.password)
    done = await sessions.transact(
        lambda session: users.create(
            session, email=body.email, name=body.name, role=Role(body.role), password=hashed, language=body.language
        ),
        by=caller,
    )
    return schemas.UserTold.of(done.value)


@router.get("/api/users/{user_id}")
async def show_user(_: ReadUsers, user_id: str, users: Users, sessions: Transactions) -> schemas.UserTold:
    """One person."""
    async with sessions.read() as session:
        return schemas.UserTold.of(await users.find(session, user_id))


@router.patch("/api/users/{user_id}")
async def change_user(caller: WriteUsers, user_id: str, body: schemas.ChangeUser, users: Users, sessions: Transactions) -> schemas.UserTold:
    """Change role, name, or whether somebody may come in. It acts at once, on open sessions and sockets as well."""
    role = None if body.role is None else Role(body.role)
    done = await sessions.transact(
        lambda session: users.change(session, user_id, caller, role=role, active=body.active, name=body.name), by=caller
    )
    return schemas.UserTold.of(done.value.user)


@router.post("/api/users/{user_id}/password")
async def set_password(
    caller: WriteUsers,
    user_id: str,
    body: schemas.SetPassword,
    users: Users,
    hashes: Hashes,
    sessions: Transactions,
) -> schemas.UserTold:
    """Give somebody else a password; all their sessions end."""
    async with sessions.read() as session:
        user = await users.another(session, user_id, caller)
    require_good(body.password, user.email, user.name)
    hashed = await hashes.hash(body.password)

    async def change(session: Session) -> Changed:
        await users.another(session, user_id, caller)
        return await users.set_password(session, user_id, hashed)

    done = await sessions.transact(change, by=caller)
    return schemas.UserTold.of(done.value.user)


@router.get("/api/users/{user_id}/sessions")
async def list_user_sessions(caller: ReadUsers, user_id: str, users: Users, logins: Logins, sessions: Transactions) -> schemas.SessionList:
    """Where somebody is logged in, what was used last first."""
    async with sessions.read() as session:
        await users.find(session, user_id)
        found = await logins.of_user(session, user_id)
    return schemas.SessionList(sessions=[schemas.SessionTold.of(each, caller.session_id) for each in found])


@router.delete("/api/users/{user_id}/sessions")
async def end_user_sessions(
    caller: WriteUsers, user_id: str, users: Users, logins: Logins, sessions: Transactions
) -> schemas.SessionsEndedTold:
    """Log somebody out everywhere."""

    async def end(session: Session) -> frozenset[str]:
        await users.touchable(session, user_id, caller)
        ended = await logins.end_all(session, user_id)
        if ended:
            session.record("session.ended", "user", user_id, after={"sessions": len(ended)})
        return ended

    done = await sessions.transact(end, by=caller)
    return schemas.SessionsEndedTold(ended=len(done.value))


@router.delete("/api/users/{user_id}/sessions/{session_id}", status_code=204)
async def end_user_session(
    caller: WriteUsers, user_id: str, session_id: str, users: Users, logins: Logins, sessions: Transactions
) -> Response:
    """Log somebody out in one place."""

    async def end(session: Session) -> None:
        await users.touchable(session, user_id, caller)
        await logins.end(session, user_id, session_id)
        session.record("session.ended", "session", session_id, after={"user_id": user_id}, person=user_id)

    await sessions.transact(end, by=caller)
    return Response(status_code=204)
