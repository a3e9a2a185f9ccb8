"""The supervisor with tiny children: start, replacement, reload, drain, and every start that must not happen."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sekisho.app import children, ports
from tests.support.patience import within
from tests.support.product import eventually, free_ports

ROOT = Path(__file__).parents[3]


class Running:
    """A supervisor in a process of its own."""

    def __init__(self, home: Path, *flags: str) -> None:
        self.home = home
        self.opened = False
        self.port, console = free_ports(2)
        named = {"gateway.port": str(self.port), "console.port": str(console), **dict(each.split("=", 1) for each in flags)}
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.unit.app.children",
                "supervise",
                str(home),
                *(f"{name}={value}" for name, value in named.items()),
            ],
            cwd=ROOT,
            env={
                **os.environ,
                "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}",
                "SEKISHO_HOT_PATH": "python",
                **dict.fromkeys(("SEKISHO_SECRET_KEY", "SEKISHO_API_KEY"), "not for children"),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ask(self) -> dict[str, float]:
        """Who answers on the gateway's port, and with which settings. Once it was open, a refused connection is a failure."""
        if not self.opened:
            eventually(self._is_open, "the port opened", explain=lambda: str(self.process.poll()))
            self.opened = True
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as client:
            return dict(json.loads(client.recv(1000)))

    def _is_open(self) -> bool:
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", self.port)):
            return True
        return False

    def pid(self) -> int:
        return int(self.ask()["pid"])

    def pids(self, kind: str) -> list[int]:
        path = self.home / "models" / "pids"
        return [int(line.split()[1]) for line in path.read_text().splitlines() if line.split()[0] == kind] if path.exists() else []

    def workforce(self) -> list[int]:
        path = self.home / "models" / "workforce"
        with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
            return list(json.loads(path.read_text())["workers"])
        return []

    def orders(self) -> dict[str, object]:
        with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
            return dict(json.loads((self.home / "models" / "orders").read_text()))
        return {}

    def script(self, **wishes: object) -> None:
        (self.home / "models" / "script").write_text(json.dumps(wishes))

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str, str]:
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home" / "models").mkdir(parents=True)
    return tmp_path / "home"


@pytest.fixture
def start(home: Path) -> Iterator[Callable[..., Running]]:
    with contextlib.ExitStack() as stack:

        def starter(*flags: str) -> Running:
            running = Running(home, *flags)
            stack.callback(running.process.communicate)
            stack.callback(running.process.kill)
            return running

        yield starter


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_start_prints_how_to_begin_and_an_end_leaves_nothing(start: Callable[..., Running]) -> None:
    running = start()
    worker = running.pid()
    eventually(lambda: running.workforce() == [worker], "the node learned who serves")
    status, out, err = running.end()
    assert status == 0, err
    assert f"http://127.0.0.1:{running.port}/v1" in out
    assert out.count("sk-sek-example-key") == 2  # once to keep, once in the line to paste
    assert "sandbox/echo" in out
    assert "sk-sek-example-key" not in err
    assert running.pids("node-ended") == running.pids("node")
    assert gone(worker)


def test_the_home_is_private_and_the_lock_names_the_master(start: Callable[..., Running]) -> None:
    running = start()
    running.pid()
    assert running.home.stat().st_mode & 0o777 == 0o700
    assert all((running.home / name).stat().st_mode & 0o777 == 0o700 for name in ("models", "journal", "backups", "run"))
    assert int((running.home / "run" / "lock").read_text()) == running.process.pid


def test_children_see_no_secret_in_their_environment(start: Callable[..., Running]) -> None:
    running = start()
    worker = running.pid()
    node = eventually(lambda: running.pids("node"), "the node started")[0]
    for pid in (worker, node):
        if (environ := Path(f"/proc/{pid}/environ")).exists():
            assert b"not for children" not in environ.read_bytes()
    orders = eventually(running.orders, "the node has its orders")
    assert orders["secret_key"] == "not for children"
    flags = orders["flags"]
    assert isinstance(flags, dict)
    assert flags["gateway.port"] == str(running.port), "a reload is judged with the flags of this start"


def test_a_killed_worker_is_replaced_within_a_second(start: Callable[..., Running]) -> None:
    running = start()
    for _ in range(3):
        worker = running.pid()
        eventually(lambda: running.workforce() == [worker], "the worker is ready")  # noqa: B023 - called at once
        os.kill(worker, signal.SIGKILL)
        before = time.monotonic()
        # The socket stays open: the connection waits for the new worker.
        assert running.pid() != worker
        assert time.monotonic() - before < within(1.0)


def test_a_killed_node_is_replaced_and_makes_no_second_key(start: Callable[..., Running]) -> None:
    running = start()
    worker = running.pid()
    first = eventually(lambda: running.pids("node"), "the node started")[0]
    eventually(lambda: running.workforce() == [worker], "the node heard of the worker")
    os.kill(first, signal.SIGKILL)
    eventually(lambda: len(running.pids("node")) == 2, "a new node started")
    eventually(lambda: not running.orders().get("first", True), "the new node has its orders")
    assert running.orders()["workers"] == [worker]
    assert running.pid() == worker
    _, out, _ = running.end()
    assert out.count("Sekisho") == 2, "one banner: its first line, and the message in the curl line"


def test_a_worker_that_never_gets_ready_is_started_ever_more_slowly(start: Callable[..., Running]) -> None:
    pauses = children.Pauses()
    assert [pauses.after(was_ready=False) for _ in range(9)] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]
    assert pauses.after(was_ready=True) == 0.0
    assert pauses.after(was_ready=False) == 0.1


