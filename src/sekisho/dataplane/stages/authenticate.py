"""Papers, please: one key per request, found by its digest in constant shape, the same refusal whatever is wrong with it."""

import hashlib
from typing import Final

from sekisho.core.model.errors import Kind, Refusal
from sekisho.dataplane.stages import Exchange, Plane

_CHALLENGE: Final = (("www-authenticate", "Bearer"),)
MISSING: Final = Refusal(
    401,
    Kind.AUTHENTICATION,
    "missing_api_key",
    "no API key was given; send it as authorization: Bearer sk-sek-…",
    should_retry=False,
    headers=_CHALLENGE,
)
WRONG: Final = Refusal(
    401,
    Kind.AUTHENTICATION,
    "invalid_api_key",
    "the API key is not valid: unknown, revoked or expired",
    should_retry=False,
    headers=_CHALLENGE,
)
SEVERAL: Final = Refusal(
    400,
    Kind.INVALID,
    "several_credentials",
    "different API keys came in several headers; send one",
    "authorization",
    should_retry=False,
)
OTHERS: Final = frozenset((b"x-api-key", b"api-key", b"x-goog-api-key"))
"""Where other dialects' clients put the same key."""
MOST_BYTES: Final = 512
"""A longer credential is none of ours; it is not even hashed."""


def authenticate(x: Exchange, plane: Plane) -> Refusal | None:
    """Find the key; a public route needs none."""
    if x.route.public:
        return None
    head = x.head
    assert head is not None
    headers = head.headers
    client = x.client
    bearer = headers.get(b"authorization")
    if bearer is not None and bearer == client.last_credential and (not head.noted or OTHERS.isdisjoint(headers)):
        # The same bytes as this connection's last request: the digest is known, the lookup below still decides.
        digest = client.last_digest
    else:
        plain = _plain(headers, bearer)
        if isinstance(plain, Refusal):
            return plain
        digest = hashlib.sha256(plain).digest()
        if bearer is not None:
            client.last_credential, client.last_digest = bearer, digest
    key = plane.keys.find(digest)
    if key is None or (key.expires_at is not None and key.expires_at * 1000 <= x.started_wall_ns):
        return WRONG
    x.key = key
    return None


def _plain(headers: dict[bytes, bytes], bearer: bytes | None) -> bytes | Refusal:
    """The one key that the headers hold."""
    plain = None
    if bearer is not None:
        if bearer[:7].lower() != b"bearer ":
            return WRONG
        plain = bearer[7:].strip()
    for name in OTHERS:
        if name in headers:
            other = headers[name]
            if plain is not None and other != plain:
                return SEVERAL
            plain = other
    if not plain:
        return MISSING
    return WRONG if len(plain) > MOST_BYTES else plain
