"""One drive: clients that know what they received, an upstream that knows what it saw, a killer, and the comparison afterwards.

Ports are outside of the range that the system gives to outgoing connections: where nobody listens for a second, one of the many that
try to connect could be given the very port as its own, and would be talking to itself.

Each call has a marker, which goes to the upstream in the body and into the record as the client's own request id: so a record is
matched to its call whether or not an answer ever came.
"""

import asyncio
import contextlib
import itertools
import json
import os
import random
import signal
import socket
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tests.e2e.crash.victims import MODEL, WORKER, Deaths, kill_by_turns
from tests.e2e.faults.arena import Arena, Management, Newcomer, Record
from tests.e2e.faults.clients import Call, chat
from tests.e2e.faults.scripts import LAST_CHUNK, SSE_HEAD, USAGE, ScriptedUpstream, chunk, chunked, completion, frames, json_answer
from tests.support.messages import Message
from tests.support.product import Product, descendants, eventually
from tests.support.upstream import Pause, Reply, Send, Step

BETWEEN_PER_KILLS: Final = 30
"""One call for each so many kills may be hit between its record and its last byte."""
RECORDED_S: Final = 20.0
"""How long the records of a drive may take to be in the database after its end."""


@dataclass
class Plan:
    """What to do. The same seed gives the same calls, victims and instants of killing."""

    seconds: float
    seed: int
    kills: int | None = None
    """So many at random instants; None for one each `every` seconds."""
    every: float = 2.0
    victims: tuple[str, ...] = (WORKER,)
    """Who may die; see `victims`."""
    clients: int = 12
    workers: int = 1
    ends_with_all: bool = False
    """At the end, kill supervisor, node and workers at one blow, and compare after a new start on the same home."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables of the product, such as where its database is."""
    patience: float = 1.0
    """How many times longer than promised the service may be away: the promise is for a machine that does nothing else."""

    def instants(self, dice: random.Random) -> list[float]:
        """When to kill, in seconds from the start."""
        if self.kills is not None:
            return sorted(dice.uniform(0.5, self.seconds) for _ in range(self.kills))
        return [self.every * number for number in range(1, int(self.seconds / self.every) + 1)]


@dataclass
class Made:
    """One call as its client knows it."""

    marker: str
    stream: bool
    request_id: str = ""
    status: int = 0
    whole: bool = False
    left: bool = False
    """The client went of its own will."""


@dataclass
class Report:
    """What came of a drive."""

    seed: int
    calls: int = 0
    whole: int = 0
    left: int = 0
    broken: int = 0
    """Calls that ended by no will of their client."""
    seen: int = 0
    recorded: Counter[str] = field(default_factory=Counter)
    deaths: Deaths = field(default_factory=Deaths)
    faults: list[str] = field(default_factory=list)
    """Each is one breach of the law."""
    between: list[str] = field(default_factory=list)
    """Calls recorded as completed whose last byte the kill held back."""

    def lines(self) -> list[str]:
        """For people."""
        return [
            f"seed {self.seed}: {self.calls} calls, {self.whole} received whole, {self.left} left, {self.broken} broken off by "
            f"{len(self.deaths.happened)} deaths; the upstream saw {self.seen}",
            f"recorded: {dict(self.recorded)}",
            *self.deaths.lines(),
            *self.faults[:20],
            f"{len(self.faults)} faults, {len(self.between)} killed between record and last byte",
        ]


