"""`/api/setup` and `/api/auth`: parse, authorise, call, render."""

from typing import Annotated

from fastapi import Request, Response

from sekisho.identity.logins import schemas
from sekisho.identity.logins.model import LoggedIn, Place, Typed
from sekisho.identity.logins.service import LoginService
from sekisho.identity.people.schemas import PersonTold, SessionList, SessionTold, UserTold, person
from sekisho.identity.people.service import UserService
from sekisho.identity.sessions import cookies
from sekisho.identity.sessions.service import SessionService
from sekisho.kit.crypto import Secret
from sekisho.rest.errors import conflict, invalid
from sekisho.rest.origins import Addressing
from sekisho.rest.permissions import Caller, Role
from sekisho.rest.routing import OwnAccount, Public, WriteSystem, guarded_router, provided
from sekisho.storage.session import Session, Sessions

router = guarded_router("people")

Logins = Annotated[LoginService, provided(LoginService)]
Users = Annotated[UserService, provided(UserService)]
Own = Annotated[SessionService, provided(SessionService)]
Ways = Annotated[Addressing, provided(Addressing)]
Transactions = Annotated[Sessions, provided(Sessions)]

LOCAL_OWNER = PersonTold(id="local", email="", name="local owner", role=Role.OWNER, language=None)
"""Who asks on the node's own socket: nobody's account."""


def _place(request: Request, caller: Caller) -> Place:
    return Place(caller.address, request.headers.get("user-agent", ""))


def _mine(caller: Caller) -> str:
    """The caller's own account; raises ApiError 409 for the local owner, who has none."""
    if caller.user_id is None:
        raise conflict("the local owner has no account; name a user, with `sekisho users`", None, "no_account")
    return caller.user_id


def _let_in(request: Request, response: Response, done: LoggedIn, own: SessionService) -> schemas.Me:
    if done.begun.refresh is None:
        cookies.give(request, response, done.begun)
    return schemas.Me.of(done, own.csrf(done.begun.session.id))


@router.get("/api/setup")
async def setup(_: Public, users: Users, logins: Logins, sessions: Transactions) -> schemas.SetupTold:
    """Whether this installation has its owner, and who may make an account."""
    async with sessions.read() as session:
        return schemas.SetupTold(claimed=await users.claimed(session), registration=logins.registration)


@router.post("/api/setup/link", status_code=201)
async def make_setup_link(caller: WriteSystem, logins: Logins, sessions: Transactions) -> schemas.SetupLink:
    """A new setup link, as long as there is no owner; the one before opens nothing any more."""
    done = await sessions.transact(logins.make_setup_link, by=caller)
    return schemas.SetupLink(token=done.value.reveal())


@router.post("/api/setup/claim", status_code=201)
async def claim(
    caller: Public, request: Request, response: Response, body: schemas.Claim, logins: Logins, own: Own, ways: Ways
) -> schemas.Me:
    """Become the first owner, with the secret of the setup link."""
    cookies.require_way(request, ways)
    typed = Typed(body.email, Secret(body.password))
    done = await logins.claim(Secret(body.token), typed, body.name, body.language, _place(request, caller), caller)
    return _let_in(request, response, done, own)


@router.post("/api/auth/register", status_code=201)
async def register(
    caller: Public, request: Request, response: Response, body: schemas.Register, logins: Logins, own: Own, ways: Ways
) -> schemas.Me:
    """Make an account for oneself, where the settings or an invitation allow it."""
    cookies.require_way(request, ways)
    typed = Typed(body.email, Secret(body.password))
    invitation = None if body.invitation is None else Secret(body.invitation)
    done = await logins.register(typed, body.name, body.language, invitation, _place(request, caller), caller)
    return _let_in(request, response, done, own)


@router.post("/api/auth/login")
async def login(
    caller: Public, request: Request, response: Response, body: schemas.Login, logins: Logins, own: Own, ways: Ways
) -> schemas.Me:
    """Begin a session: a cookie for the console, tokens for a script."""
    cookies.require_way(request, ways)
    typed = Typed(body.email, Secret(body.password), body.totp)
    done = await logins.login(typed, _place(request, caller), caller, tokens=body.tokens)
    return _let_in(request, response, done, own)


@router.post("/api/auth/refresh")
async def refresh(caller: Public, body: schemas.Refresh, logins: Logins) -> schemas.TokensTold:
    """New tokens for a script."""
    return schemas.TokensTold.of(await logins.refresh(Secret(body.refresh_token), caller))


@router.post("/api/auth/logout")
async def logout(caller: OwnAccount, request: Request, response: Response, own: Own, sessions: Transactions) -> schemas.LoggedOut:
    """End this session, and let the browser forget it."""
    session_id = caller.session_id
    if session_id is not None:
        await _end(caller, session_id, own, sessions)
    cookies.take(request, response)
    return schemas.LoggedOut(logged_out=session_id is not None)


@router.get("/api/auth/me")
async def me(caller: OwnAccount, users: Users, own: Own, sessions: Transactions) -> schemas.Me:
    """Who I am here."""
    if caller.user_id is None:
        return schemas.Me(user=LOCAL_OWNER, csrf=None)
    async with sessions.read() as session:
        user = await users.find(session, caller.user_id)
    return schemas.Me(user=person(user), csrf=None if caller.session_id is None else own.csrf(caller.session_id))


@router.patch("/api/auth/me")
async def change_me(caller: OwnAccount, body: schemas.ChangeMe, users: Users, logins: Logins, sessions: Transactions) -> UserTold:
    """Change one's own name, language or address."""
    user_id = _mine(caller)
    given = body.model_dump(include=body.model_fields_set - {"current_password"})
    if given.get("name", "") is None or given.get("email", "") is None:
        raise invalid("name and email cannot be null; leave them out to keep them", None)
    if body.email is not None:
        await logins.confirm(user_id, body.password(), caller)
    done = await sessions.transact(lambda session: users.change_own(session, user_id, given), by=caller)
    return UserTold.of(done.value)


@router.post("/api/auth/password")
async def change_password(caller: OwnAccount, body: schemas.ChangePassword, logins: Logins) -> UserTold:
    """Give oneself a new password. All other sessions end."""
    done = await logins.change_password(_mine(caller), Secret(body.current_password), Secret(body.new_password), caller)
    return UserTold.of(done.user)


@router.get("/api/auth/sessions")
async def list_my_sessions(caller: OwnAccount, own: Own, sessions: Transactions) -> SessionList:
    """Where I am logged in, what was used last first."""
    if caller.user_id is None:
        return SessionList(sessions=[])
    async with sessions.read() as session:
        found = await own.of_user(session, caller.user_id)
    return SessionList(sessions=[SessionTold.of(each, caller.session_id) for each in found])


@router.delete("/api/auth/sessions/{session_id}", status_code=204)
async def end_my_session(caller: OwnAccount, session_id: str, own: Own, sessions: Transactions) -> Response:
    """Log out somewhere else."""
    _mine(caller)
    await _end(caller, session_id, own, sessions)
    return Response(status_code=204)


async def _end(caller: Caller, session_id: str, own: SessionService, sessions: Sessions) -> None:
    user_id = _mine(caller)

    async def work(session: Session) -> None:
        await own.end(session, user_id, session_id)
        session.record("session.ended", "session", session_id, after={"user_id": user_id}, person=user_id)

    await sessions.transact(work, by=caller)
