"""What a browser may be made to send by a page that is not ours, and how it is told apart.

The scheme and the client's address are what the worker says that took the request; both are dropped from what a client sends.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from starlette.requests import HTTPConnection

from sekisho.core.model.errors import Kind, Refusal
from sekisho.kit.net import is_loopback
from sekisho.rest.errors import ApiError

SAFE: Final = frozenset(("GET", "HEAD", "OPTIONS"))
"""Methods that change nothing."""

_JSON: Final = "application/json"
_FETCH_SITES: Final = frozenset(("same-origin", "none"))


@dataclass(frozen=True)
class Addressing:
    """How people may reach the console."""

    hosts: frozenset[str] = frozenset()
    """Names besides addresses and `localhost` under which it is called in plain HTTP, in lower case."""
    insecure: bool = False
    """Whether plain HTTP may leave this host."""


def scheme_of(connection: HTTPConnection) -> str:
    """`https` or `http`, as the client came."""
    return "https" if connection.headers.get("x-sekisho-scheme") == "https" else "http"


def is_change(connection: HTTPConnection) -> bool:
    """Whether this may change something: any method but the safe ones."""
    return connection.scope["type"] == "http" and connection.scope["method"] not in SAFE


def host_of(connection: HTTPConnection) -> tuple[str, str]:
    """The host that was asked for, in lower case and without its port, and the port or nothing."""
    text = connection.headers.get("host", "").lower()
    name, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        name, port = text, ""
    return name.removeprefix("[").removesuffix("]"), port


def require_known_host(connection: HTTPConnection, addressing: Addressing) -> None:
    """Raises ApiError 421 where a name is asked for that is not ours.

    Only a stranger's name that is made to point here brings such a request, and over TLS the certificate tells the browser.
    """
    if scheme_of(connection) == "https" or addressing.insecure:
        return
    name, _ = host_of(connection)
    if not (_is_address(name) or name == "localhost" or name.endswith(".localhost") or name in addressing.hosts):
        message = f"this console is not known by the name {name[:100]!r}; use its address, or add the name to console.hosts"
        raise ApiError(Refusal(421, Kind.INVALID, "unknown_host", message))


def require_own_page(connection: HTTPConnection) -> None:
    """Raises ApiError 403 where a page of another origin asks; what comes from no browser says nothing of the kind."""
    headers = connection.headers
    if headers.get("sec-fetch-site", "none") not in _FETCH_SITES or not _is_own(headers, scheme_of(connection)):
        raise ApiError(
            Refusal(403, Kind.PERMISSION, "cross_site_request", "this comes from a page of another site; open the console itself")
        )


def require_named_origin(connection: HTTPConnection) -> None:
    """The same for a socket that a cookie opens: browsers always name the origin there, so one without it is refused too."""
    if "origin" not in connection.headers:
        raise ApiError(Refusal(403, Kind.PERMISSION, "cross_site_request", "a socket that a cookie opens needs an Origin; use a token"))
    require_own_page(connection)


def require_json(connection: HTTPConnection) -> None:
    """Raises ApiError 415 where a body is sent as something else: a form of another site can send only what is no JSON by its type."""
    headers = connection.headers
    if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
        return
    if headers.get("content-type", "").partition(";")[0].strip().lower() != _JSON:
        raise ApiError(Refusal(415, Kind.INVALID, "unsupported_media_type", f"a body is taken as {_JSON} only; say so in content-type"))


def may_keep_cookie(connection: HTTPConnection, addressing: Addressing) -> bool:
    """Whether a session's cookie may go this way: TLS, or this host alone, or where somebody accepted plain HTTP."""
    if scheme_of(connection) == "https" or addressing.insecure:
        return True
    name, _ = host_of(connection)
    local = name == "localhost" or name.endswith(".localhost") or is_loopback(name)
    return local and is_loopback(connection.headers.get("x-sekisho-client-address", ""))


def _is_own(headers: Mapping[str, str], scheme: str) -> bool:
    origin = headers.get("origin")
    return origin is None or origin.lower() == f"{scheme}://{headers.get('host', '').lower()}"


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
