"""The application is put together from its one list, and not at all where something in it is open by mistake."""

from typing import Any, cast

import pytest
from fastapi import APIRouter

from sekisho.api.app import ROUTERS, create_app
from sekisho.api.doors import door
from sekisho.api.services import Services
from sekisho.app import settings
from sekisho.rest.routing import GuardedRoute, OpenRouteError


class Nothing:
    """Stands for services that nobody asks."""

    def __getattr__(self, _: str) -> object:
        return Nothing()

    def __call__(self, *_: object) -> object:
        return Nothing()


NOTHING = cast(Services, Nothing())


def test_what_is_listed_can_be_put_together() -> None:
    create_app(NOTHING)


def test_the_document_names_the_sources_of_a_setting_as_they_are_told() -> None:
    told = create_app(NOTHING).openapi()["components"]["schemas"]["SettingTold"]["properties"]["source"]["description"]
    assert told == f"`{settings.DEFAULT}`, `{settings.FILE}`, the variable's name or the flag's name."


def test_an_unguarded_router_stops_the_start() -> None:
    router = APIRouter()

    @router.get("/api/forgotten")
    async def forgotten() -> None: ...

    with pytest.raises(OpenRouteError, match=r"/api/forgotten is not a guarded route"):
        create_app(NOTHING, (*ROUTERS, router))


def test_no_two_routes_answer_to_the_same_request() -> None:
    routes = [
        (method, route.path)
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, GuardedRoute)
        for method in route.methods or ()
    ]
    assert len(routes) == len(set(routes))


def test_a_door_has_one_of_two_names() -> None:
    with pytest.raises(ValueError, match="no door"):
        door(cast(Any, None), "window")
