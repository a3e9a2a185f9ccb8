"""One worker's link at the node: a queue out, one writer, and what was last heard of it.

A worker that does not read is cut off, never waited for: it comes back and gets the whole.
"""

import asyncio
import logging
from typing import Final

import msgspec

from sekisho.bridge.counts import Counts, Seat
from sekisho.core.wire import link

log = logging.getLogger(__name__)

MOST_QUEUED: Final = 10_000
"""Frames that may wait for one worker; beyond, it does not read any more."""
MOST_WAITING_BYTES: Final = 128 * 1024 * 1024
"""Likewise, of changes; the first configuration is encoded as it is sent."""


class WorkerView(msgspec.Struct, frozen=True):
    """A connected worker as it was last heard of."""

    worker: int
    pid: int
    boot: str
    revision: int
    """The newest one that it has in force; 0 before the first."""
    pulse: link.Pulse | None


class Connection:
    """One worker's end: a queue out, and what came in."""

    def __init__(self, hello: link.Hello, writer: asyncio.StreamWriter, counts: Counts) -> None:
        self.hello = hello
        self.writer = writer
        self.counts = counts
        self.seat: Seat = counts.join()
        self.acked = 0
        self.closed = False
        self.pulse: link.Pulse | None = None
        self.waiting_bytes = 0
        self.queue: asyncio.Queue[bytes | link.ToWorker | None] = asyncio.Queue()
        """None stands for what is new of the counts by the time it is sent."""
        self.nudged = False
        """Whether there is such a one in the queue."""

    def put(self, frame: bytes | link.ToWorker) -> None:
        if self.closed:
            return
        if isinstance(frame, bytes):
            self.waiting_bytes += len(frame)
        if self.queue.qsize() >= MOST_QUEUED or self.waiting_bytes > MOST_WAITING_BYTES:
            log.warning("a worker does not read; its link is cut", extra={"worker": self.hello.worker, "worker_pid": self.hello.pid})
            self.cut()
        else:
            self.queue.put_nowait(frame)

    def nudge(self) -> None:
        """Have it told what is new of the counts. However slow it is, that waits in one place and grows no queue."""
        if self.seat.waits and not self.nudged and not self.closed:
            self.nudged = True
            self.queue.put_nowait(None)

    async def next_frame(self) -> bytes:
        """The next frame to send, encoded only now: a page of keys at a time never holds the loop for long."""
        while True:
            frame = await self.queue.get()
            if isinstance(frame, bytes):
                self.waiting_bytes -= len(frame)
                return frame
            if frame is not None:
                return link.encode(frame)
            self.nudged = False
            shares = self.counts.next_frame(self.seat)
            self.nudge()
            if shares is not None:
                return link.encode(shares)

    def cut(self) -> None:
        self.closed = True
        self.writer.transport.abort()

    def view(self) -> WorkerView:
        return WorkerView(self.hello.worker, self.hello.pid, self.hello.boot, self.acked, self.pulse)


async def more(reader: asyncio.StreamReader, splitter: link.Splitter) -> list[bytes]:
    """The next payloads, at least one read; raises EOFError at the end."""
    data = await reader.read(65536)
    if not data:
        raise EOFError
    return splitter.feed(data)
