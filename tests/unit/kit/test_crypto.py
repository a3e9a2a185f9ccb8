"""Sealed values open in their place with their ring and nowhere else; secrets show themselves to nobody by accident."""

import os
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.kit import crypto
from sekisho.kit.crypto import KeyRing, SealError, Secret

PLACE = "credentials/c1/secret"
RING = KeyRing({1: bytes(32), 2: bytes(range(32))})


@pytest.mark.parametrize("spell", [repr, str, "{}".format, lambda secret: f"{[secret]}", lambda secret: "%s" % (secret,)])  # noqa: UP031
def test_a_secret_does_not_show_itself(spell: object) -> None:
    assert callable(spell)
    assert "hunter2" not in spell(Secret("hunter2"))


def test_a_secret_is_compared_but_neither_hashed_nor_pickled() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert Secret("a").reveal() == "a"
    with pytest.raises(TypeError):
        hash(Secret("a"))
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(Secret("a"))


@given(st.binary(max_size=200), st.text(max_size=20))
def test_what_is_sealed_opens_in_its_place_only(plain: bytes, place: str) -> None:
    sealed = RING.seal(plain, place)
    assert RING.open(sealed, place) == plain
    assert RING.seal(plain, place) != sealed
    with pytest.raises(SealError):
        RING.open(sealed, place + "x")


@given(st.data())
def test_a_changed_byte_does_not_open(data: st.DataObject) -> None:
    sealed = bytearray(RING.seal(b"secret", PLACE))
    at = data.draw(st.integers(0, len(sealed) - 1))
    sealed[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(SealError):
        RING.open(bytes(sealed), PLACE)


@pytest.mark.parametrize("size", [0, 1, 2, 9, 14, 20])
def test_a_cut_value_does_not_open(size: int) -> None:
    with pytest.raises(SealError):
        RING.open(RING.seal(b"secret", PLACE)[:size], PLACE)


def test_the_newest_key_seals_and_all_open() -> None:
    old = KeyRing({1: bytes(32)})
    sealed = old.seal(b"x", PLACE)
    assert RING.open(sealed, PLACE) == b"x"
    with pytest.raises(SealError, match="no key of version 2"):
        old.open(RING.seal(b"x", PLACE), PLACE)


def test_a_ring_comes_back_and_keeps_its_fingerprint() -> None:
    copy = KeyRing.loads(RING.dumps())
    assert copy.open(RING.seal(b"x", PLACE), PLACE) == b"x"
    assert copy.fingerprint() == RING.fingerprint() == KeyRing({1: bytes(32)}).fingerprint()
    assert KeyRing.generate().fingerprint() != RING.fingerprint()


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "{}", '{"keys":{}}', '{"keys":{"1":"AAAA"}}', '{"keys":{"one":""}}', '{"keys":{"1":"!"}}', '{"keys":[1]}']
)
def test_another_document_is_no_ring(text: str) -> None:
    with pytest.raises(ValueError, match="no key ring of Sekisho"):
        KeyRing.loads(text)


def test_a_token_has_the_entropy_it_says() -> None:
    assert len(crypto.token()) == 43
    assert len({crypto.token(8) for _ in range(100)}) == 100


def test_a_fingerprint_tells_apart_and_tells_neither() -> None:
    assert crypto.fingerprint("a") == crypto.fingerprint("a") != crypto.fingerprint("b")
    assert len(crypto.fingerprint("secret")) == 8
    assert not crypto.sha256(b"secret").hex().startswith(crypto.fingerprint("secret"))


def test_a_private_file_is_whole_and_private(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    path.write_bytes(b"old, and longer than the new one")
    path.chmod(0o644)
    crypto.write_private(path, b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["secret.key"]
