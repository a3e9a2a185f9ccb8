"""Who dies by -9, when, and how long nobody is served after it."""

import asyncio
import contextlib
import math
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.e2e.faults.arena import Arena
from tests.e2e.faults.clients import Call, chat
from tests.e2e.faults.rows import STEADY
from tests.support.product import alive, eventually

MODEL: Final = f"{STEADY}/m"
WORKER: Final = "worker"
NODE: Final = "node"
BOTH: Final = "worker+node"
SUPERVISOR: Final = "supervisor"
"""Alone; what it leaves ends by itself, and `sekisho serve` is called again at once."""
VICTIMS: Final = (WORKER, NODE, BOTH, SUPERVISOR)

_GREETING: Final = " serves.\n"
"""What `sekisho serve` says when all of it is up."""

LONGEST_GAP_S: Final = {WORKER: 1.0, NODE: 1.0, BOTH: 1.0, SUPERVISOR: 2.0}
"""The longest time after the kill in which no call over a fresh connection is served whole."""
ENDS_WITHIN_S: Final = 15.0
"""How long processes without supervisor may take to end; the load's longest call takes a second."""
_MODULES: Final = {WORKER: "sekisho.dataplane.worker", NODE: "sekisho.app.node"}


@dataclass
class Death:
    """One of them."""

    victim: str
    at: float
    """Monotonic seconds."""
    gap: float
    """Seconds in which nobody was served."""


@dataclass
class Deaths:
    """All of a drive, and whether connections may be refused right now."""

    happened: list[Death] = field(default_factory=list)
    orphans: set[int] = field(default_factory=set)
    refused_until: float = 0.0
    """Monotonic seconds; the ports are closed while there is no supervisor."""

    def lines(self) -> Iterator[str]:
        """For people: each kind of victim with its longest and its middle gap."""
        for victim in VICTIMS:
            gaps = sorted(death.gap for death in self.happened if death.victim == victim)
            if gaps:
                yield f"{victim}: {len(gaps)} killed, gap {gaps[len(gaps) // 2]:.3f} s in the middle, {gaps[-1]:.3f} s at most"

    def faults(self, patience: float) -> Iterator[str]:
        """What was promised and not kept, with so many times the time."""
        for death in self.happened:
            if death.gap > LONGEST_GAP_S[death.victim] * patience:
                yield f"nobody was served for {death.gap:.3f} s after the end of {death.victim}"
        if left := self.left_over():
            yield f"processes outlived their supervisor by more than {ENDS_WITHIN_S:g} s: {left}"

    def left_over(self) -> list[int]:
        """Who still runs although the supervisor is gone, after all the time they have."""
        with contextlib.suppress(AssertionError):
            eventually(lambda: not any(map(alive, self.orphans)), "the end of the orphans", ENDS_WITHIN_S)
        return sorted(filter(alive, self.orphans))


def children(supervisor: int, kind: str) -> list[int]:
    """The workers, or the node, as the process table has them; those that a former supervisor left behind are not among them."""
    table = subprocess.run(["ps", "-A", "-ww", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in table.splitlines()]
    return [int(pid) for pid, parent, *arguments in rows if int(parent) == supervisor and _MODULES[kind] in " ".join(arguments)]


async def kill_by_turns(arena: Arena, dice: random.Random, victims: Sequence[str], instants: Sequence[float], deaths: Deaths) -> None:
    """At each instant (seconds from now) let one of the victims die, and wait until calls are served again."""
    started = time.monotonic()
    turns = [(instant, dice.choice(victims)) for instant in instants]
    for instant, victim in turns:
        await asyncio.sleep(max(0.0, started + instant - time.monotonic()))
        if victim == SUPERVISOR:
            killed_at, gap = await _lose_supervisor(arena, deaths)
        else:
            killed_at = await _kill(arena, dice, [WORKER, NODE] if victim == BOTH else [victim])
            gap = await _longest_silence(arena, killed_at, lambda: True)
        deaths.happened.append(Death(victim, killed_at, gap))


async def _kill(arena: Arena, dice: random.Random, kinds: Sequence[str]) -> float:
    process = arena.product.process
    assert process is not None
    supervisor = process.pid
    # One that fell just before may not be replaced yet.
    found = [await asyncio.to_thread(eventually, lambda kind=kind: children(supervisor, kind), f"a {kind}") for kind in kinds]
    pids = [dice.choice(each) for each in found]
    killed_at = time.monotonic()
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return killed_at


async def _lose_supervisor(arena: Arena, deaths: Deaths) -> tuple[float, float]:
    """Kill it, start anew at once, and come back when the new one says that it serves. The old workers may serve for a moment more."""
    product = arena.product
    deaths.refused_until = math.inf
    greetings = product.stdout.count(_GREETING)
    killed_at = time.monotonic()
    deaths.orphans.update(await asyncio.to_thread(product.lose_supervisor))
    product.start(wait=False)
    gap = await _longest_silence(arena, killed_at, lambda: product.stdout.count(_GREETING) > greetings)
    deaths.refused_until = time.monotonic() + 0.5
    return killed_at, gap


async def _longest_silence(arena: Arena, since: float, settled: Callable[[], bool]) -> float:
    """Call over fresh connections until all is settled; the longest time in which no call was answered whole, in seconds."""
    process = arena.product.process
    assert process is not None
    longest = 0.0
    while True:
        with contextlib.suppress(ConnectionError):
            # The calls of the killer itself are not among the compared.
            answer = await (await Call.open(arena.port, chat(MODEL, "probe", arena.key))).read_all()
            if answer.whole and answer.status == 200:
                longest, since = max(longest, answer.ended_at - since), answer.ended_at
                if settled():
                    return longest
        assert process.poll() is None, f"sekisho serve ended with {process.returncode}:\n{arena.product.output}"
        await asyncio.sleep(0.01)
