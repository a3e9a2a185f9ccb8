"""Times and durations: one form goes out, every form with an offset comes in, and nothing is guessed."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.kit import clock

YEAR_2200 = 7_258_118_400 * clock.SECOND


@given(st.integers(0, YEAR_2200))
def test_a_time_comes_back_to_the_microsecond(micros: int) -> None:
    assert clock.from_rfc3339(clock.to_rfc3339(micros)) == micros


@given(st.integers(0, YEAR_2200), st.integers(0, YEAR_2200))
def test_texts_sort_as_the_times_do(one: int, other: int) -> None:
    assert (clock.to_rfc3339(one) < clock.to_rfc3339(other)) == (one < other)


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (1, "1970-01-01T00:00:00.000001Z"),
        (1_769_850_000_500_000, "2026-01-31T09:00:00.500000Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
    ],
)
def test_the_one_form_that_leaves_the_house(micros: int, text: str) -> None:
    assert clock.to_rfc3339(micros) == text


def test_an_offset_is_taken_into_account_and_must_be_there() -> None:
    assert clock.from_rfc3339("2026-01-31T18:00:00+09:00") == clock.from_rfc3339("2026-01-31T09:00:00Z")
    with pytest.raises(ValueError, match="needs its offset"):
        clock.from_rfc3339("2026-01-31T09:00:00")


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("15m", 900), ("12h", 43_200), ("30d", 2_592_000), ("2w", 1_209_600)])
def test_a_duration_in_each_unit(text: str, seconds: int) -> None:
    assert clock.parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "10", "0s", "-1s", "1.5h", "1 s", "10S", "1y", "²d", "9999999999s"])
def test_what_is_no_duration_is_told_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a duration; write a number and a unit, such as 30d"):
        clock.parse_duration(text)


def test_the_systems_clock_is_the_systems() -> None:
    system = clock.SystemClock()
    before, first = datetime.now(UTC).timestamp() * clock.SECOND, system.monotonic()
    now = system.now()
    after, last = datetime.now(UTC).timestamp() * clock.SECOND, system.monotonic()
    assert before - 1 <= now <= after + 1
    assert first <= last
