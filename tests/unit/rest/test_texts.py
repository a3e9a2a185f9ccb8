"""Texts that no database can hold are found wherever they stand in a body."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.rest.texts import is_storable, unstorable


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"a": "x\0"}, "a"),
        ({"a": ["x", "\ud800"]}, "a.1"),
        ({"a": {"b": [{"c": "\0"}]}}, "a.b.0.c"),
        ({"a": {"\0": "x"}}, "a"),
        ({"\0": "x"}, "body"),
        ("\0", ""),
        ({"a": "x", "b": [1, None, True, "ü😀"]}, None),
        (5, None),
    ],
)
def test_the_first_one_is_named(body: Any, place: str | None) -> None:
    assert unstorable(body) == place


@given(st.text())
def test_every_other_text_is_good(text: str) -> None:
    assert is_storable(text) is ("\0" not in text)
    text.encode()