def test_a_worker_that_falls_at_its_start_is_tried_again(start: Callable[..., Running], home: Path) -> None:
    (home / "models" / "script").write_text(json.dumps({"worker_falls": True}))
    running = start()
    eventually(lambda: len(running.pids("worker")) >= 3, "it was started again")
    running.script()
    assert running.pid() > 0


def test_a_reload_hands_over_without_a_gap(start: Callable[..., Running]) -> None:
    running = start("workers.count=2")
    eventually(lambda: len(running.workforce()) == 2, "both workers are ready")
    before = set(running.workforce())
    (running.home / "sekisho.toml").write_text("[bounds]\ndrain_s = 7.5\n")
    running.process.send_signal(signal.SIGHUP)
    # Asked all the while: no connection is refused.
    eventually(lambda: running.ask()["drain_s"] == 7.5, "a new worker answers")
    eventually(lambda: all(gone(pid) for pid in before), "the old workers ended")
    eventually(lambda: len(running.workforce()) == 2 and not before & set(running.workforce()), "the node knows the new ones")


@pytest.mark.parametrize(
    ("toml", "wishes"),
    [("[bounds]\ndrain_s = 'long'\n", {}), ("[bounds]\ndrian_s = 5\n", {}), ("", {"worker_falls": True})],
    ids=["a bad value", "an unknown name", "new workers that fall"],
)
def test_a_reload_that_fails_changes_nothing(start: Callable[..., Running], toml: str, wishes: dict[str, object]) -> None:
    running = start()
    worker = running.pid()
    eventually(lambda: running.workforce() == [worker], "the worker is ready")
    (running.home / "sekisho.toml").write_text(toml)
    running.script(**wishes)
    started = len(running.pids("worker"))
    running.process.send_signal(signal.SIGHUP)
    err = ""
    assert running.process.stderr is not None
    while "nothing is reloaded" not in err:
        err += running.process.stderr.readline()
    assert len(running.pids("worker")) == started + bool(wishes)
    running.end()
    assert running.pids("worker")[0] == worker


def test_an_interrupt_ends_it_too_and_a_second_signal_does_not_wait(start: Callable[..., Running], home: Path) -> None:
    (home / "models" / "script").write_text(json.dumps({"worker_hangs": True}))
    running = start()
    worker = running.pid()
    running.process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        running.process.wait(0.5)  # the worker drains
    before = time.monotonic()
    status, _, err = running.end(signal.SIGINT)
    assert status == 0, err
    assert time.monotonic() - before < within(5.0)
    assert gone(worker)


def test_a_worker_that_does_not_end_is_killed_after_the_drain_time(start: Callable[..., Running], home: Path) -> None:
    (home / "models" / "script").write_text(json.dumps({"worker_hangs": True}))
    (home / "sekisho.toml").write_text("[bounds]\ndrain_s = 0.1\n")
    running = start()
    worker = running.pid()
    status, _, err = running.end()
    assert status == 0
    assert "did not end in time" in err
    assert gone(worker)


def test_children_end_when_the_supervisor_is_killed(start: Callable[..., Running]) -> None:
    running = start()
    worker = running.pid()
    node = eventually(lambda: running.pids("node"), "the node started")[0]
    running.process.kill()
    eventually(lambda: gone(worker) and gone(node), "both children ended")


def test_a_node_that_cannot_start_stops_the_start_with_its_one_line(start: Callable[..., Running], home: Path) -> None:
    (home / "models" / "script").write_text(json.dumps({"node_fails": "the secret key is missing; put it back"}))
    running = start()
    out, err = running.process.communicate(timeout=30)
    assert running.process.returncode == 1
    assert out == ""
    assert err.splitlines()[-1] == "sekisho: the secret key is missing; put it back"
    assert all(gone(pid) for pid in running.pids("worker"))


def test_a_second_serve_on_one_home_is_refused(start: Callable[..., Running]) -> None:
    first = start()
    first.pid()
    second = start()
    out, err = second.process.communicate(timeout=30)
    assert second.process.returncode == 1
    assert out == ""
    assert err.startswith(
        f"sekisho: Sekisho runs already in {first.home} (pid {first.process.pid}); stop it with `sekisho stop`, or choose "
    )
    assert err.count("\n") == 1
    assert first.pid() > 0


def test_a_port_in_use_is_refused_with_the_next_free_one(start: Callable[..., Running], home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        running = start(f"gateway.port={port}")
        _, err = running.process.communicate(timeout=30)
    assert running.process.returncode == 1
    line = err.strip()
    assert line.startswith(f"sekisho: port {port} is in use; ")
    offered = int(line.rsplit(" ", 1)[1])
    assert offered > port
    assert f"{offered} is free: --port {offered}" in line
    assert running.pids("node") == []
    assert not (home / "sekisho.db").exists()


def test_a_bad_setting_is_refused_before_anything_is_made(start: Callable[..., Running], tmp_path: Path) -> None:
    running = start(f"home={tmp_path / 'other'}", "workers.count=none")
    _, err = running.process.communicate(timeout=30)
    assert running.process.returncode == 1
    assert err == "sekisho: --workers: expected a whole number, got a text; this is 'none'\n"
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("host", "port", "said"),
    [("no-such-host.invalid", 0, "is no address of this machine"), ("192.0.2.1", 0, "cannot listen on 192.0.2.1 port 0")],
)
def test_an_address_that_is_not_ours_is_refused(host: str, port: int, said: str) -> None:
    with pytest.raises(ports.StartError, match=said):
        ports.bind("gateway", host, port)


def test_the_other_doors_port_is_not_offered() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ports.StartError) as refused:
            ports.bind("console", "127.0.0.1", port, taken=(port + 1,))
    assert f"--console-port {port + 1}" not in str(refused.value)
    assert "--console-port" in str(refused.value)
