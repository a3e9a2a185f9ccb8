"""`providers`."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.cli.conftest import PROGRAM, Type, environment
from tests.unit.cli.simulators import Node, refusal

ADD = ("providers", "add", "--kind", "custom", "--name", "up", "--base-url", "http://127.0.0.1:9/v1")


def test_a_provider_is_added_with_its_models(type_: Type, node: Node) -> None:
    data = type_(*ADD).data
    assert node.bodies("POST", "/api/providers") == [{"name": "up", "kind": "custom", "base_url": "http://127.0.0.1:9/v1", "probe": True}]
    assert data["models"] == ["up/one", "up/two"]


def test_every_flag_has_its_field(type_: Type, node: Node, tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    timeouts = ("--connect-timeout", "1.5", "--first-byte-timeout", "30", "--idle-timeout", "10", "--total-timeout", "60")
    type_(*ADD, "--no-probe", "--ca-bundle", str(bundle), "--api-key-stdin", *timeouts, stdin="sk-upstream\n")
    (body,) = node.bodies("POST", "/api/providers")
    assert body["probe"] is False
    assert body["api_key"] == "sk-upstream"
    assert body["ca_bundle"] == bundle.read_text()
    assert body["timeouts"] == {"connect": 1.5, "first_byte": 30.0, "idle": 10.0, "total": 60.0}


def test_a_secret_is_never_shown(type_: Type, node: Node) -> None:
    for outcome in (
        type_(*ADD, "--api-key-stdin", stdin="sk-upstream-secret-1234\n"),
        type_("providers", "list", "--format", "text"),
        type_("providers", "show", "up", "--format", "text"),
    ):
        assert "sk-upstream-secret" not in outcome.out + outcome.err
    assert "…1234" in type_("providers", "list", "--format", "text").out


def test_an_empty_stdin_is_told(type_: Type, node: Node) -> None:
    exit_code, code, message = type_(*ADD, "--api-key-stdin", stdin="\n").error
    assert (exit_code, code) == (1, "USAGE")
    assert "--api-key-stdin" in message
    assert node.requests == []


def test_a_secret_is_asked_for_hidden_on_a_terminal(home: Path, node: Node) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", PROGRAM, *ADD, "--api-key-stdin"]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment(), start_new_session=True) as process:
        os.close(theirs)
        shown = b""
        while b"secret: " not in shown:
            shown += os.read(ours, 1000)
        os.write(ours, b"sk-typed\n")
        while True:
            try:
                shown += os.read(ours, 1000)
            except OSError:
                break
    os.close(ours)
    assert process.returncode == 0, shown
    assert node.bodies("POST", "/api/providers")[0]["api_key"] == "sk-typed"
    assert b"sk-typed" not in shown


def test_a_bundle_that_is_none_is_refused(type_: Type, node: Node, tmp_path: Path) -> None:
    wrong = tmp_path / "ca.der"
    wrong.write_bytes(b"\x30\x82")
    assert "holds no PEM certificates" in type_(*ADD, "--ca-bundle", str(wrong)).error[2]
    assert type_(*ADD, "--ca-bundle", str(tmp_path / "none.pem")).error[:2] == (1, "FILE_UNREADABLE")
    assert node.requests == []


def test_a_refused_provider_gives_the_reason(type_: Type, node: Node) -> None:
    node.scripted["POST", "/api/providers"] = refusal(422, "provider_unreachable", "base_url: nobody listens on 127.0.0.1:9")
    assert type_(*ADD).error == (1, "PROVIDER_UNREACHABLE", "base_url: nobody listens on 127.0.0.1:9")
    del node.scripted["POST", "/api/providers"]
    type_(*ADD)
    assert type_(*ADD).error[:2] == (1, "PROVIDER_EXISTS")


def test_list_show_and_the_first_step(type_: Type, node: Node) -> None:
    assert "sekisho providers add" in type_("providers", "list", "--format", "text").out
    type_(*ADD)
    assert [each["name"] for each in type_("providers", "list").data["providers"]] == ["up"]
    assert type_("providers", "show", "up").data["base_url"] == "http://127.0.0.1:9/v1"
    assert "up/one, up/two" in type_("providers", "show", "up", "--format", "text").out
    assert type_("providers", "show", "down").error == (1, "PROVIDER_NOT_FOUND", "there is no provider down")


@pytest.mark.parametrize(
    ("flags", "body"),
    [
        (("--base-url", "http://b/v1"), {"base_url": "http://b/v1"}),
        (("--disable",), {"enabled": False}),
        (("--enable", "--name", "other"), {"enabled": True, "name": "other"}),
        (("--api-key-stdin",), {"api_key": "sk-new"}),
        (("--idle-timeout", "5"), {"timeouts": {"idle": 5.0}}),
    ],
)
def test_update_sends_only_what_changes(type_: Type, node: Node, flags: tuple[str, ...], body: dict[str, object]) -> None:
    type_(*ADD)
    assert type_("providers", "update", "up", *flags, stdin="sk-new").exit_code == 0
    assert node.bodies("PATCH", "/api/providers/up") == [body]


def test_a_provider_that_does_not_answer_ends_the_test_with_1(type_: Type, node: Node) -> None:
    type_(*ADD)
    assert type_("providers", "test", "up").data["ok"] is True
    assert type_("providers", "test", "up", "--format", "text").out == "ok up answers in 12.5 ms and has 2 models\n"
    node.scripted["POST", "/api/providers/up/test"] = (200, {"ok": False, "latency_ms": None, "models": 0, "error": "refused\x1b[2J"})
    outcome = type_("providers", "test", "up", "--format", "text")
    assert (outcome.exit_code, outcome.out) == (1, "failed up: refused\\u001b[2J\n")
    assert type_("providers", "test", "up").exit_code == 1


def test_refresh_and_remove(type_: Type, node: Node) -> None:
    type_(*ADD)
    assert type_("providers", "refresh", "up", "--format", "text").out == "up has 2 models\n"
    assert type_("providers", "remove", "up").exit_code == 0
    assert node.providers == {}
    assert type_("providers", "remove", "up").error[:2] == (1, "PROVIDER_NOT_FOUND")
