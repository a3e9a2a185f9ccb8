"""`status`, `stop`, `reload`."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

from tests.unit.cli.conftest import Type
from tests.unit.cli.simulators import Node, refusal

MASTER = """
import fcntl, os, signal, sys, threading
lock = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o600)
fcntl.flock(lock, fcntl.LOCK_EX)
os.write(lock, b"%d\\n" % os.getpid())
asked = threading.Event()
signal.signal(signal.SIGTERM, lambda number, frame: asked.set() if sys.argv[2] == "obeys" else None)
print("ready", flush=True)
asked.wait()
"""
"""A process that holds the lock of a home, as the supervisor does, until SIGTERM."""


def master(home: Path, manner: str) -> subprocess.Popen[str]:
    """Start one and return when it holds the lock."""
    (home / "run").mkdir(parents=True)
    command = [sys.executable, "-c", MASTER, str(home / "run" / "lock"), manner]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_status_is_what_the_node_says(type_: Type, node: Node) -> None:
    data = type_("status").data
    assert (data["supervisor"], data["node"], data["workers"]) == (11, 12, [13, 14])
    assert data["ports"] == {"gateway": 4000, "console": 4001}
    assert (data["revision"], data["journal_lag_s"]) == (7, 0.2)


def test_status_in_words(type_: Type, node: Node) -> None:
    outcome = type_("status", "--format", "text")
    assert outcome.exit_code == 0
    for piece in ("● running", "gateway port  4000", "workers       pid 13, pid 14", "journal lag   0.2 s", "2026-01-31 09:00:00 UTC ("):
        assert piece in outcome.out


def test_status_tells_what_was_set_aside_and_how_engines_are(type_: Type, node: Node) -> None:
    engines = [
        {"model": "tiny", "state": "awake", "pid": 99, "falls": 0, "last_error": None},
        {"model": "huge", "state": "refused", "pid": None, "falls": 1, "last_error": "too little\nmemory"},
    ]
    _, told = node.answer("GET", "/api/status", {}, {})
    node.scripted["GET", "/api/status"] = (
        200,
        {**told, "journal_set_aside": 2, "journals_full": 1, "journal_dropped": 1234, "engines": engines},
    )
    out = type_("status", "--format", "text").out
    for piece in (
        "set aside     2 files of the journal; see: sekisho doctor",
        "journal full  workers: 1; make room on the disk of the home",
        "not recorded  1,234 records found no room in a journal",
        "engine        tiny awake, pid 99",
        "huge refused (too little",
    ):
        assert piece in out


def test_stop_returns_when_the_lock_is_free(type_: Type, home: Path) -> None:
    with master(home, "obeys") as process:
        data = type_("stop").data
        assert data == {"stopped": True, "pid": process.pid}
        with (home / "run" / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert process.returncode == 0


def test_stop_says_that_the_server_does_not_end(type_: Type, home: Path) -> None:
    with master(home, "stubborn") as process:
        exit_code, code, message = type_("stop", "--timeout", "1").error
        process.kill()
    assert (exit_code, code) == (2, "STOP_TIMEOUT")
    assert f"process {process.pid} still works after 1 s" in message


def test_a_lock_that_nobody_holds_is_no_server(type_: Type, home: Path) -> None:
    (home / "run").mkdir(parents=True)
    (home / "run" / "lock").write_text(f"{os.getpid()}\n")
    assert type_("stop").error[:2] == (1, "NOT_RUNNING")


def test_reload_is_passed_on(type_: Type, node: Node) -> None:
    assert type_("reload").data == {"accepted": True}
    assert node.requests[-1][:2] == ("POST", "/api/system/reload")


def test_a_reload_that_is_refused_says_why_in_one_line(type_: Type, node: Node) -> None:
    line = "sekisho.toml: there is no setting gateway.prot; did you mean gateway.port?"
    node.scripted["POST", "/api/system/reload"] = refusal(422, "invalid_settings", line)
    exit_code, _, message = type_("reload").error
    assert (exit_code, message) == (1, line)


def test_status_tells_what_is_wrong_with_the_database(type_: Type, node: Node) -> None:
    _, told = node.answer("GET", "/api/status", {}, {})
    copy = {"revision": 42, "written_at": "2026-01-31T09:00:00.000000Z"}
    outage = {"reason": "the database is\nmissing", "since": "2026-01-31T09:05:00.000000Z", "sealed_copy": copy}
    node.scripted["GET", "/api/status"] = (200, {**told, "outage": outage, "sealed_copy_trouble": "no room"})
    out = type_("status", "--format", "text").out
    for piece in ("stands in for the database: revision 42 of 2026-01-31 09:00:00 UTC", "outage", "missing", "no room"):
        assert piece in out
