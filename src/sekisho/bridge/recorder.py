"""From the journals to the database: each record once, whatever is killed and when.

A batch of frames and the place up to which they were read go into one transaction, together with the calls that began and have not
ended: so the three are never at odds, and a node that starts again goes on exactly there. Memory follows the database, never the
other way round: what a batch changes here is changed after its commit.

Segments of one boot are read in order. The last one is kept until its worker is gone, which its lock tells: only then do the calls
that began and never ended become failed (`worker_lost`), and the file goes, after the commit that holds all of it.

A file that is taken away while it is open here is read to its end all the same: the disk keeps it as long as somebody holds it.

What cannot be recorded stops nothing but itself. A database that is away is asked again for ever. Anything else that goes wrong is
looked for in ever smaller batches, each of one boot, until one frame is left; after `TRIES` of it alone its bytes are set aside in a
file of their own, and reading goes on behind it.
"""

import asyncio
import contextlib
import fcntl
import logging
import os
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec
from sqlalchemy import exc
from sqlalchemy.ext.asyncio import AsyncConnection

from sekisho.core.model.records import CallBegan, CallEnded, Closed, Frame, Refused, Rolled, Status
from sekisho.core.wire import journal
from sekisho.kit import clock as clocks
from sekisho.kit.files import identity_at, identity_of
from sekisho.storage.database import Database, legible
from sekisho.storage.errors import StorageError

log = logging.getLogger(__name__)

MOST_FRAMES: Final = 1000
"""In one transaction."""
FEW_FRAMES: Final = 64
"""In one transaction while little is behind: half a millisecond of work. A longer one would stand in the way of the very calls that it
records, where cores are few; only a backlog is worth it, and then batches double up to `MOST_FRAMES`."""
BRISK_SECONDS: Final = 0.005
"""Between two looks while calls come in; each look that finds nothing doubles it, up to the pause of idle journals."""
POLL_SECONDS: Final = 0.1
"""Between two looks at idle journals; with it a call is seen in the database well within half a second."""
RETRY_SECONDS: Final = 1.0
"""After a batch that the database did not take, or a frame that failed by itself."""
TRIES: Final = 3
"""Of a frame by itself, before it is set aside: what failed for a passing reason gets its chance."""
MOST_PATIENCE: Final = 64
"""How many times longer the pauses become where frame after frame fails."""
LEAST_LAG: Final = 0.001
"""Seconds: what is told where something has been waiting for less."""
WINDOW_BYTES: Final = 1024 * 1024
"""Read at once; more than the largest frame, so a frame that is cut by the window is whole in the next."""
LIFE_SECONDS: Final = 0.5
"""Between two looks whether the worker of an idle journal lives."""
UNFINISHED: Final = ".new"
"""Ends the name of a segment that its worker is making."""
UNFINISHED_SECONDS: Final = 60
"""Making one takes milliseconds."""
DAMAGED: Final = ".damaged"
"""Is added to the name of a file that is kept for a person to look at."""
MOST_TOKENS: Final = 10**12
MOST_COST: Final = 10**16
"""A provider may claim anything; sums of what is kept stay within 64 bits."""
MOST_INTEGER: Final = 2**63 - 1
"""The largest that the database holds."""
HOUR: Final = 3600 * clocks.SECOND

CALL_COLUMNS: Final = (
    *("boot", "seq", "request_id", "client_request_id", "started_at", "status", "http_status", "method", "path", "address", "user_agent"),
    *("key_id", "key_label", "project", "model", "provider", "upstream_model", "credential_id", "stream", "input_tokens", "output_tokens"),
    *("cached_tokens", "reasoning_tokens", "usage_source", "cost", "currency", "duration_us", "ttfb_us", "stages", "attempts"),
    *("upstream_status", "error_code", "error_message", "finish_reason", "bytes_in", "bytes_out"),
)
ROLLUP_KEY: Final = ("hour", "model", "provider", "key_id", "project", "currency")
ROLLUP_SUMS: Final = (
    *("calls", "completed", "failed", "cancelled", "unpriced", "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens"),
    *("cost", "duration_us", "ttfb_us", "ttfb_calls"),
)
REFUSAL_COLUMNS: Final = ("at", "request_id", "method", "path", "address", "key_id", "http_status", "code", "detail", "suppressed")


