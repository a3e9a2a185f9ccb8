"""Tokens of another house that are not right, each in its own way: the login is refused with a reason that the audit keeps."""

import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest

from tests.integration.management.house import House
from tests.integration.management.houses_of_others import add, refused
from tests.support.issuer import CLIENT, KEY, Issuer, Key, by_shared_secret, raw

OTHER = Key("first")
"""Another key that calls itself the same."""

Change = Callable[[Issuer], None]


def claim(**claims: Any) -> Change:
    def change(issuer: Issuer) -> None:
        issuer.claims |= claims

    return change


def moved(name: str, seconds: int) -> Change:
    """A claim that is so many seconds from now."""

    def change(issuer: Issuer) -> None:
        issuer.claims[name] = issuer._now() // 1_000_000 + seconds

    return change


def signed(sign: Callable[[Issuer, dict[str, Any], dict[str, Any]], str]) -> Change:
    def change(issuer: Issuer) -> None:
        issuer.sign = lambda header, claims: sign(issuer, header, claims)

    return change


def tampered(issuer: Issuer, header: dict[str, Any], claims: dict[str, Any]) -> str:
    good = issuer.signed(header, claims)
    theirs = raw({}, {**claims, "email": "owner@example.org"}).split(".")[1]
    return ".".join((good.split(".")[0], theirs, good.split(".")[2]))


def twice(issuer: Issuer, header: dict[str, Any], claims: dict[str, Any]) -> str:
    return jwt_of_bytes(json.dumps(claims)[:-1] + f', "sub": "{claims["sub"]}"}}')


def jwt_of_bytes(payload: str) -> str:
    return jwt.PyJWS().encode(payload.encode(), KEY.private, "RS256", headers={"kid": KEY.kid})


WAYS: dict[str, tuple[Change, str]] = {
    "another issuer's token": (claim(iss="https://issuer.example.org"), "wrong_issuer"),
    "a token for another application": (claim(aud="another-client"), "wrong_audience"),
    "a token for several, given to another": (claim(aud=[CLIENT, "another-client"], azp="another-client"), "wrong_party"),
    "a token for several that does not say to whom it was given": (claim(aud=[CLIENT, "another-client"]), "wrong_party"),
    "an expired token": (moved("exp", -3600), "expired"),
    "a token that is not valid yet": (moved("nbf", 3600), "not_yet_valid"),
    "a token of the future": (moved("iat", 3600), "not_yet_valid"),
    "a token from long ago": (moved("iat", -86_400), "too_old"),
    "a token without an end": (claim(exp=None), "missing_times"),
    "a token that ends when a text says": (claim(exp="tomorrow"), "missing_times"),
    "another login's nonce": (claim(nonce="replayed"), "wrong_nonce"),
    "no nonce": (claim(nonce=None), "wrong_nonce"),
    "nobody's token": (claim(sub=None), "missing_subject"),
    "no signature": (signed(lambda _, header, claims: raw({**header, "alg": "none"}, claims)), "algorithm_not_allowed"),
    "no signature, spelled otherwise": (signed(lambda _, header, claims: raw({**header, "alg": "nOnE"}, claims)), "algorithm_not_allowed"),
    "the public key as a shared secret": (
        signed(lambda issuer, header, claims: by_shared_secret(header, claims, issuer.keys[0].pem())),
        "algorithm_not_allowed",
    ),
    "another algorithm of the same key": (
        signed(lambda _, header, claims: jwt.encode(claims, KEY.private, "RS512", headers=header)),
        "algorithm_not_allowed",
    ),
    "another key of the same name": (signed(lambda issuer, header, claims: issuer.signed(header, claims, OTHER)), "bad_signature"),
    "a changed payload": (signed(tampered), "bad_signature"),
    "a key that it never published": (
        signed(lambda issuer, header, claims: issuer.signed({**header, "kid": "never"}, claims)),
        "unknown_key",
    ),
    "a key that the token brings along": (
        signed(lambda issuer, header, claims: issuer.signed({**header, "jwk": OTHER.public()}, claims, OTHER)),
        "header_not_allowed",
    ),
    "the address of a key": (
        signed(lambda issuer, header, claims: issuer.signed({**header, "jku": f"{issuer.url}/keys"}, claims)),
        "header_not_allowed",
    ),
    "what must be understood and is not": (
        signed(lambda _, header, claims: raw({**header, "alg": "RS256", "crit": ["exp"]}, claims)),
        "header_not_allowed",
    ),
    "a name that stands twice": (signed(twice), "malformed_token"),
    "no token at all": (signed(lambda *_: "hello"), "malformed_token"),
    "a token that is too large": (claim(groups=["g" * 1000] * 20), "missing_token"),
    "no address": (claim(email=None), "email_missing"),
    "an address that nobody verified": (claim(email_verified=False), "email_unverified"),
    "an address that a text calls verified": (claim(email_verified="true"), "email_unverified"),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_token_that_is_not_right_opens_nothing_and_the_audit_says_why(sqlite_house: House, way: str) -> None:
    house = sqlite_house
    change, reason = WAYS[way]
    with Issuer(lambda: house.clock.at) as issuer:
        add(house, issuer)
        change(issuer)
        assert refused(house, issuer) == reason
        assert house.good("GET", "/api/users")["users"] == []
