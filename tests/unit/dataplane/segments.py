"""Reads the journal of a test as the recorder would."""

from pathlib import Path

from sekisho.core.model.records import Frame
from sekisho.core.wire import journal as wire


def frames_of(path: Path) -> list[Frame]:
    """All records of one segment, which must be sound."""
    data = path.read_bytes()
    wire.check_header(data)
    frames, _, damaged = wire.decode_from(data, wire.HEADER_BYTES, 1_000_000)
    assert not damaged
    return frames


def segments_of(directory: Path) -> list[Path]:
    """In the order of their numbers."""
    return sorted(directory.glob("*.log"))


def records_of(directory: Path) -> list[Frame]:
    """All records of a worker, in order."""
    return [frame for path in segments_of(directory) for frame in frames_of(path)]
