"""The same where the database is a server that is down: outages under load, and starts from the sealed copy."""

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.e2e.outages.drives import arena_on, drive
from tests.e2e.outages.houses import House
from tests.support import requires

if TYPE_CHECKING:
    from tests.support.postgres import Cluster

pytestmark = pytest.mark.e2e

SECONDS = float(os.environ.get("SEKISHO_TEST_OUTAGE_SECONDS", "8"))


@pytest.fixture(scope="module")
def cluster() -> Iterator["Cluster"]:
    requires.postgresql()
    from tests.support.postgres import Cluster

    with Cluster.start(durable=True) as running:
        yield running


@pytest.fixture
def house(cluster: "Cluster") -> Iterator[House]:
    with arena_on(cluster.url(cluster.create())) as arena:
        yield House(arena)


@contextlib.contextmanager
def stopped(cluster: "Cluster") -> Iterator[None]:
    """The server is ended, and started again after."""
    cluster.stop()
    yield
    cluster.begin()


def test_the_server_is_stopped_under_load(house: House, cluster: "Cluster") -> None:
    report = drive(house.arena, stopped(cluster), SECONDS)
    assert not report.faults, "\n".join(report.lines())


def test_a_start_while_the_server_is_stopped(house: House, cluster: "Cluster") -> None:
    house.stop()
    with stopped(cluster):
        house.arena.restart()
        house.check_serves_copy("does not run there")
    house.check_healed(calls=2)
