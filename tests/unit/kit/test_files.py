"""A file keeps its identity under another name, and another file in its place has another."""

import os
from pathlib import Path

import pytest

from sekisho.kit.files import identity_at, identity_of, sync


def test_the_same_file_under_another_name(tmp_path: Path) -> None:
    first = tmp_path / "first"
    first.touch()
    with first.open("rb") as file:
        before = identity_of(file.fileno())
        assert identity_at(first) == before
        second = first.rename(tmp_path / "second")
        assert identity_at(second) == before
        first.touch()
        assert identity_at(first) not in (None, before)


def test_nothing_has_none(tmp_path: Path) -> None:
    assert identity_at(tmp_path / "nobody") is None
    assert identity_at(tmp_path / "nobody" / "below") is None


def test_files_and_directories_are_forced_to_the_disk(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    before = len(os.listdir("/dev/fd"))
    sync(tmp_path / "file")
    sync(tmp_path)
    assert len(os.listdir("/dev/fd")) == before
    with pytest.raises(FileNotFoundError):
        sync(tmp_path / "nobody")
