"""A process that dies at any instant of a write, a backup or a restore leaves a house that opens and is whole."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sekisho.kit.crypto import KeyRing
from sekisho.storage import backups, restores
from sekisho.storage.sqlite import Sqlite
from tests.integration.management.house import Hands, House

ROOT = Path(__file__).parents[3]


class Later(Hands):
    """The clock of a second attempt."""

    def __init__(self) -> None:
        super().__init__()
        self.at += 10**9


WRITER = """
import sys, pathlib
from sekisho.kit.crypto import KeyRing
from tests.integration.management.house import House
with House(pathlib.Path(sys.argv[1]), KeyRing.loads(sys.argv[2])) as house:
    while True:
        print(house.good("POST", "/api/keys", {"label": "k"})["id"], flush=True)
"""

STEPS = """
import asyncio, os, pathlib, shutil, signal, sys
from sekisho.kit.crypto import KeyRing
from sekisho.storage import backups, restores
from sekisho.storage.migrations import runner
from sekisho.storage.sqlite import Sqlite
from tests.integration.management.house import Hands
WRITES = {"os.rename", "os.remove", "os.link", "os.mkdir", "os.rmdir", "sqlite3.connect"}
what, template, place, source, ring = sys.argv[1], *map(pathlib.Path, sys.argv[2:5]), KeyRing.loads(sys.argv[5])

def life(home, last):
    steps = 0
    def before(event, arguments):
        nonlocal steps
        if event in WRITES or (event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)):
            steps += 1
            if steps == last:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(before)
    database = Sqlite(home / "sekisho.db")
    if what == "restore":
        around = restores.Home(home / "backups", home / "journal", stale=(home / "snapshot.sealed",))
        asyncio.run(restores.restore(source, database, ring, Hands(), around))
    else:
        async def create():
            await backups.create(database, ring, Hands(), home / "backups" / "made.sekisho-backup")
            await database.close()
        asyncio.run(create())

last = 0
while True:
    last += 1
    home = place / str(last)
    shutil.copytree(template, home)
    child = os.fork()
    if child == 0:
        try:
            life(home, last)
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    print(last, "killed" if os.WIFSIGNALED(status) else "done" if status == 0 else "fell", flush=True)
    if not os.WIFSIGNALED(status):
        break
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


def leftovers(home: Path) -> list[Path]:
    """What lies in unfinished directories. One that was made in this minute and has nothing in it yet is left for a while."""
    return [each for place in home.rglob("*.unfinished") for each in place.rglob("*") if each.name != "lock.new"]


def killed_at_every_step(what: str, template: Path, place: Path, source: Path, ring: KeyRing) -> list[Path]:
    """The homes in which it was killed before its first, its second, ... change of the disk; the last one in which it came to its end."""
    place.mkdir()
    process = start(STEPS, what, template, place, source, ring.dumps())
    assert process.stdout is not None
    with process.stdout:
        said = [line.split() for line in process.stdout]
    assert process.wait() == 0
    assert {word for _, word in said[:-1]} == {"killed"}
    assert said[-1][1] == "done"
    return [place / number for number, _ in said]


def template(tmp_path: Path, ring: KeyRing) -> tuple[Path, Path]:
    """A home with a newer state as a killed node leaves it (its last writes in the log only), and a backup of an older one."""
    home = tmp_path / "home"
    with House(home, ring) as house:
        house.good("POST", "/api/keys", {"label": "old"})
        made = Path(house.good("POST", "/api/backups", {"path": str(tmp_path / "b")})["path"])
        house.good("POST", "/api/keys", {"label": "new"})
        (home / "snapshot.sealed").write_text("of the newer state")
        shutil.copytree(home, tmp_path / "template")
        assert (tmp_path / "template" / "sekisho.db-wal").stat().st_size
    return tmp_path / "template", made


def test_a_restore_that_is_killed_at_any_step_leaves_the_old_state_or_the_new_one(tmp_path: Path) -> None:
    ring = KeyRing.generate()
    before, made = template(tmp_path, ring)
    homes = killed_at_every_step("restore", before, tmp_path / "lives", made, ring)
    assert len(homes) > 20
    states = []
    for home in homes:
        with House(home, ring) as house:
            labels = {key["label"] for key in house.good("GET", "/api/keys")["api_keys"]}
            assert labels in ({"old"}, {"old", "new"})
            assert house.good("GET", "/api/check")["ok"] is True
            states.append(labels == {"old"})
        # A newer copy of the snapshot is never left beside an older database.
        assert not (labels == {"old"} and (home / "snapshot.sealed").exists())
        # What was replaced is kept before it is replaced.
        kept = list((home / "backups").glob("replaced-*.sekisho-backup"))
        assert len(kept) == 1 if labels == {"old"} else len(kept) <= 1
        for each in kept:
            assert backups.prove(each, ring).keys == 2
    assert states == sorted(states)
    assert states[0] is False
    assert states[-1] is True
    # Again, over what the kill left: it is done, and nothing of the first attempt is there any more.
    for home in homes[:: len(homes) // 5]:
        done = asyncio.run(
            restores.restore(made, Sqlite(home / "sekisho.db"), ring, Later(), restores.Home(home / "backups", home / "journal"))
        )
        assert done.keys == 1
        assert leftovers(home) == []


def test_a_backup_that_is_killed_at_any_step_is_whole_or_not_there(tmp_path: Path) -> None:
    ring = KeyRing.generate()
    before, _ = template(tmp_path, ring)
    homes = killed_at_every_step("create", before, tmp_path / "lives", tmp_path, ring)
    assert len(homes) > 5
    there = []
    for home in homes:
        made = home / "backups" / "made.sekisho-backup"
        there.append(made.exists())
        assert not made.exists() or backups.prove(made, ring).keys == 2
        with House(home, ring) as house:
            assert house.good("GET", "/api/check")["ok"] is True
            # The next one clears away what was left.
            house.good("POST", "/api/backups")
        assert leftovers(home) == []
    assert there == sorted(there)
    assert there[-1] is True
