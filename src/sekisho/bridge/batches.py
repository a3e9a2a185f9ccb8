"""What one transaction of the recorder writes, and what is true in memory once it is committed."""

import logging
from typing import Final

import msgspec

from sekisho.bridge.rows import Record, Row
from sekisho.bridge.segments import Segment
from sekisho.core.model.records import CallBegan, CallEnded, Closed, Frame, Refused, Rolled, Status
from sekisho.kit import clock as clocks

log = logging.getLogger(__name__)

TRIES: Final = 3
"""Of a frame by itself, before it is set aside: what failed for a passing reason gets its chance."""
MOST_INTEGER: Final = 2**63 - 1
"""The largest that the database holds."""

encode_began: Final = msgspec.msgpack.Encoder().encode
_began_decoder: Final = msgspec.msgpack.Decoder(CallBegan)


class UnfitError(Exception):
    """A frame says what no row can hold."""


class Boot:
    """The journal of one life of one worker."""

    def __init__(self, name: str) -> None:
        self.name: Final = name
        self.segments: dict[int, Segment] = {}
        self.open: dict[int, CallBegan] = {}
        self.closed = False
        """A `Closed` frame was read."""
        self.look_at = 0.0
        """When to look again whether its worker lives."""
        self.abandoned = False
        """Nobody holds a lock; what stands in the segments now is all that ever will."""

    def in_order(self) -> list[Segment]:
        return [self.segments[number] for number in sorted(self.segments)]


class Doubt:
    """How carefully a boot is read since something in it could not be recorded."""

    def __init__(self, most: int) -> None:
        self.most = most
        """Frames in its next batch."""
        self.place: tuple[str, int] | None = None
        """Segment and offset of the frame that failed by itself."""
        self.tries = 0
        """How often it did."""
        self.row = 0
        """How many frames were set aside in a row: the more, the likelier that it is we who are wrong, and the longer each one gets."""
        self.look_at = 0.0
        """Until then the boot waits."""

    @property
    def is_over(self) -> bool:
        """Whether the frame had its chances."""
        return self.place is not None and self.tries >= TRIES


class Batch:
    """What one transaction writes, and what is true here once it is committed."""

    def __init__(self) -> None:
        self.frames = 0
        self.records: list[Record] = []
        self.refusals: list[Row] = []
        self.began: dict[tuple[str, int], CallBegan] = {}
        """Calls that began in this batch and did not end in it."""
        self.ended: list[tuple[str, int]] = []
        """Calls that ended in this batch and began before it."""
        self.moves: list[tuple[Segment, int]] = []
        self.ends: list[Segment] = []
        self.closed: list[Boot] = []
        self.finished: list[Boot] = []
        self.known = False
        """Whether the database was asked which of the records it has."""
        self.legible = False
        """Whether zero characters are replaced in what is written."""

    def take(self, boot: Boot, segment: Segment, frames: list[Frame], offset: int) -> None:
        """Account for frames of one segment."""
        for frame in frames:
            match frame:
                case CallBegan():
                    # Seen here, not at its end: an open call has to fit when its worker is lost, too.
                    if max(frame.seq, frame.started_at) > MOST_INTEGER or frame.started_at < 0:
                        raise UnfitError("a call began with a number that no row can hold")
                    self.began[boot.name, frame.seq] = frame
                case CallEnded():
                    self._end(boot, frame)
                case Refused():
                    self.refusals.append(msgspec.structs.astuple(frame))
                case Rolled():
                    self.ends.append(segment)
                case Closed():
                    self.ends.append(segment)
                    self.closed.append(boot)
        self.frames += len(frames)
        self.moves.append((segment, offset))

    def _end(self, boot: Boot, ended: CallEnded) -> None:
        place = boot.name, ended.seq
        began = self.began.pop(place, None)
        if began is None:
            began = boot.open.get(ended.seq)
            self.ended.append(place)
            if began is None:
                log.error("a call ended of which no begin is known", extra={"boot": boot.name, "seq": ended.seq})
                began = unknown(ended)
        self.records.append((boot.name, began, ended))

    def finish(self, boot: Boot) -> None:
        """Nothing more comes of a boot: every call of it without an end is given one."""
        for seq, began in boot.open.items():
            self.ended.append((boot.name, seq))
            self.records.append((boot.name, began, lost(seq)))
        self.finished.append(boot)

    def __bool__(self) -> bool:
        return bool(self.frames or self.moves or self.finished)


def lost(seq: int) -> CallEnded:
    return CallEnded(
        seq=seq, status=Status.FAILED, http_status=0, input_tokens=0, output_tokens=0, cached_tokens=0, reasoning_tokens=0, usage_source=0,
        cost=None, currency="", marks=(), attempts=1, bytes_in=0, bytes_out=0,
        error_code="worker_lost", error_message="the worker that served this call was lost before it could record the end",
    )  # fmt: skip


def unknown(ended: CallEnded) -> CallBegan:
    """The begin of a call whose own is damaged: what it cost is kept all the same."""
    return CallBegan(
        seq=ended.seq, request_id="", started_at=clocks.SystemClock().now() - ended.duration_us, method="", path="", address="", key_id="",
        key_label="", project="", model="", provider="", upstream_model="", credential_id="", stream=False,
    )  # fmt: skip


def opened(boot: str, seq: int, payload: bytes) -> CallBegan:
    """The begin of an open call, as the database keeps it."""
    try:
        return _began_decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        log.error("the begin of an open call cannot be read; its end is kept all the same: %s", error, extra={"boot": boot, "seq": seq})
        return unknown(lost(seq))
