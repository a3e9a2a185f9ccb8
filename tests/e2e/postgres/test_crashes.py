"""The drive of `tests.e2e.crash` on PostgreSQL, which itself is killed twice with -9: the records are exact all the same."""

from typing import TYPE_CHECKING

import pytest

from tests.e2e.crash.drives import Plan, drive
from tests.e2e.crash.victims import VICTIMS
from tests.e2e.postgres.reapers import Reaper

if TYPE_CHECKING:
    from tests.support.postgres import Cluster

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

SEED = 20261121


@pytest.mark.parametrize("victims", [("worker",), VICTIMS], ids=["workers", "everybody"])
def test_the_server_dies_twice_under_load(own_cluster: "Cluster", victims: tuple[str, ...]) -> None:
    name = own_cluster.create()
    reaper = Reaper(own_cluster, name, calls=100, times=2)
    reaper.start()
    environment = {"SEKISHO_DATABASE_URL": own_cluster.url(name)}
    report = drive(Plan(seconds=18.0, seed=SEED, victims=victims, workers=2, environment=environment))
    reaper.join(30)
    print("\n".join(report.lines()))
    assert reaper.failure is None
    assert reaper.killed == 2
    assert report.whole > 200, "there was load"
    # How soon somebody is served again is measured in tests/e2e/crash, where there is a database to start with.
    inexact = [fault for fault in report.faults if not fault.startswith("nobody was served")]
    assert not inexact, "\n".join(report.lines())
