"""The disk reports errors on sync, to the node, for a while: calls go on, their records wait, and are all there once it is well."""

import asyncio
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.e2e.calamities.instruments import preloaded
from tests.e2e.faults import loads
from tests.e2e.faults.arena import Arena
from tests.e2e.faults.rows import STEADY
from tests.support import requires
from tests.support.product import eventually

pytestmark = pytest.mark.e2e

MODEL = f"{STEADY}/m"
SYNCS = ("posix/io/sync/fsync", "posix/io/sync/fdatasync")
EIO = 5
HEALS_S = 5.0


def test_errors_on_sync() -> None:
    requires.program("fiu-ctrl")
    libraries = [preloaded(f"/usr/lib/fiu/{name}") for name in ("fiu_run_preload.so", "fiu_posix_preload.so")]
    with tempfile.TemporaryDirectory(prefix="sekisho-fiu-") as pipes:
        prefix = str(Path(pipes) / "control")
        with Arena.open(environment={"LD_PRELOAD": " ".join(libraries), "FIU_CTRL_FIFO": prefix}) as arena:
            node: int = arena.management.get("/api/status")["node"]

            def control(*orders: str) -> None:
                flags = [word for order in orders for word in ("-c", order)]
                subprocess.run(["fiu-ctrl", "-f", prefix, *flags, str(node)], check=True, capture_output=True, timeout=10)

            async def scenario() -> loads.Load:
                async with loads.running(arena.port, arena.key, MODEL) as load:
                    await load.more(50)
                    await asyncio.to_thread(control, *(f"enable name={name},failinfo={EIO}" for name in SYNCS))
                    await load.more(200)
                    await asyncio.to_thread(
                        eventually, lambda: "cannot be forced to the disk" in arena.product.stderr, "the line about the disk"
                    )
                    await load.more(200)
                    await asyncio.to_thread(control, *(f"disable name={name}" for name in SYNCS))
                    await load.more(50)
                return load

            load = asyncio.run(scenario())
            assert not load.failures, load.failures[:3]
            eventually(lambda: arena.management.knows_call(load.request_ids[-1]), "the last record", HEALS_S)
            records = arena.records(load.request_ids)
            assert all([record["status"] for record in found] == ["completed"] for found in records.values())
            assert arena.management.get("/api/status")["node"] == node, "the node did not fall over it"
            arena.management.create_key("after the errors")
            assert arena.product.stderr.count("cannot be forced to the disk") < 100, "the log is not flooded"
