"""Amounts are exact: what is read is what was written, and what cannot be kept exactly is refused."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.kit import money


@given(st.integers(-(10**27), 10**27))
def test_an_amount_comes_back(amount: int) -> None:
    assert money.parse_amount(money.format_amount(amount)) == amount


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**17), max_value=10**17, places=10))
def test_ten_decimals_are_read_exactly(value: Decimal) -> None:
    assert Fraction(money.parse_amount(str(value)), money.UNIT) == Fraction(value)


@given(st.integers(-(10**19), 10**19), st.integers(0, 60))
def test_what_is_taken_is_taken_exactly_and_the_rest_is_refused(digits: int, decimals: int) -> None:
    """However many digits there are, before the point and behind it."""
    text = f"{digits}e-{decimals}"
    exact = Fraction(digits, 10**decimals) * money.UNIT
    if exact.denominator == 1 and abs(exact) < 10 ** (money.MOST_DIGITS + money.SCALE):
        assert money.parse_amount(text) == exact
    else:
        with pytest.raises(ValueError, match="finer than 1e-10"):
            money.parse_amount(text)


@pytest.mark.parametrize(
    "text",
    [
        "0.00000000001",
        "1." + "0" * 30 + "1",
        "123456789012345678.12345678901",
        "1e-9999999999999999",
        "1e999999999",
        "Infinity",
        "NaN",
        "sNaN",
    ],
)
def test_what_is_too_fine_or_too_large_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is finer than 1e-10"):
        money.parse_amount(text)


@pytest.mark.parametrize("text", ["", "1,5", "$1", "one", "1.2.3", "--1"])
def test_what_is_no_number_is_told_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not an amount; write it as a decimal, such as 12\.50"):
        money.parse_amount(text)


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "0.0000000000"), (1, "0.0000000001"), (-1, "-0.0000000001"), (1_234_500, "0.0001234500"), (-(10**10), "-1.0000000000")],
)
def test_all_ten_decimals_are_written(amount: int, text: str) -> None:
    assert money.format_amount(amount) == text


@given(st.integers(0, 10**12))
def test_a_price_per_million_comes_back(per_token: int) -> None:
    assert money.parse_price_per_million(money.format_price_per_million(per_token)) == per_token


@pytest.mark.parametrize(("text", "per_token"), [("0.15", 1500), ("0.0001", 1), ("0", 0), ("10", 100_000), ("1e1", 100_000)])
def test_a_price_is_an_integer_per_token(text: str, per_token: int) -> None:
    assert money.parse_price_per_million(text) == per_token


@pytest.mark.parametrize("text", ["-0.15", "0.00001", "0.12345"])
def test_a_price_that_no_integer_tells_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="at most 4 decimals"):
        money.parse_price_per_million(text)


@pytest.mark.parametrize(("per_token", "text"), [(1500, "0.15"), (0, "0.0"), (1, "0.0001"), (100_000, "10.0")])
def test_a_price_is_written_as_people_know_it(per_token: int, text: str) -> None:
    assert money.format_price_per_million(per_token) == text
