"""Sockets that are taken away are made anew, and nobody who is connected is cut off for it."""

import asyncio
import shutil
import socket
from pathlib import Path

import pytest

from sekisho.app import homes, sockets
from tests.unit.dataplane.loops import until


def reaches(path: Path) -> bool:
    """Whether somebody listens there."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
        return True


def test_what_is_taken_away_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(sockets, "LOOK_SECONDS", 0.01)
    path = tmp_path / "run" / "s.sock"
    listening: list[socket.socket] = []

    async def serve(bound: socket.socket) -> None:
        listening.append(bound)

    async def scene() -> None:
        path.parent.mkdir(mode=0o700)
        kept = sockets.Sockets()
        await kept.open(path, serve, homes.bind_socket(path))
        watching = asyncio.ensure_future(kept.watch())
        await asyncio.sleep(0.1)
        assert len(listening) == 1, "what is there stays"
        path.unlink()
        await until(lambda: len(listening) == 2)
        assert reaches(path)
        shutil.rmtree(path.parent)
        await until(lambda: len(listening) == 3)
        assert reaches(path)
        assert path.parent.stat().st_mode & 0o777 == 0o700
        path.unlink()
        path.mkdir()
        await until(lambda: "cannot be made anew yet" in caplog.text)
        path.rmdir()
        await until(lambda: len(listening) == 4)
        assert reaches(path)
        watching.cancel()

    asyncio.run(scene())
    for each in listening:
        each.close()
