"""Deaths at random under load: nothing that a client has is unrecorded, nothing is recorded twice, and service is back at once."""

import pytest

from tests.e2e.crash.drives import Plan, drive
from tests.e2e.crash.victims import VICTIMS

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

SEED = 20261120
ALL_SEED = 1
"""Lets each of them die within 20 s."""
PATIENCE = 5.0
"""Other tests may run on the same processors; the times that are promised are checked by hand, as the package's docstring says."""


def test_twenty_kills_under_load() -> None:
    report = drive(Plan(seconds=28.0, kills=20, seed=SEED, patience=PATIENCE))
    print("\n".join(report.lines()))
    assert len(report.deaths.happened) == 20
    assert report.whole > 200, "there was load"
    assert report.broken > 0, "the kills were felt"
    assert not report.faults, "\n".join(report.lines())


def test_everything_dies_by_turns() -> None:
    """Four workers and the node under load; every two seconds a worker, the node, both, or the supervisor."""
    report = drive(Plan(seconds=20.0, victims=VICTIMS, workers=4, clients=16, seed=ALL_SEED, patience=PATIENCE))
    print("\n".join(report.lines()))
    assert {death.victim for death in report.deaths.happened} == set(VICTIMS)
    assert report.whole > 200, "there was load"
    assert report.broken > 0, "the deaths were felt"
    assert not report.faults, "\n".join(report.lines())


def test_all_processes_at_one_blow() -> None:
    """Nothing is left but the home: the next start records what the journals hold."""
    report = drive(Plan(seconds=4.0, kills=1, seed=SEED, ends_with_all=True, patience=PATIENCE))
    print("\n".join(report.lines()))
    assert report.whole > 50, "there was load"
    assert report.broken > 0, "the kill was felt"
    assert not report.faults, "\n".join(report.lines())
