"""The journal's bytes: whatever a kill, a disk or another version leaves, reading stops at the last good frame and says so."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.core.model.records import CallBegan, CallEnded, Closed, Frame, Refused, Rolled
from sekisho.core.wire import journal

FRAMES: list[Frame] = [
    CallBegan(1, "r1", 5, "POST", "/v1/chat/completions", "127.0.0.1", "k", "label", "default", "up/m", "up", "m", "c", True),
    CallEnded(1, 0, 200, 7, 3, 0, 0, 1, 12_345, "USD", (1_000,) * 10, 1, 100, 200),
    Refused(6, "r2", "GET", "/関所", "::1", "", 401, "invalid_key", "x" * 200),
    Rolled(2),
    Closed(9),
]
SEGMENT = journal.segment_header("boot", 3, 7) + b"".join(journal.encode(frame) for frame in FRAMES)


def read(data: bytes, most: int = 100) -> tuple[list[Frame], int, bool]:
    return journal.decode_from(data, journal.HEADER_BYTES, most)


def test_frames_come_back_as_they_went() -> None:
    """With zeros behind them, as a preallocated segment has."""
    frames, end, damaged = read(SEGMENT + bytes(100))
    assert (frames, end, damaged) == (FRAMES, len(SEGMENT), False)


def test_reading_goes_on_where_it_stopped() -> None:
    """Frame by frame is the same as all at once."""
    frames: list[Frame] = []
    at = journal.HEADER_BYTES
    while True:
        more, at, damaged = journal.decode_from(SEGMENT + bytes(8), at, 1)
        assert not damaged
        if not more:
            break
        frames += more
    assert frames == FRAMES


@pytest.mark.parametrize("end", range(journal.HEADER_BYTES, len(SEGMENT)))
def test_a_frame_cut_anywhere_ends_the_reading_before_it(end: int) -> None:
    """What was whole before the cut is read; the cut is told unless nothing of the next frame's length is there."""
    cut = SEGMENT[:end] + bytes(200)
    frames, at, damaged = read(cut)
    assert frames == FRAMES[: len(frames)]
    assert SEGMENT[:at] == cut[:at]
    assert not any(SEGMENT[end:at])  # a zero that was cut is there again
    assert damaged == (cut[at : at + 4] != bytes(4))


@given(place=st.integers(journal.HEADER_BYTES, len(SEGMENT) - 1), bit=st.integers(0, 7))
def test_a_flipped_bit_never_makes_another_record(place: int, bit: int) -> None:
    """Every frame that is read is one that was written."""
    spoilt = bytearray(SEGMENT + bytes(64))
    spoilt[place] ^= 1 << bit
    frames, at, _ = read(bytes(spoilt))
    assert frames == FRAMES[: len(frames)]
    assert len(frames) < len(FRAMES)
    assert at <= place


@given(st.binary(max_size=300))
def test_garbage_is_never_a_record_nor_an_accident(data: bytes) -> None:
    """Reading it stops; it raises nothing."""
    frames, at, _ = journal.decode_from(data, 0, 100)
    assert frames == []
    assert at == 0


def test_a_frame_of_another_version_is_told_not_raised() -> None:
    """The bytes are sound, but nobody here knows their meaning: the recorder must live."""
    payload = b"\x93\xa1?\x01\x02"
    strange = journal.FRAME.pack(len(payload), zlib.crc32(payload)) + payload
    frames, at, damaged = read(SEGMENT + strange + bytes(8))
    assert (frames, at, damaged) == (FRAMES, len(SEGMENT), True)


def test_a_record_beyond_the_bound_is_not_written() -> None:
    """It would end the reading of its segment for good, and with it every record behind it."""
    large = Refused(1, "r", "GET", "/" + "a" * journal.MAX_PAYLOAD, "", "", 400, "", "")
    try:
        written = journal.encode(large)
    except ValueError:
        return
    frames, _, damaged = journal.decode_from(written + journal.encode(Closed(1)) + bytes(8), 0, 10)
    assert not damaged
    assert frames[-1] == Closed(1)


@pytest.mark.parametrize(("boot", "worker", "number"), [("abc", 1, 1), ("0123456789abcdef", 12, 999_999), ("b", 1, 1_234_567)])
def test_names_and_headers_come_back(boot: str, worker: int, number: int) -> None:
    """What is written can be read."""
    assert journal.parse_segment_name(journal.segment_name(boot, worker, number)) == (boot, worker, number)
    assert journal.check_header(journal.segment_header(boot, worker, number)) == (boot, worker, number)


@pytest.mark.parametrize(
    "name", ["", ".log", "a.log", "a-1.log", "a-1-2", "a-1-2-3.log", "a-x-1.log", "a-1-x.log", "a-²-1.log", "a-1-٣.txt", "a--1.log"]
)
def test_other_files_are_no_segments(name: str) -> None:
    """Whatever else lies in the folder."""
    assert journal.parse_segment_name(name) is None


@given(st.binary(max_size=80))
def test_a_header_is_ours_or_damage(data: bytes) -> None:
    """Nothing else is raised."""
    try:
        journal.check_header(data)
    except journal.DamageError:
        return
    assert data.startswith(journal.MAGIC)


def test_a_spoilt_header_is_damage() -> None:
    """Also where the boot's name is no text."""
    spoilt = bytearray(journal.segment_header("boot", 1, 1))
    spoilt[8] = 0xFF
    with pytest.raises(journal.DamageError):
        journal.check_header(bytes(spoilt))
