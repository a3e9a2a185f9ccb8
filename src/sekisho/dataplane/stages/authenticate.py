"""Papers, please: one key per request, found by its digest in constant shape, the same refusal whatever is wrong with it."""

import hashlib

from typing import Final

from sekisho.core.model.errors import Kind, Refusal
from sekisho.dataplane.stages import Exchange, Plane
from sekisho.kit.clock import wall_ns

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
_OTHERS: Final = (b"x-api-key", b"api-key", b"x-goog-api-key")
MOST_BYTES: Final = 512
"""A longer credential is none of ours; it is not even hashed."""


def authenticate(x: Exchange, plane: Plane) -> Refusal | None:
    """Find the key; a public route needs none."""
    if x.route.public:
        return None
    head = x.head
    assert head is not None
    headers = head.headers
    plain = headers.get(b"authorization")
    if plain is not None:
        if plain[:7].lower() != b"bearer ":
            return WRONG
        plain = plain[7:].strip()
    for name in _OTHERS:
        if name in headers:
            other = headers[name]
            if plain is not None and other != plain:
                return SEVERAL
            plain = other
    if not plain:
        return MISSING
    client = x.client
    if plain == client.last_credential:
        # The same bytes as this connection's last request; the digest is known, the lookup below still decides.
        digest = client.last_digest
    else:
        if len(plain) > MOST_BYTES:
            return WRONG
        digest = hashlib.sha256(plain).digest()
        client.last_credential = plain
        client.last_digest = digest
    key = plane.keys.find(digest)
    if key is None:
        return WRONG
    if key.expires_at is not None and key.expires_at * 1000 <= wall_ns():
        return WRONG
    x.key = key
    return None
