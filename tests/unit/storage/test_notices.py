"""A restore that was killed is told once, with what became of it."""

from pathlib import Path

import pytest

from sekisho.storage.notices import notice, taken


def left(path: Path) -> None:
    """The notice as a process that dies in the block leaves it."""
    with notice(path, Path("/b/one"), "new"):
        data = path.read_bytes()
    path.write_bytes(data)


def broken(path: Path) -> None:
    with notice(path, Path("/b/one"), "new"):
        assert path.exists()
        raise ValueError("no good")


def test_the_end_of_the_block_takes_it_away(tmp_path: Path) -> None:
    path = tmp_path / "n.notice"
    with pytest.raises(ValueError, match="no good"):
        broken(path)
    assert list(tmp_path.iterdir()) == []
    assert taken(path, "new") is None


@pytest.mark.parametrize(("instance", "words"), [("old", "sekisho backup restore /b/one"), ("new", "nothing is to be done")])
def test_it_is_told_once(tmp_path: Path, instance: str, words: str) -> None:
    path = tmp_path / "n.notice"
    left(path)
    told = taken(path, instance)
    assert told is not None
    assert words in told
    assert taken(path, instance) is None


def test_one_that_cannot_be_read_is_told_too(tmp_path: Path) -> None:
    path = tmp_path / "n.notice"
    path.write_bytes(b"{")
    assert str(path) in str(taken(path, "any"))


def test_without_a_place_nothing_is_written(tmp_path: Path) -> None:
    with notice(None, Path("/b/one"), "new"):
        assert list(tmp_path.iterdir()) == []
