"""Durations in bins: no value in the wrong one, and percentiles within an eighth of the truth."""

import random

from sekisho.telemetry.durations import MOST, Durations


def counted(values: list[int]) -> Durations:
    durations = Durations()
    for value in values:
        durations.add(value)
    return durations


def test_nothing_has_no_percentile() -> None:
    assert Durations().quantile(0.5) is None


def test_a_single_value_is_told_within_an_eighth() -> None:
    for value in [*range(3000), 10**6, 2**30 - 1, 2**30, 2**30 + 1]:
        told = counted([value]).quantile(0.5)
        assert told is not None
        assert abs(told - value) <= value / 8


def test_percentiles_are_those_of_the_sorted_values() -> None:
    dice = random.Random(4)
    values = [int(dice.lognormvariate(5, 2)) for _ in range(5000)]
    durations = counted(values)
    assert durations.count == 5000
    assert durations.total == sum(values)
    ordered = sorted(values)
    for share in (0.01, 0.5, 0.9, 0.99, 1.0):
        truth = ordered[max(0, round(share * 5000) - 1)]
        told = durations.quantile(share)
        assert told is not None
        assert abs(told - truth) <= truth / 8 + 1


def test_what_lies_below_powers_of_two_is_exact() -> None:
    values = [0, 1, 2, 3, 4, 7, 8, 1023, 1024, 1025, 10**9]
    assert counted(values).below(range(2, 12)) == [sum(value < 1 << power for value in values) for power in range(2, 12)]


def test_a_clock_that_was_wrong_does_no_harm() -> None:
    durations = counted([-5, 10**30])
    assert durations.count == 2
    assert durations.total == MOST
    assert durations.quantile(0.0) == 0
