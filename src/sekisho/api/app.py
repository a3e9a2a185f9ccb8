"""The management application. This is the one list of what it serves; a route that is not open to somebody by name is open to nobody."""

from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

import sekisho
from sekisho.api import endpoints, live, metrics, schemas
from sekisho.api.configurations import endpoints as configurations
from sekisho.api.console import Console, Files
from sekisho.api.frame import Frame, too_large
from sekisho.api.services import Services
from sekisho.audit import endpoints as audit
from sekisho.catalog import endpoints as catalog
from sekisho.catalog.apis import endpoints as apis
from sekisho.certs import endpoints as certs
from sekisho.core.model.errors import Kind, Refusal
from sekisho.identity import endpoints as identity
from sekisho.identity.departures import endpoints as departures
from sekisho.identity.factors import endpoints as factors
from sekisho.identity.issuers import endpoints as issuers
from sekisho.identity.links import endpoints as links
from sekisho.identity.logins import endpoints as logins
from sekisho.identity.people import endpoints as people
from sekisho.identity.projects import endpoints as projects
from sekisho.identity.tokens import endpoints as tokens
from sekisho.rest import errors
from sekisho.rest.permissions import REQUEST_ID, Role, identify
from sekisho.rest.routing import GuardedRoute, OpenRouteError, permission_of
from sekisho.storage.errors import MigrationFailedError, StorageError
from sekisho.usage import endpoints as usage
from sekisho.usage.reports import endpoints as reports

ROUTERS: Final[tuple[APIRouter, ...]] = (
    endpoints.router,
    configurations.router,
    identity.router,
    catalog.router,
    apis.router,
    usage.router,
    reports.router,
    audit.router,
    certs.router,
    logins.router,
    people.router,
    projects.router,
    tokens.router,
    factors.router,
    links.router,
    issuers.router,
    departures.router,
    live.router,
    metrics.router,
)
"""What is in this build."""


def create_app(services: Services, routers: tuple[APIRouter, ...] = ROUTERS, console: Files | None = None) -> FastAPI:
    """Put the application together, with the console before it where there are files of one.

    Raises OpenRouteError where a route demands nothing of its callers.
    """
    app = FastAPI(
        title="Sekisho",
        version=sekisho.__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses={"4XX": {"model": schemas.ErrorTold}, "5XX": {"model": schemas.ErrorTold}},
    )
    for router in routers:
        for route in router.routes:
            if not isinstance(route, GuardedRoute):
                raise OpenRouteError(
                    f"{getattr(route, 'path', route)} is not a guarded route; make its router with rest.routing.guarded_router"
                )
            permission_of(route)
        app.include_router(router)
    parts = (
        services.sessions,
        services.keys,
        services.catalog,
        services.apis,
        services.usage,
        services.reports,
        services.repeats,
        services.audit,
        services.certificates,
        services.configurations,
        services.maintenance,
        services.people.users,
        services.people.sessions,
        services.people.passwords,
        services.people.logins,
        services.people.addressing,
        services.people.projects,
        services.people.tokens,
        services.people.factors,
        services.people.links,
        services.people.issuers,
        services.people.departures,
        services.metrics,
        services,
    )
    app.router.routes.append(live.socket(services.live))
    services.people.sessions.endings.subscribe(services.live)
    app.state.provided = {type(part): part for part in parts}
    app.state.identifies = services.people.identification
    app.add_exception_handler(errors.ApiError, _refused)
    app.add_exception_handler(RequestValidationError, _misshapen)
    app.add_exception_handler(HTTPException, _unrouted)
    app.add_exception_handler(StorageError, _unstored)
    if console is not None:
        app.add_middleware(Console, files=console)
    app.add_middleware(Frame)
    return app


def _render(request: Request, refusal: Refusal) -> JSONResponse:
    headers = dict(refusal.headers)
    if refusal.retry_after is not None:
        headers["retry-after"] = str(refusal.retry_after)
    if refusal.status == 401:
        headers["www-authenticate"] = "Bearer"
    return JSONResponse(errors.body(refusal, str(request.scope.get(REQUEST_ID, ""))), refusal.status, headers)


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, errors.ApiError)
    return _render(request, error.refusal)


async def _misshapen(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return _render(request, errors.from_validation(error))


async def _unrouted(request: Request, error: Exception) -> JSONResponse:
    """No such route or method, or a body that cannot be read; a stranger is told neither."""
    assert isinstance(error, HTTPException)
    if error.status_code in (404, 405):
        try:
            caller = await identify(request)
        except errors.ApiError as refused:
            return _render(request, refused.refusal)
        except StorageError as away:
            return await _unstored(request, away)
        if caller.role is Role.ANONYMOUS:
            return _render(request, errors.unauthenticated().refusal)
    return _render(request, _UNROUTED.get(error.status_code, _unreadable)(request, error))


def _no_route(request: Request, _: HTTPException) -> Refusal:
    return Refusal(404, Kind.NOT_FOUND, "route_not_found", f"there is no {request.scope['path']} here; see /api/openapi.json")


def _no_method(request: Request, error: HTTPException) -> Refusal:
    allowed = tuple((name.lower(), value) for name, value in (error.headers or {}).items())
    return Refusal(405, Kind.INVALID, "method_not_allowed", f"{request.method} is not a method of {request.scope['path']}", headers=allowed)


def _too_large(_: Request, __: HTTPException) -> Refusal:
    return too_large()


def _unreadable(_: Request, error: HTTPException) -> Refusal:
    return Refusal(error.status_code, Kind.INVALID, "invalid_request", f"the request cannot be read: {error.detail}")


_UNROUTED: Final[dict[int, Any]] = {404: _no_route, 405: _no_method, 413: _too_large}


async def _unstored(request: Request, error: Exception) -> JSONResponse:
    """The database does not take the work now: never a 401 or a 404, and worth another try unless a person has to do something first."""
    assert isinstance(error, StorageError)
    if isinstance(error, MigrationFailedError):
        return _render(request, Refusal(503, Kind.OVERLOADED, "migration_failed", str(error), should_retry=False))
    return _render(request, Refusal(503, Kind.OVERLOADED, "database_unavailable", str(error), retry_after=5, should_retry=True))
