"""A command that the documentation shows can be typed: it exists, and so do its options and its number of words."""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from typer.main import get_command

from sekisho.cli import main

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
GLOBALS: Final = {"--format", "--home", "--debug", "--help", "-h", "--version"}
VERBS: Final = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def shown(text: str, program: str) -> Iterator[list[str]]:
    """The words behind a program's name, in blocks of code and in spans of it."""
    blocks = "\n".join(re.findall(r"```\w*\n(.*?)```", text, re.DOTALL)).replace("\\\n", " ")
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    for line in [*blocks.splitlines(), *spans]:
        if match := re.search(rf"(?:^|&& |\s)(?:\.venv/bin/)?{program} ([a-z].*)", line):
            yield shlex.split(re.split(r" +[<|>]| && ", match[1])[0], comments=True)


@cache
def root() -> Any:
    """The whole tree of commands."""
    return get_command(main.application())


def fault(words: list[str]) -> str | None:
    """What is wrong with a command of `sekisho`; None where it can be typed."""
    command: Any = root()
    left = list(words)
    while hasattr(command, "commands"):
        if not left or left[0].startswith("-"):
            return None  # a group as such, in running text
        if left[0] not in command.commands:
            return f"there is no {left[0]}"
        command = command.commands[left.pop(0)]
    options = {name: each for each in command.params for name in (*each.opts, *each.secondary_opts) if name.startswith("-")}
    free = 0
    while left:
        word = left.pop(0)
        name, equals, _ = word.partition("=")
        if name in GLOBALS:
            if name in main.VALUED and not equals:
                left[:1] = []
        elif name.startswith("-") and name != "-":
            if name not in options:
                return f"there is no option {name}"
            if not options[name].is_flag and not equals:
                left[:1] = []
        else:
            free += 1
    places = sum(1 for each in command.params if each.param_type_name == "argument")
    return f"{free} words where {places} fit" if free > places else None


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_of_the_documentation_exist(path: Path) -> None:
    found = {" ".join(words): fault(words) for words in shown(path.read_text(), "sekisho")}
    assert {words: what for words, what in found.items() if what} == {}


def test_the_documentation_shows_commands() -> None:
    assert sum(len(list(shown(path.read_text(), "sekisho"))) for path in PAGES) > 40


def test_a_wrong_command_is_seen() -> None:
    text = (
        "```sh\nsekisho nothing\nsekisho calls list --limti 3\nsekisho api-keys revoke A B\nsekisho calls list --limit 3 --format json\n```"
    )
    assert [fault(words) for words in shown(text, "sekisho")] == [
        "there is no nothing",
        "there is no option --limti",
        "2 words where 1 fit",
        None,
    ]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_verbs_of_the_documentation_exist(path: Path) -> None:
    assert [words for words in shown(path.read_text(), "make") if words[0] not in VERBS] == []
