"""`sekisho projects`, and the parts of `sekisho users` about coming and going: typed, against the real application and its database."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sekisho.cli.main import main

Type = Callable[..., Any]


@pytest.fixture
def type_(tmp_path: Path, capsys: pytest.CaptureFixture[str], logging_as_before: None) -> Type:
    """Types a command in an empty home without a server; its data, or the code of its error."""

    def run(*words: str) -> Any:
        status = main(["--home", str(tmp_path / "home"), "--format", "json", *words])
        captured = capsys.readouterr()
        if status != 0:
            return json.loads(captured.err or captured.out)["error"]["code"]
        return json.loads(captured.out)["data"]

    return run


def test_a_project_lives_and_ends_on_the_command_line(type_: Type) -> None:
    made = type_("projects", "create", "alpha", "--title", "Team Alpha")
    assert (made["name"], made["title"], made["description"]) == ("alpha", "Team Alpha", "")
    assert type_("projects", "create", "alpha") == "NAME_TAKEN"
    changed = type_("projects", "update", "alpha", "--description", "the first team")
    assert (changed["title"], changed["description"]) == ("Team Alpha", "the first team")
    assert type_("projects", "show", made["id"]) == changed
    assert type_("projects", "update", "alpha", "--archive")["archived"] is True
    assert [each["name"] for each in type_("projects", "list", "--archived")["projects"]] == ["alpha"]
    assert [each["name"] for each in type_("projects", "list", "--live")["projects"]] == ["default"]
    assert type_("projects", "update", "alpha", "--restore")["archived"] is False
    assert type_("projects", "update", "alpha") == "USAGE"
    assert type_("projects", "delete", "default", "--yes") == "PROJECT_IS_DEFAULT"
    assert type_("projects", "delete", "alpha", "--yes")["deleted"] is True
    assert type_("projects", "show", "alpha") == "PROJECT_NOT_FOUND"


def test_members_come_and_go_on_the_command_line(type_: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("a sentence that is long enough\n"))
    user = type_("users", "create", "Mika@example.org", "--name", "Mika", "--password-stdin")
    type_("projects", "create", "alpha")
    added = type_("projects", "add-member", "alpha", "mika@example.org", "--role", "editor")
    assert (added["user_id"], added["role"]) == (user["id"], "editor")
    assert type_("projects", "add-member", "alpha", user["id"]) == "ALREADY_MEMBER"
    assert type_("projects", "set-member", "alpha", "MIKA@example.org", "--role", "maintainer")["role"] == "maintainer"
    assert [each["email"] for each in type_("projects", "members", "alpha")["members"]] == ["mika@example.org"]
    assert type_("projects", "remove-member", "alpha", user["id"])["removed"] is True
    assert type_("projects", "members", "alpha")["members"] == []
    assert type_("projects", "add-member", "alpha", "nobody@example.org") == "USER_NOT_FOUND"


def test_people_are_invited_helped_and_let_go_on_the_command_line(type_: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("a sentence that is long enough\n"))
    user = type_("users", "create", "mika@example.org", "--name", "Mika", "--password-stdin")
    invited = type_("users", "invite", "nina@example.org", "--role", "guest", "--project", "default", "--expires", "3d")
    assert invited["path"].startswith("/invite#")
    assert (invited["link"], invited["project"], invited["project_role"]) == (None, "default", "viewer")
    assert type_("users", "invite", "mika@example.org") == "EMAIL_TAKEN"
    assert type_("users", "reset-link", "mika@example.org", "--expires", "1h")["path"].startswith("/reset#")
    assert type_("users", "reset-totp", "mika@example.org") == "TOTP_NOT_ENABLED"
    gone = type_("users", "erase", "mika@example.org", "--yes")
    assert gone["id"] == user["id"]
    assert gone["pseudonym"].startswith("erased-")
    assert type_("users", "erase", "mika@example.org", "--yes") == "USER_NOT_FOUND"
    assert "mika" not in json.dumps(type_("audit", "list"))
