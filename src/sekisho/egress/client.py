"""One outbound request, safe against being led astray.

The name is resolved once, every address it has is checked, and the connection goes to a checked address; TLS is still verified against
the name. Redirects are not followed, nothing compressed is asked for or accepted, bytes and time are bounded, and no proxy or other
setting of the environment is heard. An address that is not public is reached only where its exact origin was registered.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple
from urllib.parse import urlencode

import httpx

from sekisho.egress.addresses import canonical, is_public, is_usable

MAX_BYTES: Final = 4 * 1024 * 1024
"""A model list of 10,000 entries is about 2 MB."""

CONNECT_SECONDS: Final = 5.0
TOTAL_SECONDS: Final = 15.0
"""A person waits for the answer."""

MAX_ADDRESSES: Final = 4
"""Of a name with more, the rest is not tried."""

_PORTS: Final = {"http": 80, "https": 443}

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Gives the addresses of a name as texts; raises OSError."""


class EgressError(Exception):
    """The request was refused here or got no answer; the message is for people."""


class Origin(NamedTuple):
    """Scheme, host and port: what is registered, and what a secret is bound to."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" if _PORTS[self.scheme] == self.port else f"{self.scheme}://{host}:{self.port}"


def origin_of(url: str) -> Origin:
    """The origin of an http(s) URL; raises EgressError where it is no such URL, or one with a user, a query or a fragment."""
    try:
        parsed = httpx.URL(url)
        port = parsed.port
    except (httpx.InvalidURL, ValueError):
        raise EgressError(f"{url!r} is not a URL") from None
    if parsed.scheme not in _PORTS or not parsed.host:
        raise EgressError("the URL needs to begin with http:// or https:// and a host")
    if parsed.userinfo or parsed.query or parsed.fragment or "?" in url or "#" in url or "\\" in url:
        raise EgressError("the URL may carry neither a user, a query nor a fragment")
    if port is not None and not 0 < port < 65536:
        raise EgressError(f"{port} is no port; give one from 1 to 65535")
    return Origin(parsed.scheme, parsed.host.lower(), port or _PORTS[parsed.scheme])


@dataclass(frozen=True)
class Bounds:
    """How long an answer may take, and how large it may be."""

    connect_seconds: float
    total_seconds: float
    max_bytes: int


@dataclass(frozen=True)
class Answer:
    """A whole response; `headers` have lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Egress:
    """Makes the requests; holds no connection between them, so a checked address is never reused for another name."""

    def __init__(self, resolver: Resolver = resolve) -> None:
        self._resolve = resolver

    async def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        registered: Origin | None = None,
        ca_bundle: str | None = None,
        connect_seconds: float = CONNECT_SECONDS,
        total_seconds: float = TOTAL_SECONDS,
        max_bytes: int = MAX_BYTES,
    ) -> Answer:
        """Ask once. `registered` is an origin that may have a private address; raises EgressError where there is no whole answer."""
        bounds = Bounds(connect_seconds, total_seconds, max_bytes)
        return await self._whole("GET", url, headers, None, registered, ca_bundle, bounds)

    async def post(
        self,
        url: str,
        form: Mapping[str, str],
        *,
        headers: Mapping[str, str],
        registered: Origin | None = None,
        ca_bundle: str | None = None,
        max_bytes: int = MAX_BYTES,
        total_seconds: float = TOTAL_SECONDS,
    ) -> Answer:
        """Send a form once; the rest is as with `get`."""
        typed = {**headers, "content-type": "application/x-www-form-urlencoded"}
        bounds = Bounds(CONNECT_SECONDS, total_seconds, max_bytes)
        return await self._whole("POST", url, typed, urlencode(form).encode(), registered, ca_bundle, bounds)

    async def _whole(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | None,
        registered: Origin | None,
        ca_bundle: str | None,
        bounds: Bounds,
    ) -> Answer:
        origin = origin_of(url)
        try:
            async with asyncio.timeout(bounds.total_seconds):
                addresses = await self._addresses(origin, trusted=origin == registered)
                context = _tls(ca_bundle) if origin.scheme == "https" else None
                transport = httpx.AsyncHTTPTransport(
                    verify=context or False, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
                )
                timeout = httpx.Timeout(bounds.total_seconds, connect=bounds.connect_seconds)
                async with httpx.AsyncClient(transport=transport, timeout=timeout) as client:
                    asked = client.build_request(method, httpx.URL(url), headers=headers, content=content)
                    return await _first(client, origin, addresses, asked, bounds.max_bytes)
        except TimeoutError:
            raise EgressError(f"{origin} did not answer within {bounds.total_seconds:g} s") from None

    async def _addresses(self, origin: Origin, *, trusted: bool) -> list[str]:
        """The checked addresses of an origin. One that may not be reached spoils them all: a name with mixed answers is a trick."""
        try:
            texts = await self._resolve(origin.host, origin.port)
        except (OSError, UnicodeError):
            raise EgressError(f"the name {origin.host} has no address; check its spelling") from None
        addresses = [canonical(text) for text in texts]
        for address in addresses:
            if address is None or not is_usable(address) or not (trusted or is_public(address)):
                raise EgressError(f"{origin} does not lead to a public address; only registered providers may")
        if not addresses:
            raise EgressError(f"the name {origin.host} has no address; check its spelling")
        return [str(address) for address in addresses[:MAX_ADDRESSES]]


