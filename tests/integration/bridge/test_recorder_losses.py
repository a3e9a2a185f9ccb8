"""Files that are taken from under the recorder, and disks that refuse it: what it holds it reads to the end, what fails is tried again."""

import asyncio
import errno
import os
import shutil
from pathlib import Path

import pytest

from sekisho.bridge import journals
from sekisho.bridge import recorder as recorders
from sekisho.bridge.recorder import Recorder
from tests.integration.bridge.test_recorder import House, Writer, began, databases, ended, migrated_file, play, slate, writers

__all__ = ["databases", "migrated_file", "slate", "writers"]


@pytest.mark.parametrize("forgets", [False, True])
def test_files_that_are_gone_are_read_to_their_end(tmp_path: Path, writers: list[Writer], forgets: bool) -> None:
    """Also where the database was away meanwhile, so that all is read anew from what it knows."""

    async def scene(house: House) -> None:
        writers.append(writer := Writer(house.directory).write(began(1), ended(1), began(2)))
        recorder = house.recorder()
        await recorder.load()
        await recorder.drain()
        shutil.rmtree(house.directory)
        writer.write(ended(2), began(3), ended(3), began(4))
        if forgets:
            await recorder.load()
        await recorder.drain()
        house.directory.mkdir()
        writer.roll().write(ended(4), began(5))
        await recorder.drain()
        writer.die()
        await asyncio.sleep(journals.LIFE_SECONDS)  # until it looks again whether the worker lives
        await recorder.drain()
        await recorder.drain()
        recorder.close()
        assert await house.calls() == {
            **{("boot1", seq): (0, "") for seq in (1, 2, 3, 4)},
            ("boot1", 5): (1, "worker_lost"),
        }
        await house.check_sums()
        assert house.files() == []
        assert await house.rows("SELECT segment FROM journal_positions") in ([], [("boot1-1-000001.log",), ("boot1-1-000002.log",)])

    play(tmp_path, scene)


def test_a_file_that_cannot_be_deleted_is_deleted_later(tmp_path: Path, writers: list[Writer], monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(house: House) -> None:
        writers.append(writer := Writer(house.directory).write(began(1), ended(1)))
        writer.die()

        def refuse(path: Path, *, missing_ok: bool = False) -> None:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

        with monkeypatch.context() as disk:
            disk.setattr(Path, "unlink", refuse)
            await house.once()
            assert house.files() == ["boot1-1-000001.log"]
            assert await house.rows("SELECT count(*) FROM journal_positions") == [(1,)], "nothing in it is read twice"
        await house.once()
        assert house.files() == []
        assert await house.calls() == {("boot1", 1): (0, "")}

    play(tmp_path, scene)


def test_a_sync_that_failed_is_done_again(tmp_path: Path, writers: list[Writer], monkeypatch: pytest.MonkeyPatch) -> None:
    """Although the journal did not grow: nobody else would force it to the disk."""
    fails = True
    forced: list[bool] = []
    sync = os.fsync

    def fsync(descriptor: int) -> None:
        forced.append(not fails)
        if fails:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        sync(descriptor)

    async def scene(house: House) -> None:
        nonlocal fails
        writers.append(Writer(house.directory).write(began(1)))
        recorder = Recorder(house.directory, house.database, sync_seconds=0.01, poll_seconds=0.01)
        running = asyncio.ensure_future(recorder.run())
        async with asyncio.timeout(10):
            while len(forced) < 3:  # noqa: ASYNC110 - turns of the recorder
                await asyncio.sleep(0.01)
            assert not any(forced)
            fails = False
            while not any(forced):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert forced.count(True) == 1, "what is on the disk is not forced there again"
        recorder.stop()
        await running
        recorder.close()

    monkeypatch.setattr(recorders.os, "fsync", fsync)
    play(tmp_path, scene)
