"""`/api/issuers` and `/api/auth/oidc`: parse, authorise, call, render.

The two routes that a browser walks through answer with a redirect, whatever happens: to the issuer, into the console, or back to the
login page, which says what was wrong by its word.
"""

from typing import Annotated, Final
from urllib.parse import quote

from fastapi import Query, Request, Response
from fastapi.responses import RedirectResponse

from sekisho.identity.issuers import schemas
from sekisho.identity.issuers.flows import LIFE_SECONDS
from sekisho.identity.issuers.idtokens import RejectedError
from sekisho.identity.issuers.service import Answer, IssuerService
from sekisho.identity.logins.model import Place
from sekisho.identity.sessions import cookies
from sekisho.rest import repeats, versions
from sekisho.rest.origins import Addressing, scheme_of
from sekisho.rest.routing import Public, ReadSettings, WriteSettings, guarded_router, provided
from sekisho.storage.session import Session, Sessions

router = guarded_router("issuers")

Issuers = Annotated[IssuerService, provided(IssuerService)]
Ways = Annotated[Addressing, provided(Addressing)]
Repeats = Annotated[repeats.Repeats, provided(repeats.Repeats)]
Transactions = Annotated[Sessions, provided(Sessions)]

LOGIN: Final = "/login?error="
"""Where a login that failed ends, with the reason's word."""


@router.get("/api/issuers")
async def list_issuers(_: ReadSettings, issuers: Issuers, sessions: Transactions) -> schemas.IssuerList:
    """The houses whose word lets people in, by name."""
    async with sessions.read() as session:
        return schemas.IssuerList(issuers=[schemas.IssuerTold.of(each) for each in await issuers.everything(session)])


@router.post("/api/issuers", status_code=201, response_model=schemas.IssuerTold)
async def create_issuer(
    caller: WriteSettings,
    body: schemas.CreateIssuer,
    issuers: Issuers,
    sessions: Transactions,
    remembered: Repeats,
    repeat: repeats.Repeated,
) -> Response:
    """Add an OpenID provider. Unless told otherwise it is asked for its addresses first, and saved only if they are good."""
    draft, secret = schemas.draft(body)
    issuers.check(draft)
    async with sessions.read() as session:
        known = await remembered.known(session, repeat)
    if known is not None:
        return repeats.created(known)
    if body.probe:
        await issuers.try_out(draft)

    async def make(session: Session) -> tuple[str, schemas.IssuerTold]:
        made = await issuers.create(session, draft, secret)
        return f"the issuer {made.name}", schemas.IssuerTold.of(made)

    done = await sessions.transact(lambda session: remembered.once(session, repeat, lambda: make(session)), by=caller)
    return repeats.created(done.value)


@router.get("/api/issuers/{name}")
async def show_issuer(_: ReadSettings, name: str, issuers: Issuers, sessions: Transactions, response: Response) -> schemas.IssuerTold:
    """One, by name or id, with its version as ETag."""
    async with sessions.read() as session:
        found = await issuers.find(session, name)
    versions.show(response, found.updated_at)
    return schemas.IssuerTold.of(found)


@router.patch("/api/issuers/{name}")
async def change_issuer(
    caller: WriteSettings,
    name: str,
    body: schemas.ChangeIssuer,
    issuers: Issuers,
    sessions: Transactions,
    response: Response,
    if_match: versions.IfMatch = None,
) -> schemas.IssuerTold:
    """Change what is given."""
    fields, secret = schemas.changes(body)
    done = await sessions.transact(lambda session: issuers.change(session, name, fields, secret, if_match), by=caller)
    versions.show(response, done.value.updated_at)
    return schemas.IssuerTold.of(done.value)


@router.delete("/api/issuers/{name}")
async def remove_issuer(caller: WriteSettings, name: str, issuers: Issuers, sessions: Transactions) -> schemas.IssuerRemoved:
    """Let nobody in by it any more. Accounts that came by it stay."""
    done = await sessions.transact(lambda session: issuers.remove(session, name), by=caller)
    return schemas.IssuerRemoved(id=done.value.id, removed=True)


@router.get("/api/auth/oidc")
async def list_ways(_: Public, issuers: Issuers, sessions: Transactions) -> schemas.WayList:
    """Ways in besides a password, for the login page."""
    async with sessions.read() as session:
        found = [each for each in await issuers.everything(session) if each.enabled]
    return schemas.WayList(
        issuers=[schemas.WayTold(name=each.name, title=each.title, start=f"/api/auth/oidc/{each.name}/start") for each in found]
    )


@router.get("/api/auth/oidc/{name}/start", status_code=303, response_class=RedirectResponse)
async def start(
    caller: Public,
    request: Request,
    name: str,
    issuers: Issuers,
    ways: Ways,
    next_path: Annotated[str, Query(alias="next", max_length=500, description="Where in the console to go afterwards.")] = "/",
) -> RedirectResponse:
    """Go to the issuer."""
    cookies.require_way(request, ways)
    try:
        begun = await issuers.begin(name, next_path, caller)
    except RejectedError as error:
        return _back(error)
    response = RedirectResponse(begun.address, 303)
    _keep(request, response, begun.cookie.reveal(), LIFE_SECONDS)
    return response


@router.get("/api/auth/oidc/{name}/callback", status_code=303, response_class=RedirectResponse)
async def callback(
    caller: Public,
    request: Request,
    name: str,
    issuers: Issuers,
    ways: Ways,
    code: Annotated[str, Query(max_length=4000)] = "",
    state: Annotated[str, Query(max_length=200)] = "",
    error: Annotated[str, Query(max_length=200)] = "",
    iss: Annotated[str | None, Query(max_length=500)] = None,
) -> RedirectResponse:
    """Come back from the issuer."""
    cookies.require_way(request, ways)
    answer = Answer(code, state, error, iss, request.cookies.get(_cookie(request)))
    place = Place(caller.address, request.headers.get("user-agent", ""))
    try:
        done, path = await issuers.finish(name, answer, place, caller)
    except RejectedError as rejected:
        response = _back(rejected)
        _keep(request, response, "", 0)
        return response
    response = RedirectResponse(path, 303)
    cookies.give(request, response, done.begun)
    _keep(request, response, "", 0)
    return response


def _back(error: RejectedError) -> RedirectResponse:
    return RedirectResponse(LOGIN + quote(error.reason, safe=""), 303)


def _cookie(request: Request) -> str:
    return f"{cookies.name_for(request)}-oidc"


def _keep(request: Request, response: RedirectResponse, value: str, seconds: int) -> None:
    """Lax, because the browser has to bring it along when another site sends it back; it opens nothing by itself."""
    secure = scheme_of(request) == "https"
    response.set_cookie(_cookie(request), value, max_age=seconds, path="/", secure=secure, httponly=True, samesite="lax")
