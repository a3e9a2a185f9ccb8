"""What is read of YAML, what is refused and on which line, and that what is written is read back the same."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.cli import documents
from sekisho.cli.failures import CommandError


def read(text: str) -> Any:
    return documents.read(text.encode(), "a.yaml").content


def refusal(data: str | bytes) -> str:
    with pytest.raises(CommandError) as caught:
        documents.read(data.encode() if isinstance(data, str) else data, "a.yaml")
    assert (caught.value.code, caught.value.exit_code) == ("INVALID_FILE", 1)
    assert "\n" not in caught.value.message
    return caught.value.message


def test_words_mean_what_they_mean_in_json_and_everything_else_is_text() -> None:
    text = "a: no\nb: 012\nc: 12\nd: 0.15\ne: true\nf:\ng: 'true'\nh: 1:30\ni: 2026-01-31\nj: [1, {k: ~}]\n5: 1_000\nl: 1e5\nm: .inf\n"
    assert read(text) == {
        "a": "no",
        "b": "012",
        "c": 12,
        "d": 0.15,
        "e": True,
        "f": None,
        "g": "true",
        "h": "1:30",
        "i": "2026-01-31",
        "j": [1, {"k": None}],
        "5": "1_000",
        "l": "1e5",
        "m": ".inf",
    }


def test_an_empty_file_says_nothing() -> None:
    assert read("") is None
    assert read("# only a comment\n") is None


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: &x {c: 1}\n", 2, "anchors"),
        ("a: 1\nb: *x\n", 2, "aliases"),
        ("a: 1\nb: !!python/object/apply:os.system ['true']\n", 2, "tags"),
        ("a: !!int '3'\n", 1, "tags"),
        ("a: 1\n---\nb: 2\n", 2, "second document"),
        ("a: 1\nb: 2\na: 3\n", 3, "twice"),
        ("a: {b: 1, 'b': 2}\n", 1, "twice"),
        ("? [a]\n: 1\n", 1, "name"),
        ("a: 1\n b: 2\n", 2, ""),
        ("a: [1\n", 2, ""),
        ("[" * 50_000, 1, "nested deeper"),
        ("{a: " * 50_000, 1, "nested deeper"),
    ],
)
def test_what_is_not_read_is_refused_with_its_line(text: str, line: int, words: str) -> None:
    message = refusal(text)
    assert message.startswith(f"a.yaml, line {line}: ")
    assert words in message


def test_what_is_no_text_and_what_is_too_much_is_refused() -> None:
    assert "line 2: this is no UTF-8" in refusal(b"a: 1\nb: \xff\n")
    assert "a.yaml: " in refusal("a: \x00\n")
    assert "larger than" in refusal("#" * (documents.MOST_BYTES + 1))


def test_a_refusal_that_names_a_path_is_told_with_its_line() -> None:
    found = documents.read(b"version: 1\nprojects:\n  shop:\n    members: [{x: 1}]\n    titel: x\nproviders: {}\n", "a.yaml")
    assert found.lines["projects.shop.titel"] == 5
    located = found.located(CommandError("UNKNOWN_FIELD", "there is no field 'projects.shop.titel' here"))
    assert located.message == "a.yaml, line 5: there is no field 'projects.shop.titel' here"
    assert found.located(CommandError("X", "projects.shop: it is so")).message == "a.yaml, line 3: projects.shop: it is so"
    assert found.located(CommandError("X", "the node went away")).message == "the node went away"


TEXTS = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\n\t\r\x85\u2028\x00\x07"), max_size=20) | st.sampled_from(
    [
        "no",
        "yes",
        "null",
        "~",
        "",
        "0x1f",
        "0o7",
        "1_000",
        "1e5",
        "1.",
        ".5",
        "+1",
        "-0",
        "12:30",
        "<<",
        "=",
        "!x",
        "&a",
        "*b",
        "- x",
        "#",
        "a: b",
    ]
)
NUMBERS = st.integers(-(10**17), 10**17) | st.booleans() | st.none()
VALUES = st.recursive(TEXTS | NUMBERS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=8)


@given(st.dictionaries(TEXTS, VALUES, max_size=4))
def test_what_is_written_is_read_back_the_same(document: dict[str, Any]) -> None:
    assert read(documents.write(document)) == document
