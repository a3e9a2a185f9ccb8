"""Codes against the tables of their standards, and the rules of taking one."""

import base64
import os
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.identity.factors import codes
from sekisho.kit.clock import SECOND

KEY = b"12345678901234567890"
"""The secret of RFC 4226, appendix D."""

HOTP = ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"]

TOTP = [
    (59, "sha1", "94287082"),
    (59, "sha256", "46119246"),
    (59, "sha512", "90693936"),
    (1111111109, "sha1", "07081804"),
    (1111111109, "sha256", "68084774"),
    (1111111109, "sha512", "25091201"),
    (1111111111, "sha1", "14050471"),
    (1111111111, "sha256", "67062674"),
    (1111111111, "sha512", "99943326"),
    (1234567890, "sha1", "89005924"),
    (1234567890, "sha256", "91819424"),
    (1234567890, "sha512", "93441116"),
    (2000000000, "sha1", "69279037"),
    (2000000000, "sha256", "90698825"),
    (2000000000, "sha512", "38618901"),
    (20000000000, "sha1", "65353130"),
    (20000000000, "sha256", "77737706"),
    (20000000000, "sha512", "47863826"),
]
"""RFC 6238, appendix B."""


@pytest.mark.parametrize(("step", "code"), list(enumerate(HOTP)))
def test_the_table_of_rfc_4226(step: int, code: str) -> None:
    assert codes.code_at(KEY, step) == code


@pytest.mark.parametrize(("seconds", "digest", "code"), TOTP)
def test_the_table_of_rfc_6238(seconds: int, digest: str, code: str) -> None:
    key = (KEY * 4)[: {"sha1": 20, "sha256": 32, "sha512": 64}[digest]]
    assert codes.code_at(key, codes.step_of(seconds * SECOND), digits=8, digest=digest) == code


@given(st.binary(min_size=20, max_size=20), st.integers(min_value=10, max_value=2**40), st.integers(min_value=-5, max_value=5))
def test_a_code_is_good_in_its_own_step_and_one_to_either_side(secret: bytes, step: int, away: int) -> None:
    now = step * codes.STEP_SECONDS * SECOND
    found = codes.matching_step(secret, codes.code_at(secret, step + away), now, 0)
    near = {codes.code_at(secret, step + drift) for drift in (-1, 0, 1)}
    # Codes of two steps may happen to be the same.
    assert (found is not None) == (codes.code_at(secret, step + away) in near)
    if abs(away) <= 1:
        assert found is not None


def test_no_step_at_or_before_the_last_one_is_taken_again() -> None:
    now = 1000 * codes.STEP_SECONDS * SECOND
    for step in (999, 1000, 1001):
        assert codes.matching_step(KEY, codes.code_at(KEY, step), now, step - 1) == step
        assert codes.matching_step(KEY, codes.code_at(KEY, step), now, step) is None
    assert codes.matching_step(KEY, codes.code_at(KEY, 999), now, 1000) is None


@pytest.mark.parametrize("text", ["", "12345", "1234567", "12345a", "１２３４５６", "-12345", "+12345", "123 456", "12345\n"])
def test_what_is_no_code_is_none(text: str) -> None:
    assert codes.matching_step(KEY, text, 59 * SECOND, 0) is None


def test_an_authenticator_can_read_the_address() -> None:
    address = urlsplit(codes.otpauth(KEY, "Sekisho", "a+b@example.com"))
    assert (address.scheme, address.netloc, unquote(address.path)) == ("otpauth", "totp", "/Sekisho:a+b@example.com")
    query = {name: value for name, (value,) in parse_qs(address.query).items()}
    assert query == {"secret": codes.spelled(KEY), "issuer": "Sekisho", "algorithm": "SHA1", "digits": "6", "period": "30"}
    assert base64.b32decode(query["secret"]) == KEY


def test_a_recovery_code_is_known_however_it_is_written() -> None:
    code = codes.recovery_code(os.urandom(codes.RECOVERY_BYTES))
    digest = codes.recovery_digest(code)
    assert digest is not None
    assert len(code) == 19
    assert {codes.recovery_digest(each) for each in (code.upper(), code.replace("-", ""), code.replace("-", " "), f" {code} ")} == {digest}
    assert codes.recovery_digest(codes.recovery_code(os.urandom(codes.RECOVERY_BYTES))) != digest


@pytest.mark.parametrize("text", ["", "123456", "abcd-abcd-abcd-abc", "abcd-abcd-abcd-abcdd", "uuuu-uuuu-uuuu-uuuu"])
def test_what_is_no_recovery_code_is_none(text: str) -> None:
    assert codes.recovery_digest(text) is None
