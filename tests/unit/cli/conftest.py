"""A home, a node that is a simulator, and a way to type commands."""

import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sekisho.cli.main import main
from tests.unit.cli.simulators import Gateway, Node


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    exit_code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """The data of a success."""
        assert (self.exit_code, self.err) == (0, ""), self
        document = json.loads(self.out)
        assert document.keys() == {"version", "data"}
        assert document["version"] == "1.0"
        return document["data"]

    @property
    def error(self) -> tuple[int, str, str]:
        """Exit code, code and message of a failure."""
        assert self.out == "", self
        document = json.loads(self.err)
        assert document.keys() == {"error"}
        assert document["error"].keys() == {"code", "message"}
        assert "\n" not in document["error"]["message"]
        return self.exit_code, document["error"]["code"], document["error"]["message"]


Type = Callable[..., Outcome]
"""Types a command: `type_("calls", "list", stdin="...")`."""


PROGRAM = "import sys; from sekisho.cli.main import main; sys.exit(main(sys.argv[1:]))"
"""The command line as a process of its own: `python -c PROGRAM word word`."""


def environment(**more: str) -> dict[str, str]:
    """Ours, with this source tree first."""
    path = os.pathsep.join(filter(None, (str(Path(__file__).parents[3] / "src"), os.environ.get("PYTHONPATH", ""))))
    return {**os.environ, "PYTHONPATH": path, **more}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home that `SEKISHO_HOME` names; nothing is in it."""
    for name in ("SEKISHO_API_KEY", "NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "home"
    monkeypatch.setenv("SEKISHO_HOME", str(path))
    return path


@pytest.fixture
def node(home: Path) -> Iterator[Node]:
    """A running node of that home."""
    from sekisho.app.homes import Home

    with Node(Home(home).node_socket) as node:
        yield node


@pytest.fixture
def gateway(node: Node) -> Iterator[Gateway]:
    """The gateway of that node."""
    with Gateway() as gateway:
        node.gateway_port = gateway.port
        yield gateway


@pytest.fixture
def type_(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Type:
    """Types a command in this process; stdout and stderr are no terminal."""

    def type_command(*words: str, stdin: str = "") -> Outcome:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        exit_code = main(words)
        captured = capsys.readouterr()
        return Outcome(exit_code, captured.out, captured.err)

    return type_command
