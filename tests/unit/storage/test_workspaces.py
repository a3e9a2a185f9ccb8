"""What is unfinished goes with the work, or with the next one; what somebody works in stays."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sekisho.storage.errors import StorageError
from sekisho.storage.workspaces import sweep, workspace

ROOT = Path(__file__).parents[3]

WORKER = """
import pathlib, signal, sys
from sekisho.storage.workspaces import workspace
with workspace(pathlib.Path(sys.argv[1])) as place:
    (place / "half").write_text("half")
    print("here", flush=True)
    signal.pause()
"""


def left(parent: Path) -> list[Path]:
    return sorted(parent.iterdir())


def test_it_is_private_and_goes_with_the_work(tmp_path: Path) -> None:
    with workspace(tmp_path) as place:
        (place / "file").write_text("x")
        assert oct(place.stat().st_mode)[-3:] == "700"
        sweep(tmp_path)
        assert (place / "file").exists()
    assert left(tmp_path) == []


def test_it_goes_with_work_that_falls(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="fell"), workspace(tmp_path):
        raise ValueError("fell")
    assert left(tmp_path) == []


def test_what_a_killed_process_left_is_cleared_away_and_what_lives_is_not(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    process = subprocess.Popen([sys.executable, "-c", WORKER, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "here\n"
        with workspace(tmp_path):
            assert len(left(tmp_path)) == 2
        assert len(left(tmp_path)) == 1
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    with workspace(tmp_path) as place:
        assert left(tmp_path) == [place]
    assert left(tmp_path) == []


def test_one_that_is_being_made_is_given_time(tmp_path: Path) -> None:
    young, old = (tmp_path / f".sekisho-{name}.unfinished" for name in ("young", "old"))
    for each in (young, old):
        each.mkdir()
    os.utime(old, (0, 0))
    sweep(tmp_path)
    assert left(tmp_path) == [young]


def test_other_files_are_not_ours(tmp_path: Path) -> None:
    for name in ("backup", ".hidden", "x.unfinished", ".sekisho-x"):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (0, 0))
    sweep(tmp_path)
    assert len(left(tmp_path)) == 4


def test_where_none_can_be_made_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no file can be made in"), workspace(tmp_path / "none"):
        raise AssertionError
