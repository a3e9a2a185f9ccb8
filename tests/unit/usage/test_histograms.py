"""Histograms against sorted lists, and their SQL against their arithmetic."""

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.usage.reports.histograms import BOUNDS, Histogram, bucket_of, ladder

MICROS = st.integers(0, 10**11)


@given(st.lists(st.integers(200, 3 * 10**9), min_size=1, max_size=200), st.sampled_from([0.5, 0.95, 0.99]))
def test_a_quantile_lies_within_a_bucket_of_the_exact_one(durations: list[int], share: float) -> None:
    (found,) = Histogram(durations).quantiles(share)
    exact = sorted(durations)[max(0, -(-int(share * 1000) * len(durations) // 1000) - 1)]
    assert found is not None
    assert abs(bucket_of(found) - bucket_of(exact)) <= 1


@given(st.lists(st.lists(MICROS, max_size=20), max_size=5))
def test_merged_bytes_are_one_histogram_of_all(parts: list[list[int]]) -> None:
    merged = Histogram()
    for part in parts:
        merged.merge(bytes(Histogram(part)))
    assert bytes(merged) == bytes(Histogram(micros for part in parts for micros in part))


def test_nothing_has_no_quantile() -> None:
    assert Histogram().quantiles(0.5, 0.95) == (None, None)
    assert bytes(Histogram()) == b""


def test_a_bucket_holds_more_calls_than_there_will_be() -> None:
    full = Histogram()
    full.add(3, 10**12)
    full.add(4, 1)
    low, high = full.quantiles(0.5, 1.0)
    assert low is not None
    assert high is not None
    assert BOUNDS[2] <= low <= BOUNDS[3] < high <= BOUNDS[4]


@pytest.mark.parametrize("around", [-1, 0, 1])
def test_the_database_sorts_into_the_same_buckets(around: int) -> None:
    values = [0, 5, *(bound + around for bound in BOUNDS), 10**14]
    connection = sqlite3.connect(":memory:")
    found = [connection.execute(f"SELECT {ladder('v')} FROM (SELECT ? AS v)", (value,)).fetchone()[0] for value in values]
    connection.close()
    assert found == [bucket_of(value) for value in values]
