"""A port in use, and a second start in one home."""

import re
import socket
from pathlib import Path

import httpx
import pytest

from tests.e2e.start.attempts import try_start
from tests.support.product import Product, free_ports

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("flag", ["--port", "--console-port"])
def test_a_port_in_use(home: Path, flag: str) -> None:
    """The line names the port, whose it is by its flag, and a free one to take instead."""
    gateway, console = free_ports(2)
    with socket.socket() as other:
        other.bind(("127.0.0.1", gateway if flag == "--port" else console))
        other.listen()
        taken = other.getsockname()[1]
        attempt = try_start(home, "--port", str(gateway), "--console-port", str(console), ports=False)
        assert attempt.exit_code == 1
        assert str(taken) in attempt.line
        proposed = [int(number) for number in re.findall(rf"{flag}[ =](\d+)", attempt.line)]
        assert proposed, attempt.line
        assert proposed[0] not in (gateway, console)
        with socket.socket() as free:
            free.bind(("127.0.0.1", proposed[0]))
    assert not attempt.changed
    assert not attempt.added


def test_two_on_one_home(home: Path) -> None:
    """The second one is told who has it; the first one does not notice."""
    with Product(home) as first:
        attempt = try_start(home)
        assert attempt.exit_code == 1
        assert first.process is not None
        assert str(first.process.pid) in attempt.line
        assert "sekisho stop" in attempt.line
        assert httpx.get(first.origin + "/health").status_code == 200
        assert first.status()["supervisor"] == first.process.pid
        # What the first one writes meanwhile: its database, its journal and the copy of its snapshot.
        theirs = ("sekisho.db", "journal/", ".snapshot.sealed")
        assert not [name for name in attempt.changed if not name.startswith(theirs)]


def test_again_after_a_kill(home: Path) -> None:
    """A lock does not outlive its holder: after kill -9 of the supervisor the home can be started again."""
    first = Product(home).start()
    assert first.process is not None
    first.process.kill()
    first.process.wait()
    with Product(home) as second:
        assert httpx.get(second.origin + "/health").status_code == 200
    first.stop()