class _Statements:
    """The recorder's SQL, with parameters spelled as one driver wants them."""

    def __init__(self, mark: str) -> None:
        def insert(table: str, columns: tuple[str, ...]) -> str:
            return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join((mark,) * len(columns))})"  # noqa: S608 - constants

        self.call: Final = insert("calls", CALL_COLUMNS)
        self.rollup: Final = (
            insert("rollups_hourly", (*ROLLUP_KEY, *ROLLUP_SUMS, "key_label"))
            + f" ON CONFLICT ({', '.join(ROLLUP_KEY)}) DO UPDATE SET key_label = excluded.key_label, "
            + ", ".join(f"{name} = rollups_hourly.{name} + excluded.{name}" for name in ROLLUP_SUMS)
        )
        self.refusal: Final = insert("refusals", REFUSAL_COLUMNS)
        self.opened: Final = insert("calls_open", ("boot", "seq", "payload", "node")) + " ON CONFLICT (boot, seq) DO NOTHING"
        self.ended: Final = f"DELETE FROM calls_open WHERE boot = {mark} AND seq = {mark}"  # noqa: S608
        self.place: Final = (
            insert("journal_positions", ("segment", '"offset"', "node"))
            + ' ON CONFLICT (segment) DO UPDATE SET "offset" = excluded."offset"'
        )
        self.forget: Final = f"DELETE FROM journal_positions WHERE segment = {mark}"  # noqa: S608
        self.places: Final = f'SELECT segment, "offset" AS place FROM journal_positions WHERE node = {mark}'  # noqa: S608
        self.open: Final = f"SELECT boot, seq, payload FROM calls_open WHERE node = {mark}"  # noqa: S608
        self.known: Final = f"SELECT 1 FROM calls WHERE boot = {mark} AND seq = {mark}"  # noqa: S608


_began_encoder: Final = msgspec.msgpack.Encoder()
_began_decoder: Final = msgspec.msgpack.Decoder(CallBegan)

Row = tuple[object, ...]
Record = tuple[str, CallBegan, CallEnded]
"""A whole call: its boot, its begin, its end."""


class UnfitError(Exception):
    """A frame says what no row can hold."""


