"""Two nodes on one database, each with its own home and workers: what one changes reaches the other's workers, and each records its own."""

import asyncio
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.e2e.postgres.test_main_path import call
from tests.support.patience import within
from tests.support.product import Product, eventually

if TYPE_CHECKING:
    from tests.support.postgres import Cluster

pytestmark = pytest.mark.e2e

REACHES_S = 1.0
"""From the return of a write through one node to the calls at the other's workers, in the middle of several."""
AT_MOST_S = 5.0
"""The same of the slowest, on a machine that has too much to do."""
HEALS_S = 5.0
"""The same after the database was away, from its return."""


@contextmanager
def pair(url: str, secret_key: str, tmp_path: Path) -> Iterator[tuple[Product, Product]]:
    environment = {"SEKISHO_DATABASE_URL": url, "SEKISHO_SECRET_KEY": secret_key}
    with Product(tmp_path / "a", environment=environment) as one, Product(tmp_path / "b", environment=environment) as other:
        assert one.key
        yield one, other


def answers(product: Product, key: str, status: int, within: float) -> float:
    """Seconds until a call with this key is answered so."""
    started = time.monotonic()
    eventually(lambda: call(product, key).status_code == status, f"{status} at the other node", within, explain=lambda: product.output)
    return time.monotonic() - started


