"""Keys that are switched off, reports and lists over the whole product: what the command line asks is true of the gateway at once."""

import json
import sqlite3
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.product import Product, eventually

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    with Product() as started:
        yield started


def call(product: Product, key: str) -> int:
    body = {"model": "sandbox/echo", "messages": [{"role": "user", "content": "hello"}]}
    return httpx.post(f"{product.base_url}/chat/completions", headers={"authorization": f"Bearer {key}"}, json=body, timeout=30).status_code


def told(product: Product, *words: str) -> Any:
    done = product.run(*words)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["data"]


def test_a_key_that_is_switched_off_opens_nothing_when_the_command_returns(product: Product) -> None:
    made = product.create_key("switched")
    for _ in range(3):
        assert call(product, made["plain_key"]) == 200
        assert told(product, "api-keys", "update", made["id"], "--disable")["state"] == "disabled"
        assert call(product, made["plain_key"]) == 401
        assert told(product, "api-keys", "update", made["id"], "--enable")["state"] == "active"
    assert told(product, "api-keys", "list", "--state", "disabled")["api_keys"] == []


def test_the_node_adds_up_what_is_recorded(product: Product) -> None:
    made = product.create_key("counted")
    for _ in range(5):
        assert call(product, made["plain_key"]) == 200
    eventually(lambda: told(product, "calls", "count", "--key", made["id"])["count"] == 5, "five recorded calls", 30)
    (row,) = [row for row in told(product, "usage", "--period", "24h", "--by", "key")["rows"] if row["key"] == made["id"]]
    assert (row["calls"], row["label"]) == (5, "counted")
    assert row["duration_p50_ms"] > 0
    assert told(product, "api-keys", "show", made["id"])["last_used_at"] is not None

    def folded() -> bool:
        with sqlite3.connect(f"file:{product.home / 'sekisho.db'}?mode=ro", uri=True) as other:
            last, behind = other.execute("SELECT (SELECT MAX(number) FROM calls), (SELECT number FROM rollups_folded)").fetchone()
        other.close()
        return bool(last == behind)

    eventually(folded, "the sums of long reports", 30)
    (after,) = [row for row in told(product, "usage", "--period", "24h", "--by", "key")["rows"] if row["key"] == made["id"]]
    assert after["calls"] == 5