class Segment:
    """One file, read from where the database says."""

    def __init__(self, path: Path, number: int, offset: int) -> None:
        self.path: Final = path
        self.number: Final = number
        self.descriptor: Final = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.offset = offset
        """Committed: where the next batch begins."""
        self.synced = offset
        self.ended = False
        """Nothing more will be read: it was rolled or closed, or is damaged from here on."""
        self.damaged = False

    def read(self, most: int) -> tuple[list[Frame], int, str]:
        """Frames from the offset on, the offset after them, and why reading stopped there: `more`, `end` or `torn`."""
        head = os.pread(self.descriptor, journal.FRAME.size, self.offset)
        if len(head) < journal.FRAME.size or head[:4] == b"\0\0\0\0":
            return [], self.offset, "end"
        window = os.pread(self.descriptor, WINDOW_BYTES, self.offset)
        frames, read, torn = journal.decode_from(memoryview(window), 0, most)
        return frames, self.offset + read, "torn" if torn and not frames else "more"

    def has_more(self) -> bool:
        """Whether something stands after the committed offset."""
        return not self.ended and os.pread(self.descriptor, 4, self.offset) not in (b"", b"\0\0\0\0")

    def frame_at(self, offset: int) -> bytes:
        """The bytes of the frame there, head included, as far as they are written."""
        length = journal.FRAME.unpack_from(os.pread(self.descriptor, journal.FRAME.size, offset).ljust(journal.FRAME.size, b"\0"))[0]
        return os.pread(self.descriptor, journal.FRAME.size + length, offset)

    def is_cut(self) -> bool:
        """Whether the torn frame at the offset was not finished and is the last thing that was written: a kill, not damage."""
        window = os.pread(self.descriptor, WINDOW_BYTES, self.offset)
        length, crc = journal.FRAME.unpack_from(window) if len(window) >= journal.FRAME.size else (0, 0)
        if length > journal.MAX_PAYLOAD or (length and zlib.crc32(window[journal.FRAME.size :][:length]) == crc):
            return False  # A frame that is whole was not cut, whatever it says.
        return not any(window[journal.FRAME.size + length :][: journal.MAX_PAYLOAD])

    def is_abandoned(self) -> bool:
        """Whether no process holds its lock any more."""
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return False
        fcntl.flock(self.descriptor, fcntl.LOCK_UN)
        return True

    def is_gone(self) -> bool:
        """Whether its name leads nowhere, or to another file: nobody can open it again."""
        return identity_at(self.path) != identity_of(self.descriptor)

    def go_back(self, offset: int) -> None:
        """Read again from an offset."""
        self.offset = self.synced = offset
        self.ended = self.damaged = False

    def delete(self) -> bool:
        """Close it and take it away, or set it aside where it is damaged.

        Where False, its place must stay known: it will be found again.
        """
        self.close()
        try:
            if self.damaged:
                self.path.rename(self.path.with_name(f"{self.path.name}{DAMAGED}"))
            else:
                self.path.unlink()
        except FileNotFoundError:
            return True
        except OSError as error:
            log.error("a journal that is recorded cannot be deleted: %s", error, extra={"segment": self.path.name})
            return False
        return True

    def close(self) -> None:
        os.close(self.descriptor)


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
                began = _unknown(ended)
        self.records.append((boot.name, began, ended))

    def finish(self, boot: Boot) -> None:
        """Nothing more comes of a boot: every call of it without an end is given one."""
        for seq, began in boot.open.items():
            self.ended.append((boot.name, seq))
            self.records.append((boot.name, began, _lost(seq)))
        self.finished.append(boot)

    def __bool__(self) -> bool:
        return bool(self.frames or self.moves or self.finished)


def rows_of(records: Iterable[Record]) -> tuple[list[Row], list[Row]]:
    """The rows of `calls`, and the sums that the same calls add to `rollups_hourly`."""
    calls: list[Row] = []
    hours: dict[Row, list[int]] = {}
    labels: dict[Row, str] = {}
    for boot, began, ended in records:
        tokens_in, tokens_out = min(ended.input_tokens, MOST_TOKENS), min(ended.output_tokens, MOST_TOKENS)
        cached, reasoning = min(ended.cached_tokens, MOST_TOKENS), min(ended.reasoning_tokens, MOST_TOKENS)
        cost = None if ended.cost is None else min(ended.cost, MOST_COST)
        calls.append(
            (
                boot,
                ended.seq,
                began.request_id,
                began.client_request_id,
                began.started_at,
                ended.status,
                ended.http_status,
                began.method,
                began.path,
                began.address,
                began.user_agent,
                began.key_id,
                began.key_label,
                began.project,
                began.model,
                began.provider,
                began.upstream_model,
                began.credential_id,
                began.stream,
                tokens_in,
                tokens_out,
                cached,
                reasoning,
                ended.usage_source,
                cost,
                ended.currency,
                ended.duration_us,
                ended.ttfb_us,
                ",".join(map(str, ended.stages)),
                ended.attempts,
                ended.upstream_status,
                ended.error_code,
                ended.error_message,
                ended.finish_reason,
                ended.bytes_in,
                ended.bytes_out,
            )
        )
        hour = began.started_at - began.started_at % HOUR
        key = (hour, began.model, began.provider, began.key_id, began.project, "" if cost is None else ended.currency)
        sums = hours.get(key)
        if sums is None:
            sums = hours[key] = [0] * len(ROLLUP_SUMS)
        sums[0] += 1
        sums[1 + ended.status] += 1
        sums[4] += cost is None
        sums[5] += tokens_in
        sums[6] += tokens_out
        sums[7] += cached
        sums[8] += reasoning
        sums[9] += cost or 0
        sums[10] += ended.duration_us
        if ended.ttfb_us is not None:
            sums[11] += ended.ttfb_us
            sums[12] += 1
        labels[key] = began.key_label
    return calls, [(*key, *sums, labels[key]) for key, sums in hours.items()]


