"""The layers of the house hold, and nobody has bought an exception."""

import logging
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest
from importlinter import cli

PROJECT: Final = Path(__file__).parents[2] / "pyproject.toml"


def contracts() -> list[dict[str, Any]]:
    return list(tomllib.loads(PROJECT.read_text())["tool"]["importlinter"]["contracts"])


def test_import_contracts_are_kept(capsys: pytest.CaptureFixture[str]) -> None:
    heard = [each for each in logging.root.manager.loggerDict.values() if isinstance(each, logging.Logger) and not each.disabled]
    code = cli.lint_imports(config_filename=str(PROJECT), no_cache=True)
    # The linter sets up logging for itself and silences everyone else's, which later tests listen to.
    for each in heard:
        each.disabled = False
    assert code == cli.EXIT_STATUS_SUCCESS, capsys.readouterr().out


def test_no_contract_ignores_an_import() -> None:
    assert len(contracts()) == 11
    assert [contract["name"] for contract in contracts() if {"ignore_imports", "unmatched_ignore_imports_alerting"} & contract.keys()] == []


def test_the_layers_are_exhaustive() -> None:
    whole = {contract["name"] for contract in contracts() if contract["type"] == "layers" and contract.get("exhaustive")}
    assert whole == {"One direction, top to bottom", "Inside the core", "Dialects are strangers to each other", "Inside the data plane"}
