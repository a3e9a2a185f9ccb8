"""A WebSocket route that cannot be left open by mistake: who asks, from which page and with which permission is settled before it opens.

The same policy as for routes decides, and a refusal is the same answer: the socket never opens, so a page of another site learns
nothing but that.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.responses import JSONResponse
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from sekisho.core.model.errors import Kind, Refusal
from sekisho.rest import errors, origins
from sekisho.rest.permissions import DEMANDED, DOOR, REQUEST_ID, TUNNEL, Caller, Permission, identify, require
from sekisho.storage.errors import StorageError

ENDED: Final = 4401
"""The code of a socket whose login ended, or may see other things now: its page asks who it is and opens a new one."""
TOO_SLOW: Final = 1013
"""Try again later: the reader did not keep up."""

Opened = Callable[[WebSocket, Caller], Awaitable[None]]
"""Serves a socket whose caller may open it; accepts it, and returns when it is over. Raises ApiError before it accepts."""


class GuardedSocket(WebSocketRoute):
    """One path, one permission."""

    def __init__(self, path: str, serve: Opened, permission: Permission) -> None:
        self.permission: Final = permission

        async def guarded(socket: WebSocket) -> None:
            try:
                socket.scope[DEMANDED] = permission
                if socket.scope.get(DOOR) == TUNNEL:
                    origins.require_own_page(socket)
                caller = await identify(socket)
                require(caller, permission)
                await serve(socket, caller)
            except errors.ApiError as error:
                await _decline(socket, error.refusal)
            except StorageError as away:
                await _decline(socket, Refusal(503, Kind.OVERLOADED, "database_unavailable", str(away), retry_after=5))

        super().__init__(path, guarded, name=path)


async def _decline(socket: WebSocket, refusal: Refusal) -> None:
    """Answer the handshake as a request that is refused."""
    headers = dict(refusal.headers)
    if refusal.retry_after is not None:
        headers["retry-after"] = str(refusal.retry_after)
    body = errors.body(refusal, str(socket.scope.get(REQUEST_ID, "")))
    await socket.send_denial_response(JSONResponse(body, refusal.status, headers))
