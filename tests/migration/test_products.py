"""A node whose migration failed: calls go on and their records wait, writes are refused with the reason, and nothing was changed."""

import httpx
import pytest

from sekisho.storage.migrations import HEAD
from tests.migration.conftest import Place, run
from tests.support.product import Product

pytestmark = pytest.mark.e2e


def call(product: Product, key: str) -> int:
    body = {"model": "sandbox/echo", "messages": [{"role": "user", "content": "hello"}]}
    return httpx.post(f"{product.base_url}/chat/completions", headers={"authorization": f"Bearer {key}"}, json=body, timeout=10).status_code


def test_the_gateway_goes_on_and_the_node_only_reads(place: Place) -> None:
    url = place.empty()
    with Product(environment={"SEKISHO_DATABASE_URL": url}) as product:
        key = product.key
        assert call(product, key) == 200
        product.wait_calls(1)
        product.stop()
        # The columns that 0002 adds are there already: it fails, as it would after somebody's hand.
        run(url, ["UPDATE alembic_version SET version_num = '0001'"])
        product.start()
        assert [call(product, key) for _ in range(3)] == [200] * 3
        refused = product.run("api-keys", "create", "--label", "no")
        assert refused.returncode != 0
        assert "migration_failed" in refused.stderr.lower()
        assert f"could not be brought from schema 0001 to {HEAD}" in refused.stderr
        assert len(product.calls()) == 1, "what is there is read, and the new records wait"
        assert len(list((product.home / "backups").glob(f"before-{HEAD}-*"))) == 1, "a backup was made first"
        product.stop()
        run(url, [f"UPDATE alembic_version SET version_num = '{HEAD}'"])
        product.start()
        assert {record["status"] for record in product.wait_calls(4)} == {"completed"}
        assert product.create_key("yes")["warnings"] == []
