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
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from sqlalchemy import exc
from sqlalchemy.ext.asyncio import AsyncConnection

from sekisho.bridge.batches import Batch, Boot, Doubt, encode_began, opened
from sekisho.bridge.journals import Journals
from sekisho.bridge.rows import Record, Row, Statements, rows_of
from sekisho.bridge.segments import DAMAGED, force, keep
from sekisho.core.wire import journal
from sekisho.kit import clock as clocks
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
MOST_PATIENCE: Final = 64
"""How many times longer the pauses become where frame after frame fails."""
LEAST_LAG: Final = 0.001
"""Seconds: what is told where something has been waiting for less."""


def _is_away(error: Exception) -> bool:
    """Whether the database or the disk does not take anything now, rather than this of all things."""
    if isinstance(error, exc.IntegrityError | exc.DataError):
        return False
    return isinstance(error, StorageError | exc.SQLAlchemyError | OSError)


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
        on_recorded: Callable[[Sequence[Record], Sequence[Row]], None] | None = None,
    ) -> None:
        """`on_recorded` is told of calls and refusals that were committed."""
        self._journals = Journals(directory)
        self._database = database
        self._node = node
        self._sql = Statements(database.mark)
        self._on_recorded = on_recorded
        self._sync_seconds = sync_seconds
        self._poll_seconds = min(poll_seconds, sync_seconds or poll_seconds)
        self._next_pause = BRISK_SECONDS
        self._moved = False
        """Whether the last look found anything."""
        self._stride = FEW_FRAMES
        """Frames of the next batch."""
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
        self.waits_for: str | None = None
        """What keeps records from being written; None where nothing does."""
        self.recorded = 0
        """Calls since the start."""

    @property
    def damaged(self) -> int:
        """Segments and frames that were set aside since the start."""
        return self._journals.damaged

    @property
    def lag_seconds(self) -> float:
        """For how long something has been waiting to be recorded, by what stands in the journals now; 0.0 where nothing is.

        Costs a read of four bytes per segment.
        """
        if not self._behind and not self._journals.has_unread():
            return 0.0
        return max(clocks.monotonic() - self._caught_up_at, LEAST_LAG)

    def set_aside(self) -> list[str]:
        """Names of the files that are kept for a person to look at."""
        return self._journals.set_aside()

    async def run(self) -> None:
        """Record until `stop`, and then what is left. Nothing ends it: see the module for what becomes of a failure."""
        while True:
            stopping = self._stopping.is_set()
            if stopping:
                for boot in self._journals.boots.values():
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
            self._journals.discover({})
        segments = self._journals.segments
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
            self._syncing = asyncio.get_running_loop().run_in_executor(None, force, descriptors)

    async def load(self) -> None:
        """Take over what the database knows: positions, and calls that are open."""
        async with self._database.settled() as connection:
            found = await connection.exec_driver_sql(self._sql.places, (self._node,))
            positions = {str(row["segment"]): int(row["place"]) for row in found.mappings()}
            found = await connection.exec_driver_sql(self._sql.open, (self._node,))
            under_way = [(str(row["boot"]), opened(row["boot"], row["seq"], row["payload"])) for row in found.mappings()]
        journals = self._journals
        gone = journals.close(but_gone=True)
        journals.forget_listing()
        for name, began in under_way:
            journals.boot(name).open[began.seq] = began
        journals.discover(positions)
        for name, segment in gone:
            segment.go_back(positions.get(segment.path.name, journal.HEADER_BYTES))
            journals.boot(name).segments[segment.number] = segment
        held = {segment.path.name for segment in journals.segments}
        self._forgotten = [name for name in positions if name not in held and not journals.holds(name)]
        self._doubts = {name: doubt for name, doubt in self._doubts.items() if name in self._journals.boots}
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
            self._journals.discover({})
            self._journals.torn = False
            again = False
            for boots, most in self._portions():
                batch, more = await self._record(boots, most)
                self._moved |= batch.frames > 0
                again |= more or (to_the_end and batch.frames > 0)
            self._stride = min(self._stride * 2, MOST_FRAMES)
        # A frame that is torn is one that is being written, or was when its worker died.
        if not self._journals.torn and not any(self._waits(name) for name in self._doubts):
            self._behind = False
            self._caught_up_at = clocks.monotonic()

    def _portions(self) -> list[tuple[list[Boot], int]]:
        """What goes into a batch each: the boots that nothing is wrong with together, every other one by itself."""
        sound = [boot for name, boot in self._journals.boots.items() if name not in self._doubts]
        doubted = [([self._journals.boots[name]], doubt.most) for name, doubt in self._doubts.items() if not self._waits(name)]
        return [(sound, self._stride), *doubted]

    def _waits(self, name: str) -> bool:
        return self._doubts[name].look_at > clocks.monotonic()

    async def _record(self, boots: list[Boot], most: int) -> tuple[Batch, bool]:
        """Read up to a batch of these boots and commit it; says whether there may be more right now."""
        self._journals.reading = None
        try:
            for boot in boots:
                if (doubt := self._doubts.get(boot.name)) is not None and doubt.is_over:
                    await self._set_aside(boot, doubt)
            batch, again = self._collect(boots, most)
            if batch or self._forgotten:
                self._behind = True
                await self._write(batch)
                self._apply(batch)
                self._tell(batch)
        except Exception as error:
            if not _is_away(error):
                self._doubt(boots, error)
            raise
        for boot in boots:
            self._trust(boot.name)
        if batch:
            self._keep_safe()
        return batch, again

    def _tell(self, batch: Batch) -> None:
        """Let others know what is in the database now. Whatever becomes of that, it is there."""
        if self._on_recorded is None or not (batch.records or batch.refusals):
            return
        try:
            self._on_recorded(batch.records, batch.refusals)
        except Exception:
            log.exception("calls are recorded, but what shows them failed")

    def _doubt(self, boots: list[Boot], error: Exception) -> None:
        """Something in these boots cannot be recorded: let the next look be a narrower one."""
        if not boots:
            return
        self._doubted = True
        if len(boots) > 1:
            self._doubts |= {boot.name: Doubt(MOST_FRAMES) for boot in boots}
            return
        doubt = self._doubts.setdefault(boots[0].name, Doubt(MOST_FRAMES))
        count = self._journals.reading[2] if self._journals.reading is not None else 0
        doubt.most = max(count // 2, 1)
        if count > 1:
            return
        place = None if self._journals.reading is None else self._journals.reading[:2]
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
            if doubt.most >= MOST_FRAMES or name not in self._journals.boots:
                del self._doubts[name]

    async def _set_aside(self, boot: Boot, doubt: Doubt) -> None:
        """Keep the bytes of a frame that had its chances in a file of their own, and go on behind it."""
        assert doubt.place is not None
        name, offset = doubt.place
        segment = next((each for each in boot.segments.values() if each.path.name == name and each.offset == offset), None)
        if segment is not None:
            frame = segment.frame_at(offset)
            kept = segment.path.with_name(f"{name}.{offset}{DAMAGED}")
            keep(kept, frame)
            batch = Batch()
            batch.moves.append((segment, offset + len(frame)))
            await self._transact(batch)
            self._apply(batch)
            self._journals.damaged += 1
            log.error(
                "a frame of a journal could not be recorded; it is set aside, and reading goes on behind it",
                extra={"segment": name, "offset": offset, "file": kept.name},
            )
        doubt.place, doubt.tries = None, 0
        doubt.row += 1

    def close(self) -> None:
        """Give the files back."""
        self._journals.close()

    def _collect(self, boots: list[Boot], most: int) -> tuple[Batch, bool]:
        """Read up to a batch of these boots, and say whether there may be more right now."""
        batch = Batch()
        again = False
        for boot in boots:
            again |= self._journals.collect(boot, batch, most)
        if boots:
            # Who was first is last next time, so a busy worker cannot starve another.
            self._journals.boots[boots[0].name] = self._journals.boots.pop(boots[0].name)
        return batch, again or batch.frames >= most or bool(batch.ends)

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
            rows = [(boot, seq, encode_began(began), self._node) for (boot, seq), began in batch.began.items()]
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
            self._journals.boots[name].open[seq] = began
        for name, seq in batch.ended:
            self._journals.boots[name].open.pop(seq, None)
        for boot in batch.finished:
            self._journals.boots.pop(boot.name, None)
        for boot in (*self._journals.boots.values(), *batch.finished):
            self._delete_read(boot, whole=boot in batch.finished)

    def _delete_read(self, boot: Boot, *, whole: bool) -> None:
        """Delete segments that are read to their end; the last one of a boot stays until the boot is finished."""
        read = boot.in_order() if whole else [segment for segment in boot.in_order()[:-1] if segment.ended]
        for segment in read:
            if segment.delete():
                self._forgotten.append(segment.path.name)
            del boot.segments[segment.number]
