"""The limits against a slow model that remembers every booking, and the words in which their state is told."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.core.policy import limits

WINDOW = 60


class Bucket:
    """The same law, slowly: a bucket of the limit's size that leaks evenly, in exact fractions."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._level = Fraction(0)
        self._at = Fraction(0)

    def level(self, now: Fraction) -> Fraction:
        self._level = max(Fraction(0), self._level - (now - self._at) * self._limit / WINDOW)
        self._at = now
        return self._level

    def fits(self, now: Fraction, amount: int) -> bool:
        return self.level(now) + amount <= self._limit

    def book(self, amount: int) -> None:
        self._level += amount


ticks = st.integers(0, 64 * 70)
"""Sixty-fourths of a second: exact in a float and in a fraction."""


@given(st.integers(1, 5000), st.lists(st.tuples(ticks, st.integers(1, 6000)), max_size=60))
def test_it_admits_what_the_slow_model_admits(limit: int, steps: list[tuple[int, int]]) -> None:
    """But for a booking that misses the brim by less than the tolerance."""
    bucket, arrival, at = Bucket(limit), 0.0, 0
    for pause, amount in steps:
        at += pause
        now = Fraction(at, 64)
        after = limits.take(arrival, at / 64, limit, amount)
        spare = limit - bucket.level(now) - amount
        if abs(spare) * WINDOW / limit > limits.TOLERANCE * 2:
            assert (after >= 0) == bucket.fits(now, amount)
        if after >= 0:
            arrival = after
            bucket.book(amount)


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 6000))
def test_who_waits_as_told_is_admitted(limit: int, used: int, amount: int) -> None:
    arrival = limits.take(0.0, 100.0, limit, min(used, limit))
    wait = limits.take(arrival, 100.0, limit, amount)
    if wait < 0:
        again = limits.take(arrival, 100.0 - wait, limit, amount)
        assert (again >= 0) == (amount <= limit)
        assert 0.001 <= -wait <= WINDOW


def test_all_at_once_and_then_one_by_one() -> None:
    arrival, now = 0.0, 1000.0
    for _ in range(6):
        arrival = limits.take(arrival, now, 6, 1)
        assert arrival > 0
    assert limits.take(arrival, now, 6, 1) == pytest.approx(-10.0)
    arrival = limits.take(arrival, now + 10, 6, 1)
    assert arrival > 0
    assert limits.take(arrival, now + 10, 6, 1) == pytest.approx(-10.0)


def test_a_long_rest_saves_up_no_more_than_the_limit() -> None:
    arrival = limits.take(0.0, 1e6, 6, 6)
    assert arrival > 0
    assert limits.take(arrival, 1e6, 6, 1) < 0


@given(st.integers(1, 100_000), st.integers(1, 100_000), st.integers(0, 100_000))
def test_what_was_given_back_can_be_taken_again(limit: int, booked: int, used: int) -> None:
    booked, used = min(booked, limit), min(used, booked, limit)
    arrival = limits.give_back(limits.take(0.0, 100.0, limit, booked), limit, booked - used)
    assert arrival == pytest.approx(100.0 + WINDOW * used / limit)
    assert limits.state(arrival, 100.0, limit)[0] == limit - used


def test_more_than_was_booked_is_booked_without_asking() -> None:
    arrival = limits.give_back(limits.take(0.0, 100.0, 60, 60), 60, -60)
    assert limits.state(arrival, 100.0, 60) == (0, b"2m0s")
    assert limits.take(arrival, 100.0, 60, 1) == pytest.approx(-WINDOW)
    assert limits.take(arrival, 161.0, 60, 1) > 0


@pytest.mark.parametrize(
    ("busy", "told"),
    [
        (-5.0, (60, b"0ms")),
        (0.0, (60, b"0ms")),
        (1.0, (59, b"1s")),
        (0.5, (59, b"500ms")),
        (30.0, (30, b"30s")),
        (60.0, (0, b"1m0s")),
        (90.0, (0, b"1m30s")),
    ],
)
def test_the_state_of_a_limit_of_sixty(busy: float, told: tuple[int, bytes]) -> None:
    assert limits.state(500.0 + busy, 500.0, 60) == told


@given(st.integers(1, 5000), st.integers(0, 5000))
def test_what_is_told_to_be_left_can_be_taken(limit: int, used: int) -> None:
    used = min(used, limit)
    arrival = limits.take(0.0, 100.0, limit, used)
    left, _ = limits.state(arrival, 100.0, limit)
    assert left == limit - used
    assert limits.take(arrival, 100.0, limit, left) >= 0
    assert limits.take(arrival, 100.0, limit, left + 1) < 0


def test_what_others_booked_is_added() -> None:
    """From now on where the limit rested, behind what was booked where it was busy; never asked whether it fits."""
    meter = limits.Meter()
    meter.add(100.0, 2.0, 0.5)
    meter.add(100.0, 3.0, -0.25)
    assert (meter.requests_at, meter.tokens_at) == (105.0, 100.25)
    meter.add(200.0, 70.0, -1.0)
    assert (meter.requests_at, meter.tokens_at) == (270.0, 99.25)
    meter.rise(200.0, 10.0, 10.0)
    assert (meter.requests_at, meter.tokens_at) == (270.0, 210.0)


@given(st.integers(1, 5000), st.lists(st.tuples(ticks, st.integers(1, 50)), max_size=40))
def test_who_adds_up_what_was_taken_stands_where_the_taker_stands(limit: int, steps: list[tuple[int, int]]) -> None:
    taken, meter, at = 0.0, limits.Meter(), 0
    for pause, amount in steps:
        at += pause
        after = limits.take(taken, at / 64, limit, amount)
        if after >= 0:
            taken = after
            meter.add(at / 64, limits.span(limit, amount), limits.span(None, amount))
    assert meter.requests_at == pytest.approx(taken)


def test_a_meter_is_idle_when_nothing_of_it_is_left() -> None:
    meter = limits.Meter()
    assert meter.is_idle(100.0)
    meter.set_elsewhere(1)
    assert not meter.is_idle(100.0)
    meter.set_elsewhere(0)
    meter.tokens_at = 100.5
    assert not meter.is_idle(100.0)
    assert meter.is_idle(101.0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, b"0ms"),
        (0.0101, b"11ms"),
        (0.012, b"12ms"),
        (0.5, b"500ms"),
        (1.0, b"1s"),
        (1.2, b"2s"),
        (59.0, b"59s"),
        (59.5, b"1m0s"),
        (360.0, b"6m0s"),
        (61.0, b"1m1s"),
    ],
)
def test_a_duration_is_rounded_up(seconds: float, text: bytes) -> None:
    assert limits.duration(seconds) == text
