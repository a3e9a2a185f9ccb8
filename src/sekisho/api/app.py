"""The management application. This is the one list of what it serves; a route that is not open to somebody by name is open to nobody."""

from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

import sekisho
from sekisho.api import endpoints, schemas
from sekisho.api.frame import REQUEST_ID, Frame, too_large
from sekisho.api.services import Services
from sekisho.audit import endpoints as audit
from sekisho.catalog import endpoints as catalog
from sekisho.certs import endpoints as certs
from sekisho.core.model.errors import Kind, Refusal
from sekisho.identity import endpoints as identity
from sekisho.rest import errors
from sekisho.rest.permissions import Role, caller_of
from sekisho.rest.routing import GuardedRoute, OpenRouteError, permission_of
from sekisho.storage.errors import MigrationFailedError, StorageError
from sekisho.usage import endpoints as usage

ROUTERS: Final[tuple[APIRouter, ...]] = (endpoints.router, identity.router, catalog.router, usage.router, audit.router, certs.router)
"""What is in this build."""


def create_app(services: Services, routers: tuple[APIRouter, ...] = ROUTERS) -> FastAPI:
    """Put the application together; raises OpenRouteError where a route demands nothing of its callers."""
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
        services.usage,
        services.audit,
        services.certificates,
        services.maintenance,
        services,
    )
    app.state.provided = {type(part): part for part in parts}
    app.add_exception_handler(errors.ApiError, _refused)
    app.add_exception_handler(RequestValidationError, _misshapen)
    app.add_exception_handler(HTTPException, _unrouted)
    app.add_exception_handler(StorageError, _unstored)
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
    if caller_of(request).role is Role.ANONYMOUS and error.status_code in (404, 405):
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
