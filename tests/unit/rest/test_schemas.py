"""What all bodies have in common."""

from typing import Annotated

import pytest
from pydantic import ValidationError

from sekisho.rest.schemas import Asked, OneLine, Time, Told, joined


class Body(Asked):
    label: Annotated[str, OneLine]


class Answer(Told):
    at: Time


def test_unknown_fields_are_refused() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        Body.model_validate({"label": "a", "lable": "b"})


@pytest.mark.parametrize("letter", ["\n", "\r", "\t", "\0", "\x1b", "\x7f", "\x9b", "\u2028", "\u2029"])
def test_a_line_has_no_control_characters(letter: str) -> None:
    with pytest.raises(ValidationError, match="control characters"):
        Body(label=f"a{letter}b")


@pytest.mark.parametrize("text", ["a", "é", "関所", "🙂", "a b\u00a0c", "<script>"])
def test_a_line_may_be_in_any_script(text: str) -> None:
    assert Body(label=text).label == text


def test_times_leave_as_rfc_3339() -> None:
    assert Answer(at=1_767_225_600_000_001).model_dump_json() == '{"at":"2026-01-01T00:00:00.000001Z"}'


def test_lists_for_people() -> None:
    assert (joined(["a"]), joined(["a", "b"]), joined("abc")) == ("a", "a or b", "a, b or c")
