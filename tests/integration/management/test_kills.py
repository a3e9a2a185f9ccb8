"""A process that dies at any instant of a write, a backup or a restore leaves a house that opens and is whole."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sekisho.kit.crypto import KeyRing
from sekisho.storage import backups
from tests.integration.management.house import Hands, House

ROOT = Path(__file__).parents[3]

WRITER = """
import sys, pathlib
from sekisho.kit.crypto import KeyRing
from tests.integration.management.house import House
with House(pathlib.Path(sys.argv[1]), KeyRing.loads(sys.argv[2])) as house:
    while True:
        print(house.good("POST", "/api/keys", {"label": "k"})["id"], flush=True)
"""

RESTORER = """
import sys, pathlib
from sekisho.kit.crypto import KeyRing
from sekisho.storage import backups
from tests.integration.management.house import Hands
hands, number = Hands(), int(sys.argv[4])
hands.at += number
while True:
    backups.restore(pathlib.Path(sys.argv[3]), pathlib.Path(sys.argv[1]) / "sekisho.db", KeyRing.loads(sys.argv[2]), hands)
    print("done", flush=True)
"""


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
    )


def kill_after(process: subprocess.Popen[str], lines: int, delay: float) -> list[str]:
    """Everything that it said before it died: so many lines, and what came in the time after."""
    assert process.stdout is not None
    said = [process.stdout.readline().strip() for _ in range(lines)]
    deadline = time.monotonic() + delay
    while time.monotonic() < deadline:
        time.sleep(0.0005)
    process.send_signal(signal.SIGKILL)
    said += process.stdout.read().split()
    process.wait()
    process.stdout.close()
    assert all(said)
    return said


@pytest.mark.parametrize("delay", [0.0, 0.003, 0.007, 0.013])
def test_what_was_acknowledged_is_there_after_a_kill(tmp_path: Path, delay: float) -> None:
    ring = KeyRing.generate()
    said = kill_after(start(WRITER, tmp_path / "home", ring.dumps()), 10, delay)
    with House(tmp_path / "home", ring) as house:
        kept = {key["id"] for key in house.good("GET", "/api/keys?limit=1000")["api_keys"]}
        assert set(said) <= kept
        assert len(kept - set(said)) <= 1
        assert house.good("GET", "/api/status")["revision"] == len(kept) + 1
        assert len(house.run(house.compiler.keys())) == len(kept)
        assert house.good("GET", "/api/check")["ok"] is True


@pytest.mark.parametrize("delay", [0.0, 0.004, 0.009, 0.015, 0.021])
def test_a_restore_that_is_killed_loses_nothing_and_can_be_done_again(tmp_path: Path, delay: float) -> None:
    ring = KeyRing.generate()
    with House(tmp_path / "home", ring) as house:
        house.good("POST", "/api/keys", {"label": "old"})
        made = Path(house.good("POST", "/api/backups", {"path": str(tmp_path / "b")})["path"])
        house.good("POST", "/api/keys", {"label": "new"})
    kill_after(start(RESTORER, tmp_path / "home", ring.dumps(), made, 10), 1, delay)
    with House(tmp_path / "home", ring) as house:
        assert [key["label"] for key in house.good("GET", "/api/keys")["api_keys"]] == ["old"]
        assert house.good("GET", "/api/check")["ok"] is True
    # What the first restore replaced lies in its place, the newer key in it.
    first = min((tmp_path / "home" / "backups").glob("replaced-*"))
    with House(first, ring) as replaced:
        assert {key["label"] for key in replaced.good("GET", "/api/keys")["api_keys"]} == {"old", "new"}
    hands = Hands()
    hands.at += 10**9
    assert backups.restore(made, tmp_path / "home" / "sekisho.db", ring, hands).keys == 1
