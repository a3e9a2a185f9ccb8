"""What else may lie in the journal's directory: it stops nobody, and nothing that is not ours is deleted."""

import asyncio
import os
from pathlib import Path

import pytest

from tests.e2e.faults.arena import Arena
from tests.e2e.faults.clients import ask, chat
from tests.e2e.faults.rows import STEADY

pytestmark = pytest.mark.e2e

STRANGERS = {
    "0badc0de-1-000001.log": os.urandom(4096),
    "0badc0df-1-000001.log": b"",
    "0badc0e0-1-000001.log": b"SEKJRNL1",
    "notes.txt": b"do not delete",
}


def test_strangers_in_the_journal(tmp_path: Path) -> None:
    """Garbage under a segment's name, an empty file, half a header and a note: the start goes on, and calls are recorded."""
    home = tmp_path / "home"
    journal = home / "journal"
    journal.mkdir(mode=0o700, parents=True)
    home.chmod(0o700)
    for name, content in STRANGERS.items():
        (journal / name).write_bytes(content)
    with Arena.open(home=home) as arena:
        answer = asyncio.run(ask(arena.port, chat(f"{STEADY}/m", "beside strangers", arena.key)))
        assert answer.status == 200
        [record] = arena.records([answer.request_id])[answer.request_id]
        assert record["status"] == "completed"
        kept = {path.read_bytes() for path in home.rglob("*") if path.is_file() and path.stat().st_size < 10_000}
        assert STRANGERS["notes.txt"] in kept
        assert STRANGERS["0badc0de-1-000001.log"] in kept, "what cannot be read is set aside for people to look at"
