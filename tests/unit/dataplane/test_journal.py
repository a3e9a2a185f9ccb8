"""The writer of records: what was appended is there at once, whatever becomes of the writer, and a full disk is told, not met."""

import errno
import fcntl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sekisho.core.model.records import Closed, Frame, Refused, Rolled
from sekisho.core.wire import journal as wire
from sekisho.dataplane.journal import ROOM, SMALLEST, Journal, JournalFullError
from tests.unit.dataplane.segments import frames_of, records_of, segments_of


def refused(number: int, size: int = 0) -> Refused:
    return Refused(number, f"req_{number}", "GET", "/", "::1", "", 404, "not_found", "x" * size)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path, worker=3, boot="boot", segment_bytes=SMALLEST)
    yield made
    made.close(0)


def locked(path: Path) -> bool:
    """Whether somebody holds the segment."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_a_segment_is_whole_private_and_locked_from_the_start(journal: Journal, tmp_path: Path) -> None:
    (path,) = tmp_path.iterdir()
    assert wire.parse_segment_name(path.name) == ("boot", 3, 1)
    assert wire.check_header(path.read_bytes()) == ("boot", 3, 1)
    assert path.stat().st_size == SMALLEST
    assert path.stat().st_blocks * 512 >= SMALLEST
    assert path.stat().st_mode & 0o777 == 0o600
    assert locked(path)


def test_a_record_is_there_for_others_as_soon_as_it_is_appended(journal: Journal, tmp_path: Path) -> None:
    written: list[Frame] = []
    for number in range(5):
        written.append(refused(number))
        assert journal.append(written[-1])
        assert records_of(tmp_path) == written


def test_a_full_segment_says_where_it_goes_on(journal: Journal, tmp_path: Path) -> None:
    written = [refused(number, 50_000) for number in range(12)]
    assert all(journal.append(frame) for frame in written)
    paths = segments_of(tmp_path)
    contents = [frames_of(path) for path in paths]
    assert [content[-1] for content in contents[:-1]] == [Rolled(number) for number in range(2, len(paths) + 1)]
    assert [frame for content in contents for frame in content if isinstance(frame, Refused)] == written
    assert [locked(path) for path in paths] == [False] * (len(paths) - 1) + [True]
    assert journal.dropped == 0


def test_a_record_that_fills_a_segment_leaves_room_to_say_where_it_goes_on(journal: Journal, tmp_path: Path) -> None:
    left = SMALLEST - ROOM - wire.HEADER_BYTES
    size = len(wire.encode(refused(1, 30_000)))
    while left > 2 * size:
        assert journal.append(refused(1, 30_000))
        left -= size
    assert journal.append(refused(2, 30_000 + left - size))
    assert len(segments_of(tmp_path)) == 1
    assert journal.append(refused(3))
    first, second = segments_of(tmp_path)
    assert frames_of(first)[-2:] == [refused(2, 30_000 + left - size), Rolled(2)]
    assert frames_of(second) == [refused(3)]


def test_the_next_segment_is_made_ahead_of_need_and_not_before(journal: Journal, tmp_path: Path) -> None:
    journal.tend()
    assert len(segments_of(tmp_path)) == 1
    while len(segments_of(tmp_path)) == 1:
        assert journal.append(refused(1, 30_000))
        journal.tend()
    first, spare = segments_of(tmp_path)
    assert SMALLEST // 2 < sum(len(wire.encode(frame)) for frame in frames_of(first)) < SMALLEST * 3 // 4
    assert frames_of(spare) == []
    assert locked(spare)


def test_it_says_that_nothing_follows_and_takes_the_spare_along(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 1, "boot", SMALLEST)
    while len(segments_of(tmp_path)) == 1:
        journal.append(refused(1, 30_000))
        journal.tend()
    journal.close(77)
    (path,) = tmp_path.iterdir()
    assert frames_of(path)[-1] == Closed(77)
    assert not locked(path)


def test_a_segment_is_never_too_small_for_a_record(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 1, "boot", segment_bytes=1)
    assert journal.append(refused(1, 60_000))
    journal.close(0)
    assert segments_of(tmp_path)[0].stat().st_size == SMALLEST


def test_without_a_directory_there_is_no_journal(tmp_path: Path) -> None:
    with pytest.raises(JournalFullError, match=r"no room for a journal segment of .* bytes: No such file or directory"):
        Journal(tmp_path / "gone", 1, "boot", SMALLEST)


def test_without_room_records_are_dropped_and_counted_until_there_is_room(tmp_path: Path) -> None:
    home, away = tmp_path / "journal", tmp_path / "away"
    home.mkdir()
    journal = Journal(home, 1, "boot", SMALLEST)
    full = [journal.full]
    home.rename(away)
    number = 0
    while journal.append(refused(number, 30_000)):
        number += 1
    full.append(journal.full)
    assert journal.dropped == 1
    assert not journal.append(refused(number, 30_000))
    assert journal.dropped == 2
    journal.tend()
    away.rename(home)
    full.append(journal.full)
    assert full == [False, True, False]
    assert journal.append(refused(number, 30_000))
    journal.close(5)
    told = records_of(home)
    assert [frame.at for frame in told if isinstance(frame, Refused)] == list(range(number + 1))
    assert told[-1] == Closed(5)


LIMITED = """
import resource, sys
from pathlib import Path
from sekisho.dataplane.journal import SMALLEST, Journal, JournalFullError

resource.setrlimit(resource.RLIMIT_FSIZE, (SMALLEST // 2, SMALLEST // 2))
try:
    Journal(Path(sys.argv[1]), 1, "boot", SMALLEST)
except JournalFullError as error:
    print(error)
"""

KILLED = """
import os, signal, sys
from pathlib import Path
from sekisho.core.model.records import Rolled
from sekisho.dataplane.journal import SMALLEST, Journal

journal = Journal(Path(sys.argv[1]), 1, "boot", SMALLEST)
for number in range(3):
    journal.append(Rolled(number))
os.kill(os.getpid(), signal.SIGKILL)
"""


def child(script: str, directory: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", script, str(directory)], capture_output=True, text=True, check=False, env={"PYTHONPATH": ":".join(sys.path)}
    )


def test_space_is_reserved_before_it_is_used(tmp_path: Path) -> None:
    """A disk (here: a limit) with room for half a segment has room for none, and nothing is left lying about."""
    done = child(LIMITED, tmp_path)
    assert done.stdout.strip().endswith(f"bytes: {OSError(errno.EFBIG, 'File too large').strerror}"), done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_kill_loses_nothing_and_lets_go_of_the_lock(tmp_path: Path) -> None:
    assert child(KILLED, tmp_path).returncode == -9
    (path,) = tmp_path.iterdir()
    assert frames_of(path) == [Rolled(0), Rolled(1), Rolled(2)]
    assert not locked(path)
