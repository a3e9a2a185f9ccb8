"""A cursor comes back as it was given out, and nothing else passes for one."""

import base64
import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.rest import paging
from sekisho.rest.errors import ApiError


@given(st.integers(-(2**63), 2**63 - 1), st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=50))
def test_a_position_comes_back(number: int, name: str) -> None:
    assert paging.decode(paging.encode(number, name), (int, str)) == (number, name)


@given(st.text(max_size=60))
def test_anything_else_is_refused_and_never_a_crash(text: str) -> None:
    position: tuple[int | str, ...] | None = None
    with contextlib.suppress(ApiError):
        position = paging.decode(text, (int, str))
    assert position is None or [type(part) for part in position] == [int, str]


def test_a_refusal_names_the_parameter() -> None:
    with pytest.raises(ApiError) as error:
        paging.decode("nonsense", (int,), "after")
    assert (error.value.refusal.status, error.value.refusal.param) == (422, "after")


def forged(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


@pytest.mark.parametrize("value", [[1], [1, 2], ["a", 1], [1, "a", 2], [True, "a"], [1.0, "a"], [2**63, "a"], {}, None, [[1], "a"]])
def test_a_forged_position_of_another_form_is_refused(value: object) -> None:
    with pytest.raises(ApiError):
        paging.decode(forged(value), (int, str))


def test_a_hostile_depth_is_refused() -> None:
    with pytest.raises(ApiError):
        paging.decode(base64.urlsafe_b64encode(b"[" * 100_000).decode(), (int,))
