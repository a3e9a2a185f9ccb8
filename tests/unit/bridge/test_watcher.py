"""What other nodes commit is published here, whatever becomes of the connection that tells of it."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from sekisho.bridge import watcher
from sekisho.bridge.watcher import Watcher
from sekisho.storage.errors import UnavailableError


class Announcer:
    """A database whose announcements are played: each list is one connection's, which then breaks."""

    shared = True

    def __init__(self, *connections: list[int]) -> None:
        self._left = list(connections)
        self.done = asyncio.Event()

    async def announcements(self) -> AsyncGenerator[int, None]:
        if not self._left:
            self.done.set()
            await asyncio.Event().wait()
        for revision in self._left.pop(0):
            yield revision
        raise UnavailableError("the line is dead")


class Publisher:
    """Counts what it is asked to do."""

    def __init__(self, revision: int = 5, *, fails: int = 0) -> None:
        self.revision = revision
        self.looks = 0
        self._fails = fails

    async def publish(self) -> Any:
        self.looks += 1
        if self.looks <= self._fails:
            raise UnavailableError("not now")

        class Publication:
            warnings = ("worker 1 has not confirmed",)

        return Publication()


def watched(publisher: Publisher, *connections: list[int]) -> None:
    async def scene() -> None:
        database: Any = Announcer(*connections)
        running = asyncio.ensure_future(Watcher(database, publisher).run())
        async with asyncio.timeout(10):
            await database.done.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(scene())


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher, "RETRY_SECONDS", 0.001)


def test_each_connection_begins_with_a_look() -> None:
    publisher = Publisher()
    watched(publisher, [0], [], [0])
    assert publisher.looks == 2


def test_only_what_is_newer_is_looked_for() -> None:
    publisher = Publisher(revision=5)
    watched(publisher, [0, 4, 5, 6, 0])
    assert publisher.looks == 3, "at the beginning, for 6, and after a silence"


def test_an_outage_is_told_once_and_its_end_too(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    watched(Publisher(), [], [], [], [0])
    messages = [record.getMessage() for record in caplog.records]
    assert len([each for each in messages if "are not heard" in each]) == 2
    assert len([each for each in messages if "are heard again" in each]) == 1
    assert "a change made on another node: worker 1 has not confirmed" in messages


def test_a_look_that_fails_is_repeated_with_a_new_connection() -> None:
    publisher = Publisher(fails=1)
    watched(publisher, [0, 7], [0])
    assert publisher.looks == 2


def test_where_nobody_else_can_write_nothing_is_watched() -> None:
    class Alone:
        shared = False

    database: Any = Alone()
    asyncio.run(Watcher(database, Publisher()).run())
