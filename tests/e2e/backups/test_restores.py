"""A restore as a user does it: what it replaces is kept, what is no good is refused in one line, who runs is not disturbed."""

import hashlib
import os
import signal
import sqlite3
from pathlib import Path

import pytest

from tests.e2e.backups.busy import failure, fill, started
from tests.support.product import Product, eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

SOME = 40_000
"""Calls: enough for a backup to be killed in its middle."""


@pytest.fixture
def idle(tmp_path: Path) -> Product:
    """A home that was made, and in which nothing runs."""
    product = Product(tmp_path / "home")
    product.cli("init")
    return product


def labels(product: Product) -> set[str]:
    return {each["label"] for each in product.cli("api-keys", "list")["api_keys"]}


def state(home: Path) -> dict[str, str]:
    """Every file of a home but the lock's, by what is in it."""
    files = [each for each in home.rglob("*") if each.is_file() and each.parent.name != "run"]
    return {str(each.relative_to(home)): hashlib.sha256(each.read_bytes()).hexdigest() for each in files}


def test_the_way_there_and_back(idle: Product) -> None:
    idle.create_key("old")
    first = idle.cli("backup", "create")["path"]
    before = labels(idle)
    idle.create_key("new")
    # As if it had been done often.
    for number in range(1, 5):
        (idle.home / "backups" / f"replaced-{number}").mkdir()
    copy = idle.cli("backup", "restore", first, "--yes")["safety_copy"]
    assert labels(idle) == before
    kept = sorted(str(each) for each in (idle.home / "backups").glob("replaced-*"))
    assert [Path(each).name for each in kept] == [Path(copy).name, "replaced-3", "replaced-4"], "the three newest stay"
    idle.cli("backup", "restore", copy, "--yes")
    assert labels(idle) == before | {"new"}
    assert idle.cli("check")["ok"] is True


def test_what_is_no_good_is_refused_and_nothing_is_changed(idle: Product, tmp_path: Path) -> None:
    made = Path(idle.cli("backup", "create", "--path", str(tmp_path / "b"))["path"])
    whole = made.read_bytes()
    stranger = Product(tmp_path / "stranger")
    stranger.cli("init")
    with sqlite3.connect(idle.home / "sekisho.db") as connection:
        (version,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    bad = {
        "cut": whole[:-1],
        "damaged": whole[:-50] + bytes([whole[-50] ^ 1]) + whole[-49:],
        "empty": b"",
        "no backup": b"SQLite format 3\0" + b"x" * 5000,
        "foreign": Path(stranger.cli("backup", "create")["path"]).read_bytes(),
    }
    with sqlite3.connect(idle.home / "sekisho.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (version,))
    connection.close()
    before = state(idle.home)
    for name, content in bad.items():
        path = tmp_path / name
        path.write_bytes(content)
        code, error, message = failure(idle.run("backup", "restore", str(path), "--yes"))
        assert (code, error) == (1, "BACKUP_UNUSABLE"), message
        assert str(path) in message
        assert state(idle.home) == before, name
    assert failure(idle.run("backup", "verify", str(tmp_path / "damaged")))[:2] == (1, "BACKUP_UNUSABLE")
    assert failure(idle.run("backup", "restore", str(tmp_path / "none"), "--yes"))[:2] == (1, "BACKUP_NOT_FOUND")


def test_a_restore_waits_for_nobody_who_runs(product: Product) -> None:
    backup = product.cli("backup", "create")["path"]
    product.create_key("later")
    code, error, message = failure(product.run("backup", "restore", backup, "--yes"))
    assert (code, error) == (1, "SERVER_RUNNING")
    assert "sekisho stop" in message
    assert "later" in labels(product)


def test_the_copy_of_the_snapshot_does_not_outlive_the_state_that_it_is_of(product: Product) -> None:
    copy = product.home / "snapshot.sealed"
    backup = product.cli("backup", "create")["path"]
    key = product.create_key("after the backup")
    eventually(copy.exists, "a sealed copy of the snapshot")
    product.stop()
    product.cli("backup", "restore", backup, "--yes")
    assert not copy.exists()
    product.start()
    assert key["id"] not in {each["id"] for each in product.cli("api-keys", "list")["api_keys"]}


def test_a_node_that_is_killed_while_it_makes_a_backup_leaves_nothing(idle: Product) -> None:
    fill(idle.home / "sekisho.db", SOME)
    idle.start()
    try:
        node = int(idle.status()["node"])
        command = started(idle, "backup", "create")
        eventually(lambda: list((idle.home / "backups").glob(".sekisho-*/backup")), "the beginning of a backup", 30)
        os.kill(node, signal.SIGKILL)
        _, said = command.communicate(timeout=60)
        assert command.returncode != 0
        assert len(said.strip().splitlines()) == 1
        eventually(lambda: idle.run("status").returncode == 0 and int(idle.status()["node"]) != node, "another node", 30)
        eventually(lambda: not list((idle.home / "backups").iterdir()), "an empty directory")
        assert idle.cli("backup", "create", timeout=120)["calls"] == SOME
    finally:
        idle.stop()


def test_a_restore_that_is_killed_is_done_again(idle: Product) -> None:
    fill(idle.home / "sekisho.db", SOME)
    backup = idle.cli("backup", "create", timeout=120)["path"]
    idle.create_key("new")
    command = started(idle, "backup", "restore", backup, "--yes")
    with command:
        eventually(lambda: list(idle.home.glob(".sekisho-*/sekisho.db")), "the beginning of a restore", 30)
        command.kill()
    assert "new" in labels(idle)
    assert not list(idle.home.glob(".sekisho-*")), "whoever opens the home next clears it away"
    assert idle.cli("backup", "restore", backup, "--yes", timeout=120)["calls"] == SOME
    assert "new" not in labels(idle)
