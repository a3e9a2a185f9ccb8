"""The page of the command line names every command, every flag and an example, and nothing that is not there."""

import re
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from sekisho.cli import main

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "cli.md").read_text()
SECTIONS = dict(re.findall(r"^### sekisho ([a-z -]+)\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL))


def commands() -> dict[str, Any]:
    """Every command that can be typed, by its words."""
    found: dict[str, Any] = {}
    root: Any = get_command(main.application())
    for name in main.COMMANDS:
        for below, each in getattr(root.commands[name], "commands", {"": root.commands[name]}).items():
            found[f"{name} {below}".strip()] = each
    return found


COMMANDS = commands()


def test_the_commands_are_those_of_the_page() -> None:
    assert list(SECTIONS) == list(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_told_with_its_flags_and_an_example(name: str) -> None:
    text = SECTIONS[name]
    options = {
        option for each in COMMANDS[name].params if each.name != "help" for option in (*each.opts, *each.secondary_opts) if "-" in option
    }
    table = "\n".join(line.split(" | ")[0] for line in text.splitlines() if line.startswith("| `"))
    assert set(re.findall(r"`(--?[a-z-]+)`", table)) == options
    example = re.search(r"```sh\n(.*?)```", text, re.DOTALL)
    assert example, "no example"
    assert f"sekisho {name}" in example[1]
    used = {word.partition("=")[0] for word in re.findall(r"(?<=\s)--[a-z-]+", example[1])}
    others = {option for each in COMMANDS.values() for parameter in each.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert used <= others | {"--format", "--home"}, "an example uses a flag that does not exist"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_begins_with_one_short_sentence(name: str) -> None:
    first = COMMANDS[name].help.strip().split("\n\n")[0]
    assert len(first) <= 80
    assert first.endswith(".")


@pytest.mark.parametrize("flag", ["--format", "--home", "--debug"])
def test_the_global_options_are_told(flag: str) -> None:
    assert f"| `{flag}" in PAGE
