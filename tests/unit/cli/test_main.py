"""Global options, exit codes, and the format of everything that goes wrong."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sekisho.cli import failures, main
from tests.unit.cli.conftest import PROGRAM, Type, environment
from tests.unit.cli.simulators import HANGS_UP, Node, refusal


def on_a_terminal(home: Path, *words: str, **environ: str) -> tuple[int, str]:
    """Type a command on a real terminal of 120 columns; exit code and everything that it showed."""
    ours, theirs = pty.openpty()
    terminal = environment(SEKISHO_HOME=str(home), TERM="xterm-256color", COLUMNS="120", **environ)
    with subprocess.Popen([sys.executable, "-c", PROGRAM, *words], stdin=theirs, stdout=theirs, stderr=theirs, env=terminal) as process:
        os.close(theirs)
        shown = bytearray()
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # Linux's way to say that the other side is closed
                break
            if not piece:
                break
            shown += piece
    os.close(ours)
    return process.returncode, shown.decode().replace("\r\n", "\n")


@pytest.mark.parametrize(
    "words",
    [
        ("--format", "json", "version"),
        ("version", "--format", "json"),
        ("--format=json", "version"),
        ("version", "--format=json"),
        ("version",),
        ("--version",),
    ],
)
def test_format_stands_before_or_after_the_command(type_: Type, words: tuple[str, ...]) -> None:
    assert type_(*words).data["version"] == "0.1.0"


def test_text_can_be_asked_for_where_nobody_looks(type_: Type) -> None:
    outcome = type_("version", "--format", "text")
    assert (outcome.exit_code, outcome.err) == (0, "")
    assert outcome.out.startswith("sekisho 0.1.0 (Python 3.")


@pytest.mark.parametrize("words", [("calls", "list"), ("--format", "text", "calls", "list")])
def test_home_stands_before_or_after_the_command(type_: Type, node: Node, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]) -> None:
    monkeypatch.setenv("SEKISHO_HOME", "/nonexistent/home")
    home = str(node.socket.parent.parent)
    assert type_("--home", home, *words).exit_code == 0
    assert type_(*words, f"--home={home}").exit_code == 0
    assert [path for _, path, _, _ in node.requests].count("/api/calls") == 2


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("bogus",), "No such command 'bogus'"),
        (("providers",), "Missing command"),
        (("calls", "list", "--bogus"), "No such option: --bogus"),
        (("calls", "list", "--limit", "x"), "'--limit': expected a whole number"),
        (("calls", "list", "--limit", "0"), "'--limit': expected a value greater than or equal to 1"),
        (("calls", "list", "--status", "lost"), "'lost' is not one of 'completed', 'failed', 'cancelled'"),
        (("calls", "list", "--since", "yesterday"), "--since: write how long ago"),
        (("api-keys", "create"), "Missing option '--label'"),
        (("api-keys", "create", "--label", "a", "--expires", "soon"), "--expires: 'soon' is not a duration"),
        (("api-keys", "create", "--label", "a", "--models", ","), "--models names no model"),
        (("api-keys", "revoke"), "Missing argument 'ID'"),
        (("providers", "add", "--kind", "gopher", "--name", "a"), "'gopher' is not one of"),
        (("providers", "update", "up"), "nothing to change"),
        (("models", "add", "up/x", "--input-price", "cheap", "--output-price", "1"), "--input-price: 'cheap' is not an amount"),
        (("models", "add", "up/x", "--input-price", "1"), "give both prices"),
        (("version", "--format", "xml"), "--format is text or json, not 'xml'"),
        (("version", "--format"), "--format needs a value"),
        (("version", "--home"), "--home needs a value"),
    ],
)
def test_a_command_typed_wrongly_ends_with_1_in_the_chosen_format(type_: Type, words: tuple[str, ...], what: str) -> None:
    exit_code, code, message = type_(*words).error
    assert (exit_code, code) == (1, "USAGE")
    assert what in message
    text = type_("--format", "text", *words)
    if "--format" not in words:
        assert (text.exit_code, text.out) == (1, "")
        assert text.err.startswith("error: ")
        assert what in text.err


def test_what_follows_two_dashes_is_no_option() -> None:
    assert main.split(["chat", "--", "--format", "xml"]) == (["chat", "--", "--format", "xml"], {}, None)


def test_a_refusal_of_the_api_is_the_users_to_mend(type_: Type, node: Node) -> None:
    assert type_("calls", "show", "boot-9").error == (1, "CALL_NOT_FOUND", "there is no call boot-9")


def test_a_fault_of_the_node_is_internal_and_names_the_request(type_: Type, node: Node) -> None:
    node.scripted["GET", "/api/usage"] = refusal(500, "internal", "something broke", "server_error")
    assert type_("usage").error == (2, "INTERNAL", "something broke (request req-1)")


def test_an_answer_that_is_no_object_is_internal(type_: Type, node: Node) -> None:
    node.scripted["GET", "/api/usage"] = (200, [])  # type: ignore[assignment]
    exit_code, code, _ = type_("usage").error
    assert (exit_code, code) == (2, "INTERNAL")


def test_a_node_that_dies_in_the_middle_is_told(type_: Type, node: Node) -> None:
    node.scripted["GET", "/api/usage"] = HANGS_UP
    exit_code, code, message = type_("usage").error
    assert (exit_code, code) == (1, "NODE_UNREACHABLE")
    assert "try again" in message


def test_a_command_that_needs_the_server_says_so(type_: Type, home: Path) -> None:
    for words in (("status",), ("stop",), ("reload",), ("calls", "tail")):
        assert type_(*words).error == (1, "NOT_RUNNING", f"no server runs on {home}; start one with: sekisho serve")
    assert not home.exists()


def test_colours_are_for_terminals(home: Path, node: Node) -> None:
    exit_code, shown = on_a_terminal(home, "status")
    assert exit_code == 0
    assert "\x1b[1;32m● running" in shown
    assert "pid 13, pid 14" in shown
    exit_code, plain = on_a_terminal(home, "status", NO_COLOR="1")
    assert exit_code == 0
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", plain), "no colours under NO_COLOR"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "status", "--format", "text"], capture_output=True, text=True, check=True, env=environment()
    )
    assert "\x1b" not in done.stdout


def test_json_on_a_terminal_is_indented_and_one_line_in_a_pipe(home: Path, type_: Type) -> None:
    _, shown = on_a_terminal(home, "version", "--format", "json")
    assert shown.startswith('{\n  "version": "1.0"')
    assert type_("version").out.count("\n") == 1


def test_a_reader_that_leaves_is_no_accident(home: Path, node: Node) -> None:
    for number in range(4000):
        node.settings[f"logs.x{number}"] = "y" * 200
    command = [sys.executable, "-c", PROGRAM, "config", "list"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(PYTHONUNBUFFERED="")) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == failures.EXIT_USER


@pytest.mark.parametrize("words", [("version",), ("serve", "--help")])
def test_light_commands_import_nothing_heavy(words: tuple[str, ...]) -> None:
    program = f"import sys; from sekisho.cli.main import main; main({list(words)!r}); print(sorted(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment())
    loaded = set(json.loads(done.stderr.replace("'", '"')))
    heavy = {"fastapi", "starlette", "sqlalchemy", "alembic", "uvicorn", "httpx", "cryptography.hazmat.primitives.asymmetric.rsa"}
    assert loaded & heavy == set()


def test_the_shell_completes_commands() -> None:
    shell = environment(_SEKISHO_COMPLETE="complete_bash", COMP_WORDS="sekisho prov", COMP_CWORD="1")
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=shell, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["providers"]


def test_the_help_lists_every_command_and_the_global_options(type_: Type) -> None:
    outcome = type_("--help")
    assert outcome.exit_code == 0
    for name in main.COMMANDS:
        assert re.search(rf"│ {name} ", outcome.out), name
    assert "--format text|json" in outcome.out
    assert "--home DIR" in type_("calls", "list", "--help").out
    assert type_().out == outcome.out


def test_a_terminal_that_knows_no_unicode_is_served(home: Path, node: Node) -> None:
    node.settings["logs.level"] = "日本"
    for words, shown in ((("config", "list"), '"\\u65e5\\u672c"'), (("config", "list", "--format", "text"), "| ??")):
        ascii_only = environment(PYTHONIOENCODING="ascii")
        done = subprocess.run([sys.executable, "-c", PROGRAM, *words], capture_output=True, text=True, env=ascii_only, check=True)
        assert shown in done.stdout


def test_a_home_that_cannot_be_made_is_told_in_one_line(type_: Type, home: Path) -> None:
    home.parent.joinpath("file").write_text("")
    outcome = type_("--home", str(home.parent / "file" / "below"), "config", "set", "gateway.port", "1")
    exit_code, code, _ = outcome.error
    assert (exit_code, code) == (1, "HOME_UNUSABLE")


def test_an_internal_error_is_one_line_without_debug(type_: Type, node: Node) -> None:
    node.scripted["GET", "/api/calls/count"] = (200, {"total": 1})
    outcome = type_("calls", "count", "--format", "text")
    assert outcome.exit_code == 2
    assert outcome.err == "error: KeyError: 'count'; run the command again with --debug to see where\n"
    assert "Traceback" in type_("calls", "count", "--format", "text", "--debug").err
