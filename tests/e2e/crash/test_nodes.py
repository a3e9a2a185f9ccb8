"""The node is killed with -9, under load and at the worst of times: nobody notices, a new one takes over, and no record is missing."""

import asyncio
import os
import signal

import httpx
import pytest

from tests.e2e.crash.victims import NODE, WORKER, children
from tests.e2e.faults import loads
from tests.e2e.faults.arena import Arena
from tests.e2e.faults.rows import STEADY
from tests.support.product import Product, alive, eventually

pytestmark = pytest.mark.e2e


def test_the_gateway_outlives_its_node() -> None:
    with Arena.open() as arena:
        first: int = arena.management.get("/api/status")["node"]

        def new_node() -> int:
            if not arena.management.answers():
                return 0
            try:
                node: int = arena.management.get("/api/status")["node"]
            except httpx.TransportError:  # the kept connection of the node that died
                return 0
            return node if node != first else 0

        async def scenario() -> loads.Load:
            async with loads.running(arena.port, arena.key, f"{STEADY}/m") as load:
                await load.more(50)
                os.kill(first, signal.SIGKILL)
                await load.more(100)
                await asyncio.to_thread(eventually, new_node, "a new node", 30.0)
                await load.more(50)
            return load

        load = asyncio.run(scenario())
        assert not load.failures, load.failures[:3]
        records = arena.records(load.request_ids)
        assert all([record["status"] for record in found] == ["completed"] for found in records.values())
        key = arena.management.create_key("after the node's death")
        assert not key["warnings"], "the workers are with the new node"


def test_a_node_that_is_killed_before_it_was_up_is_replaced() -> None:
    """The very first one of a home, too: the start goes on with another."""
    product = Product()
    try:
        process = product.start(wait=False).process
        assert process is not None
        [first] = eventually(lambda: children(process.pid, NODE), "the node")
        os.kill(first, signal.SIGKILL)
        product.wait_ready()
        assert product.key
    finally:
        product.stop()
        product.clean()


def test_a_supervisor_dies_while_all_else_is_being_replaced() -> None:
    """Its newest children, which have not begun to serve, must not stand in the way of the next start."""
    with Product(workers=2) as product:
        left: set[int] = set()
        for _ in range(3):
            assert product.process is not None
            supervisor = product.process.pid
            former = [*children(supervisor, NODE), *children(supervisor, WORKER)]
            for pid in former:
                os.kill(pid, signal.SIGKILL)
            eventually(lambda pid=supervisor, gone=former: set(children(pid, WORKER)) - set(gone), "a new worker")  # type: ignore[misc]
            left.update(product.lose_supervisor())
            product.start()
        eventually(lambda: not any(map(alive, left)), "the end of the orphans", 15.0)
