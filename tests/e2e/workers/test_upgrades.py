"""The installed package is replaced on disk under load, and `sekisho reload` makes the running house the new one: no call fails."""

import asyncio
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.faults.arena import Arena
from tests.e2e.faults.clients import Call, chat
from tests.e2e.faults.scripts import WORDS
from tests.e2e.workers.crowds import MODEL, TimedUpstream
from tests.e2e.workers.test_reloads import faithful, finish, slow_stream
from tests.support.product import ROOT, alive, eventually

pytestmark = pytest.mark.e2e

WORKERS = 2
NEW_VERSION = "99.0.1"


class Installation:
    """A copy of the package that is run from, and changed under its feet."""

    def __init__(self, directory: Path) -> None:
        self.path = directory
        shutil.copytree(ROOT / "src" / "sekisho", directory / "sekisho", ignore=shutil.ignore_patterns("__pycache__"))

    @property
    def environment(self) -> dict[str, str]:
        return {"PYTHONPATH": os.pathsep.join((str(self.path), str(ROOT)))}

    def change(self, file: str, old: str, new: str) -> None:
        """As an installer does it: the new file takes the old one's place."""
        path = self.path / "sekisho" / file
        text = path.read_text()
        assert len(re.findall(re.escape(old), text)) == 1, f"{file} has {old!r} once"
        fresh = path.with_suffix(".new")
        fresh.write_text(text.replace(old, new))
        fresh.replace(path)

    def upgrade(self) -> None:
        """A later version; its sandbox speaks differently, its orders have a field more that the old ones' readers would refuse."""
        version = re.search(r'__version__ = "(.+)"', (self.path / "sekisho" / "__init__.py").read_text())
        assert version is not None
        self.change("dataplane/settings.py", "    link_path: str\n", "    link_path: str\n    era: int\n")
        self.change(
            "app/orders.py",
            "        link_path=str(home.link_socket),\n",
            "        link_path=str(home.link_socket),\n        era=2,\n",
        )
        self.change(
            "dataplane/stages/__init__.py", "x-content-type-options: nosniff\\r\\n", "x-content-type-options: nosniff\\r\\nx-era: 2\\r\\n"
        )
        self.change("__init__.py", version.group(), f'__version__ = "{NEW_VERSION}"')


def status(arena: Arena) -> dict[str, Any]:
    """The status, or nothing while there is no node."""
    try:
        return arena.management.get("/api/status") if arena.management.answers() else {}
    except httpx.TransportError:  # the kept connection of the node before
        return {}


def test_a_package_upgrade_in_place(tmp_path: Path) -> None:
    """Workers, node and supervisor run the new package; the process of the supervisor, the sockets and the calls stay."""
    installed = Installation(tmp_path / "site")
    with Arena.open(TimedUpstream(), workers=WORKERS, environment=installed.environment) as arena:
        arena.upstream.play("long", *slow_stream(0.7))
        before = status(arena)
        assert before["version"] != NEW_VERSION

        async def scenario() -> None:
            async with faithful(arena.port, arena.key, [0.0] * 3 + [0.02] * 3 + [0.3] * 3) as found:
                stream = await Call.open(arena.port, chat(MODEL, "long", arena.key, stream=True, usage=True))
                await stream.read_head()
                assert "x-era" not in stream.answer.headers
                installed.upgrade()
                await asyncio.to_thread(arena.product.cli, "reload")
                await asyncio.to_thread(eventually, lambda: status(arena).get("version") == NEW_VERSION, "the new node", 30.0)
                await asyncio.to_thread(
                    eventually,
                    lambda: len(set(status(arena).get("workers", ())) - set(before["workers"])) == WORKERS,
                    "new workers",
                    30.0,
                    explain=lambda: arena.product.output,
                )
                last = await finish(stream)
                assert last.whole
                assert last.spoken() == "".join(WORDS)
                gone: Callable[[], bool] = lambda: not any(alive(pid) for pid in before["workers"])  # noqa: E731
                await asyncio.to_thread(eventually, gone, "the end of the old workers", 30.0)
                count = len(found.answers)
                async with asyncio.timeout(20):
                    while len(found.answers) < count + 50:  # noqa: ASYNC110 - others write it
                        await asyncio.sleep(0.05)
            print(f"{len(found.answers)} calls, {len(found.failures)} failed")
            assert not found.failures, found.failures[:3]
            assert "x-era" not in found.answers[0].headers
            assert {answer.headers.get("x-era") for answer in found.answers[-20:]} == {"2"}

        asyncio.run(scenario())
        after = status(arena)
        assert after["supervisor"] == before["supervisor"]
        assert after["node"] != before["node"]
        assert after["started_at"] == before["started_at"]
        old = [before["node"], *before["workers"]]
        eventually(lambda: not any(alive(pid) for pid in old), "the end of the old processes", 15.0)
        assert not [pid for pid in old if _is_zombie(pid)], "they are waited for"
        arena.settle()
        assert {record["status"] for record in arena.management.all_calls()} == {"completed"}
        # And it is a supervisor like any other.
        workers = after["workers"]
        os.kill(workers[0], 9)
        eventually(
            lambda: len(status(arena).get("workers", ())) == WORKERS and workers[0] not in status(arena)["workers"], "a new worker", 15.0
        )
        arena.product.cli("reload")
        eventually(lambda: not set(status(arena).get("workers", workers)) & set(workers), "new workers", 20.0)
        arena.product.stop()
        assert arena.product.process is not None
        assert arena.product.process.returncode == 0


def _is_zombie(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("app/node.py", "class Node:", "class Node(:"),
        ("dataplane/worker.py", "class Worker:", "raise RuntimeError('half a package')\nclass Worker:"),
    ],
    ids=["the node", "the worker"],
)
def test_a_package_that_does_not_work_does_not_take_over(tmp_path: Path, file: str, old: str, new: str) -> None:
    """The house that runs goes on as it is, and says why."""
    installed = Installation(tmp_path / "site")
    with Arena.open(workers=WORKERS, environment=installed.environment) as arena:
        before = status(arena)
        installed.change(file, old, new)
        arena.product.cli("reload")
        eventually(lambda: "cannot take over" in arena.product.stderr, "the refusal", 30.0, explain=lambda: arena.product.output)
        after = status(arena)
        assert (after["node"], after["workers"]) == (before["node"], before["workers"])
        installed.change(file, new, old)
        arena.product.cli("reload")
        eventually(
            lambda: (
                status(arena).get("node", before["node"]) != before["node"]
                and not set(status(arena).get("workers", before["workers"])) & set(before["workers"])
            ),
            "the way back",
            30.0,
            explain=lambda: arena.product.output,
        )
