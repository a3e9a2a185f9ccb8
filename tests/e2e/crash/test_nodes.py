"""The node is killed with -9 under load: the gateway does not notice, a new node takes over, and no record is missing."""

import asyncio
import os
import signal

import httpx
import pytest

from tests.e2e.faults import loads
from tests.e2e.faults.arena import Arena
from tests.e2e.faults.rows import STEADY
from tests.support.product import eventually

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
                await asyncio.to_thread(eventually, new_node, "a new node", 10.0)
                await load.more(50)
            return load

        load = asyncio.run(scenario())
        assert not load.failures, load.failures[:3]
        records = arena.records(load.request_ids)
        assert all([record["status"] for record in found] == ["completed"] for found in records.values())
        key = arena.management.create_key("after the node's death")
        assert not key["warnings"], "the workers are with the new node"
