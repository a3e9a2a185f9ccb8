"""The database goes away while everything runs: clients notice nothing, people get 503, and every record is there once it is back.

`SEKISHO_TEST_OUTAGE_SECONDS` makes the outages longer than here; `python -m tests.e2e.outages --seconds 60` does it by hand.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.faults.arena import Arena
from tests.e2e.outages import faults
from tests.e2e.outages.drives import Door, arena_on, drive
from tests.support.product import eventually

pytestmark = pytest.mark.e2e

SECONDS = float(os.environ.get("SEKISHO_TEST_OUTAGE_SECONDS", "8"))


@pytest.fixture(scope="module")
def arena() -> Iterator[Arena]:
    with arena_on() as running:
        yield running


@pytest.mark.parametrize(("fault", "refuses"), [(faults.locked, True), (faults.pulses, False), (faults.taken_away, True)])
def test_the_database_is_away(arena: Arena, fault: faults.Fault, refuses: bool) -> None:
    report = drive(arena, fault(arena.product.home / "sekisho.db"), SECONDS, refuses=refuses)
    assert not report.faults, "\n".join(report.lines())


def test_the_database_has_no_room(tmp_path: Path) -> None:
    with faults.small_disk(tmp_path / "disk") as disk, arena_on(disk / "sekisho.db") as arena:
        report = drive(arena, faults.full(disk / "sekisho.db"), SECONDS)
        assert not report.faults, "\n".join(report.lines())


def test_what_is_wrong_is_told(arena: Arena) -> None:
    """By the status, by the doctor and by every refusal; and no longer when it is over."""
    door = Door(arena.product.home)
    database = arena.product.home / "sekisho.db"
    with faults.taken_away(database):
        outage = eventually(lambda: door.status()["outage"], "the outage in the status")
        assert "was taken away" in outage["reason"]
        assert outage["since"]
        assert outage["sealed_copy"] is None
        for path in ("/api/keys", "/api/calls", "/api/usage"):
            refused = door.ask("GET", path)
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
            assert "was taken away" in refused.json()["error"]["message"]
        found = door.ask("GET", "/api/doctor").json()
        assert not found["ok"]
        assert ("error", "database") in [(each["level"], each["name"]) for each in found["findings"]]
    eventually(lambda: door.status()["outage"] is None, "the end of the outage")
    assert door.ask("GET", "/api/doctor").json()["ok"]


def test_a_revocation_without_a_database_changes_nothing(arena: Arena) -> None:
    """It is refused, and nothing of it is done; repeated when the database is back, it is done."""
    from tests.e2e.outages.drives import call, is_refused

    door = Door(arena.product.home)
    client = arena.newcomer("to be revoked")
    with faults.locked(arena.product.home / "sekisho.db"):
        assert is_refused(door.ask("POST", f"/api/keys/{client.key_id}/revoke"))
        assert call(arena, client.key) == 200
    assert door.ask("GET", f"/api/keys/{client.key_id}").json()["revoked_at"] is None
    assert call(arena, client.key) == 200
    assert door.ask("POST", f"/api/keys/{client.key_id}/revoke").json()["warnings"] == []
    assert call(arena, client.key) == 401


def test_another_database_is_put_in_its_place(tmp_path: Path) -> None:
    """Under a running product: nothing of the old one goes on in the new one, and the node that opens it is a new one."""
    with arena_on() as arena:
        door = Door(arena.product.home)
        database = arena.product.home / "sekisho.db"
        backup = door.ask("POST", "/api/backups").taken()["path"]
        first = door.status()["node"]
        arena.management.create_key("after the backup")
        other = tmp_path / "other"
        other.mkdir()
        _restored(arena, Path(backup), other)
        for end in faults.COMPANIONS[1:]:
            database.with_name(database.name + end).unlink(missing_ok=True)
        (other / "sekisho.db").rename(database)

        def labels() -> list[str]:
            now = door.now()
            return [key["label"] for key in door.ask("GET", "/api/keys").taken()["api_keys"]] if now and now["node"] != first else []

        assert "after the backup" not in eventually(labels, "a new node")
        assert door.make_key().status_code == 201


def _restored(arena: Arena, backup: Path, home: Path) -> None:
    """The database of a backup, in a home of its own."""
    home.chmod(0o700)
    (home / "secret.key").write_bytes((arena.product.home / "secret.key").read_bytes())
    done = arena.product.run("--home", str(home), "backup", "restore", str(backup), "--yes")
    assert done.returncode == 0, done.stderr
