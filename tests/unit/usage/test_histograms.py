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


COUNTS = st.dictionaries(st.integers(0, len(BOUNDS)), st.one_of(st.integers(1, 100), st.integers(2**31, 2**35)), min_size=1)


def counting(counts: dict[int, int]) -> Histogram:
    found = Histogram()
    for bucket, count in counts.items():
        found.add(bucket, count)
    return found


def plainly(counts: dict[int, int], share: float) -> int:
    """Go through the buckets one by one until so many are behind."""
    wanted, seen = share * sum(counts.values()), 0
    for bucket in sorted(counts):
        if seen + counts[bucket] >= wanted:
            low = 0 if bucket == 0 else BOUNDS[bucket - 1]
            high = BOUNDS[min(bucket, len(BOUNDS) - 1)]
            return round(low + (high - low) * (wanted - seen) / counts[bucket])
        seen += counts[bucket]
    raise AssertionError("a share is at most all")


@given(COUNTS, st.lists(st.sampled_from([0.0, 0.01, 0.5, 0.95, 0.99, 1.0]), max_size=4))
def test_quantiles_are_those_of_the_buckets_one_by_one(counts: dict[int, int], shares: list[float]) -> None:
    assert counting(counts).quantiles(*shares) == tuple(plainly(counts, share) for share in shares)


@given(COUNTS, COUNTS)
def test_what_is_taken_in_is_counted_and_stays_as_it_was(one: dict[int, int], other: dict[int, int]) -> None:
    taken, took = counting(other), counting(one)
    took.take(taken)
    assert bytes(took) == bytes(counting({bucket: one.get(bucket, 0) + other.get(bucket, 0) for bucket in one.keys() | other.keys()}))
    assert bytes(taken) == bytes(counting(other))


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
