"""`security`: what is listed, and that a system is never changed without a yes."""

from pathlib import Path

import pytest

from sekisho.cli import security
from tests.unit.cli.conftest import Type
from tests.unit.cli.simulators import Node


def test_no_certificates_is_a_list_too(type_: Type, node: Node) -> None:
    assert type_("security", "certificates").data["certificates"] == []


def test_a_root_that_is_not_there_is_only_shown(type_: Type, node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[list[str]] = []
    monkeypatch.setattr(security, "_take", taken.append)
    shown = type_("security", "install-ca", "--dry-run").data
    assert (shown["exists"], shown["installed"]) == (False, False)
    code, name, message = type_("security", "install-ca", "--yes").error
    assert (code, name) == (1, "NO_AUTHORITY")
    assert "packaged-ca" in message
    assert taken == []


def test_the_steps_are_taken_with_a_yes_and_only_then(type_: Type, node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[list[str]] = []
    monkeypatch.setattr(security, "_take", taken.append)
    root = tmp_path / "root.pem"
    root.write_text("a root")
    assert type_("security", "install-ca", "--cert-path", str(root)).error[1] == "USAGE"
    assert taken == []
    done = type_("security", "install-ca", "--cert-path", str(root), "--yes").data
    assert done["installed"]
    assert [" ".join(step) for step in taken] == done["steps"]
    assert any(str(root) in step for step in done["steps"])


def test_a_mac_keeps_its_authorities_in_a_keychain() -> None:
    steps, undo = security.commands(Path("/home/x/root.pem"), "darwin")
    assert "add-trusted-cert" in steps[0]
    assert steps[0][-1] == "/home/x/root.pem"
    assert "remove-trusted-cert" in undo[0]
