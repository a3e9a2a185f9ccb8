"""One drive: clients that know what they received, an upstream that knows what it saw, a killer, and the comparison afterwards.

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
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from tests.e2e.faults.arena import Arena, Newcomer, Record
from tests.e2e.faults.clients import Call, chat
from tests.e2e.faults.rows import STEADY
from tests.e2e.faults.scripts import LAST_CHUNK, SSE_HEAD, USAGE, ScriptedUpstream, chunk, chunked, completion, frames, json_answer
from tests.support.messages import Message
from tests.support.product import Product, descendants, eventually
from tests.support.upstream import Pause, Reply, Send, Step

MODEL: Final = f"{STEADY}/m"
SERVES_AGAIN_S: Final = 1.0
"""From the kill to the first call that a new worker has served whole."""
MOST_BETWEEN: Final = 1
"""Calls of a run that a kill may hit between their record and their last byte."""


@dataclass
class Plan:
    """What to do. The same seed gives the same calls and the same instants of killing."""

    seconds: float
    kills: int
    seed: int
    clients: int = 12
    workers: int = 1
    ends_with_all: bool = False
    """At the end, kill supervisor, node and workers at one blow, and compare after a new start on the same home."""


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
    serves_again: list[float] = field(default_factory=list)
    """Seconds, one for each kill."""
    faults: list[str] = field(default_factory=list)
    """Each is one breach of the law."""
    between: list[str] = field(default_factory=list)
    """Calls recorded as completed whose last byte the kill held back."""

    def lines(self) -> list[str]:
        """For people."""
        slowest = f"{max(self.serves_again):.3f}" if self.serves_again else "-"
        return [
            f"seed {self.seed}: {self.calls} calls, {self.whole} received whole, {self.left} left, {self.broken} broken off by "
            f"{len(self.serves_again)} kills; the upstream saw {self.seen}",
            f"recorded: {dict(self.recorded)}; slowest new worker: {slowest} s",
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


def worker_pids(supervisor: int) -> list[int]:
    """The workers as the process table has them."""
    table = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in table.splitlines()]
    return [int(pid) for pid, parent, arguments in rows if int(parent) == supervisor and "sekisho.dataplane.worker" in arguments]


def _kill_all(product: Product) -> None:
    """End every process of the product as a power cut would, but for the disk."""
    assert product.process is not None
    for pid in (product.process.pid, *descendants(product.process.pid)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    product.wait_exit()


def drive(plan: Plan) -> Report:
    """Run a whole drive on a product of its own."""
    with Arena.open(upstream=MixedUpstream(plan.seed), workers=plan.workers) as arena:
        report = Report(plan.seed)
        clients = [arena.newcomer(f"client {number}") for number in range(plan.clients)]
        made = asyncio.run(_load(arena, plan, clients, report))
        if plan.ends_with_all:
            arena.restart()
        _compare(arena, made, report)
        return report


async def _load(arena: Arena, plan: Plan, clients: list[Newcomer], report: Report) -> list[Made]:
    made: list[Made] = []
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for number, client in enumerate(clients):
            dice = random.Random(f"{plan.seed} client {number}")
            group.create_task(_client(arena, client, dice, made, number, stop), name=f"client {number}")
        await _killer(arena, plan, report)
        stop.set()
        if plan.ends_with_all:
            await asyncio.to_thread(_kill_all, arena.product)
    return made


async def _client(arena: Arena, client: Newcomer, dice: random.Random, made: list[Made], number: int, stop: asyncio.Event) -> None:
    """One call after the other, over one connection as long as it holds."""
    connection: Call | None = None
    for count in itertools.count():
        if stop.is_set():
            break
        stream = dice.random() < 0.6
        call = Made(f"{number}-{count}", stream)
        made.append(call)
        leaves_after = dice.randrange(0, 6) if dice.random() < 0.08 else None
        request = chat(MODEL, call.marker, client.key, stream=stream, usage=dice.random() < 0.5, headers=(f"x-request-id: {call.marker}",))
        try:
            if connection is None:
                connection = await Call.open(arena.port)
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
            if connection is None:
                assert stop.is_set(), "a listening socket outlives its workers, so no connection is refused before the end"
                break
            answer = connection.answer
        call.request_id, call.status, call.whole = answer.request_id, answer.status, answer.whole
        if not connection.reusable or dice.random() < 0.1:
            connection.writer.close()
            connection = None
    if connection is not None:
        connection.writer.close()


async def _killer(arena: Arena, plan: Plan, report: Report) -> None:
    """Kill at instants spread at random over the whole time, and wait after each until a new worker serves."""
    process = arena.product.process
    assert process is not None
    dice = random.Random(f"{plan.seed} kills")
    instants = sorted(dice.uniform(0.5, plan.seconds) for _ in range(plan.kills))
    started = time.monotonic()
    for instant in instants:
        await asyncio.sleep(max(0.0, started + instant - time.monotonic()))
        pid = dice.choice(await asyncio.to_thread(worker_pids, process.pid))
        killed_at = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        report.serves_again.append(await _serves(arena) - killed_at)
    await asyncio.sleep(max(0.0, started + plan.seconds - time.monotonic()))


async def _serves(arena: Arena) -> float:
    """When a call over a fresh connection was answered whole; the calls of the killer itself are not among the compared."""
    while True:
        with contextlib.suppress(ConnectionError):
            answer = await (await Call.open(arena.port, chat(MODEL, "probe", arena.key))).read_all()
            if answer.whole and answer.status == 200:
                return answer.ended_at


def _compare(arena: Arena, made: list[Made], report: Report) -> None:
    """Fill the report: every call has the records that it must have and no other."""
    assert isinstance(arena.upstream, MixedUpstream)
    markers = arena.upstream.markers
    _wait_until_recorded(arena, made)
    records = arena.management.all_calls()
    owners, surplus = _match([record for record in records if record["key_id"] != arena.key_id])
    report.faults += [f"a record that belongs to no call, or is the second of one: {record}" for record in surplus]
    for call in made:
        found = _judge(call, owners.get(call.marker), markers[call.marker])
        (report.between if _fell_between(call, owners.get(call.marker)) else report.faults).extend(found)
    if len(report.between) > MOST_BETWEEN:
        report.faults += report.between
    report.calls, report.whole, report.left = len(made), sum(call.whole for call in made), sum(call.left for call in made)
    report.broken = report.calls - report.whole - report.left
    report.seen = sum(markers[call.marker] for call in made)
    report.recorded = Counter(record["status"] for record in records)
    ids = Counter(record["request_id"] for record in records)
    report.faults += [f"request {request_id} is recorded {count} times" for request_id, count in ids.items() if count > 1]
    report.faults += [f"a new worker took {took:.3f} s to serve" for took in report.serves_again if took > SERVES_AGAIN_S]
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


def _wait_until_recorded(arena: Arena, made: list[Made]) -> None:
    """The journals of dead workers are read to their end, and every call that reached the upstream is there."""
    assert isinstance(arena.upstream, MixedUpstream)
    wanted = sum(call.marker in arena.upstream.markers for call in made)

    def enough() -> bool:
        return len([record for record in arena.management.all_calls() if record["key_id"] != arena.key_id]) >= wanted

    with contextlib.suppress(AssertionError):  # what is missing is named by the comparison
        eventually(enough, "all records", 10)
    arena.settle()
