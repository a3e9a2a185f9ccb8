"""Reads the journals as a check does: every frame of every segment, beside those who write and record them, touching nothing."""

import os
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sekisho.core.wire import journal

DAMAGED: Final = ".damaged"
"""Ends the name of what the recorder has set aside."""
_WINDOW_BYTES: Final = 1024 * 1024
"""More than the largest frame."""
_MOST_FRAMES: Final = 1000
_TRIES: Final = 5
_TRY_SECONDS: Final = 0.02
"""A frame that is being written is whole a few microseconds later."""


@dataclass
class Journals:
    """What lies in the directory."""

    segments: int = 0
    frames: int = 0
    unread: int = 0
    """Frames behind the positions."""
    boots: set[str] = field(default_factory=set)
    unreadable: list[str] = field(default_factory=list)
    """What is wrong with segments, a line each."""
    misplaced: list[str] = field(default_factory=list)
    """What is wrong with positions."""
    set_aside: list[str] = field(default_factory=list)
    """Files that were set aside."""


def read(directory: Path, positions: Mapping[str, int]) -> Journals:
    """Read everything; `positions` has the offset of the next frame to be recorded, by segment. May block; raises OSError."""
    found = Journals()
    names = sorted(os.listdir(directory)) if directory.is_dir() else []
    found.set_aside = [name for name in names if name.endswith(DAMAGED)]
    for name in names:
        parsed = journal.parse_segment_name(name)
        if parsed is None:
            continue
        try:
            descriptor = os.open(directory / name, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # Read to its end and deleted in this instant.
        try:
            _read_segment(found, descriptor, name, parsed, positions.get(name))
        finally:
            os.close(descriptor)
        found.segments += 1
        found.boots.add(parsed[0])
    return found


def _read_segment(found: Journals, descriptor: int, name: str, parsed: tuple[str, int, int], position: int | None) -> None:
    try:
        if journal.check_header(os.pread(descriptor, journal.HEADER_BYTES, 0)) != parsed:
            raise journal.DamageError("its header names another segment")
    except journal.DamageError as error:
        found.unreadable.append(f"{name}: {error}")
        return
    start = journal.HEADER_BYTES if position is None else position
    if start > os.fstat(descriptor).st_size:
        found.misplaced.append(f"{name}: the position {start} is beyond its end")
        return
    recorded, reached = _frames(descriptor, journal.HEADER_BYTES, start)
    found.frames += recorded
    if reached != start:
        found.misplaced.append(f"{name}: the position {start} is no frame's beginning")
    unread, reached = _frames(descriptor, start, None)
    found.frames += unread
    found.unread += unread
    if not _ends_well(descriptor, reached):
        found.unreadable.append(f"{name}: damaged at {reached}")


def _frames(descriptor: int, offset: int, stop: int | None) -> tuple[int, int]:
    """How many frames stand between two offsets, and where reading ended."""
    count = 0
    while stop is None or offset < stop:
        size = _WINDOW_BYTES if stop is None else min(_WINDOW_BYTES, stop - offset)
        window = os.pread(descriptor, size, offset)
        frames, read, _ = journal.decode_from(memoryview(window), 0, _MOST_FRAMES)
        if not frames:
            break
        count += len(frames)
        offset += read
    return count, offset


def _ends_well(descriptor: int, offset: int) -> bool:
    """Whether nothing stands at the offset, or a frame that a kill has cut; one that is being written is waited for."""
    for _ in range(_TRIES):
        head = os.pread(descriptor, journal.FRAME.size, offset)
        if len(head) < journal.FRAME.size or head[:4] == b"\0\0\0\0":
            return True
        _, reached = _frames(descriptor, offset, None)
        if reached != offset:
            offset = reached
        else:
            time.sleep(_TRY_SECONDS)
    window = os.pread(descriptor, _WINDOW_BYTES, offset)
    length, crc = journal.FRAME.unpack_from(window)
    if length > journal.MAX_PAYLOAD or zlib.crc32(window[journal.FRAME.size :][:length]) == crc:
        return False  # A frame that is whole was not cut, whatever it says.
    return not any(window[journal.FRAME.size + length :][: journal.MAX_PAYLOAD])
