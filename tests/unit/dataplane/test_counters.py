"""So many per second pass, and the others are counted."""

from hypothesis import given
from hypothesis import strategies as st

from sekisho.dataplane.counters import Bucket, Counters


def test_a_burst_of_a_seconds_share_and_then_evenly() -> None:
    bucket = Bucket(10)
    assert sum(bucket.take(500.0) for _ in range(25)) == 10
    assert bucket.suppressed == 15
    assert not bucket.take(500.05)
    assert bucket.take(500.125)
    assert not bucket.take(500.125)


def test_a_long_rest_saves_up_one_seconds_share() -> None:
    bucket = Bucket(10)
    assert sum(bucket.take(1e6) for _ in range(25)) == 10


@given(st.integers(1, 100), st.lists(st.integers(0, 200), max_size=200))
def test_never_more_than_the_rate_and_one_burst(rate: int, pauses: list[int]) -> None:
    """Over any time, and everyone is counted once."""
    bucket, now, passed = Bucket(rate), 100.0, 0
    for pause in pauses:
        now += pause / 1024
        passed += bucket.take(now)
    assert passed <= rate + (now - 100.0) * rate + 1e-6
    assert passed + bucket.suppressed == len(pauses)


def test_a_meter_belongs_to_its_key() -> None:
    counters = Counters()
    meter = counters.meter("k1")
    meter.in_flight = 5
    assert counters.meter("k1") is meter
    assert counters.meter("k2").in_flight == 0
    assert counters.meters.keys() == {"k1", "k2"}
