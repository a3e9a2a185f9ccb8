"""Prices in, prices out, to the last decimal; secrets that do not show themselves."""

from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sekisho.catalog.schemas import ChangeProvider, CreateProvider, SetRate, opened
from sekisho.kit.money import format_price_per_million


@given(st.integers(0, 100_000_000))
def test_a_price_survives_the_way_in_and_out(per_token: int) -> None:
    text = format_price_per_million(per_token)
    assert SetRate.model_validate({"input_price": text, "output_price": "0"}).rate().input == per_token
    assert SetRate.model_validate({"input_price": float(text), "output_price": 0}).rate().input == per_token


@given(st.text(max_size=20))
def test_a_price_is_a_plain_decimal_or_refused(text: str) -> None:
    try:
        price = SetRate.model_validate({"input_price": text, "output_price": "0"}).rate().input
    except ValidationError:
        return
    assert 0 <= price <= 100_000_000


def test_a_secret_does_not_show_itself() -> None:
    for body in (CreateProvider(name="a", kind="openai", api_key="sk-canary"), ChangeProvider(api_key="sk-canary")):  # type: ignore[arg-type]
        secret = opened(body.api_key)
        assert "canary" not in f"{body!r} {body} {body.model_dump_json()} {secret!r} {secret}"
        assert secret is not None
        assert secret.reveal() == "sk-canary"
    assert "canary" not in repr(ChangeProvider(api_key="sk-canary").changes())  # type: ignore[arg-type]


def test_what_is_given_is_what_counts() -> None:
    assert ChangeProvider().changes().given == frozenset()
    changes = ChangeProvider(api_key=None, ca_bundle=None).changes()
    assert (changes.given, changes.api_key, changes.ca_bundle) == ({"api_key", "ca_bundle"}, None, None)
    assert ChangeProvider(enabled=False).changes().enabled is False
