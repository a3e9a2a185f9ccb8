"""`apis`."""

from pathlib import Path

import pytest

from tests.unit.cli.conftest import Type
from tests.unit.cli.simulators import Node


def test_the_least_that_is_needed_is_sent(type_: Type, node: Node) -> None:
    data = type_("apis", "create", "helper", "--model", "up/gpt").data
    assert node.bodies("POST", "/api/apis") == [{"name": "helper", "target": "up/gpt"}]
    assert (data["name"], data["state"]) == ("helper", "ready")


def test_every_flag_has_its_field(type_: Type, node: Node, tmp_path: Path) -> None:
    prompt = tmp_path / "prompt.txt"
    prompt.write_text("Be brief.\nÜberall.\n")
    shown = ("--title", "Helper", "--description", "For all", "--disabled")
    numbers = ("--temperature", "0", "--top-p", "0.5", "--max-tokens", "9", "--seed", "-1")
    rest = ("--presence-penalty", "-1", "--frequency-penalty", "2", "--stop", "a, b", "--stop", "c", "--system-prompt-file", str(prompt))
    type_("apis", "create", "helper", "--model", "up/gpt", *shown, *numbers, *rest)
    (body,) = node.bodies("POST", "/api/apis")
    assert body == {
        "name": "helper",
        "target": "up/gpt",
        "title": "Helper",
        "description": "For all",
        "enabled": False,
        "defaults": {
            "temperature": 0,
            "top_p": 0.5,
            "max_tokens": 9,
            "seed": -1,
            "presence_penalty": -1,
            "frequency_penalty": 2,
            "stop": ["a, b", "c"],
            "system_prompt": "Be brief.\nÜberall.",
        },
    }


def test_a_change_keeps_the_other_defaults(type_: Type, node: Node) -> None:
    type_("apis", "create", "helper", "--model", "up/gpt", "--temperature", "1", "--top-p", "0.5", "--system-prompt", "Be brief.")
    path = "/api/apis/helper"
    assert type_("apis", "set", "helper", "--disable", "--title", "H").exit_code == 0
    assert node.bodies("PATCH", path) == [{"title": "H", "enabled": False}]
    type_("apis", "set", "helper", "--temperature", "0.2", "--unset", "system-prompt", "--unset", "top_p", "--model", "up/other")
    assert node.bodies("PATCH", path)[-1] == {"target": "up/other", "defaults": {"temperature": 0.2}}
    outcome = type_("apis", "set", "helper", "--enable", "--format", "text")
    assert "worker 2 has not acknowledged yet" in outcome.err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("set", "helper"), "USAGE"),
        (("set", "helper", "--unset", "seed"), "NOT_SET"),
        (("set", "helper", "--temperature", "3"), "USAGE"),
        (("set", "helper", "--system-prompt", "a", "--system-prompt-file", "b"), "USAGE"),
        (("create", "other", "--model", "up/gpt", "--system-prompt-file", "/nowhere/at/all"), "FILE_UNREADABLE"),
        (("create", "other"), "USAGE"),
        (("show", "none"), "API_NOT_FOUND"),
    ],
)
def test_what_cannot_be_changes_nothing(type_: Type, node: Node, words: tuple[str, ...], code: str) -> None:
    type_("apis", "create", "helper", "--model", "up/gpt")
    assert type_("apis", *words).error[:2] == (1, code)
    assert list(node.apis) == ["helper"]
    assert node.bodies("PATCH", "/api/apis/helper") == []


def test_lists_and_pictures_are_legible(type_: Type, node: Node) -> None:
    assert "sekisho apis create" in type_("apis", "list", "--format", "text").out
    type_("apis", "create", "helper", "--model", "up/gpt", "--temperature", "0.5")
    node.apis["helper"] |= {"state": "broken", "reason": "the model up/gpt is not there any more\x1b[2J"}
    line = next(line for line in type_("apis", "list", "--format", "text").out.splitlines() if line.startswith("helper"))
    assert line.split()[:4] == ["helper", "up/gpt", "broken", "temperature"]
    out = type_("apis", "show", "helper", "--format", "text").out
    assert "the model up/gpt is not there any more" in out
    assert "\x1b[2J" not in out


def test_a_deletion_is_done(type_: Type, node: Node) -> None:
    type_("apis", "create", "helper", "--model", "up/gpt")
    assert type_("apis", "delete", "helper", "--yes").exit_code == 0
    assert node.apis == {}
