"""The reference page says what the table says."""

from tests.e2e.door.cases import CASES
from tests.e2e.door.reference import CHAPTERS, PAGE, render


def test_the_page_is_current() -> None:
    """Written anew it would be the same."""
    assert PAGE.read_text() == render(), "run: python -m tests.e2e.door.reference"


def test_every_case_is_on_the_page() -> None:
    """No threat of the table lacks a chapter."""
    assert {case.threat for case in CASES} == {threat for threat, _ in CHAPTERS}
