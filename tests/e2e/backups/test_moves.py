"""From SQLite to PostgreSQL and back, by a backup: the same key works, the same calls are told."""

from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.e2e.backups.busy import call, failure
from tests.support.product import Product

if TYPE_CHECKING:
    from tests.support.postgres import Cluster

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


def called(product: Product, key: str, calls: int) -> set[str]:
    """Call once; the ids of all records, as soon as there are so many."""
    with httpx.Client(trust_env=False) as client:
        call(client, product, key)
    return {str(each["request_id"]) for each in product.wait_calls(calls, timeout=60)}


def test_there_and_back(tmp_path: Path, postgres_cluster: "Cluster") -> None:
    with Product(tmp_path / "home") as here:
        key = here.key
        first = called(here, key, 1)
        backup = here.cli("backup", "create", "--path", str(tmp_path / "there"))
    url = postgres_cluster.url(postgres_cluster.create())
    there = Product(tmp_path / "home", environment={"SEKISHO_DATABASE_URL": url})
    there.cli("backup", "restore", backup["path"], "--yes", timeout=60)
    with there:
        both = called(there, key, 2)
        assert first < both
        # Another home on the same database: its own lock is free, but a node is connected.
        other = Product(tmp_path / "other", environment={"SEKISHO_DATABASE_URL": url})
        other.home.mkdir(mode=0o700)
        (other.home / "secret.key").write_bytes((here.home / "secret.key").read_bytes())
        code, error, message = failure(other.run("backup", "restore", backup["path"], "--yes"))
        assert (code, error) == (1, "BACKUP_UNUSABLE"), message
        assert "stop it first" in message
        back = there.cli("backup", "create", "--path", str(tmp_path / "back"))
        assert back["calls"] == 2
        assert there.cli("check", timeout=60)["ok"] is True
    done = here.cli("backup", "restore", back["path"], "--yes", timeout=60)
    assert done["safety_copy"] is not None, "the file that was left behind"
    assert {each["request_id"] for each in here.calls()} == both
    assert here.cli("check", timeout=60)["ok"] is True
