"""A pass opens the session that it was signed for, as the kind that it is, until its end; and nothing else is a pass."""

import base64
import hmac
import json

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.identity.sessions.passes import Passes
from sekisho.kit.clock import SECOND
from sekisho.kit.crypto import KeyRing

RING = KeyRing.generate()
PASSES = Passes(RING)
NOW = 1_767_225_600 * SECOND
GOOD = PASSES.sign("session1", "console", NOW, NOW + 60 * SECOND).reveal()
KEY = RING.derive("sessions")[1]
CLAIMS = {"iss": "sekisho", "aud": "console", "sub": "session1", "iat": NOW // SECOND, "exp": NOW // SECOND + 60}
HEADER = {"kid": "1"}


def encoded(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def signed(header: object, digest: str) -> str:
    body = f"{encoded(header)}.{encoded(CLAIMS)}"
    return f"{body}.{base64.urlsafe_b64encode(hmac.digest(KEY, body.encode(), digest)).decode().rstrip('=')}"


def test_a_pass_names_its_session_until_its_end() -> None:
    assert PASSES.read(GOOD, "console", NOW) == "session1"
    assert PASSES.read(GOOD, "console", NOW + 60 * SECOND - 1) == "session1"
    assert PASSES.read(GOOD, "console", NOW + 60 * SECOND) is None
    assert PASSES.read(GOOD, "tokens", NOW) is None


def test_the_time_is_the_houses_and_not_the_machines() -> None:
    ancient = PASSES.sign("s", "console", 0, 60 * SECOND).reveal()
    assert PASSES.read(ancient, "console", 0) == "s"


@pytest.mark.parametrize(
    "text",
    [
        signed({"alg": "HS512", "kid": "1"}, "sha512"),
        signed({"alg": "HS512", "kid": "1"}, "sha256"),
        signed({"alg": "HS256", "kid": 1}, "sha256"),
        signed({"alg": "HS256", "kid": ["1"]}, "sha256"),
        signed({"alg": ["HS256"], "kid": "1"}, "sha256"),
        signed({"kid": "1"}, "sha256"),
        jwt.encode(CLAIMS, KEY, "HS256", headers={"kid": "2"}),
        jwt.encode(CLAIMS, KEY, "HS256"),
        jwt.encode(CLAIMS, KEY, "HS256", headers={**HEADER, "crit": ["x"], "x": 1}),
        jwt.encode(CLAIMS, KEY, "HS256", headers={**HEADER, "jku": "https://example.org/keys"}),
        jwt.encode(CLAIMS, b"another key that is long enough for it", "HS256", headers=HEADER),
        jwt.encode(CLAIMS, KeyRing.generate().derive("sessions")[1], "HS256", headers=HEADER),
        jwt.encode(CLAIMS, RING.derive("csrf tokens")[1], "HS256", headers=HEADER),
        jwt.encode({**CLAIMS, "iss": "other"}, KEY, "HS256", headers=HEADER),
        jwt.encode({**CLAIMS, "aud": ["console", "tokens"], "role": "owner"}, KEY, "HS256", headers=HEADER),
        jwt.encode({**CLAIMS, "sub": ""} | {"exp": "never"}, KEY, "HS256", headers=HEADER),
        jwt.encode({name: value for name, value in CLAIMS.items() if name != "exp"}, KEY, "HS256", headers=HEADER),
        f"{encoded({'alg': 'none', 'kid': '1'})}.{encoded(CLAIMS)}.",
        f"{encoded({'alg': 'HS256', 'kid': '1'})}.{encoded(CLAIMS)}.",
        f"{encoded({'alg': 'none', 'kid': '1'})}.{GOOD.split('.')[1]}.{GOOD.split('.')[2]}",
        GOOD + "A",
        GOOD[:-2],
        GOOD + "." + "A" * 2000,
        "",
        ".",
        "..",
        "a.b.c",
        "\x00",
        "é.é.é",
    ],
)
def test_everything_else_opens_nothing(text: str) -> None:
    assert PASSES.read(text, "console", NOW) is None


@given(st.integers(0, len(GOOD) - 1), st.characters(codec="utf-8"))
def test_no_changed_character_is_let_through(place: int, letter: str) -> None:
    changed = GOOD[:place] + letter + GOOD[place + 1 :]
    if changed == GOOD:
        return
    found = PASSES.read(changed, "console", NOW)
    # Bits that base 64 throws away at a part's end change no byte of it.
    assert found is None or (found == "session1" and _bytes(changed) == _bytes(GOOD))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "sub", "exp", "aud"]) | st.text(), inner),
    max_leaves=10,
)


@given(JSON, JSON)
def test_no_header_and_no_claims_are_more_than_nothing(header: object, claims: object) -> None:
    """Whatever a stranger sends, and even what is signed by our own key: refused, never a fault."""
    body = f"{encoded(header)}.{encoded(claims)}"
    assert PASSES.read(f"{body}.{GOOD.rpartition('.')[2]}", "console", NOW) is None
    body = f"{encoded({'alg': 'HS256', 'kid': '1'})}.{encoded(claims)}"
    signature = base64.urlsafe_b64encode(hmac.digest(KEY, body.encode(), "sha256")).decode().rstrip("=")
    assert PASSES.read(f"{body}.{signature}", "console", NOW) is None


def _bytes(text: str) -> list[bytes]:
    return [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in text.split(".")]


def test_a_rotated_ring_reads_what_the_old_one_signed() -> None:
    document = json.loads(RING.dumps())
    document["keys"]["2"] = json.loads(KeyRing.generate().dumps())["keys"]["1"]
    rotated = Passes(KeyRing.loads(json.dumps(document)))
    assert rotated.read(GOOD, "console", NOW) == "session1"
    newer = rotated.sign("session2", "console", NOW, NOW + SECOND).reveal()
    assert jwt.get_unverified_header(newer)["kid"] == "2"
    assert PASSES.read(newer, "console", NOW) is None
    assert rotated.csrf_matches("session1", PASSES.csrf("session1"))


def test_the_csrf_token_is_the_sessions_alone() -> None:
    token = PASSES.csrf("session1")
    assert PASSES.csrf_matches("session1", token)
    for other in ("", "session1", token + "x", token[:-1], PASSES.csrf("session2"), "é"):
        assert not PASSES.csrf_matches("session1", other)