def _lost(seq: int) -> CallEnded:
    return CallEnded(
        seq=seq, status=Status.FAILED, http_status=0, input_tokens=0, output_tokens=0, cached_tokens=0, reasoning_tokens=0, usage_source=0,
        cost=None, currency="", marks=(), attempts=1, bytes_in=0, bytes_out=0,
        error_code="worker_lost", error_message="the worker that served this call was lost before it could record the end",
    )  # fmt: skip


def _unknown(ended: CallEnded) -> CallBegan:
    """The begin of a call whose own is damaged: what it cost is kept all the same."""
    return CallBegan(
        seq=ended.seq, request_id="", started_at=clocks.SystemClock().now() - ended.duration_us, method="", path="", address="", key_id="",
        key_label="", project="", model="", provider="", upstream_model="", credential_id="", stream=False,
    )  # fmt: skip


def _opened(boot: str, seq: int, payload: bytes) -> CallBegan:
    """The begin of an open call, as the database keeps it."""
    try:
        return _began_decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        log.error("the begin of an open call cannot be read; its end is kept all the same: %s", error, extra={"boot": boot, "seq": seq})
        return _unknown(_lost(seq))


def _is_away(error: Exception) -> bool:
    """Whether the database or the disk does not take anything now, rather than this of all things."""
    if isinstance(error, exc.IntegrityError | exc.DataError):
        return False
    return isinstance(error, StorageError | exc.SQLAlchemyError | OSError)


def _has_frames(path: Path) -> bool:
    """Whether a frame stands at the start of a segment; a file that went meanwhile had none."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        file.seek(journal.HEADER_BYTES)
        return file.read(4) not in (b"", b"\0\0\0\0")
    return False


def _keep(path: Path, data: bytes) -> None:
    """Write a private file, down to the disk."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _force(descriptors: list[int]) -> bool:
    """Force files to the disk, and close them; says whether all of them are there."""
    whole = True
    for descriptor in descriptors:
        try:
            os.fsync(descriptor)
        except OSError as error:
            whole = False
            log.error("a journal cannot be forced to the disk, it is tried again: %s", error)
        finally:
            os.close(descriptor)
    return whole


