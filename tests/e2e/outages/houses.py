"""A product that is stopped and started around an outage, and what must be true of it on the sealed copy and after."""

import contextlib
import os
import signal
from pathlib import Path
from typing import Any

from tests.e2e.faults.arena import Arena
from tests.e2e.outages.drives import HEALS_WITHIN_S, Door, call, is_refused
from tests.support.product import descendants, eventually


class House:
    """A product with a living key and one that was revoked, to be stopped and started around an outage."""

    def __init__(self, arena: Arena, database: Path = Path()) -> None:
        """`database` is its file, where it is one."""
        self.arena, self.database = arena, database
        self.door = Door(arena.product.home)
        self.copy = arena.product.home / "snapshot.sealed"
        self.client = arena.newcomer("alive")
        self.revoked = arena.newcomer("revoked")
        assert self.door.ask("POST", f"/api/keys/{self.revoked.key_id}/revoke").json()["warnings"] == []

    def stop(self) -> None:
        self.arena.product.stop()

    def kill(self) -> None:
        """End every process at one blow."""
        product = self.arena.product
        assert product.process is not None
        for pid in (product.process.pid, *descendants(product.process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        product.wait_exit()

    def check_serves_copy(self, why: str) -> dict[str, Any]:
        """Calls are served, people are told, nothing can be changed; gives the outage as the status tells it."""
        assert call(self.arena, self.client.key) == 200
        assert call(self.arena, self.revoked.key) == 401
        status = self.door.status()
        outage: dict[str, Any] = status["outage"]
        assert why in outage["reason"]
        assert outage["sealed_copy"]["revision"] == status["revision"]
        assert outage["sealed_copy"]["written_at"] < outage["since"]
        assert is_refused(self.door.make_key())
        assert is_refused(self.door.ask("GET", "/api/keys"))
        assert is_refused(self.door.ask("POST", f"/api/keys/{self.client.key_id}/revoke"))
        assert call(self.arena, self.client.key) == 200
        finding = self.door.ask("GET", "/api/doctor").json()["findings"][0]
        assert (finding["level"], finding["name"]) == ("error", "database")
        assert f"served from the sealed copy of revision {status['revision']}" in finding["message"]
        assert "from the sealed copy" in self.arena.product.stderr
        return outage

    def check_healed(self, calls: int) -> None:
        """Within the promised time after this, without a restart: changes are taken, records are there, revocations count."""
        node = self.door.status()["node"]
        eventually(lambda: self.door.make_key().status_code == 201, "healing", HEALS_WITHIN_S, explain=lambda: self.arena.product.output)
        status = self.door.status()
        assert (status["node"], status["outage"]) == (node, None)
        assert call(self.arena, self.client.key) == 200
        self.arena.settle()
        assert len(self.client.records()) == calls + 1
        assert self.door.ask("POST", f"/api/keys/{self.client.key_id}/revoke").json()["warnings"] == []
        assert call(self.arena, self.client.key) == 401
        assert call(self.arena, self.revoked.key) == 401
