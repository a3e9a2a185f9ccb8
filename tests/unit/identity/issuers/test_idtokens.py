"""ID tokens of every algorithm that can be agreed; and no other bytes, header or key opens anything."""

import base64
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from sekisho.identity.issuers.idtokens import ALGORITHMS, Claims, Expected, RejectedError, validate
from sekisho.kit.clock import SECOND

NOW = 1_767_225_600
ISSUER = "https://issuer.example.org"
GOOD: dict[str, Any] = {
    "iss": ISSUER, "aud": "client", "sub": "s1", "iat": NOW, "exp": NOW + 60, "nonce": "n",
    "email": "a@example.org", "email_verified": True,
}  # fmt: skip
_RSA = rsa.generate_private_key(65537, 2048)
PRIVATE: dict[str, Any] = {
    "RS256": _RSA,
    "PS256": _RSA,
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}


def public(algorithm: str, **more: Any) -> dict[str, Any]:
    """A member of a key set."""
    kind = jwt.get_algorithm_by_name(algorithm)
    return {**json.loads(kind.to_jwk(PRIVATE[algorithm].public_key())), "kid": algorithm, **more}


ALL = [public(algorithm) for algorithm in PRIVATE]


def sign(claims: dict[str, Any], algorithm: str = "RS256", **header: Any) -> str:
    return jwt.encode(claims, PRIVATE[algorithm], algorithm, headers={"kid": algorithm, **header})


def read(token: str, algorithm: str = "RS256", keys: list[dict[str, Any]] = ALL, now: int = NOW) -> Claims:
    return validate(token, keys, Expected(ISSUER, "client", algorithm, "n"), now * SECOND, "groups")


def reason(token: str, algorithm: str = "RS256", keys: list[dict[str, Any]] = ALL, now: int = NOW) -> str:
    with pytest.raises(RejectedError) as error:
        read(token, algorithm, keys, now)
    return error.value.reason


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_each_algorithm_opens_where_it_was_agreed_and_nowhere_else(algorithm: str) -> None:
    token = sign(GOOD, algorithm)
    assert read(token, algorithm) == Claims("s1", "a@example.org", False, None, frozenset())
    for other in ALGORITHMS:
        if other != algorithm:
            assert reason(token, other) == "algorithm_not_allowed"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_each_algorithm_needs_a_key_of_its_kind(algorithm: str) -> None:
    others = [key for key in ALL if key["kty"] != ALGORITHMS[algorithm]]
    assert reason(sign(GOOD, algorithm), algorithm, [{**key, "kid": algorithm} for key in others]) == "unknown_key"
    assert reason(sign(GOOD, algorithm), algorithm, [public(algorithm, use="enc")]) == "unknown_key"
    assert reason(sign(GOOD, algorithm), algorithm, [public(algorithm, alg="RS512")]) == "unknown_key"


def test_a_shared_secret_in_the_set_is_no_key() -> None:
    secret = base64.urlsafe_b64encode(b"s" * 32).decode().rstrip("=")
    token = jwt.encode(GOOD, b"s" * 32, "HS256", headers={"kid": "h"})
    assert reason(token, keys=[{"kty": "oct", "k": secret, "kid": "h"}]) == "algorithm_not_allowed"


def test_a_token_without_a_name_of_a_key_needs_a_set_of_one() -> None:
    token = jwt.encode(GOOD, PRIVATE["RS256"], "RS256")
    assert read(token, keys=[public("RS256")]).subject == "s1"
    assert reason(token, keys=[public("RS256"), public("RS256", kid="another")]) == "unknown_key"
    assert reason(token, keys=[]) == "unknown_key"


def test_a_weak_key_is_no_key() -> None:
    weak = rsa.generate_private_key(65537, 1024)
    kind = jwt.get_algorithm_by_name("RS256")
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        token = jwt.encode(GOOD, weak, "RS256", headers={"kid": "w"})
    assert reason(token, keys=[{**json.loads(kind.to_jwk(weak.public_key())), "kid": "w"}]) in ("weak_key", "bad_key")


@pytest.mark.parametrize(
    "key",
    [{"kty": "RSA", "kid": "RS256"}, {"kty": "RSA", "kid": "RS256", "n": "@", "e": 5}, {"kty": "RSA", "kid": "RS256", "n": "", "e": ""}],
)
def test_a_broken_key_is_no_key(key: dict[str, Any]) -> None:
    assert reason(sign(GOOD), keys=[key]) == "bad_key"


@pytest.mark.parametrize(
    ("away", "outcome"),
    [
        (0, None),
        (119, None),
        (120, "expired"),
        (-60, None),
        (-61, "not_yet_valid"),
        (10_000, "expired"),
    ],
)
def test_clocks_may_differ_by_a_minute(away: int, outcome: str | None) -> None:
    if outcome is None:
        assert read(sign(GOOD), now=NOW + away).subject == "s1"
    else:
        assert reason(sign(GOOD), now=NOW + away) == outcome


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_no_changed_byte_opens_anything(data: st.DataObject) -> None:
    token = sign(GOOD, "ES256")
    place = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.sampled_from("ABCXYZabcxyz0129-_.=~ "))
    changed = token[:place] + letter + token[place + 1 :]
    try:
        claims = validate(changed, ALL, Expected(ISSUER, "client", "ES256", "n"), NOW * SECOND, "groups")
    except RejectedError:
        return
    # The last letter of a part has bits that say nothing.
    assert claims.subject == "s1"
    assert decoded(changed) == decoded(token)


def decoded(token: str) -> list[bytes]:
    return [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split(".")]


@given(st.text(max_size=200))
def test_no_text_is_a_token(text: str) -> None:
    with pytest.raises(RejectedError):
        read(text)


@given(
    st.dictionaries(
        st.sampled_from(["iss", "aud", "azp", "sub", "iat", "exp", "nbf", "nonce", "email", "email_verified", "groups", "name"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
            max_leaves=5,
        ),
    )
)
@settings(max_examples=300, deadline=None)
def test_whatever_a_signed_token_says_it_is_read_or_refused(claims: dict[str, Any]) -> None:
    payload = json.dumps({**GOOD, **claims}).encode()
    token = jwt.PyJWS().encode(payload, PRIVATE["ES256"], "ES256", headers={"kid": "ES256"})
    try:
        found = validate(token, ALL, Expected(ISSUER, "client", "ES256", "n"), NOW * SECOND, "groups")
    except RejectedError:
        return
    assert (claims.get("iss", ISSUER), claims.get("nonce", "n")) == (ISSUER, "n")
    assert found.email is None or {**GOOD, **claims}["email_verified"] is True