def test_a_write_through_one_node_reaches_the_others_workers(database_url: str, secret_key: str, tmp_path: Path) -> None:
    took: list[float] = []
    with pair(database_url, secret_key, tmp_path) as (one, other):
        first = one.key
        assert "sk-sek-" not in other.stdout, "there is one first key"
        assert call(other, first).status_code == 200
        for giver, taker in ((one, other), (other, one)) * 3:
            made = giver.create_key("shared")
            assert made["warnings"] == []
            assert call(giver, made["plain_key"]).status_code == 200
            took.append(answers(taker, made["plain_key"], 200, AT_MOST_S))
            giver.cli("api-keys", "revoke", made["id"])
            assert call(giver, made["plain_key"]).status_code == 401
            took.append(answers(taker, made["plain_key"], 401, AT_MOST_S))
        print(f"reached the other node after {sorted(took)[len(took) // 2]:.3f} s in the middle, {max(took):.3f} s at most")
        assert sorted(took)[len(took) // 2] < REACHES_S
        count = len(one.wait_calls(13))
        assert {record["id"] for record in other.wait_calls(count)} == {record["id"] for record in one.calls()}
        assert one.status()["revision"] == other.status()["revision"]
        assert one.cli("check")["ok"] is True


def test_a_node_leaves_the_calls_of_the_other_alone(database_url: str, secret_key: str, tmp_path: Path) -> None:
    """One node starts, crashes and starts again while a call runs at the other: that call is not taken for lost, and is recorded once."""
    slow = {"model": "sandbox/slow", "messages": [{"role": "user", "content": "hello"}]}
    with pair(database_url, secret_key, tmp_path) as (one, other):
        authorization = one.authorization

        async def scene() -> int:
            async with httpx.AsyncClient(timeout=30) as client:
                running = asyncio.ensure_future(client.post(one.base_url + "/chat/completions", headers=authorization, json=slow))
                await asyncio.sleep(0.3)
                node = int((await asyncio.to_thread(other.status))["node"])
                os.kill(node, signal.SIGKILL)
                await asyncio.to_thread(other.restart)
                await asyncio.to_thread(call, other, one.key)
                return (await running).status_code

        assert asyncio.run(scene()) == 200
        records = one.wait_calls(2)
        assert sorted((record["model"], record["status"]) for record in records) == [
            ("sandbox/echo", "completed"),
            ("sandbox/slow", "completed"),
        ]


def test_both_heal_when_the_database_comes_back(own_cluster: "Cluster", secret_key: str, tmp_path: Path) -> None:
    name = own_cluster.create()
    with pair(own_cluster.url(name), secret_key, tmp_path) as (one, other):
        first = one.key
        own_cluster.kill()
        for product in (one, other):
            assert [call(product, first).status_code for _ in range(10)] == [200] * 10, "workers know no database"
            refused = product.run("api-keys", "create", "--label", "not now")
            assert refused.returncode != 0
            assert "database" in refused.stderr
        own_cluster.begin()
        back = time.monotonic()
        made = eventually(lambda: _created(one), "a write after the return", HEALS_S)
        answers(other, made, 200, HEALS_S)
        took = time.monotonic() - back
        print(f"healed after {took:.3f} s")
        assert took < within(HEALS_S)
        assert {record["status"] for record in one.wait_calls(21, timeout=45)} == {"completed"}
        assert len(other.calls()) == len({record["id"] for record in other.calls()})


def _created(product: Product) -> str:
    """The text of a new key; empty where there is none."""
    transport = httpx.HTTPTransport(uds=str(product.home / "run" / "node.sock"))
    with httpx.Client(transport=transport, base_url="http://x", timeout=60) as client:
        answer = client.post("/api/keys", json={"label": "after"})
        return str(answer.json()["plain_key"]) if answer.is_success else ""


def test_a_server_that_stands_still_is_not_waited_for(own_cluster: "Cluster", tmp_path: Path) -> None:
    """It holds its connections and says nothing: clients notice nothing, writes are refused in bounded time, and all heals by itself."""
    name = own_cluster.create()
    with Product(tmp_path / "a", environment={"SEKISHO_DATABASE_URL": own_cluster.url(name)}) as product:
        key = product.key
        own_cluster.pause()
        try:
            assert [call(product, key).status_code for _ in range(5)] == [200] * 5
            with httpx.Client(transport=httpx.HTTPTransport(uds=str(product.home / "run" / "node.sock")), base_url="http://x") as client:
                started = time.monotonic()
                refused = client.post("/api/keys", json={"label": "no"}, timeout=60)
                assert refused.status_code == 503
                assert time.monotonic() - started < within(45)
                assert call(product, key).status_code == 200
        finally:
            own_cluster.resume()
        eventually(lambda: _created(product), "a write", 15)
        assert {record["status"] for record in product.wait_calls(6, timeout=45)} == {"completed"}


@pytest.mark.timeout(400)
def test_a_copied_home_is_refused_while_the_other_runs(database_url: str, secret_key: str, tmp_path: Path) -> None:
    """Both would record the same calls as theirs, and each would take the other's open calls for lost."""
    environment = {"SEKISHO_DATABASE_URL": database_url, "SEKISHO_SECRET_KEY": secret_key}
    with Product(tmp_path / "a", environment=environment) as one:
        assert one.key
        shutil.copytree(one.home, tmp_path / "b", ignore=shutil.ignore_patterns("run", "*.sock"))
        copied = Product(tmp_path / "b", environment=environment)
        copied.start(wait=False)
        assert copied.wait_exit(120) == 1
        line = copied.stderr.strip().splitlines()[-1]
        assert "a node with the name of this home runs" in line
        assert "127.0.0.1" in line
        assert str(copied.home / "node.id") in line
        # Nor may a command in it be the node.
        refused = copied.run("api-keys", "list", timeout=120)
        assert refused.returncode == 1
        assert "a node with the name of this home runs" in refused.stderr
        # One that falls is back at once: its name ends with its connection.
        node = one.kill_node()
        eventually(lambda: one.run("status").returncode == 0 and int(one.status()["node"]) != node, "another node", 60)
        assert call(one, one.key).status_code == 200
        revision = one.status()["revision"]
        (copied.home / "node.id").unlink()
        with copied:
            assert call(copied, one.key).status_code == 200
    again = Product(tmp_path / "c", environment=environment)
    shutil.copytree(one.home, again.home, ignore=shutil.ignore_patterns("run", "*.sock"))
    with again:
        assert again.status()["revision"] == revision, "the first one does not run any more: it has moved"


@pytest.mark.timeout(400)
def test_a_name_is_kept_through_an_end_of_the_server(own_cluster: "Cluster", secret_key: str, tmp_path: Path) -> None:
    url = own_cluster.url(own_cluster.create())
    environment = {"SEKISHO_DATABASE_URL": url, "SEKISHO_SECRET_KEY": secret_key}
    with Product(tmp_path / "a", environment=environment) as one:
        assert one.key
        shutil.copytree(one.home, tmp_path / "b", ignore=shutil.ignore_patterns("run", "*.sock"))
        own_cluster.kill()
        own_cluster.begin()
        eventually(lambda: "changes of other nodes are heard again" in one.stderr, "the node on its feet", 60, explain=lambda: one.output)
        copied = Product(tmp_path / "b", environment=environment)
        copied.start(wait=False)
        assert copied.wait_exit(120) == 1
        assert "a node with the name of this home runs" in copied.stderr
        assert "is another's" not in one.stderr


@pytest.mark.timeout(400)
@pytest.mark.parametrize("newer", [0, 3])
def test_a_database_that_was_replaced_is_noticed_whatever_its_revision(
    postgres_cluster: "Cluster", secret_key: str, tmp_path: Path, newer: int
) -> None:
    """As by a restore that could not see this node. What its state revokes is revoked here, and the node begins anew with what is there."""
    database = postgres_cluster.create()
    environment = {"SEKISHO_DATABASE_URL": postgres_cluster.url(database), "SEKISHO_SECRET_KEY": secret_key}
    with Product(tmp_path / "a", environment=environment) as one:
        doomed = one.create_key("not in the other state")
        kept = one.key
        node, revision = int(one.status()["node"]), int(one.status()["revision"])
        assert call(one, doomed["plain_key"]).status_code == 200
        one.wait_calls(1)
        postgres_cluster.execute(
            f"BEGIN; DELETE FROM key_secrets WHERE key_id = '{doomed['id']}'; DELETE FROM keys WHERE id = '{doomed['id']}'; "
            f"UPDATE revisions SET instance = 'restored', revision = {revision + newer}; NOTIFY sekisho_revision, '0'; COMMIT",
            database=database,
        )
        answers(one, doomed["plain_key"], 401, 60)
        eventually(lambda: one.run("status").returncode == 0 and int(one.status()["node"]) != node, "another node", 60)
        assert call(one, kept).status_code == 200
        assert int(one.status()["revision"]) == revision + newer
        assert one.create_key("afterwards")["warnings"] == []
