"""What a spreadsheet would compute is made text; what CSV needs quoted is quoted."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.rest.exports import cell, csv_lines, json_lines


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx"])
def test_a_formula_is_made_text(text: str) -> None:
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize(
    ("value", "expected"), [(None, ""), (True, "true"), (False, "false"), (-1, "-1"), (1.5, "1.5"), ("a=b", "a=b"), (["é"], '["é"]')]
)
def test_other_values_stay_what_they_are(value: object, expected: str) -> None:
    assert cell(value) == expected


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=2, max_size=4))
def test_every_text_comes_back(texts: list[str]) -> None:
    (row,) = csv.reader(io.StringIO(csv_lines([texts]), newline=""))
    assert [field.removeprefix("'") for field in row] == [text.removeprefix("'") for text in texts]


def test_json_lines_are_one_to_a_line() -> None:
    assert json_lines([{"a": "x\ny"}, {"b": None}]) == '{"a":"x\\ny"}\n{"b":null}\n'
