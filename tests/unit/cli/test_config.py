"""`config`: reading where settings are in force, and editing the file without breaking it."""

import stat
import tomllib
from pathlib import Path

import pytest

from sekisho.cli import config
from sekisho.cli.failures import CommandError
from tests.unit.cli.conftest import Type
from tests.unit.cli.simulators import Node

FILE = """\
# ours
[gateway]  # the door
host = "127.0.0.1"   # only here
port = 4000
[trust]
proxies = [
  "10.0.0.0/8",
  "192.168.0.0/16",
]

[logs]
level = "info"
"""


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("gateway.port", 4100, "port = 4100"),
        ("gateway.backlog", 5, "backlog = 5"),
        ("trust.proxies", ["fd00::/8"], 'proxies = ["fd00::/8"]'),
        ("console.port", 0, "port = 0"),
        ("logs.level", 'a "quoted" \\ text', 'level = "a \\"quoted\\" \\\\ text"'),
        ("logs.loggers", {"a.b": "debug"}, 'loggers = {"a.b" = "debug"}'),
        ("console.insecure", True, "insecure = true"),
    ],
)
def test_one_setting_changes_and_nothing_else(key: str, value: object, line: str) -> None:
    changed = config.with_value(FILE, key, value)
    section, name = key.split(".")
    expected = tomllib.loads(FILE)
    expected.setdefault(section, {})[name] = value
    assert tomllib.loads(changed) == expected
    assert line in changed.splitlines()
    assert "# ours" in changed
    assert "[gateway]  # the door" in changed


def test_a_setting_in_an_empty_file() -> None:
    assert config.with_value("", "gateway.port", 4100) == "[gateway]\nport = 4100\n"


@pytest.mark.parametrize("text", ["gateway = {port = 1}\n", "gateway.port = 1\n", '[gateway]\n"port" = 1\n', "[[gateway]]\nport = 1\n"])
def test_a_form_that_the_edit_does_not_know_is_left_alone(text: str) -> None:
    with pytest.raises(CommandError, match=r"set gateway\.port in an editor"):
        config.with_value(text, "gateway.port", 2)


def test_a_section_inside_a_text_is_no_section() -> None:
    text = '[logs]\nlevel = """\n[gateway]\n"""\n'
    with pytest.raises(CommandError):
        config.with_value(text, "gateway.port", 2)


def test_set_writes_a_private_file_and_get_reads_it(type_: Type, home: Path) -> None:
    data = type_("config", "set", "gateway.port", "4100").data
    assert (data["key"], data["value"], data["running"]) == ("gateway.port", 4100, False)
    assert stat.S_IMODE((home / "sekisho.toml").stat().st_mode) == 0o600
    assert type_("config", "get", "gateway.port").data == {"key": "gateway.port", "value": 4100, "source": "sekisho.toml"}
    assert type_("config", "get", "gateway.port", "--format", "text").out == "4100\n"
    assert type_("config", "get", "console.port").data["source"] == "default"


@pytest.mark.parametrize(
    ("key", "value", "stored"),
    [("gateway.host", "0.0.0.0", "0.0.0.0"), ("logs.level", "debug", "debug"), ("trust.proxies", '["10.0.0.0/8"]', ["10.0.0.0/8"])],
)
def test_a_value_is_taken_as_it_fits(type_: Type, home: Path, key: str, value: str, stored: object) -> None:
    assert type_("config", "set", key, value).data["value"] == stored


@pytest.mark.parametrize(
    ("words", "code", "what"),
    [
        (("gateway.prt", "1"), "CONFIG_NOT_FOUND", "did you mean gateway.port?"),
        (("gateway.port", "99999"), "SETTINGS_INVALID", "gateway.port"),
        (("gateway.port", "nan"), "SETTINGS_INVALID", "gateway.port"),
        (("gateway.port", "4001"), "SETTINGS_INVALID", "both 4001"),
        (("gateway.port",), "USAGE", "give the value once"),
        (("database.url", "postgresql://me:secret@db/x"), "USAGE", "--value-stdin"),
    ],
)
def test_a_bad_change_leaves_the_file_as_it_was(type_: Type, home: Path, words: tuple[str, ...], code: str, what: str) -> None:
    home.mkdir()
    (home / "sekisho.toml").write_text(FILE)
    exit_code, found, message = type_("config", "set", *words).error
    assert (exit_code, found) == (1, code)
    assert what in message
    assert "secret" not in message
    assert (home / "sekisho.toml").read_text() == FILE


def test_a_file_that_is_broken_is_not_made_worse(type_: Type, home: Path) -> None:
    home.mkdir()
    (home / "sekisho.toml").write_text("[gateway\n")
    assert type_("config", "set", "gateway.port", "4100").error[1] == "SETTINGS_INVALID"
    assert type_("config", "list").error[:2] == (1, "SETTINGS_INVALID")
    assert (home / "sekisho.toml").read_text() == "[gateway\n"


def test_a_running_server_says_what_is_in_force(type_: Type, node: Node) -> None:
    assert type_("config", "get", "gateway.port").data == {"key": "gateway.port", "value": 4000, "source": "--flag"}
    data = type_("config", "list").data
    assert data["config"] == node.settings
    assert data["sources"]["gateway.port"] == "--flag"


def test_a_setting_without_a_value_ends_with_1(type_: Type, node: Node) -> None:
    outcome = type_("config", "get", "database.url")
    assert outcome.exit_code == 1
    assert '"value":null' in outcome.out
    assert type_("config", "get", "database.urn").error[:2] == (1, "CONFIG_NOT_FOUND")


def test_every_setting_is_listed(type_: Type, home: Path) -> None:
    from sekisho.app import settings

    assert set(type_("config", "list").data["config"]) == set(settings.names())
    shown = type_("config", "list", "--format", "text").out
    assert all(name in shown for name in settings.names())


def test_an_override_is_told(type_: Type, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEKISHO_GATEWAY__PORT", "4200")
    outcome = type_("config", "set", "gateway.port", "4100", "--format", "text")
    assert outcome.exit_code == 0
    assert outcome.err == "warning: SEKISHO_GATEWAY__PORT is set in this environment and overrides the file\n"
