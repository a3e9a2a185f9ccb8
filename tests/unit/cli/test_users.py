"""`users`, over the application in this process: no server runs, and none is needed but for the setup link."""

from pathlib import Path

from tests.unit.cli.conftest import Type
from tests.unit.cli.simulators import Node

PASSWORD = "a sentence that is long enough"


def test_people_are_made_shown_and_changed(type_: Type, home: Path) -> None:
    made = type_("users", "create", "Mika@example.org", "--name", "Mika\u202e M", "--password-stdin", stdin=f"{PASSWORD}\n")
    assert made.exit_code == 0, made
    assert PASSWORD not in made.out + made.err
    listed = type_("users", "list", "--format", "text").out
    assert "\u202e" not in listed, "what a person typed does not turn the terminal around"
    [line] = [line.split() for line in listed.splitlines() if "mika@example.org" in line]
    assert {"mika@example.org", "user", "active"} <= set(line)
    assert type_("users", "set-role", "mika@example.org", "admin", "--format", "text").out == "mika@example.org is admin now\n"
    assert type_("users", "deactivate", "mika@example.org", "--format", "text").out == (
        "mika@example.org may not log in any more; all sessions have ended\n"
    )
    assert "disabled" in type_("users", "list", "--format", "text").out
    assert type_("users", "activate", "mika@example.org", "--format", "text").out == "mika@example.org may log in again\n"
    changed = type_("users", "reset-password", "mika@example.org", "--password-stdin", "--format", "text", stdin=f"{PASSWORD} 2\n")
    assert changed.out == "mika@example.org has a new password\n"
    assert type_("users", "list", "--role", "owner").data == {"users": [], "next_cursor": None}


def test_nobody_here_says_what_to_do(type_: Type, home: Path) -> None:
    assert "sekisho users setup-link" in type_("users", "list", "--format", "text").out


def test_an_address_that_is_nobodys_is_told_so(type_: Type, home: Path) -> None:
    exit_code, code, message = type_("users", "set-role", "nobody@example.org", "admin").error
    assert (exit_code, code) == (1, "USER_NOT_FOUND")
    assert "nobody@example.org" in message


def test_a_password_comes_from_standard_input_and_never_from_an_argument(type_: Type, home: Path) -> None:
    exit_code, code, message = type_("users", "create", "mika@example.org", "--name", "Mika").error
    assert (exit_code, code) == (1, "USAGE")
    assert "--password-stdin" in message
    assert type_("users", "create", "mika@example.org", "--name", "Mika", "--password", PASSWORD).error[1] == "USAGE"


def test_the_setup_link_is_the_consoles_address_and_a_secret(type_: Type, node: Node) -> None:
    node.scripted["POST", "/api/setup/link"] = (201, {"token": "t" * 43})
    link = type_("users", "setup-link").data["link"]
    assert link == f"http://127.0.0.1:4001/setup#{'t' * 43}"
    assert link in type_("users", "setup-link", "--format", "text").out
