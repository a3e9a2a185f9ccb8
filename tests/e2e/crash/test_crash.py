"""Twenty kills at random under load: nothing that a client has is unrecorded, nothing is recorded twice."""

import pytest

from tests.e2e.crash.drives import Plan, drive

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

SEED = 20261120


def test_twenty_kills_under_load() -> None:
    report = drive(Plan(seconds=36.0, kills=20, seed=SEED))
    print("\n".join(report.lines()))
    assert len(report.serves_again) == 20
    assert report.whole > 200, "there was load"
    assert report.broken > 0, "the kills were felt"
    assert not report.faults, "\n".join(report.lines())
