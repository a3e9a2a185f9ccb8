"""The journals of a directory: which boots there are, what has not been read of them, and whether their workers live.

Segments of one boot are read in order. The last one is kept until its worker is gone, which its lock tells.
"""

import contextlib
import logging
import os
from pathlib import Path
from typing import Final

from sekisho.bridge.batches import Batch, Boot
from sekisho.bridge.segments import DAMAGED, UNFINISHED, Segment, has_frames
from sekisho.core.wire import journal
from sekisho.kit import clock as clocks

log = logging.getLogger(__name__)

LIFE_SECONDS: Final = 0.5
"""Between two looks whether the worker of an idle journal lives."""
UNFINISHED_SECONDS: Final = 60
"""Making one takes milliseconds."""


class Journals:
    """What stands in one directory, as far as it was found."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.boots: dict[str, Boot] = {}
        self._directory_seen = 0
        """Time of its last change when it was listed; 0 lists it again."""
        self.torn = False
        """Whether a frame was met that is not whole."""
        self.damaged = 0
        """Segments and frames that were set aside since the start."""
        self.reading: tuple[str, int, int] | None = None
        """Segment, offset and number of the frames that were read last."""

    @property
    def segments(self) -> list[Segment]:
        return [segment for boot in self.boots.values() for segment in boot.segments.values()]

    def forget_listing(self) -> None:
        """Let the next look list the directory again."""
        self._directory_seen = 0

    def holds(self, name: str) -> bool:
        """Whether there is a file of this name."""
        return (self._directory / name).exists()

    def has_unread(self) -> bool:
        """Whether a frame stands in the journals that is not committed; segments that no look has found yet count from their start."""
        known = {segment.path.name: segment for boot in self.boots.values() for segment in boot.segments.values()}
        if any(segment.has_more() for segment in known.values()):
            return True
        with contextlib.suppress(OSError):
            if os.stat(self._directory).st_mtime_ns != self._directory_seen:
                names = [name for name in os.listdir(self._directory) if name not in known and journal.parse_segment_name(name)]
                return any(has_frames(self._directory / name) for name in names)
        return False

    def set_aside(self) -> list[str]:
        """Names of the files that are kept for a person to look at."""
        with contextlib.suppress(FileNotFoundError):
            return sorted(name for name in os.listdir(self._directory) if name.endswith(DAMAGED))
        return []

    def close(self, *, but_gone: bool = False) -> list[tuple[str, Segment]]:
        """Let go of all files, on request but for those that could not be opened again; these with their boots."""
        gone = []
        for boot in self.boots.values():
            for segment in boot.segments.values():
                if but_gone and segment.is_gone():
                    gone.append((boot.name, segment))
                else:
                    segment.close()
        self.boots = {}
        return gone

    def boot(self, name: str) -> Boot:
        return self.boots.setdefault(name, Boot(name))

    def discover(self, positions: dict[str, int]) -> None:
        """Open segments that are new here; looks only where the directory changed, for this is asked ten times a second."""
        try:
            changed = os.stat(self._directory).st_mtime_ns
        except FileNotFoundError:
            # Workers make it anew with their next segments; what is open is read meanwhile.
            return
        if changed == self._directory_seen and not positions:
            return
        # A name made in this very instant may leave the time as it is: it is looked at once more when the clock has moved on.
        self._directory_seen = changed if clocks.wall_ns() - changed > clocks.SECOND * 1000 else 0
        with os.scandir(self._directory) as entries:
            names = [entry.name for entry in entries]
        for name in names:
            if name.endswith(UNFINISHED):
                self._clear_away(self._directory / name)
            parsed = journal.parse_segment_name(name)
            if parsed is None or (parsed[0] in self.boots and parsed[2] in self.boots[parsed[0]].segments):
                continue
            self._open_segment(name, parsed, positions.get(name, journal.HEADER_BYTES))

    def _open_segment(self, name: str, parsed: tuple[str, int, int], offset: int) -> None:
        segment = Segment(self._directory / name, parsed[2], offset)
        try:
            if journal.check_header(os.pread(segment.descriptor, journal.HEADER_BYTES, 0)) != parsed:
                raise journal.DamageError("its header names another segment")
        except (journal.DamageError, UnicodeDecodeError) as error:
            segment.close()
            self.damaged += 1
            segment.path.rename(segment.path.with_name(f"{name}{DAMAGED}"))
            log.error("a file in the journal is no segment; it is set aside: %s", error, extra={"segment": name})
        else:
            self.boot(parsed[0]).segments[parsed[2]] = segment

    def _clear_away(self, unfinished: Path) -> None:
        """Delete a segment whose worker died while it made it; one that is being made has been touched just now."""
        with contextlib.suppress(FileNotFoundError):
            if clocks.SystemClock().now() / clocks.SECOND - unfinished.stat().st_mtime > UNFINISHED_SECONDS:
                unfinished.unlink()

    def collect(self, boot: Boot, batch: Batch, most: int) -> bool:
        """Read the next frames of one boot; says whether it is worth looking again at once."""
        for segment in boot.in_order():
            if segment.ended:
                continue
            if batch.frames >= most:
                return True
            # Asked before reading: frames in a later segment mean that all of this one were written before.
            later = any(other.number > segment.number and other.has_more() for other in boot.segments.values())
            frames, offset, why = segment.read(most - batch.frames)
            self.torn |= why == "torn"
            if frames:
                self.reading = segment.path.name, segment.offset, len(frames)
                batch.take(boot, segment, frames, offset)
                return False
            if not later and not boot.abandoned:
                return self._look_for_life(boot)
            if why == "torn" and not segment.is_cut():
                self._damage(segment)
            segment.ended = True
        if boot.closed or boot.abandoned:
            batch.finish(boot)
            return False
        return self._look_for_life(boot)

    def _look_for_life(self, boot: Boot) -> bool:
        """Note whether a boot's worker is gone. It may have written until its last instant, so all is read once more after this."""
        now = clocks.monotonic()
        if now < boot.look_at:
            return False
        boot.look_at = now + LIFE_SECONDS
        boot.abandoned = all(segment.is_abandoned() for segment in boot.segments.values())
        return boot.abandoned

    def _damage(self, segment: Segment) -> None:
        segment.damaged = True
        self.damaged += 1
        log.error(
            "a journal is damaged; what stands after it is not recorded", extra={"segment": segment.path.name, "offset": segment.offset}
        )
