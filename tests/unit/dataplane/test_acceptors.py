"""Breaths within a burst: they come, they are few, and nobody who waits is lost over one."""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from sekisho.dataplane import acceptors
from sekisho.dataplane.acceptors import Acceptor
from sekisho.kit.tasks import Tasks
from tests.unit.dataplane.loops import run, until


class House:
    """An acceptor on a socket, and who came in."""

    def __init__(self, *, copies: int | None = None) -> None:
        self.taken = 0
        self.crashes: list[BaseException] = []
        self.tasks = Tasks(lambda name, error: self.crashes.append(error))
        self.listening = Copied(socket.AF_INET, socket.SOCK_STREAM)
        self.listening.left = copies
        self.listening.bind(("127.0.0.1", 0))
        self.listening.listen(256)
        self.listening.setblocking(False)
        self.acceptor = Acceptor(asyncio.get_running_loop(), self.tasks, self.listening, 256, self.protocol)
        self.clients: list[socket.socket] = []

    def protocol(self) -> asyncio.Protocol:
        self.taken += 1
        return asyncio.Protocol()

    def knock(self, count: int) -> None:
        for _ in range(count):
            client = socket.socket()
            self.clients.append(client)
            client.setblocking(False)
            with pytest.raises(BlockingIOError):
                client.connect(self.listening.getsockname())

    @property
    def copied(self) -> int:
        return self.listening.copied


class Copied(socket.socket):
    """Counts its copies, and has no more descriptors for them after so many."""

    copied = 0
    left: int | None = None
    refused = 0

    def dup(self) -> socket.socket:
        if self.left is not None and self.copied >= self.left:
            self.refused += 1
            if self.refused < 3:
                raise OSError(errno.EMFILE, "Too many open files")
        self.copied += 1
        return super().dup()


@asynccontextmanager
async def house(*, alone: bool = False, copies: int | None = None) -> AsyncIterator[House]:
    made = House(copies=copies)
    await made.acceptor.start(alone=alone)
    try:
        yield made
    finally:
        made.acceptor.close()
        made.acceptor.close()
        for client in made.clients:
            client.close()
        await made.tasks.stop()
        assert made.crashes == []


def test_a_burst_is_taken_with_breaths_and_whole() -> None:
    async def scene() -> None:
        async with house() as made:
            made.knock(40)
            await until(lambda: made.taken == 40)
            assert made.copied > 40 // (acceptors.IN_A_ROW + 2) // 2, "it let go of the socket, and took it again"

    run(scene())


def test_who_is_alone_takes_no_breath() -> None:
    async def scene() -> None:
        async with house(alone=True) as made:
            made.knock(40)
            await until(lambda: made.taken == 40)
            assert made.copied == 1

    run(scene())


def test_a_rush_costs_a_few_breaths_in_a_second() -> None:
    async def scene() -> None:
        async with house() as made:
            loop = asyncio.get_running_loop()
            began = loop.time()
            for _ in range(10):
                made.knock(60)
                wanted = len(made.clients)
                await until(lambda wanted=wanted: made.taken == wanted)  # type: ignore[misc]
            assert made.copied - 1 <= acceptors.MOST_BREATHS * (int(loop.time() - began) + 2)

    run(scene())


def test_a_single_connection_now_and_then_is_no_burst() -> None:
    async def scene() -> None:
        async with house() as made:
            for count in range(1, 2 * acceptors.IN_A_ROW):
                made.knock(1)
                await until(lambda count=count: made.taken == count)  # type: ignore[misc]
                await asyncio.sleep(2 * acceptors.ROW_S)
            assert made.copied == 1

    run(scene())


def test_without_descriptors_it_is_tried_again() -> None:
    async def scene() -> None:
        async with house(copies=1) as made:
            made.knock(30)
            await until(lambda: made.taken == 30)
            assert made.listening.refused >= 3

    run(scene())


def test_a_door_that_is_closed_in_a_breath_stays_closed() -> None:
    async def scene() -> None:
        async with house() as made:
            made.knock(acceptors.IN_A_ROW + 4)
            await until(lambda: made.acceptor._server is None)
            taken = made.taken
            made.acceptor.close()
            await asyncio.sleep(5 * acceptors.BREATH_S)
            assert made.taken == taken
            assert made.acceptor._server is None

    run(scene())
