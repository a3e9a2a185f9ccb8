"""One outage under load: what clients, people and records see of it, and how long the healing takes."""

import asyncio
import contextlib
import http.client
import json
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.e2e.faults import loads
from tests.e2e.faults.arena import Arena
from tests.e2e.faults.clients import ask, chat
from tests.e2e.faults.rows import STEADY

MODEL: Final = f"{STEADY}/m"
HEALS_WITHIN_S: Final = 5.0
"""From the end of a fault to the first change that is taken."""
WARM_CALLS: Final = 30
CLIENTS: Final = 4
PAUSE_S: Final = 0.03


@dataclass
class Report:
    """What came of an outage."""

    seconds: float = 0.0
    calls: int = 0
    calls_meanwhile: int = 0
    by_status: dict[int, int] = field(default_factory=dict)
    changes: Counter[int] = field(default_factory=Counter)
    """Statuses of the changes that were tried meanwhile."""
    healed_after_s: float = 0.0
    faults: list[str] = field(default_factory=list)
    """Each is one breach of a promise."""

    def lines(self) -> list[str]:
        """For people."""
        return [
            f"{self.seconds:.0f} s: {self.calls} calls ({self.calls_meanwhile} meanwhile), answers {self.by_status}, "
            f"changes {dict(self.changes)}, healed after {self.healed_after_s:.2f} s",
            *self.faults[:20],
        ]


@dataclass
class Told:
    """An answer of the management API."""

    status_code: int
    headers: dict[str, str]
    text: str

    def json(self) -> Any:
        return json.loads(self.text)

    def taken(self) -> dict[str, Any]:
        """The body of an answer that must be a success."""
        assert self.status_code < 300, f"{self.status_code} {self.text}"
        return dict(self.json())


class _Connection(http.client.HTTPConnection):
    """Over a Unix socket; one that cannot be connected is closed, which the HTTP library of the other tests forgets."""

    def __init__(self, path: Path) -> None:
        super().__init__("sekisho", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(str(self._path))
        except OSError:
            self.sock.close()
            raise


class Door:
    """The management API over the node's socket, with every answer as it is."""

    def __init__(self, home: Path) -> None:
        self._path = home / "run" / "node.sock"

    def ask(self, method: str, path: str, **body: Any) -> Told:
        """One request over a connection of its own; raises OSError or HTTPException where the node is not there, or goes."""
        with contextlib.closing(_Connection(self._path)) as connection:
            connection.request(method, path, json.dumps(body) if body else None, {"content-type": "application/json"} if body else {})
            answer = connection.getresponse()
            return Told(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read().decode())

    def make_key(self) -> Told:
        return self.ask("POST", "/api/keys", label="made in an outage")

    def status(self) -> dict[str, Any]:
        return self.ask("GET", "/api/status").taken()

    def now(self) -> dict[str, Any] | None:
        """The status, or None while no node answers."""
        try:
            return self.status()
        except (OSError, http.client.HTTPException):
            return None


def call(arena: Arena, key: str) -> int:
    """The status of one call over a fresh connection."""
    return asyncio.run(ask(arena.port, chat(MODEL, "one", key))).status


def is_refused(answer: Told, status: int = 503) -> bool:
    """Whether a change was refused in order: with the status, a code, and a sentence."""
    error = answer.json().get("error", {})
    return answer.status_code == status and error.get("code") == "database_unavailable" and len(error.get("message", "")) > 20


@contextlib.contextmanager
def arena_on(database: Path | str | None = None, **options: Any) -> Iterator[Arena]:
    """A running product, whose database is the file or the URL that is named."""
    url = f"sqlite:///{database}" if isinstance(database, Path) else database
    environment = {"SEKISHO_DATABASE_URL": url} if url else {}
    with Arena.open(environment=environment, **options) as arena:
        yield arena


def drive(arena: Arena, fault: AbstractContextManager[None], seconds: float, *, refuses: bool = True) -> Report:
    """Have an outage of some seconds under load. `refuses`: no change may be taken meanwhile; else it may, if it is taken whole."""
    door = Door(arena.product.home)
    before = door.status()
    client = arena.newcomer("under an outage")
    report = asyncio.run(_outage(arena, door, client.key, fault, seconds, refuses))
    after = door.status()
    if (before["node"], before["workers"]) != (after["node"], after["workers"]):
        report.faults.append(f"somebody was restarted: {before} {after}")
    if after["outage"] is not None:
        report.faults.append(f"an outage is told that is over: {after['outage']}")
    return report


async def _outage(arena: Arena, door: Door, key: str, fault: AbstractContextManager[None], seconds: float, refuses: bool) -> Report:
    report = Report(seconds)
    async with loads.running(arena.port, key, MODEL, clients=CLIENTS, pause=PAUSE_S) as load:
        await load.more(WARM_CALLS)
        with fault:
            at_start, started = load.answers, time.monotonic()
            while time.monotonic() - started < seconds:
                tried = await asyncio.to_thread(door.make_key)
                report.changes[tried.status_code] += 1
                if not is_refused(tried) and (refuses or tried.status_code != 201):
                    report.faults.append(f"a change was answered with {tried.status_code} {tried.text}")
                await asyncio.sleep(0.25)
            report.calls_meanwhile = load.answers - at_start
        ended = time.monotonic()
        while (tried := await asyncio.to_thread(door.make_key)).status_code != 201:
            if time.monotonic() - ended > 4 * HEALS_WITHIN_S:
                report.faults.append(f"it has not healed: {tried.text}")
                break
            await asyncio.sleep(0.05)
        report.healed_after_s = time.monotonic() - ended
        await load.more(WARM_CALLS)
    report.calls, report.by_status = load.answers, load.by_status
    _judge(report, load)
    records = await asyncio.to_thread(arena.records, load.request_ids)
    for request_id, found in records.items():
        if [record["status"] for record in found] != ["completed"]:
            report.faults.append(f"the call {request_id} has the records {found}")
    return report


def _judge(report: Report, load: loads.Load) -> None:
    if load.failures:
        report.faults.append(f"{len(load.failures)} calls failed, such as {load.failures[0]}")
    if report.healed_after_s > HEALS_WITHIN_S:
        report.faults.append(f"it healed after {report.healed_after_s:.1f} s only")
    if report.calls_meanwhile < report.seconds:
        report.faults.append(f"only {report.calls_meanwhile} calls were answered meanwhile")
