"""Finding the node: one that is coming up is waited for, one that never does is told."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sekisho.app.homes import Home
from sekisho.cli import client
from tests.unit.cli.conftest import Type
from tests.unit.cli.simulators import Node, call

MASTER = """
import fcntl, os, sys
lock = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o600)
fcntl.flock(lock, fcntl.LOCK_EX)
os.write(lock, b"%d\\n" % os.getpid())
print("ready", flush=True)
sys.stdin.read()
"""
"""A process that holds the lock of a home until its stdin ends, and answers nothing."""


@pytest.fixture
def master(home: Path) -> Iterator[subprocess.Popen[str]]:
    """A supervisor whose node does not answer."""
    (home / "run").mkdir(parents=True)
    command = [sys.executable, "-c", MASTER, str(home / "run" / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process


def test_a_node_that_is_coming_up_is_waited_for(type_: Type, home: Path, master: subprocess.Popen[str]) -> None:
    node = Node(Home(home).node_socket)
    node.calls = [call(1)]
    timer = threading.Timer(0.3, node.__enter__)
    timer.start()
    try:
        assert type_("calls", "count").data == {"count": 1}
    finally:
        timer.join()
        node.__exit__(None, None, None)


def test_a_node_that_does_not_come_up_is_told(
    type_: Type, home: Path, master: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "PATIENCE_SECONDS", 0.2)
    for words in (("calls", "count"), ("status",)):
        exit_code, code, message = type_(*words).error
        assert (exit_code, code) == (1, "NODE_UNREACHABLE")
        assert f"process {master.pid} holds {home}" in message
        assert "sekisho stop" in message


def test_a_socket_that_nobody_serves_is_no_node(tmp_path: Path) -> None:
    assert not client.answers(tmp_path / "none.sock")
    with Node(tmp_path / "run" / "node.sock"):
        assert client.answers(tmp_path / "run" / "node.sock")
    (tmp_path / "file").write_text("")
    assert not client.answers(tmp_path / "file")


def test_a_long_path_of_a_home_has_its_socket_elsewhere(type_: Type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / ("long" * 30)
    monkeypatch.setenv("SEKISHO_HOME", str(home))
    socket = Home(home).node_socket
    assert not socket.is_relative_to(home)
    with Node(socket):
        assert type_("calls", "count").data == {"count": 0}
    socket.parent.rmdir()
