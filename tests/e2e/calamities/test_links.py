"""The link between node and worker is cut, its socket is taken away, the node hangs: calls go on, writes tell who was not reached, and all
comes together again by itself."""

import asyncio
import os
import signal
import time

import httpx
import pytest

from tests.e2e.calamities.instruments import cut
from tests.e2e.faults import loads
from tests.e2e.faults.arena import Arena
from tests.e2e.faults.clients import ask, chat
from tests.e2e.faults.rows import STEADY
from tests.support.patience import within
from tests.support.product import eventually

pytestmark = pytest.mark.e2e

MODEL = f"{STEADY}/m"
HANGS_S = 10.0
HEALS_S = 5.0


def check_records(arena: Arena, load: loads.Load) -> None:
    records = arena.records(load.request_ids)
    assert not load.failures, load.failures[:3]
    assert all([record["status"] for record in found] == ["completed"] for found in records.values())


def revoke(arena: Arena, key_id: str) -> list[str]:
    """The warnings of a revocation."""
    return list(arena.management.post(f"/api/keys/{key_id}/revoke")["warnings"])


async def status_of(arena: Arena, key: str) -> int:
    return (await ask(arena.port, chat(MODEL, "status", key))).status


def test_the_link_is_cut() -> None:
    """As long as it cannot be mended, a revocation says which worker it did not reach; once it can, the worker knows within seconds."""
    with Arena.open() as arena:
        path = arena.product.home / "run" / "link.sock"
        status = arena.management.get("/api/status")
        node, [worker] = int(status["node"]), status["workers"]
        doomed = arena.newcomer("doomed")

        async def scenario() -> tuple[loads.Load, float]:
            async with loads.running(arena.port, arena.key, MODEL) as load:
                await load.more(50)
                assert cut(node, path) == 1
                await load.more(50)
                # It mends itself at once; so that it cannot, something else takes the socket's place.
                await asyncio.to_thread(eventually, lambda: arena.workers() == [worker], "the link mended")
                path.unlink()
                path.mkdir()
                assert cut(node, path) == 1
                await asyncio.to_thread(eventually, lambda: arena.workers() == [], "the link cut")
                [warning] = await asyncio.to_thread(revoke, arena, doomed.key_id)
                assert str(worker) in warning, warning
                assert await status_of(arena, doomed.key) == 200, "the worker was not reached, as the warning says"
                await load.more(50)
                path.rmdir()
                mended = time.monotonic()
                while await status_of(arena, doomed.key) != 401:
                    assert time.monotonic() - mended < within(HEALS_S), "the worker is not told"
                    await asyncio.sleep(0.05)
                took = time.monotonic() - mended
                await load.more(50)
            return load, took

        load, took = asyncio.run(scenario())
        print(f"told {took:.3f} s after the way was free")
        check_records(arena, load)
        assert arena.workers() == [worker], "the same worker as before"
        assert not arena.management.create_key("after the cut")["warnings"]


@pytest.mark.parametrize("name", ["link.sock", "tunnel.sock", "node.sock"])
def test_a_socket_is_taken_away(name: str) -> None:
    """A cleaner of directories deletes it: it is made anew."""
    with Arena.open() as arena:
        path = arena.product.home / "run" / name
        path.unlink()
        eventually(lambda: path.is_socket() and path.stat().st_mode & 0o777 == 0o600, "the socket made anew", HEALS_S)
        eventually(lambda: httpx.get(f"{arena.product.console_url}/health").status_code == 200, "the console", HEALS_S)
        arena.product.kill_worker()
        arena.product.wait_ready()
        assert asyncio.run(status_of(arena, arena.key)) == 200, "a new worker found its configuration"
        assert not arena.management.create_key("after the cleaner")["warnings"]


def test_the_node_hangs() -> None:
    """Ten seconds without it: calls go on, records wait, a key that was made before works; then everything is there."""
    with Arena.open() as arena:
        node = int(arena.management.get("/api/status")["node"])

        async def scenario() -> tuple[loads.Load, float]:
            async with loads.running(arena.port, arena.key, MODEL) as load:
                await load.more(50)
                os.kill(node, signal.SIGSTOP)
                try:
                    until = time.monotonic() + HANGS_S
                    while time.monotonic() < until:
                        await load.more(50)
                finally:
                    os.kill(node, signal.SIGCONT)
                awake, last = time.monotonic(), load.request_ids[-1]
                await asyncio.to_thread(eventually, lambda: arena.management.knows_call(last), "the records that waited", HEALS_S)
                took = time.monotonic() - awake
                await load.more(50)
            return load, took

        load, took = asyncio.run(scenario())
        print(f"{len(load.request_ids)} calls, recorded {took:.3f} s after the node went on")
        check_records(arena, load)
        assert int(arena.management.get("/api/status")["node"]) == node
        assert not arena.management.create_key("after the hang")["warnings"]
