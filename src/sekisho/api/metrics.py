"""`/metrics`, for Prometheus. It stands on the console's port and tells no secret, but it tells how much is done with which model."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Depends, Request, Response

from sekisho.kit.net import is_loopback
from sekisho.rest.permissions import Caller, Permission, Requires, caller_of
from sekisho.rest.routing import guarded_router
from sekisho.telemetry.metrics import CONTENT_TYPE, Exposition, Gauges

router = guarded_router("metrics")


@dataclass(frozen=True)
class MetricsPage:
    """What the page is made of, and who may read it without a login."""

    exposition: Exposition
    gauges: Callable[[], Gauges]
    open_to_loopback: Callable[[], bool]


class _RequiresOrIsLocal(Requires):
    """Lets programs of this host through as well, where the settings say so. The worker tells the address, never the request."""

    async def __call__(self, request: Request) -> Caller:
        caller = caller_of(request)
        page: MetricsPage = request.app.state.provided[MetricsPage]
        return caller if page.open_to_loopback() and is_loopback(caller.address) else await super().__call__(request)


ReadMetrics = Annotated[Caller, Depends(_RequiresOrIsLocal(Permission.SYSTEM_READ))]

_TEXT: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus' text format, 0.0.4."}
}


@router.get("/metrics", response_class=Response, responses=_TEXT)
async def metrics(_: ReadMetrics, request: Request) -> Response:
    """Counters and gauges of this node and its workers. Read without a login from this host, unless `metrics.open_to` says otherwise."""
    page: MetricsPage = request.app.state.provided[MetricsPage]
    return Response(await asyncio.to_thread(page.exposition.write, page.gauges()), media_type=CONTENT_TYPE)
