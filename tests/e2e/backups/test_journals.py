"""Records that are still in a journal when a backup is restored: none is lost, none comes twice."""

import os
import signal

import httpx
import pytest

from tests.e2e.backups.busy import call
from tests.e2e.faults.arena import Management
from tests.support.product import Product, descendants, eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


def kill_all(product: Product) -> None:
    """End every process of the product, as a power cut would but for the disk."""
    assert product.process is not None
    for pid in (product.process.pid, *descendants(product.process.pid)):
        os.kill(pid, signal.SIGKILL)
    product.wait_exit()


def sums(product: Product) -> dict[str, int]:
    totals = product.cli("usage", "--period", "24h")["totals"]
    return {name: totals[name] for name in ("calls", "completed", "failed")}


def test_what_the_restored_state_has_not_read_is_recorded_once(product: Product) -> None:
    """Three generations: in the backup; recorded after it; left in the journal by a killed node. Each is there once after a restore."""
    made: list[str] = []
    with httpx.Client(trust_env=False) as client:

        def calls(count: int) -> None:
            made.extend(call(client, product, product.key) for _ in range(count))

        calls(20)
        product.wait_calls(20)
        backup = product.cli("backup", "create")
        assert backup["calls"] == 20
        calls(20)
        product.wait_calls(40)
        # The recorder stands still from here: the worker serves on, and its records wait.
        os.kill(int(product.status()["node"]), signal.SIGSTOP)
        calls(20)
    kill_all(product)
    done = product.cli("backup", "restore", backup["path"], "--yes")
    assert done["calls"] == 20
    product.start()
    recorded = product.wait_calls(60)
    assert sorted(each["request_id"] for each in recorded) == sorted(made)
    assert {each["status"] for each in recorded} == {"completed"}
    assert sums(product) == {"calls": 60, "completed": 60, "failed": 0}
    assert product.cli("check")["ok"] is True
    # Once more, from the state that the restore replaced: nothing of the journal is left, and nothing comes twice.
    product.stop()
    assert done["safety_copy"] is not None
    product.cli("backup", "restore", done["safety_copy"], "--yes")
    product.start()
    assert len(product.calls()) == 40


def test_a_call_that_was_open_is_told_as_lost_where_its_journal_is_gone(product: Product) -> None:
    body = {"model": "sandbox/slow", "messages": [{"role": "user", "content": "w " * 200}], "stream": True}
    with (
        httpx.Client(trust_env=False) as client,
        client.stream("POST", product.base_url + "/chat/completions", headers=product.authorization, json=body) as answer,
    ):
        assert answer.status_code == 200
        request_id = answer.headers["x-request-id"]
        management = Management(product.home / "run" / "node.sock")
        eventually(lambda: "1 calls are open" in str(management.get("/api/check")), "the open call")
        management.close()
        backup = product.cli("backup", "create")
        answer.read()
    product.wait_calls(1)
    product.stop()
    product.cli("backup", "restore", backup["path"], "--yes")
    found = product.calls()
    assert [(each["request_id"], each["status"], each["error"]["code"]) for each in found] == [(request_id, "failed", "worker_lost")]
    assert product.cli("check")["ok"] is True
