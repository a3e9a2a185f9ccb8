"""What an ID token has to be before anything in it is believed (OpenID Connect Core 1.0, 3.1.3.7): pure, with the time as an argument.

The algorithm is the one that was agreed for the issuer; what the token's own header asks for is only compared with it. So neither `none`
nor a public key that is used as a shared secret gets as far as a computation. The signature is checked before any claim is looked at.
"""

import base64
import binascii
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Never

import jwt

from sekisho.kit.clock import SECOND

ALGORITHMS: Final = {"RS256": "RSA", "PS256": "RSA", "ES256": "EC", "ES384": "EC", "EdDSA": "OKP"}
"""What an issuer may be agreed to sign with, and the kind of key that it takes. Shared secrets are not among them."""

MAX_TOKEN: Final = 16 * 1024
"""Bytes of a token; a hundred groups fit."""

LEEWAY_SECONDS: Final = 60
"""By how much the issuer's clock may differ from ours."""

MAX_AGE_SECONDS: Final = 600
"""How long ago a token may have been issued: it comes straight from the issuer, for a login that has just begun."""

MIN_RSA_BITS: Final = 2048

_FORBIDDEN: Final = ("crit", "jku", "x5u", "jwk", "b64", "zip")
"""Members of a header that would make the reader fetch, unpack or believe something that the token itself brings."""


class RejectedError(Exception):
    """A login by an issuer that is refused. `reason` is a stable word for programs and the audit; the text is for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class UnknownKeyError(RejectedError):
    """The token names a key that the issuer's set does not hold: it may have been rotated since."""

    def __init__(self) -> None:
        super().__init__("unknown_key", "the token is signed with a key that the issuer does not publish")


@dataclass(frozen=True)
class Expected:
    """What a token is compared with."""

    issuer: str
    client_id: str
    algorithm: str
    nonce: str


@dataclass(frozen=True)
class Claims:
    """What a valid token says of a person."""

    subject: str
    email: str | None
    """Only where the issuer says that it was verified."""
    unverified_email: bool
    """Whether there was one that it did not vouch for."""
    name: str | None
    groups: frozenset[str]


def _no(reason: str, message: str) -> Never:
    raise RejectedError(reason, message)


def validate(token: str, keys: Sequence[Mapping[str, Any]], expected: Expected, now: int, groups_claim: str) -> Claims:
    """Check everything; `keys` are the members of the issuer's key set, `now` in microseconds. Raises RejectedError."""
    if len(token) > MAX_TOKEN:
        _no("token_too_large", f"the token is larger than {MAX_TOKEN} bytes")
    header = _header(token)
    if header.get("alg") != expected.algorithm:
        _no("algorithm_not_allowed", f"the token is signed with {str(header.get('alg'))[:20]!r}, and {expected.algorithm} was agreed")
    for name in _FORBIDDEN:
        if name in header:
            _no("header_not_allowed", f"the token's header carries {name}, which is not taken")
    key = _key(keys, header.get("kid"), expected.algorithm)
    try:
        payload = jwt.PyJWS(algorithms=[expected.algorithm]).decode(token, key, algorithms=[expected.algorithm])
    except jwt.PyJWTError:
        raise RejectedError("bad_signature", "the token's signature is not the issuer's") from None
    return _claims(_object(payload, "its content"), expected, now // SECOND, groups_claim)


def _header(token: str) -> dict[str, Any]:
    parts = token.split(".")
    if len(parts) != 3:
        _no("malformed_token", "the token is not a signed one of three parts")
    try:
        return _object(base64.urlsafe_b64decode(parts[0] + "=" * (-len(parts[0]) % 4)), "its header")
    except binascii.Error:
        raise RejectedError("malformed_token", "the token's header is not base64url") from None


def _object(data: bytes, what: str) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        # Two readers of a name that stands twice may read two tokens.
        if len({name for name, _ in pairs}) != len(pairs):
            raise ValueError("a name stands twice")
        return dict(pairs)

    try:
        found = json.loads(data, object_pairs_hook=once)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        _no("malformed_token", f"the token cannot be read: {what} is no JSON object")
    return found


def _key(keys: Sequence[Mapping[str, Any]], kid: object, algorithm: str) -> Any:
    """The issuer's key that fits; raises UnknownKeyError, or RejectedError where it is too weak."""
    fitting = [
        each
        for each in keys
        if each.get("kty") == ALGORITHMS[algorithm]
        and each.get("use", "sig") == "sig"
        and each.get("alg", algorithm) == algorithm
        and (kid is None or each.get("kid") == kid)
    ]
    # Without a name, only a set of one leaves no choice.
    if not fitting or (kid is None and len(fitting) != 1):
        raise UnknownKeyError
    try:
        key = jwt.PyJWK(dict(fitting[0]), algorithm=algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        raise RejectedError("bad_key", "the issuer's key cannot be read") from None
    if getattr(key, "key_size", MIN_RSA_BITS) < MIN_RSA_BITS and ALGORITHMS[algorithm] == "RSA":
        _no("weak_key", f"the issuer's key is shorter than {MIN_RSA_BITS} bits")
    return key


def _claims(claims: Mapping[str, Any], expected: Expected, now: int, groups_claim: str) -> Claims:
    if claims.get("iss") != expected.issuer:
        _no("wrong_issuer", f"the token is of another issuer than {expected.issuer}")
    _audience(claims, expected.client_id)
    _times(claims, now)
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), expected.nonce.encode()):
        _no("wrong_nonce", "the token was not made for this login")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= 255:
        _no("missing_subject", "the token names nobody: sub is missing or too long")
    email = claims.get("email")
    usable = isinstance(email, str) and 3 <= len(email) <= 254 and email.count("@") == 1
    verified = usable and claims.get("email_verified") is True
    name = claims.get("name")
    return Claims(
        subject=subject,
        email=email if verified else None,
        unverified_email=usable and not verified,
        name=name[:200] if isinstance(name, str) and name.strip() and name.isprintable() else None,
        groups=_groups(claims.get(groups_claim)),
    )


def _audience(claims: Mapping[str, Any], client_id: str) -> None:
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    if not isinstance(audiences, list) or client_id not in audiences:
        _no("wrong_audience", "the token was made for another application")
    party = claims.get("azp")
    if (party is not None or len(audiences) > 1) and party != client_id:
        _no("wrong_party", "the token was given to another application: azp is not ours")


def _times(claims: Mapping[str, Any], now: int) -> None:
    expires, issued = _time(claims.get("exp")), _time(claims.get("iat"))
    begins = issued if claims.get("nbf") is None else _time(claims["nbf"])
    if expires is None or issued is None or begins is None:
        _no("missing_times", "the token does not say when it was issued and when it ends: exp, iat or nbf is missing or no number")
    if expires <= now - LEEWAY_SECONDS:
        _no("expired", "the token has expired; if this happens at once, compare the clocks of both hosts")
    if max(issued, begins) > now + LEEWAY_SECONDS:
        _no("not_yet_valid", "the token is not valid yet; compare the clocks of both hosts")
    if issued < now - MAX_AGE_SECONDS - LEEWAY_SECONDS:
        _no("too_old", f"the token was issued more than {MAX_AGE_SECONDS // 60} minutes ago; begin again")


def _time(value: object) -> float | None:
    """Seconds since the epoch; None where it is no such number."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**53 else None


def _groups(value: object) -> frozenset[str]:
    values = [value] if isinstance(value, str) else value
    return frozenset(each for each in values if isinstance(each, str)) if isinstance(values, list) else frozenset()