class MixedUpstream(ScriptedUpstream):
    """Answers each call as its marker says, and keeps nothing of it but that it came."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.markers: Counter[str] = Counter()
        self._seed = seed

    def choose(self, request: Message) -> Reply:
        asked = json.loads(bytes(request.body)) if request.body else {}
        marker = str(asked.get("user", ""))
        self.markers[marker] += 1
        dice = random.Random(f"{self._seed} {marker}")
        if not asked.get("stream"):
            return Reply((Pause(dice.choice((0.0, 0.0, 0.005, 0.05))), Send(json_answer(completion("word " * dice.randrange(1, 400))))))
        steps: list[Step] = [Send(SSE_HEAD)]
        said = frames(USAGE if (asked.get("stream_options") or {}).get("include_usage") else None)
        for frame in (said[0], *(chunk({"content": "word "}) for _ in range(dice.randrange(1, 25))), *said[-3:]):
            steps += (Send(chunked(frame)), Pause(dice.choice((0.0, 0.0, 0.004, 0.02))))
        return Reply((*steps, Send(LAST_CHUNK)))


def _kill_all(product: Product) -> None:
    """End every process of the product as a power cut would, but for the disk."""
    assert product.process is not None
    for pid in (product.process.pid, *descendants(product.process.pid)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    product.wait_exit()


def drive(plan: Plan) -> Report:
    """Run a whole drive on a product of its own."""
    with MixedUpstream(plan.seed) as upstream, _product(plan) as product:
        arena = Arena(product, upstream)
        report = Report(plan.seed)
        clients = [arena.newcomer(f"client {number}") for number in range(plan.clients)]
        made = asyncio.run(_load(arena, plan, clients, report))
        arena.management.close()
        if plan.ends_with_all:
            product.start()
        arena.management = Management(product.home / "run" / "node.sock")
        try:
            arena.wait_management()
            _compare(arena, upstream.markers, made, report, plan.patience)
        finally:
            arena.management.close()
        return report


def _product(plan: Plan) -> Product:
    """A product that is not started yet, on ports that no outgoing connection is given."""
    product = Product(workers=plan.workers, environment=plan.environment)
    product.port, product.console_port = _low_ports()
    return product


def _low_ports() -> tuple[int, int]:
    """Two loopback ports below the range of outgoing connections, free a moment ago."""
    free: list[int] = []
    with contextlib.ExitStack() as stack:
        while len(free) < 2:
            probe = stack.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", random.SystemRandom().randrange(20_000, 32_000)))
                free.append(probe.getsockname()[1])
    return free[0], free[1]


async def _load(arena: Arena, plan: Plan, clients: list[Newcomer], report: Report) -> list[Made]:
    made: list[Made] = []
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for number, client in enumerate(clients):
            dice = random.Random(f"{plan.seed} client {number}")
            group.create_task(_client(arena, client, dice, made, number, stop, report.deaths), name=f"client {number}")
        started, dice = time.monotonic(), random.Random(f"{plan.seed} kills")
        await kill_by_turns(arena, dice, plan.victims, plan.instants(dice), report.deaths)
        await asyncio.sleep(max(0.0, started + plan.seconds - time.monotonic()))
        stop.set()
        if plan.ends_with_all:
            await asyncio.to_thread(_kill_all, arena.product)
    return made


async def _connected(arena: Arena, stop: asyncio.Event, deaths: Deaths) -> Call | None:
    """A fresh connection, tried again while there is no supervisor to hold the ports open; None at the end of the drive."""
    while True:
        try:
            return await Call.open(arena.port)
        except ConnectionError:
            if stop.is_set():
                return None
            assert time.monotonic() < deaths.refused_until, "a listening socket outlives its workers, so no connection is refused"
            await asyncio.sleep(0.05)


async def _client(
    arena: Arena, client: Newcomer, dice: random.Random, made: list[Made], number: int, stop: asyncio.Event, deaths: Deaths
) -> None:
    """One call after the other, over one connection as long as it holds."""
    connection: Call | None = None
    for count in itertools.count():
        connection = connection or await _connected(arena, stop, deaths)
        if connection is None or stop.is_set():
            break
        stream = dice.random() < 0.6
        call = Made(f"{number}-{count}", stream)
        made.append(call)
        leaves_after = dice.randrange(0, 6) if dice.random() < 0.08 else None
        request = chat(MODEL, call.marker, client.key, stream=stream, usage=dice.random() < 0.5, headers=(f"x-request-id: {call.marker}",))
        try:
            await connection.again(request)
            if leaves_after is None:
                answer = await connection.read_to_end()
            else:
                answer = await connection.read_head()
                while leaves_after and answer.status and not answer.whole and not answer.closed:
                    await connection.read_piece()
                    leaves_after -= 1
                call.left = not answer.whole and not answer.closed
                if call.left:
                    await connection.leave()
        except ConnectionError:
            answer = connection.answer
        call.request_id, call.status, call.whole = answer.request_id, answer.status, answer.whole
        if not connection.reusable or dice.random() < 0.1:
            connection.writer.close()
            connection = None
    if connection is not None:
        connection.writer.close()


def _compare(arena: Arena, markers: Counter[str], made: list[Made], report: Report, patience: float) -> None:
    """Fill the report: every call has the records that it must have and no other."""
    _wait_until_recorded(arena, markers)
    records = arena.management.all_calls()
    owners, surplus = _match([record for record in records if record["key_id"] != arena.key_id])
    report.faults += [f"a record that belongs to no call, or is the second of one: {record}" for record in surplus]
    for call in made:
        found = _judge(call, owners.get(call.marker), markers[call.marker])
        (report.between if _fell_between(call, owners.get(call.marker)) else report.faults).extend(found)
    if len(report.between) > 1 + len(report.deaths.happened) // BETWEEN_PER_KILLS:
        report.faults += report.between
    report.calls, report.whole, report.left = len(made), sum(call.whole for call in made), sum(call.left for call in made)
    report.broken = report.calls - report.whole - report.left
    report.seen = sum(markers[call.marker] for call in made)
    report.recorded = Counter(record["status"] for record in records)
    ids = Counter(record["request_id"] for record in records)
    report.faults += [f"request {request_id} is recorded {count} times" for request_id, count in ids.items() if count > 1]
    report.faults += report.deaths.faults(patience)
    totals = arena.management.get("/api/usage", period="24h", by="model")["totals"]
    rolled = {status: totals[status] for status in ("completed", "failed", "cancelled")}
    if rolled != {status: report.recorded[status] for status in rolled}:
        report.faults.append(f"the rollups say {rolled}, the records {dict(report.recorded)}")


def _match(records: list[Record]) -> tuple[dict[str, Record], list[Record]]:
    """The record of each marker, and those that are the second of one or have none."""
    owners: dict[str, Record] = {}
    surplus = []
    for record in records:
        marker = record["client_request_id"]
        if marker is None or marker in owners:
            surplus.append(record)
        else:
            owners[marker] = record
    return owners, surplus


def _fell_between(call: Made, record: Record | None) -> bool:
    """Whether the kill may have come after the record and before the last byte, which leave in this order, right behind each other.

    No order of the two has no such instant; the other one would lose records of answers that were received. It is a few microseconds
    wide (docs/explanation/guarantees.md has the figure), so a second one in a run is no accident but a fault.
    """
    return record is not None and record["status"] == "completed" and not call.whole and not call.left


def _judge(call: Made, record: Record | None, seen: int) -> list[str]:
    status = record["status"] if record else None
    if seen > 1:
        return [f"the upstream saw {call} {seen} times"]
    if record and call.request_id and record["request_id"] != call.request_id:
        return [f"the record has another request id than the answer had: {call} {record}"]
    if call.whole and call.status == 200:
        return [] if status == "completed" else [f"received whole, but recorded as {status}: {call}"]
    if call.whole:
        return [f"answered with {call.status}, though the upstream is well: {call} {record}"]
    if call.left:
        # Its last bytes may have been on their way already, so any end is right, but not none.
        return [] if status or not seen else [f"reached the upstream and was left, but is not recorded: {call}"]
    if seen and status not in ("failed", "cancelled"):
        return [f"reached the upstream and was not received whole, but is recorded as {status}: {call}"]
    if status == "completed":
        return [f"never reached the upstream, but is recorded as completed: {call}"]
    return []


def _wait_until_recorded(arena: Arena, markers: Counter[str]) -> None:
    """The journals of dead workers are read to their end, and every call that reached the upstream is there."""

    def enough() -> bool:
        return int(arena.management.get("/api/usage", period="24h", by="model")["totals"]["calls"]) >= markers.total()

    with contextlib.suppress(AssertionError):  # what is missing is named by the comparison
        eventually(enough, "all records", RECORDED_S)
    arena.settle()