async def _first(client: httpx.AsyncClient, origin: Origin, addresses: Sequence[str], asked: httpx.Request, max_bytes: int) -> Answer:
    """Ask the first address that takes a connection."""
    failure: Exception | None = None
    for address in addresses:
        try:
            return await _ask(client, origin, address, asked, max_bytes)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            failure = error
        except httpx.TimeoutException:
            raise TimeoutError from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise EgressError(f"{origin} answered with what is no HTTP response, or cut it ({type(error).__name__})") from None
    if (fault := _tls_fault(failure)) is not None:
        raise EgressError(f"the TLS connection to {origin} failed: {fault}; give its authority as ca_bundle if it has its own")
    raise EgressError(f"no connection to {origin}; check the address, and that the server runs")


async def _ask(client: httpx.AsyncClient, origin: Origin, address: str, asked: httpx.Request, max_bytes: int) -> Answer:
    # The request goes to the checked address; Host and the name in TLS stay the origin's.
    own = {"host": str(origin).split("://", 1)[1], "accept-encoding": "identity", "user-agent": "sekisho"}
    request = client.build_request(
        asked.method,
        asked.url.copy_with(host=address),
        headers={**asked.headers, **own},
        content=asked.content,
        extensions={"sni_hostname": origin.host.strip("[]")},
    )
    response = await client.send(request, stream=True, follow_redirects=False)
    try:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise EgressError(f"{origin} sent a compressed answer, which was not asked for")
        body = bytearray()
        async for piece in response.aiter_raw():
            body += piece
            if len(body) > max_bytes:
                raise EgressError(f"the answer of {origin} is larger than {max_bytes} bytes")
        return Answer(response.status_code, dict(response.headers), bytes(body))
    finally:
        await response.aclose()


def _tls(ca_bundle: str | None) -> ssl.SSLContext:
    """Verify always; against the given authorities alone where some are given."""
    if ca_bundle is None:
        return ssl.create_default_context()
    try:
        return ssl.create_default_context(cadata=ca_bundle)
    except (ssl.SSLError, ValueError):
        raise EgressError("ca_bundle holds no certificate; give the authorities' certificates as PEM text") from None


def _tls_fault(error: BaseException | None) -> str | None:
    """What TLS itself objected to, where it did: the cause lies below the client's own errors."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message
        if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLWantReadError):
            return error.reason or "handshake"
        error = error.__cause__ or error.__context__
    return None
