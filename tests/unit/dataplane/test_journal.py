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
from sekisho.dataplane.journal import ROOM, SMALLEST, Journal
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


def test_a_directory_that_is_gone_is_made_anew(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "gone", 1, "boot", SMALLEST)
    assert journal.append(refused(1))
    journal.close(2)
    assert (tmp_path / "gone").stat().st_mode & 0o777 == 0o700
    assert records_of(tmp_path / "gone") == [refused(1), Closed(2)]


class Obstacle:
    """Something else in the place of the directory: no segment can be made."""

    def __init__(self, home: Path) -> None:
        self._home, self._away = home, home.with_name("away")

    def __enter__(self) -> None:
        self._home.rename(self._away)
        self._home.touch()

    def __exit__(self, *_: object) -> None:
        self._home.unlink()
        self._away.rename(self._home)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "journal"
    made.mkdir()
    return made


def test_without_room_records_are_dropped_and_counted_until_there_is_room(home: Path) -> None:
    journal = Journal(home, 1, "boot", SMALLEST)
    full = [journal.full]
    with Obstacle(home):
        number = 0
        while journal.append(refused(number, 30_000)):
            number += 1
        full.append(journal.full)
        assert journal.dropped == 1
        assert not journal.append(refused(number, 30_000))
        assert journal.dropped == 2
        journal.tend()
    journal.tend()
    full.append(journal.full)
    assert full == [False, True, False]
    assert journal.append(refused(number, 30_000))
    journal.close(5)
    told = records_of(home)
    assert [frame.at for frame in told if isinstance(frame, Refused)] == list(range(number + 1))
    assert told[-1] == Closed(5)


def test_the_last_quarter_is_for_the_ends_of_calls(home: Path) -> None:
    """What begins finds no room there as long as no segment can be made; what ends does."""
    journal = Journal(home, 1, "boot", SMALLEST)
    with Obstacle(home):
        begun = 0
        while journal.offer(refused(begun, 1000)):
            begun += 1
        assert journal.full
        assert begun * 1000 > SMALLEST * 2 // 3
        ends = 0
        while journal.append(refused(ends, 1000)):
            ends += 1
        assert ends * 1000 > SMALLEST // 5
    journal.tend()
    assert not journal.full
    assert journal.offer(refused(0))
    journal.close(0)


def test_a_start_without_room_is_mended_by_room(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Obstacle(home):
        journal = Journal(home, 1, "boot", SMALLEST)
        assert journal.full
        assert not journal.offer(refused(1))
        assert not journal.append(refused(2))
        for _ in range(3):
            journal.tend()
    journal.tend()
    assert not journal.full
    assert journal.offer(refused(3))
    journal.close(4)
    assert records_of(home) == [refused(3), Closed(4)]
    told = [record.getMessage() for record in caplog.records]
    assert [message.partition(",")[0].partition(":")[0] for message in told] == [
        "the journal is full",
        "records found no room in the journal and are not kept",
        "the journal has room again",
    ]


def test_a_journal_without_any_segment_can_be_closed(home: Path) -> None:
    with Obstacle(home):
        Journal(home, 1, "boot", SMALLEST).close(1)
    assert not list(home.iterdir())


@pytest.mark.parametrize("spare", [False, True])
def test_a_file_that_was_taken_away_is_left_for_a_new_one(home: Path, spare: bool) -> None:
    """Whoever holds the old one open reads that it goes on; nobody else would ever find it."""
    journal = Journal(home, 1, "boot", SMALLEST)
    while spare and len(segments_of(home)) == 1:
        assert journal.append(refused(0, 30_000))
        journal.tend()
    assert journal.append(refused(1))
    with segments_of(home)[0].open("rb") as held:
        for path in segments_of(home):
            path.unlink()
        assert journal.append(refused(2))
        journal.tend()
        assert journal.append(refused(3))
        frames, _, _ = wire.decode_from(held.read(), wire.HEADER_BYTES, 1000)
    assert frames[-3:-1] == [refused(1), refused(2)]
    assert isinstance(frames[-1], Rolled)
    (path,) = segments_of(home)
    assert wire.parse_segment_name(path.name) == ("boot", 1, frames[-1].next_segment)
    assert locked(path)
    journal.close(0)
    assert records_of(home) == [refused(3), Closed(0)]


LIMITED = """
import logging, resource, sys
from pathlib import Path
from sekisho.dataplane.journal import SMALLEST, Journal

logging.basicConfig(stream=sys.stdout, format="%(message)s")
resource.setrlimit(resource.RLIMIT_FSIZE, (SMALLEST // 2, SMALLEST // 2))
journal = Journal(Path(sys.argv[1]), 1, "boot", SMALLEST)
assert journal.full
journal.tend()
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
    assert done.stdout.strip().endswith(f": {OSError(errno.EFBIG, 'File too large').strerror}"), done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_kill_loses_nothing_and_lets_go_of_the_lock(tmp_path: Path) -> None:
    assert child(KILLED, tmp_path).returncode == -9
    (path,) = tmp_path.iterdir()
    assert frames_of(path) == [Rolled(0), Rolled(1), Rolled(2)]
    assert not locked(path)
