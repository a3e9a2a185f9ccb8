"""A cost is the exact product; an estimate says that it is one."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.core.model.chat import Usage, UsageSource
from sekisho.core.model.snapshot import Rate
from sekisho.core.policy.pricing import cost, estimate
from sekisho.kit.money import format_amount, parse_price_per_million

counts = st.integers(0, 10**9)
prices = st.integers(0, 10**8)


@given(counts, counts, st.data(), prices, prices, st.none() | prices)
def test_each_class_of_tokens_has_its_price(
    given_in: int, given_out: int, data: st.DataObject, price_in: int, price_out: int, price_cached: int | None
) -> None:
    cached = data.draw(st.integers(0, given_in))
    at = price_in if price_cached is None else price_cached
    expected = (given_in - cached) * price_in + cached * at + given_out * price_out
    assert cost(Usage(given_in, given_out, cached), Rate(price_in, price_out, price_cached)) == expected


@pytest.mark.parametrize(
    ("tokens", "prices", "text"),
    [
        ((7, 3, 0), ("0.15", "0.6", None), "0.0000028500"),
        ((1_000_000, 1_000_000, 0), ("0.15", "0.6", None), "0.7500000000"),
        ((1000, 500, 400), ("2.5", "10", "1.25"), "0.0070000000"),
        ((1, 0, 0), ("0.0001", "0", None), "0.0000000001"),
        ((10, 10, 10), ("1", "1", "0"), "0.0000100000"),
        ((0, 0, 0), ("1", "1", None), "0.0000000000"),
    ],
)
def test_the_bill_as_people_read_it(tokens: tuple[int, int, int], prices: tuple[str, str, str | None], text: str) -> None:
    price_in, price_out, price_cached = (None if each is None else parse_price_per_million(each) for each in prices)
    assert price_in is not None
    assert price_out is not None
    bill = cost(Usage(*tokens), Rate(price_in, price_out, price_cached))
    assert format_amount(bill) == text
    fresh = tokens[0] - tokens[2]
    at = Decimal(prices[2] or prices[0])
    assert Decimal(text) * 10**6 == fresh * Decimal(prices[0]) + tokens[2] * at + tokens[1] * Decimal(prices[1])


def test_reasoning_is_a_part_of_the_output() -> None:
    assert cost(Usage(0, 10, 0, 10), Rate(0, 3)) == 30


def test_an_estimate_is_marked() -> None:
    assert estimate(403, 12) == Usage(100, 12, 0, 0, UsageSource.ESTIMATED)
