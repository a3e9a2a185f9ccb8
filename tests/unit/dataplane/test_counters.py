"""So many per second pass, and the others are counted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.dataplane import counters as counting
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


def test_what_is_new_is_told_once_and_who_rests_is_not_looked_at() -> None:
    counters, used = Counters(), []
    counters.on_use = lambda: used.append(None)
    first, second = counters.meter("k1"), counters.meter("k2")
    assert counters.meter("k1") is first
    assert len(used) == 2
    first.requests, first.tokens, first.in_flight = 2, 30, 1
    assert counters.tell(100.0) == ([("k1", 2, 30, 1)], False)
    assert (counters.meters, counters.resting) == ({"k1": first}, {"k2": second})
    assert counters.tell(100.0) == ([], False)
    first.in_flight = 0
    assert counters.tell(100.0) == ([("k1", 0, 0, 0)], False)
    assert counters.tell(100.0) == ([], False)
    assert counters.meters == {}
    assert counters.find("k1") is first
    assert counters.meters == {}, "who asks for others does not use it"
    assert counters.meter("k1") is first
    assert len(used) == 3


def test_calls_elsewhere_are_in_the_sum_and_not_told() -> None:
    counters = Counters()
    meter = counters.meter("k")
    meter.in_flight += 1
    meter.set_elsewhere(4)
    assert meter.in_flight == 5
    assert counters.tell(100.0)[0] == [("k", 0, 0, 1)]
    meter.set_elsewhere(0)
    assert meter.in_flight == 1
    assert counters.tell(100.0)[0] == []


def test_where_keys_stand() -> None:
    counters = Counters()
    busy, spent = counters.meter("busy"), counters.meter("spent")
    busy.requests_at, busy.tokens_at, busy.requests = 105.0, 90.0, 1
    spent.requests_at = 99.0
    assert counters.stand(["busy", "spent", "unknown"], 100.0) == [("busy", 1, 0, 0, 5.0, 0.0)]
    assert busy.requests == 0


def test_meters_as_if_never_used_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "SWEEP_AT_LEAST", 10)
    monkeypatch.setattr(counting, "SWEEP", 40)
    counters = Counters()
    for number in range(100):
        meter = counters.meter(f"k{number}")
        meter.requests_at = 150.0 if number % 10 == 0 else 99.0
    held = counters.meter("held")
    held.set_elsewhere(1)
    for left in (101, 61, 21, 11):
        assert len(counters.meters) + len(counters.resting) >= left
        counters.tell(100.0)
    assert set(counters.resting) == {*(f"k{number}" for number in range(0, 100, 10)), "held"}
