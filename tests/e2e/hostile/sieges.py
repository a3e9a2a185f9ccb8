"""One siege: a crowd of slow clients in front of a real gateway with the deadlines it ships with, and what became of everybody."""

import asyncio
import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tests.e2e.door.processes import descriptors, resident_bytes
from tests.e2e.hostile.crowds import PATIENT, Crowd, Guest, Kind, listen
from tests.support.messages import Message
from tests.support.product import Product, eventually
from tests.support.upstream import Pause, Reply, Send, Upstream, chunk, head, sse, well_behaved

HEAD_S: Final = 10.0
BODY_S: Final = 15.0
READ_S: Final = 30.0
DEADLINES: Final = {Kind.SILENT: HEAD_S, Kind.HEAD: HEAD_S, Kind.BODY: BODY_S, Kind.STALLED: BODY_S, Kind.UNREAD: READ_S}
"""Seconds after which each must be gone: the product's defaults, which are not touched here."""
EVENT: Final = chunk(sse({"choices": [{"index": 0, "delta": {"content": "on and on " * 800}, "finish_reason": None}]}))
SLOW_TEXT: Final = " ".join(str(number) for number in range(20))
"""A word a second: longer than any deadline that a request has."""
UNREAD_EVENTS: Final = 96
"""About 770 KB, three times what the gateway holds for one client: enough to stop it, and no more than the kernel bears in thousands."""


def endless(request: Message) -> Reply:
    """A stream that is larger than anybody's buffer and then waits; a slow one for the patient; one answer for who wants no stream."""
    asked = request.json() if request.path.endswith("/chat/completions") else {}
    if asked.get("user") == PATIENT:
        return Reply.stream(SLOW_TEXT, delay=1.0)
    if asked.get("stream"):
        opening = head(200, [("content-type", "text/event-stream"), ("transfer-encoding", "chunked")])
        return Reply((Send(opening), Send(EVENT * UNREAD_EVENTS), Pause()))
    return well_behaved(request)


def crowding() -> float:
    """How many processes want each core of this machine, 1 at least: so many times longer may everything take that is not a timer."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


@dataclass
class Outcome:
    """What a siege came to."""

    crowd: Crowd
    calm: Guest
    """The good client before the crowd came."""
    guest: Guest
    """The good client while it was there."""
    slow_stream: bytes
    """What a client received whose answer took longer than a request may."""
    open_before: int
    open_after: int
    """Descriptors of the worker."""
    resident_before: int
    resident_most: int
    """Bytes of memory of the worker."""
    crowding: float
    """Of the machine, by other processes."""


@dataclass
class Besieged:
    """A gateway, its provider and a key."""

    product: Product
    upstream: Upstream
    key: str

    @property
    def worker(self) -> int:
        return int(self.product.status()["workers"][0])


@contextlib.contextmanager
def gateway() -> Iterator[Besieged]:
    """A product with everything at its defaults."""
    with Upstream() as upstream, Product() as product:
        upstream.otherwise = endless
        product.add_provider("up", upstream.base_url, "--no-probe")
        product.cli("models", "add", "up/echo-model")
        yield Besieged(product, upstream, str(product.create_key("siege")["plain_key"]))


def spread(sockets: int) -> dict[Kind, int]:
    """Four groups of one size; the slow bodies are of two kinds."""
    group = sockets // 4
    return {
        Kind.SILENT: group,
        Kind.HEAD: group,
        Kind.BODY: group // 2,
        Kind.STALLED: group - group // 2,
        Kind.UNREAD: sockets - 3 * group,
    }


def lay(besieged: Besieged, sockets: int, *, slack: float) -> Outcome:
    """Let the crowd come and wait until its last deadline has passed, plus so many seconds (more on a crowded machine)."""
    worker, others = besieged.worker, crowding()
    calm = asyncio.run(_calm(besieged))
    open_before, resident = descriptors(worker), resident_bytes(worker)
    crowd, guest, slow, most = asyncio.run(_siege(besieged, worker, sockets, slack * others))

    def settled() -> int:
        count = descriptors(worker)
        return count if count <= open_before + 8 else 0

    with contextlib.suppress(AssertionError):
        eventually(settled, "the descriptors' return")
    return Outcome(crowd, calm, guest, slow, open_before, descriptors(worker), resident, most, max(others, crowding()))


async def _calm(besieged: Besieged) -> Guest:
    guest, enough = Guest(besieged.product.port, besieged.key, "up/echo-model"), asyncio.Event()
    asyncio.get_running_loop().call_later(3.0, enough.set)
    await guest.call(enough)
    return guest


async def _siege(besieged: Besieged, worker: int, sockets: int, slack: float) -> tuple[Crowd, Guest, bytes, int]:
    port, key = besieged.product.port, besieged.key
    guest, over = Guest(port, key, "up/echo-model"), asyncio.Event()
    most = resident_bytes(worker)

    async def watch() -> None:
        nonlocal most
        while not over.is_set():
            most = max(most, resident_bytes(worker))
            await asyncio.sleep(0.5)

    with Crowd(port, key, "up/echo-model") as crowd:
        async with asyncio.TaskGroup() as group:
            group.create_task(guest.call(over))
            group.create_task(watch())
            slow = group.create_task(listen(port, key, "up/echo-model"))
            await crowd.gather(spread(sockets))
            await crowd.hold(READ_S + slack)
            over.set()
    return crowd, guest, slow.result(), most


def describe(outcome: Outcome) -> str:
    """The outcome as a table for people."""
    lines = [f"{'kind':<20}{'sockets':>8}{'let go':>8}{'first':>9}{'last':>9}{'deadline':>10}  statuses"]
    for kind in Kind:
        found = outcome.crowd.of(kind)
        ended = sorted(stranger.lasted for stranger in found if stranger.ended_at is not None)
        statuses = {status: sum(stranger.status == status for stranger in found) for status in {stranger.status for stranger in found}}
        times = f"{ended[0]:>7.2f} s{ended[-1]:>7.2f} s" if ended else f"{'–':>9}{'–':>9}"
        lines.append(f"{kind.value:<20}{len(found):>8}{len(ended):>8}{times}{DEADLINES[kind]:>8.0f} s  {json.dumps(statuses)}")
    guest, calm = outcome.guest, outcome.calm
    lines.append(
        f"a good client: {len(guest.latencies)} calls, {len(guest.failures)} failed, p99 {guest.p99() * 1000:.1f} ms "
        f"(before: {calm.p99() * 1000:.1f} ms), longest {max(guest.latencies) * 1000:.1f} ms"
    )
    lines.append(f"descriptors of the worker: {outcome.open_before} before, {outcome.open_after} after")
    lines.append(f"memory of the worker: {outcome.resident_before / 1e6:.0f} MB before, {outcome.resident_most / 1e6:.0f} MB at most")
    return "\n".join(lines)