class Recorder:
    """Tails all journals of a directory. One per node; `node` tells its open calls and places from those of other nodes."""

    def __init__(
        self,
        directory: Path,
        database: Database,
        *,
        node: str = "",
        sync_seconds: float | None = 0.1,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._directory = directory
        self._database = database
        self._node = node
        self._sql = _Statements(database.mark)
        self._sync_seconds = sync_seconds
        self._poll_seconds = min(poll_seconds, sync_seconds or poll_seconds)
        self._next_pause = BRISK_SECONDS
        self._moved = False
        """Whether the last look found anything."""
        self._stride = FEW_FRAMES
        """Frames of the next batch."""
        self._boots: dict[str, Boot] = {}
        self._directory_seen = 0
        """Time of its last change when it was listed; 0 lists it again."""
        self._torn = False
        self._forgotten: list[str] = []
        self._caught_up_at = clocks.monotonic()
        self._behind = False
        self._loaded = False
        self._stopping = asyncio.Event()
        self._sync_at = 0.0
        self._syncing: asyncio.Future[bool] | None = None
        self._retry_at = 0.0
        self._doubts: dict[str, Doubt] = {}
        """By boot."""
        self._doubted = False
        """Whether the last failure made the next look a narrower one."""
        self._reading: tuple[str, int, int] | None = None
        """Segment, offset and number of the frames that were read last."""
        self.waits_for: str | None = None
        """What keeps records from being written; None where nothing does."""
        self.recorded = 0
        """Calls since the start."""
        self.damaged = 0
        """Segments and frames that were set aside since the start."""

    @property
    def lag_seconds(self) -> float:
        """For how long something has been waiting to be recorded, by what stands in the journals now; 0.0 where nothing is.

        Costs a read of four bytes per segment.
        """
        if not self._behind and not self._has_unread():
            return 0.0
        return max(clocks.monotonic() - self._caught_up_at, LEAST_LAG)

    def _has_unread(self) -> bool:
        """Whether a frame stands in the journals that is not committed; segments that no look has found yet count from their start."""
        known = {segment.path.name: segment for boot in self._boots.values() for segment in boot.segments.values()}
        if any(segment.has_more() for segment in known.values()):
            return True
        with contextlib.suppress(OSError):
            if os.stat(self._directory).st_mtime_ns != self._directory_seen:
                names = [name for name in os.listdir(self._directory) if name not in known and journal.parse_segment_name(name)]
                return any(_has_frames(self._directory / name) for name in names)
        return False

    def set_aside(self) -> list[str]:
        """Names of the files that are kept for a person to look at."""
        with contextlib.suppress(FileNotFoundError):
            return sorted(name for name in os.listdir(self._directory) if name.endswith(DAMAGED))
        return []

    async def run(self) -> None:
        """Record until `stop`, and then what is left. Nothing ends it: see the module for what becomes of a failure."""
        while True:
            stopping = self._stopping.is_set()
            if stopping:
                for boot in self._boots.values():
                    boot.look_at = 0.0
            if stopping or clocks.monotonic() >= self._retry_at:
                while await self._look(to_the_end=stopping):
                    pass
            if stopping:
                return
            try:
                self._keep_safe()
            except Exception:
                log.exception("journals are not forced to the disk")
            self._next_pause = BRISK_SECONDS if self._moved else self._next_pause * 2
            await self._pause(min(self._next_pause, self._poll_seconds))

    async def _look(self, *, to_the_end: bool) -> bool:
        """Record what there is; says whether something failed and is to be looked for at once, in less."""
        try:
            if not self._loaded:
                await self.load()
            await self.drain(to_the_end=to_the_end)
            self.waits_for = None
        except Exception as error:
            # Whether that commit took place is not known: ask the database.
            self._loaded, self._behind = False, True
            doubted, self._doubted = self._doubted, False
            if doubted:
                return True
            self._retry_at = clocks.monotonic() + RETRY_SECONDS
            if _is_away(error):
                if str(error) != self.waits_for:
                    log.error("records wait, the database does not take them: %s", error)
                self.waits_for = str(error)
            else:
                log.exception("records wait, they cannot be read")
        return False

    async def catch_up(self) -> None:
        """Record what stands in the journals now, once. What is unfit for it waits for a recorder that runs. Raises StorageError."""
        try:
            await self.load()
            await self.drain()
        except Exception as error:
            if _is_away(error):
                raise
            self._behind = True
            log.error("records wait until the server runs: %s", error)

    def try_now(self) -> None:
        """What kept records from being written is over, as far as is known: do not wait until the next attempt is due."""
        self.waits_for = None
        self._retry_at = 0.0

    def stop(self) -> None:
        """Let `run` return once all that stands in the journals now is recorded, or the database has refused it."""
        self._stopping.set()

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    def _keep_safe(self) -> None:
        """Force journals that grew to the disk, beside all else and not more often than is set: their records may exist nowhere else."""
        now = clocks.monotonic()
        if self._sync_seconds is None or now < self._sync_at or (self._syncing is not None and not self._syncing.done()):
            return
        if not self._loaded:
            # The database is away; what workers begin meanwhile is found all the same. `load` sets the places right.
            self._discover({})
        segments = [segment for boot in self._boots.values() for segment in boot.segments.values()]
        if self._syncing is not None and not self._syncing.result():
            for segment in segments:
                segment.synced = -1
        grown = [segment for segment in segments if segment.offset != segment.synced or (self._behind and segment.has_more())]
        if grown:
            # Copies of the descriptors: a segment may be read to its end and closed meanwhile.
            descriptors = [os.dup(segment.descriptor) for segment in grown]
            for segment in grown:
                segment.synced = segment.offset
            self._sync_at = now + self._sync_seconds
            self._syncing = asyncio.get_running_loop().run_in_executor(None, _force, descriptors)

    async def load(self) -> None:
        """Take over what the database knows: positions, and calls that are open."""
        async with self._database.settled() as connection:
            found = await connection.exec_driver_sql(self._sql.places, (self._node,))
            positions = {str(row["segment"]): int(row["place"]) for row in found.mappings()}
            found = await connection.exec_driver_sql(self._sql.open, (self._node,))
            opened = [(str(row["boot"]), _opened(row["boot"], row["seq"], row["payload"])) for row in found.mappings()]
        gone = self._close_segments(but_gone=True)
        self._directory_seen = 0
        for name, began in opened:
            self._boot(name).open[began.seq] = began
        self._discover(positions)
        for name, segment in gone:
            segment.go_back(positions.get(segment.path.name, journal.HEADER_BYTES))
            self._boot(name).segments[segment.number] = segment
        held = {segment.path.name for boot in self._boots.values() for segment in boot.segments.values()}
        self._forgotten = [name for name in positions if name not in held and not (self._directory / name).exists()]
        self._doubts = {name: doubt for name, doubt in self._doubts.items() if name in self._boots}
        self._loaded = True

    async def drain(self, *, to_the_end: bool = True) -> None:
        """Record what stands in the journals now.

        Without `to_the_end` it stops at the first batch that is not full: what comes while it writes is left to the next look, which then
        has more to write at once.
        """
        again = True
        self._moved = False
        self._stride = min(FEW_FRAMES, MOST_FRAMES)
        while again:
            self._discover({})
            self._torn = False
            again = False
            for boots, most in self._portions():
                batch, more = await self._record(boots, most)
                self._moved |= batch.frames > 0
                again |= more or (to_the_end and batch.frames > 0)
            self._stride = min(self._stride * 2, MOST_FRAMES)
        # A frame that is torn is one that is being written, or was when its worker died.
        if not self._torn and not any(self._waits(name) for name in self._doubts):
            self._behind = False
            self._caught_up_at = clocks.monotonic()

    def _portions(self) -> list[tuple[list[Boot], int]]:
        """What goes into a batch each: the boots that nothing is wrong with together, every other one by itself."""
        sound = [boot for name, boot in self._boots.items() if name not in self._doubts]
        doubted = [([self._boots[name]], doubt.most) for name, doubt in self._doubts.items() if not self._waits(name)]
        return [(sound, self._stride), *doubted]

    def _waits(self, name: str) -> bool:
        return self._doubts[name].look_at > clocks.monotonic()

    async def _record(self, boots: list[Boot], most: int) -> tuple[Batch, bool]:
        """Read up to a batch of these boots and commit it; says whether there may be more right now."""
        self._reading = None
        try:
            for boot in boots:
                if (doubt := self._doubts.get(boot.name)) is not None and doubt.is_over:
                    await self._set_aside(boot, doubt)
            batch, again = self._collect(boots, most)
            if batch or self._forgotten:
                self._behind = True
                await self._write(batch)
                self._apply(batch)
        except Exception as error:
            if not _is_away(error):
                self._doubt(boots, error)
            raise
        for boot in boots:
            self._trust(boot.name)
        if batch:
            self._keep_safe()
        return batch, again

    def _doubt(self, boots: list[Boot], error: Exception) -> None:
        """Something in these boots cannot be recorded: let the next look be a narrower one."""
        if not boots:
            return
        self._doubted = True
        if len(boots) > 1:
            self._doubts |= {boot.name: Doubt(MOST_FRAMES) for boot in boots}
            return
        doubt = self._doubts.setdefault(boots[0].name, Doubt(MOST_FRAMES))
        count = self._reading[2] if self._reading is not None else 0
        doubt.most = max(count // 2, 1)
        if count > 1:
            return
        place = None if self._reading is None else self._reading[:2]
        if doubt.place != place:
            doubt.place, doubt.tries = place, 0
        doubt.tries += 1
        doubt.look_at = clocks.monotonic() + RETRY_SECONDS * min(2**doubt.row, MOST_PATIENCE)
        log.error(
            "a frame of a journal cannot be recorded; it is tried again, and the other journals go on",
            extra={"boot": boots[0].name, "place": place, "tries": doubt.tries},
            exc_info=error,
        )

    def _trust(self, name: str) -> None:
        """A batch of this boot was recorded: the next may be larger, and one day as large as any."""
        doubt = self._doubts.get(name)
        if doubt is not None:
            doubt.most *= 2
            doubt.row = 0
            if doubt.most >= MOST_FRAMES or name not in self._boots:
                del self._doubts[name]

    async def _set_aside(self, boot: Boot, doubt: Doubt) -> None:
        """Keep the bytes of a frame that had its chances in a file of their own, and go on behind it."""
        assert doubt.place is not None
        name, offset = doubt.place
        segment = next((each for each in boot.segments.values() if each.path.name == name and each.offset == offset), None)
        if segment is not None:
            frame = segment.frame_at(offset)
            kept = segment.path.with_name(f"{name}.{offset}{DAMAGED}")
            _keep(kept, frame)
            batch = Batch()
            batch.moves.append((segment, offset + len(frame)))
            await self._transact(batch)
            self._apply(batch)
            self.damaged += 1
            log.error(
                "a frame of a journal could not be recorded; it is set aside, and reading goes on behind it",
                extra={"segment": name, "offset": offset, "file": kept.name},
            )
        doubt.place, doubt.tries = None, 0
        doubt.row += 1

    def close(self) -> None:
        """Give the files back."""
        self._close_segments()

    def _close_segments(self, *, but_gone: bool = False) -> list[tuple[str, Segment]]:
        """Let go of all files, on request but for those that could not be opened again; these with their boots."""
        gone = []
        for boot in self._boots.values():
            for segment in boot.segments.values():
                if but_gone and segment.is_gone():
                    gone.append((boot.name, segment))
                else:
                    segment.close()
        self._boots = {}
        return gone

    def _boot(self, name: str) -> Boot:
        return self._boots.setdefault(name, Boot(name))

    def _discover(self, positions: dict[str, int]) -> None:
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
            if parsed is None or (parsed[0] in self._boots and parsed[2] in self._boots[parsed[0]].segments):
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
            self._boot(parsed[0]).segments[parsed[2]] = segment

    def _clear_away(self, unfinished: Path) -> None:
        """Delete a segment whose worker died while it made it; one that is being made has been touched just now."""
        with contextlib.suppress(FileNotFoundError):
            if clocks.SystemClock().now() / clocks.SECOND - unfinished.stat().st_mtime > UNFINISHED_SECONDS:
                unfinished.unlink()

    def _collect(self, boots: list[Boot], most: int) -> tuple[Batch, bool]:
        """Read up to a batch of these boots, and say whether there may be more right now."""
        batch = Batch()
        again = False
        for boot in boots:
            again |= self._collect_boot(boot, batch, most)
        if boots:
            # Who was first is last next time, so a busy worker cannot starve another.
            self._boots[boots[0].name] = self._boots.pop(boots[0].name)
        return batch, again or batch.frames >= most or bool(batch.ends)

    def _collect_boot(self, boot: Boot, batch: Batch, most: int) -> bool:
        """Read the next frames of one boot; says whether it is worth looking again at once."""
        for segment in boot.in_order():
            if segment.ended:
                continue
            if batch.frames >= most:
                return True
            # Asked before reading: frames in a later segment mean that all of this one were written before.
            later = any(other.number > segment.number and other.has_more() for other in boot.segments.values())
            frames, offset, why = segment.read(most - batch.frames)
            self._torn |= why == "torn"
            if frames:
                self._reading = segment.path.name, segment.offset, len(frames)
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

    async def _write(self, batch: Batch) -> None:
        while True:
            try:
                return await self._transact(batch)
            except exc.IntegrityError:
                if batch.known:
                    raise
                # Some of it is there already: the journal was put back from a copy, or its positions were. What is there stays.
                batch.records = await self._unknown_records(batch.records)
                batch.known = True
            except exc.DataError:
                if batch.legible:
                    raise
                # PostgreSQL's texts hold no zero character; a client or a provider may have sent one.
                batch.legible = True

    async def _transact(self, batch: Batch) -> None:
        calls, rollups = rows_of(batch.records)
        refusals = batch.refusals
        if batch.legible:
            calls, rollups, refusals = ([legible(row) for row in rows] for rows in (calls, rollups, refusals))
        async with self._database.writer() as connection:
            if calls:
                await connection.exec_driver_sql(self._sql.call, calls)
                await connection.exec_driver_sql(self._sql.rollup, rollups)
            if refusals:
                await connection.exec_driver_sql(self._sql.refusal, refusals)
            await self._keep_place(connection, batch)

    async def _keep_place(self, connection: AsyncConnection, batch: Batch) -> None:
        if batch.ended:
            await connection.exec_driver_sql(self._sql.ended, list(batch.ended))
        if batch.began:
            rows = [(boot, seq, _began_encoder.encode(began), self._node) for (boot, seq), began in batch.began.items()]
            await connection.exec_driver_sql(self._sql.opened, rows)
        if batch.moves:
            await connection.exec_driver_sql(self._sql.place, [(segment.path.name, offset, self._node) for segment, offset in batch.moves])
        if self._forgotten:
            await connection.exec_driver_sql(self._sql.forget, [(name,) for name in self._forgotten])

    async def _unknown_records(self, records: list[Record]) -> list[Record]:
        """Those of the records that the database does not have, each once."""
        fresh: dict[tuple[str, int], Record] = {}
        async with self._database.reader() as connection:
            for record in records:
                place = record[0], record[2].seq
                found = await connection.exec_driver_sql(self._sql.known, place)
                if found.first() is None:
                    fresh.setdefault(place, record)
        log.warning("records that were there already are left out", extra={"count": len(records) - len(fresh)})
        return list(fresh.values())

    def _apply(self, batch: Batch) -> None:
        """Make true here what is committed."""
        self.recorded += len(batch.records)
        self._forgotten = []
        for segment, offset in batch.moves:
            segment.offset = offset
        for segment in batch.ends:
            segment.ended = True
        for boot in batch.closed:
            boot.closed = True
        for (name, seq), began in batch.began.items():
            self._boots[name].open[seq] = began
        for name, seq in batch.ended:
            self._boots[name].open.pop(seq, None)
        for boot in batch.finished:
            self._boots.pop(boot.name, None)
        for boot in (*self._boots.values(), *batch.finished):
            self._delete_read(boot, whole=boot in batch.finished)

    def _delete_read(self, boot: Boot, *, whole: bool) -> None:
        """Delete segments that are read to their end; the last one of a boot stays until the boot is finished."""
        read = boot.in_order() if whole else [segment for segment in boot.in_order()[:-1] if segment.ended]
        for segment in read:
            if segment.delete():
                self._forgotten.append(segment.path.name)
            del boot.segments[segment.number]
