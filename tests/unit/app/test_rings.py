"""The key ring is made once and never in place of a lost one."""

import base64
from pathlib import Path

import pytest

from sekisho.app import rings
from sekisho.kit.crypto import KeyRing


def test_a_new_ring_is_made_private_beside_no_database(tmp_path: Path) -> None:
    file = tmp_path / "secret.key"
    ring = rings.open_ring(file, None, tmp_path / "sekisho.db")
    assert file.stat().st_mode & 0o777 == 0o600
    assert rings.open_ring(file, None, tmp_path / "sekisho.db").fingerprint() == ring.fingerprint()


def test_an_empty_database_file_is_none(tmp_path: Path) -> None:
    (tmp_path / "sekisho.db").touch()
    rings.open_ring(tmp_path / "secret.key", None, tmp_path / "sekisho.db")
    assert (tmp_path / "secret.key").exists()


def test_a_lost_ring_beside_a_database_stops_the_start_and_makes_nothing(tmp_path: Path) -> None:
    (tmp_path / "sekisho.db").write_bytes(b"SQLite format 3\0")
    with pytest.raises(rings.RingError, match=r"sekisho\.db is there, but its secret key .*secret\.key is missing; put the file back"):
        rings.open_ring(tmp_path / "secret.key", None, tmp_path / "sekisho.db")
    assert [path.name for path in tmp_path.iterdir()] == ["sekisho.db"]


@pytest.mark.parametrize("content", [b"", b"{", b'{"keys": {}}', b'{"keys": {"1": "AAAA"}}', b"\xff\xfe", b"too short"])
def test_a_damaged_ring_stops_the_start_and_stays_as_it_is(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "secret.key"
    file.write_bytes(content)
    with pytest.raises(rings.RingError, match=r"secret\.key: .*put the right"):
        rings.open_ring(file, None, tmp_path / "sekisho.db")
    assert file.read_bytes() == content


@pytest.mark.parametrize("form", ["document", "base64", "base64 for URLs"])
def test_the_environments_ring_is_taken_in_each_form_and_no_file_is_made(tmp_path: Path, form: str) -> None:
    key = bytes(range(224, 256))
    text = {
        "document": KeyRing({1: key}).dumps(),
        "base64": base64.b64encode(key).decode(),
        "base64 for URLs": base64.urlsafe_b64encode(key).decode().rstrip("="),
    }[form]
    ring = rings.open_ring(tmp_path / "secret.key", text, tmp_path / "sekisho.db")
    assert ring.fingerprint() == KeyRing({1: key}).fingerprint()
    assert list(tmp_path.iterdir()) == []


def test_a_bad_variable_is_named_and_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(rings.RingError) as refused:
        rings.open_ring(tmp_path / "secret.key", "canary", tmp_path / "sekisho.db")
    assert str(refused.value).startswith("SEKISHO_SECRET_KEY: ")
    assert "canary" not in str(refused.value)
