"""How long the console's lists and reports take over a filled database (`tests.support.histories`), with nothing between but the process.

    python -m bench.reading HOME URL [ROUNDS]

`HOME` holds the key ring of the database as `ring`. Median and worst of the rounds are told in milliseconds, the CPU of the process, and
how long the event loop's thread worked at most without a turn for others.
"""

import statistics
import sys
import time
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
from tests.integration.management.house import House
from tests.support.turns import settled_heap, watched

from sekisho.kit.clock import SystemClock
from sekisho.kit.crypto import KeyRing
from sekisho.rest import paging
from sekisho.rest.permissions import Caller, ProjectRole, Role
from sekisho.usage.reports.settings import DAY

OWNER: Final = Caller(Role.OWNER, "local owner")
MEMBER: Final = Caller(
    Role.USER, "member@example.org", user_id="member", projects={"project-3": ProjectRole.EDITOR, "project-5": ProjectRole.VIEWER}
)

QUESTIONS: Final = (
    "/api/calls?limit=100",
    "/api/calls?limit=100&status=failed",
    "/api/calls?limit=100&model=provider-1/model-13",
    "/api/calls?limit=100&provider=provider-3",
    "/api/calls?limit=100&key_id=key00051",
    "/api/calls?limit=100&error_code=upstream_cut",
    "/api/calls?limit=100&status=failed&key_id=key00051",
    "/api/calls?limit=100&status=completed&model=provider-1/model-13&key_id=key00059",
    "/api/calls?limit=100&min_duration_ms=60000",
    "/api/calls?limit=100&q=req_nothing",
    "/api/calls/count",
    "/api/calls/count?status=failed&since={week}",
    "/api/calls/count?error_code=upstream_cut",
    "/api/calls/count?min_duration_ms=60000",
    "/api/usage?period=24h&by=model&compare=true",
    "/api/usage?period=24h&by=hour&compare=true",
    "/api/usage?period=7d&by=hour&compare=true",
    "/api/usage?period=7d&by=key",
    "/api/usage?period=30d&by=model&compare=true",
    "/api/usage?period=30d&by=hour",
    "/api/usage?period=30d&by=user",
    "/api/usage?period=90d&by=model",
    "/api/usage?period=90d&by=key&compare=true",
    "/api/usage?period=90d&by=provider",
    "/api/usage?period=90d&by=project",
    "/api/usage?period=90d&by=day&tz=Asia/Tokyo",
    "/api/usage?period=90d&by=hour",
    "/api/usage?period=all&by=day",
    "/api/usage?period=all&by=model",
    "/api/keys?limit=100",
)


class Taken(NamedTuple):
    """Milliseconds."""

    median: float
    worst: float
    cpu: float
    """Of this process, the median: what it would take with a core of its own, but for a server's part."""
    turn: float
    """The longest turn of the loop, the least of three rounds."""

    def __str__(self) -> str:
        return " ".join(f"{value:8.1f}" for value in self)


def measure(house: House, caller: Caller, path: str, rounds: int) -> tuple[Taken, Any]:
    """How long it took, and the last answer."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await house.app(scope | {"sekisho.caller": caller}, receive, send)

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://sekisho") as client:
            return await client.get(path)

    took, spent = [], []
    for _ in range(rounds):
        began, used = time.perf_counter(), time.process_time()
        answer = house.run(ask())
        took.append((time.perf_counter() - began) * 1000)
        spent.append((time.process_time() - used) * 1000)
        assert answer.status_code == 200, answer.text

    async def turn() -> float:
        async with watched() as turns:
            await ask()
        return turns.longest * 1000

    turn_ms = min(house.run(turn()) for _ in range(3))
    return Taken(statistics.median(took), max(took), statistics.median(spent), turn_ms), answer.json()


def main(home: Path, url: str, rounds: int) -> None:
    with House(home, KeyRing.loads((home / "ring").read_text()), url) as house, settled_heap():
        house.clock.at = SystemClock().now()
        week = "2026-01-01T00:00:00Z"
        for who, caller in (("owner", OWNER), ("member of two of eight projects", MEMBER)):
            print(f"as {who}: median / worst of {rounds} / CPU / longest turn, ms")
            for question in QUESTIONS:
                if caller is MEMBER and "key_id" in question:
                    continue
                taken, _ = measure(house, caller, question.format(week=week), rounds)
                print(f"  {taken}  {question}", flush=True)
        for days in (0, 1, 30, 85):
            cursor = paging.encode(house.clock.at - days * DAY, 0, 0)
            taken, _ = measure(house, OWNER, f"/api/calls?limit=100&cursor={cursor}", rounds)
            print(f"  {taken}  a page of 100 from {days} days ago")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 5)
