"""A program that becomes another one in the same process: what it holds is there afterwards, children and waiting signals included."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sekisho.app import children, handover

ROOT = Path(__file__).parents[3]

PROGRAM = """
import asyncio, json, os, signal, socket, subprocess, sys
from sekisho.app import handover
from sekisho.app.children import Adopted

found = handover.taken()
if found is None:
    os.environ["SEKISHO_KEPT"] = "yes"
    bound = socket.create_server(("127.0.0.1", 0))
    lock = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
    wait = [sys.executable, "-c", "import sys; sys.exit(len(sys.stdin.read()))"]
    first, second = (subprocess.Popen(wait, stdin=subprocess.PIPE) for _ in range(2))
    kept = tuple(handover.Kept(each.pid, each.stdin.fileno()) for each in (first, second))
    handover.give(handover.Handover({"gateway": bound.fileno()}, lock, kept[0], kept, 5))

async def main():
    node, (first, second) = found.node, found.workers
    assert node == first
    children = [Adopted(each.pid, each.line) for each in (first, second)]
    assert all(child.ready.is_set() and not child.ended for child in children)
    children[0].tell(b"abc")
    children[0].let_go()
    children[1].signal(signal.SIGTERM)
    ends = [await child.wait() for child in children]
    children[0].tell(b"after its end")
    children[1].signal(signal.SIGTERM)
    return ends

bound = socket.socket(fileno=found.sockets["gateway"])
heard = []
os.kill(os.getpid(), signal.SIGHUP)
signal.signal(signal.SIGHUP, lambda number, frame: heard.append(number))
handover.hear_signals()
print(json.dumps({
    "pid": os.getpid(),
    "arguments": sys.argv[1:],
    "environment": [os.environ.get("SEKISHO_KEPT"), os.environ.get(handover.VARIABLE)],
    "listens": bound.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN),
    "locked": os.fstat(found.lock).st_ino == os.stat(sys.argv[1]).st_ino,
    "inheritable": [os.get_inheritable(each) for each in found.descriptors()],
    "started_at": found.started_at,
    "heard": heard,
    "ends": asyncio.run(main()),
}))
"""


def test_everything_held_is_there_afterwards(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    process = subprocess.Popen(
        [sys.executable, str(program), str(tmp_path / "lock")],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.PIPE,
        text=True,
    )
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    said: dict[str, Any] = json.loads(out)
    assert said == {
        "pid": process.pid,
        "arguments": [str(tmp_path / "lock")],
        "environment": ["yes", None],
        "listens": 1,
        "locked": True,
        "inheritable": [False] * 5,
        "started_at": 5,
        "heard": [signal.SIGHUP],
        "ends": [len(b"abc\n"), -signal.SIGTERM],
    }


def test_without_a_program_before_nothing_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(handover.VARIABLE, raising=False)
    assert handover.taken() is None


def test_the_print_tells_that_a_source_was_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "__init__.py").write_text("")
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "module.py").write_text("a = 1\n")
    monkeypatch.setattr("sekisho.__file__", str(tmp_path / "__init__.py"))
    before = handover.fingerprint()
    assert handover.fingerprint() == before
    (tmp_path / "inner" / "__pycache__").mkdir()
    (tmp_path / "inner" / "__pycache__" / "module.cpython-311.pyc").write_bytes(b"")
    assert handover.fingerprint() == before
    fresh = tmp_path / "inner" / "module.new"
    fresh.write_text("a = 2\n")
    fresh.replace(tmp_path / "inner" / "module.py")
    assert handover.fingerprint() != before


@pytest.mark.parametrize(
    ("flags", "listeners", "said"),
    [
        ({}, ("gateway", "console"), None),
        ({"workers.count": "many"}, ("gateway", "console"), "--workers: expected a whole number"),
        ({}, ("gateway",), "takes a restart"),
    ],
    ids=["as it is", "settings that are refused", "other listeners"],
)
def test_a_rehearsal(tmp_path: Path, flags: dict[str, str], listeners: tuple[str, ...], said: str | None) -> None:
    """The package that is here can be imported; what it cannot serve it says in one line."""
    rehearsal = handover.rehearse({"home": str(tmp_path / "home"), **flags}, listeners)
    if said is None:
        asyncio.run(rehearsal)
    else:
        with pytest.raises(handover.HandoverError, match=said):
            asyncio.run(rehearsal)
    assert not (tmp_path / "home").exists(), "a rehearsal leaves nothing behind"


@pytest.mark.parametrize(("status", "text"), [(3, "exit status 3"), (-signal.SIGKILL, "signal SIGKILL")])
def test_an_end_as_people_read_it(status: int, text: str) -> None:
    assert children.described(status) == text
