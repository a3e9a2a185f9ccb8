"""Routes that cannot be left open by mistake, and how their functions get at the services.

The permission is checked on the matched route before the body is read, so a stranger's body is never parsed.
"""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from sekisho.rest.permissions import DEMANDED, Caller, Permission, Requires, identify

T = TypeVar("T")

Public = Annotated[Caller, Depends(Requires(Permission.PUBLIC))]
ReadKeys = Annotated[Caller, Depends(Requires(Permission.KEYS_READ))]
WriteKeys = Annotated[Caller, Depends(Requires(Permission.KEYS_WRITE))]
ReadCatalog = Annotated[Caller, Depends(Requires(Permission.CATALOG_READ))]
WriteCatalog = Annotated[Caller, Depends(Requires(Permission.CATALOG_WRITE))]
ReadUsage = Annotated[Caller, Depends(Requires(Permission.USAGE_READ))]
ReadProjects = Annotated[Caller, Depends(Requires(Permission.PROJECTS_READ))]
WriteProjects = Annotated[Caller, Depends(Requires(Permission.PROJECTS_WRITE))]
OwnAccount = Annotated[Caller, Depends(Requires(Permission.ACCOUNT))]
ReadUsers = Annotated[Caller, Depends(Requires(Permission.USERS_READ))]
WriteUsers = Annotated[Caller, Depends(Requires(Permission.USERS_WRITE))]
ReadAudit = Annotated[Caller, Depends(Requires(Permission.AUDIT_READ))]
ReadSettings = Annotated[Caller, Depends(Requires(Permission.SETTINGS_READ))]
WriteSettings = Annotated[Caller, Depends(Requires(Permission.SETTINGS_WRITE))]
ReadSystem = Annotated[Caller, Depends(Requires(Permission.SYSTEM_READ))]
WriteSystem = Annotated[Caller, Depends(Requires(Permission.SYSTEM_WRITE))]


class OpenRouteError(Exception):
    """A route that does not declare exactly one permission."""


def permission_of(route: APIRoute) -> Requires:
    """What a route demands; raises OpenRouteError where it says nothing, or two things."""
    found = [each.call for each in _all_dependencies(route.dependant) if isinstance(each.call, Requires)]
    if len(found) != 1:
        raise OpenRouteError(
            f"{sorted(route.methods or ())} {route.path} declares {len(found)} permissions; a route declares one in its signature"
        )
    return found[0]


def _all_dependencies(dependant: Dependant) -> list[Dependant]:
    return [dependant, *(inner for each in dependant.dependencies for inner in _all_dependencies(each))]


class GuardedRoute(APIRoute):
    """A route whose permission is checked before anything of the request but its head is looked at."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        guard = permission_of(self)
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            request.scope[DEMANDED] = guard.permission
            await identify(request)
            await guard(request)
            return await handle(request)

        return guarded


def guarded_router(tag: str) -> APIRouter:
    """A router of guarded routes; the tag groups them in the documentation."""
    return APIRouter(route_class=GuardedRoute, tags=[tag], redirect_slashes=False)


def provided(kind: type[T]) -> Any:
    """The service of this type that the application was built with: `Annotated[KeyService, provided(KeyService)]`."""

    # A coroutine, though it waits for nothing: FastAPI sends a plain function to a thread and back, for every request and service.
    async def find(request: Request) -> T:
        service: T = request.app.state.provided[kind]
        return service

    return Depends(find)
