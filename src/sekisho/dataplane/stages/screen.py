"""Who asks for what: the client's address, the route, and the refusals that need no key.

The decision is made on the matched route: a path is compared as sent, never decoded or normalised.
"""

from typing import Final

from sekisho.core.dialects import registry
from sekisho.core.model.errors import Kind, Refusal
from sekisho.dataplane.stages import Exchange, Plane, overloaded
from sekisho.kit.net import AddressSet, parse_address

QUERY_SECRETS: Final = frozenset(("key", "api_key", "api-key", "apikey", "access_token", "token"))
_ROUTES: Final = registry.ROUTES


def screen(x: Exchange, plane: Plane) -> Refusal | None:
    """Match the route; refuse loops, foreign methods, secrets in the query, compressed bodies."""
    head = x.head
    if head is None or x.refusal is not None:
        return x.refusal
    if plane.proxies is not None and x.peer in plane.proxies:
        x.address = forwarded(x.peer, head.headers.get(b"x-forwarded-for", b""), plane.proxies)
    route = _ROUTES.get(head.path)
    if route is None:
        found = registry.find(head.path)
        if found is None:
            return Refusal(
                404, Kind.NOT_FOUND, "not_found", "there is no such route; see GET /v1/models for what can be called", should_retry=False
            )
        route, x.rest = found
    x.route = route
    if head.method not in route.methods:
        allowed = ", ".join(route.methods)
        return Refusal(
            405,
            Kind.INVALID,
            "method_not_allowed",
            f"this route takes {allowed}",
            should_retry=False,
            headers=(("allow", allowed),),
        )
    headers = head.headers
    if head.query and any(part.partition("=")[0].lower() in QUERY_SECRETS for part in head.query.split("&")):
        return Refusal(
            400,
            Kind.INVALID,
            "credential_in_query",
            "a key in the query ends up in logs; send it as authorization: Bearer",
            "query",
            should_retry=False,
        )
    if b"via" in headers and plane.instance and plane.instance.encode() in headers[b"via"]:
        return Refusal(
            508, Kind.INVALID, "loop_detected", "this request has been here before: a provider's address leads back", should_retry=False
        )
    if b"content-encoding" in headers and headers[b"content-encoding"].lower() != b"identity":
        return Refusal(
            415, Kind.INVALID, "encoding_not_supported", "send the body uncompressed", "content-encoding", should_retry=False, close=True
        )
    if route.calls:
        if plane.counters.in_flight > plane.most_in_flight:
            return overloaded("more calls come than the gateway can serve; try again")
        if plane.directory is None:
            return overloaded("starting: the configuration is not here yet", "starting")
    return None


def forwarded(peer: str, hops: bytes, proxies: AddressSet) -> str:
    """The right-most hop that is no proxy of ours; the peer itself where the header makes no sense."""
    address = peer
    for hop in reversed(hops.decode("latin-1").split(",")):
        parsed = parse_address(hop.strip())
        if parsed is None:
            return address
        address = str(parsed)
        if address not in proxies:
            return address
    return address
