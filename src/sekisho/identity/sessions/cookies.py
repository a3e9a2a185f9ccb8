"""The cookie that carries a session: sent back to this very host only, never to a script, never along with a click on another site.

Over TLS its name makes the browser itself refuse it anywhere else. In plain HTTP it exists on this host only, and there its name holds
the port: browsers keep one jar for all ports of a host.
"""

from typing import Final

from starlette.requests import HTTPConnection
from starlette.responses import Response

from sekisho.core.model.errors import Kind, Refusal
from sekisho.identity.sessions.model import Begun
from sekisho.kit.clock import SECOND
from sekisho.rest.errors import ApiError
from sekisho.rest.origins import Addressing, host_of, may_keep_cookie, scheme_of

SECURE_NAME: Final = "__Host-sekisho"
PLAIN_NAME: Final = "sekisho"


def name_for(connection: HTTPConnection) -> str:
    """What the cookie is called on the way that this request came."""
    if scheme_of(connection) == "https":
        return SECURE_NAME
    port = host_of(connection)[1]
    return f"{PLAIN_NAME}-{port}" if port.isdigit() else PLAIN_NAME


def require_way(connection: HTTPConnection, addressing: Addressing) -> None:
    """Raises ApiError 403 where no cookie may go; asked before a password is looked at."""
    if not may_keep_cookie(connection, addressing):
        message = "a login needs HTTPS here: turn TLS on (`sekisho serve --tls dev-selfsigned`), or open the console on the host itself"
        raise ApiError(Refusal(403, Kind.PERMISSION, "secure_connection_required", message))


def give(connection: HTTPConnection, response: Response, begun: Begun) -> None:
    """Let the browser keep the session."""
    seconds = (begun.session.expires_at - begun.session.created_at) // SECOND
    _set(connection, response, begun.access.reveal(), seconds)


def take(connection: HTTPConnection, response: Response) -> None:
    """Let the browser forget it."""
    _set(connection, response, "", 0)


def _set(connection: HTTPConnection, response: Response, value: str, seconds: int) -> None:
    response.set_cookie(
        name_for(connection), value, max_age=seconds, path="/", secure=scheme_of(connection) == "https", httponly=True, samesite="strict"
    )
