"""Twenty kills at random under load: nothing that a client has is unrecorded, nothing is recorded twice."""

import pytest

from tests.e2e.crash.drives import Plan, drive

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

SEED = 20261120


def test_twenty_kills_under_load() -> None:
    report = drive(Plan(seconds=28.0, kills=20, seed=SEED))
    print("\n".join(report.lines()))
    assert len(report.serves_again) == 20
    assert report.whole > 200, "there was load"
    assert report.broken > 0, "the kills were felt"
    assert not report.faults, "\n".join(report.lines())


def test_all_processes_at_one_blow() -> None:
    """Nothing is left but the home: the next start records what the journals hold."""
    report = drive(Plan(seconds=4.0, kills=1, seed=SEED, ends_with_all=True))
    print("\n".join(report.lines()))
    assert report.whole > 50, "there was load"
    assert report.broken > 0, "the kill was felt"
    assert not report.faults, "\n".join(report.lines())
