"""Many clients of many workers: which worker answered, and how many calls were under way at once."""

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from tests.e2e.faults.arena import Arena
from tests.e2e.faults.clients import Answer, Call, ask, chat
from tests.e2e.faults.rows import STEADY
from tests.e2e.faults.scripts import Pause, ScriptedUpstream, Send, completion, json_answer
from tests.support.messages import Message
from tests.support.product import eventually
from tests.support.upstream import Reply

WORKERS: Final = 4
MODEL: Final = f"{STEADY}/m"


class TimedUpstream(ScriptedUpstream):
    """Writes down when each request came."""

    def __init__(self) -> None:
        super().__init__()
        self.came: dict[str, list[float]] = defaultdict(list)

    def choose(self, request: Message) -> Reply:
        self.came[str(json.loads(bytes(request.body)).get("user", "")) if request.body else ""].append(time.monotonic())
        return super().choose(request)

    def takes(self, user: str, seconds: float) -> None:
        """Let calls of this name take so long."""
        self.play(user, Pause(seconds), Send(json_answer(completion())))


def most_at_once(came: Iterable[float], seconds: float) -> int:
    """The most calls that were under way together, where each took so long at least."""
    edges = sorted([(at, 1) for at in came] + [(at + seconds, -1) for at in came])
    most = now = 0
    for _, step in edges:
        now += step
        most = max(most, now)
    return most


def worker_of(answer: Answer) -> str:
    """The life of the worker that answered: the part of the request's id that all of its ids have in common."""
    return answer.request_id[4:12]


@dataclass
class Rush:
    """What many clients got."""

    answers: list[Answer] = field(default_factory=list)
    seconds: float = 0.0

    def count(self, status: int) -> int:
        return sum(answer.status == status for answer in self.answers)

    @property
    def workers(self) -> set[str]:
        return {worker_of(answer) for answer in self.answers}


async def rush(arena: Arena, key: str, user: str, clients: int, seconds: float, model: str = MODEL) -> Rush:
    """So many clients call for so long, each one call after the other, each over a connection of its own."""
    found, started = Rush(), time.monotonic()

    async def client() -> None:
        while time.monotonic() < started + seconds:
            found.answers.append(await ask(arena.port, chat(model, user, key)))
            await asyncio.sleep(0.01)

    await asyncio.gather(*(client() for _ in range(clients)))
    found.seconds = time.monotonic() - started
    return found


async def to_each_worker(arena: Arena, key: str, user: str) -> dict[str, Call]:
    """A kept connection to every worker."""
    kept: dict[str, Call] = {}
    async with asyncio.timeout(20):
        while len(kept) < WORKERS:
            opened = await asyncio.gather(*(Call.open(arena.port, chat(MODEL, user, key)) for _ in range(8)))
            for call in opened:
                worker = worker_of(await call.read_to_end())
                if worker in kept:
                    call.writer.close()
                else:
                    kept[worker] = call
    return kept


def new_workers(arena: Arena, before: Iterable[int]) -> None:
    """Return when all workers are other ones than those."""

    def replaced() -> bool:
        now = arena.workers() if arena.management.answers() else []
        return len(now) == WORKERS and not set(now) & set(before)

    eventually(replaced, "new workers", 20.0, explain=lambda: arena.product.output)
