"""The main path on PostgreSQL: serve, key, call, record, usage, revoke, restart; and the password stays where it was written."""

import json
import subprocess
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.support.postgres import PASSWORD
from tests.support.product import Product

if TYPE_CHECKING:
    from tests.support.postgres import Cluster

pytestmark = pytest.mark.e2e


def call(product: Product, key: str) -> httpx.Response:
    body = {"model": "sandbox/echo", "messages": [{"role": "user", "content": "hello"}]}
    return httpx.post(f"{product.base_url}/chat/completions", headers={"authorization": f"Bearer {key}"}, json=body, timeout=10)


def test_the_main_path(database_url: str) -> None:
    with Product(environment={"SEKISHO_DATABASE_URL": database_url}, settings="[logs]\nlevel = 'info'\n") as product:
        first = product.key
        made = product.create_key("second")
        assert made["warnings"] == []
        assert [call(product, key).status_code for key in (first, made["plain_key"], first)] == [200] * 3
        assert {record["status"] for record in product.wait_calls(3)} == {"completed"}
        assert product.cli("usage")["totals"]["completed"] == 3
        product.cli("api-keys", "revoke", made["id"])
        assert call(product, made["plain_key"]).status_code == 401, "revoked when the command returned"
        assert product.status()["database"] == "postgresql"
        assert product.cli("check")["ok"] is True
        assert not (product.home / "sekisho.db").exists()
        product.restart()
        assert [call(product, key).status_code for key in (first, made["plain_key"])] == [200, 401]
        assert {record["status"] for record in product.wait_calls(4)} == {"completed"}
        opened = [json.loads(line) for line in product.stderr.splitlines() if "the database is open" in line]
        assert [each["extra"]["most_connections"] for each in opened] == [6, 6], "the bound of the pool is told at each start"
        product.stop()
        assert product.cli("api-keys", "list")["api_keys"], "a command works without a server, too"


def test_connections_stay_within_the_bound(postgres_cluster: "Cluster", database_url: str) -> None:
    name = database_url.rpartition("/")[2]
    settings = "[database]\nreaders = 2\n"
    with Product(environment={"SEKISHO_DATABASE_URL": database_url}, settings=settings) as product:
        key = product.key
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(product.home / "run" / "node.sock")), base_url="http://x") as client:
            for _ in range(20):
                call(product, key)
                assert client.get("/api/calls").status_code == 200
        ((count,),) = postgres_cluster.execute(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'")
        assert 2 <= count <= 4


def test_the_password_is_told_to_nobody(database_url: str) -> None:
    escaped = database_url.partition("://")[2].partition("@")[0].partition(":")[2]
    with Product(environment={"SEKISHO_DATABASE_URL": database_url}, settings="[logs]\nlevel = 'debug'\n") as product:
        call(product, product.key)
        product.wait_calls(1)
        table = subprocess.run(["ps", "-A", "-ww", "-o", "args="], capture_output=True, text=True, check=True).stdout
        shown = json.dumps(product.cli("config", "list"))
        told = httpx.Client(transport=httpx.HTTPTransport(uds=str(product.home / "run" / "node.sock")), base_url="http://x")
        with told as client:
            shown += client.get("/api/settings").text + client.get("/api/doctor").text
        assert "postgresql://guarded:***@127.0.0.1" in shown
        for text in (table, shown, product.output):
            assert escaped not in text
            assert PASSWORD not in text
        kept = [path for path in product.home.rglob("*") if path.is_file() and path.stat().st_size < 10_000_000]
        assert not [path for path in kept if escaped.encode() in path.read_bytes() or PASSWORD.encode() in path.read_bytes()]
