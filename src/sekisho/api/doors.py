"""Which socket a request came through: said by the server that owns the socket, in the ASGI scope, where no request can write."""

from starlette.types import ASGIApp, Receive, Scope, Send

from sekisho.rest.permissions import DOOR, LOCAL, TUNNEL


def door(app: ASGIApp, name: str) -> ASGIApp:
    """The same application behind a named door: `local` or `tunnel`."""
    if name not in (LOCAL, TUNNEL):
        raise ValueError(f"there is no door {name!r}")

    async def behind(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, DOOR: name}, receive, send)

    return behind
