"""A restore into PostgreSQL that is killed (-9), or whose server is, leaves the old database or the new one; the next start says which."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psycopg
import pytest

from tests.e2e.backups.busy import fill, started
from tests.support import requires
from tests.support.product import Product, eventually

if TYPE_CHECKING:
    from tests.support.postgres import Cluster

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

SOME: Final = 30_000
"""Calls: enough for a restore to be killed in its middle."""
NEW: Final = "made after the backup"
PATIENCE_S: Final = 120.0
OLD: Final = (10_000, True)
RESTORED: Final = (SOME, False)


@pytest.fixture
def cluster() -> "Iterator[Cluster]":
    """One that commits to the disk: its server is killed, too."""
    requires.postgresql()
    from tests.support.postgres import Cluster

    with Cluster.start(durable=True) as running:
        yield running


class House:
    """A home on PostgreSQL whose database is another than the backup it has: a key more, and its calls gone."""

    def __init__(self, place: Path, cluster: "Cluster") -> None:
        self.cluster = cluster
        self.database = cluster.create()
        here = Product(place / "home")
        here.cli("init", timeout=PATIENCE_S)
        fill(here.home / "sekisho.db", SOME)
        self.backup = str(here.cli("backup", "create", "--path", str(place / "backup"), timeout=PATIENCE_S)["path"])
        self.product = Product(place / "home", environment={"SEKISHO_DATABASE_URL": cluster.url(self.database)})
        self.restore()
        self.age()

    def age(self) -> None:
        """Go on from the restored state."""
        self.product.cli("api-keys", "create", "--label", NEW, timeout=PATIENCE_S)
        self.sql("DELETE FROM calls WHERE seq >= 10000")
        assert self.state() == OLD

    def sql(self, statement: str) -> list[tuple[object, ...]]:
        return self.cluster.execute(statement, database=self.database)

    def state(self) -> tuple[object, bool]:
        """Calls, and whether the key is there that the backup does not have. A table that is missing is an error."""
        (calls,) = self.sql("SELECT count(*) FROM calls")[0]
        (keys,) = self.sql(f"SELECT count(*) FROM keys WHERE label = '{NEW}'")[0]
        return calls, bool(keys)

    def restore(self) -> None:
        assert self.product.cli("backup", "restore", self.backup, "--yes", timeout=PATIENCE_S)["calls"] == SOME

    def bytes(self) -> int:
        """Of all files of the database: those of the tables that a running restore makes among them, which nobody else can see."""
        return int(str(self.sql("SELECT pg_database_size(current_database())")[0][0]))

    def restores_calls(self) -> bool:
        """Whether a restore has dropped the tables, and puts calls into the new ones."""
        return bool(self.sql("SELECT 1 FROM pg_stat_activity WHERE query ILIKE 'INSERT INTO%calls%'"))

    def waits(self) -> bool:
        """Whether a restore waits for somebody who reads a table."""
        return bool(self.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ILIKE '%DROP TABLE calls%'"))


def test_killed_at_any_point_it_is_the_old_database_or_the_new_one(tmp_path: Path, cluster: "Cluster") -> None:
    house = House(tmp_path, cluster)
    product = house.product
    notice = product.home / "run" / "restore.notice"
    backups = product.home / "backups"
    killed: list[str] = []

    def kill(name: str, moment: Callable[[], object], then: Callable[[], None] = lambda: None) -> None:
        with started(product, "backup", "restore", house.backup, "--yes") as command:
            eventually(moment, name, PATIENCE_S, explain=lambda: str(command.poll()))
            command.kill()
            command.wait()
        then()
        if command.returncode == 0:
            # It was quicker than the moment: then all of it was done.
            assert house.state() == RESTORED, name
            house.age()
            return
        killed.append(name)
        assert house.state() == OLD, name
        assert notice.exists(), name

    kill("the safety copy is written", lambda: list(backups.glob(".sekisho-*/backup")))
    with psycopg.connect(**cluster.conninfo(house.database)) as reader:
        # Tables that come after this one are dropped already, and cannot be seen to be.
        reader.execute("SELECT 1 FROM calls LIMIT 1")
        kill("tables are dropped", house.waits, then=reader.rollback)
    # Calls are most of it: so much more, and this share of them is there.
    whole = int(str(house.sql("SELECT pg_total_relation_size('calls')")[0][0]))
    for share in (0.1, 0.4, 0.7, 0.9):
        house.sql("VACUUM FULL")
        before = house.bytes()
        kill(f"{share:.0%} of the calls came", lambda before=before, share=share: house.bytes() - before > share * whole)  # type: ignore[misc]
    assert {"tables are dropped", "10% of the calls came", "40% of the calls came"} <= {*killed}
    kill("once more, for the start", house.restores_calls)
    product.start()
    try:
        assert "was cut short: the database is whole, and as it was before" in product.stderr
        assert f"sekisho backup restore {house.backup}" in product.stderr
        assert NEW in {each["label"] for each in product.cli("api-keys", "list", timeout=PATIENCE_S)["api_keys"]}
    finally:
        product.stop()
    assert not notice.exists()
    house.restore()
    assert house.state() == RESTORED
    assert not list(backups.glob(".sekisho-*")), "what the killed ones left is cleared away"
    assert product.cli("check", timeout=PATIENCE_S)["ok"] is True


def test_a_server_that_is_killed_under_it(tmp_path: Path, cluster: "Cluster") -> None:
    house = House(tmp_path, cluster)
    product = house.product
    with started(product, "backup", "restore", house.backup, "--yes") as command:
        eventually(house.restores_calls, "calls come", PATIENCE_S)
        cluster.kill()
        _, said = command.communicate(timeout=PATIENCE_S)
        assert command.returncode == 1
        assert len(said.strip().splitlines()) == 1, said
    cluster.begin()
    assert house.state() == OLD
    assert not (product.home / "run" / "restore.notice").exists(), "it was told at once"
    house.restore()
    assert house.state() == RESTORED
    with product:
        assert "cut short" not in product.stderr
        assert product.cli("check", timeout=PATIENCE_S)["ok"] is True
