"""A WebSocket between a client and a node that the test plays: what passes, what ends it, and what the other side is told."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.frames import Frame, Opcode

from sekisho.core.model.errors import GONE, Fault
from sekisho.core.wire.websocket import GOING_AWAY, POLICY, PROTOCOL_ERROR, RESTARTED, TOO_BIG, close_frame
from sekisho.dataplane import websockets
from sekisho.dataplane.relay import Client, Passage
from sekisho.dataplane.websockets import WebSocket
from tests.unit.dataplane.loops import brought, run, until
from tests.unit.dataplane.sinks import Awaited

ASK = b"GET /api/live HTTP/1.1\r\nhost: h\r\n\r\n"
ACCEPTED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: abc=\r\nX-Other: no\r\n\r\n"


class PlayedClient(Client):
    """Writes down what it is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.got = b""
        self.passage: Passage | None = None

    def write(self, data: bytes) -> None:
        self.got += data

    def pass_through(self, passage: Passage | None) -> None:
        self.passage = passage


class Node:
    """The node's server, in the test's hands."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.asked = b""
        self.heard = b""
        self.gone = asyncio.Event()
        self.writer: asyncio.StreamWriter | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.asked = await reader.readuntil(b"\r\n\r\n")
        writer.write(self.answer)
        while piece := await self._more(reader):
            self.heard += piece
        self.gone.set()
        writer.transport.abort()

    async def _more(self, reader: asyncio.StreamReader) -> bytes:
        try:
            return await reader.read(65536)
        except ConnectionError:
            return b""

    def say(self, data: bytes) -> None:
        assert self.writer is not None
        self.writer.write(data)


class Scene:
    """A node, a client, and the socket between them."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.client = PlayedClient()
        self.refusal = Awaited()
        self.socket = WebSocket(self.client, asyncio.get_running_loop())

    async def begin(self) -> None:
        assert await brought(self.socket.answered) is True
        self.socket.begin()

    async def end(self) -> Any:
        why = await brought(self.socket.ended)
        self.socket.end(why)
        await self.node.gone.wait()
        return why


def played(tmp_path: Path, scene: Callable[[Scene], Awaitable[None]], answer: bytes = ACCEPTED) -> None:
    async def play() -> None:
        node = Node(answer)
        path = str(tmp_path / "node")
        server = await asyncio.start_unix_server(node.serve, path)
        house = Scene(node)
        opening = asyncio.ensure_future(house.socket.open(path, ASK, house.refusal, 5))
        await scene(house)
        await opening
        house.socket.abort()
        server.close()
        await server.wait_closed()

    run(play())


def masked(data: bytes, opcode: Opcode = Opcode.TEXT) -> bytes:
    return Frame(opcode, data).serialize(mask=True)


def plain(data: bytes) -> bytes:
    return Frame(Opcode.TEXT, data).serialize(mask=False)


def test_bytes_pass_both_ways_as_they_are(tmp_path: Path) -> None:
    async def scene(house: Scene) -> None:
        await house.begin()
        assert house.node.asked == ASK
        assert house.socket.fields == {b"sec-websocket-accept": b"abc="}
        sent = plain(b"one") + plain(b"x" * 70_000)
        house.node.say(sent)
        await until(lambda: len(house.client.got) == len(sent))
        assert house.client.got == sent
        said = masked(b"hello") + masked(b"", Opcode.PONG)
        for place in range(len(said)):
            house.socket.received(said[place : place + 1])
        await until(lambda: house.node.heard == said)

    played(tmp_path, scene)


def test_what_comes_with_the_acceptance_is_not_lost(tmp_path: Path) -> None:
    async def scene(house: Scene) -> None:
        await house.begin()
        await until(lambda: house.client.got == plain(b"early"))

    played(tmp_path, scene, ACCEPTED + plain(b"early"))


def test_a_refusal_is_an_answer(tmp_path: Path) -> None:
    async def scene(house: Scene) -> None:
        assert await brought(house.socket.answered) is False
        await house.refusal.ended.wait()
        assert (house.refusal.status, house.refusal.body) == (401, b"no")

    played(tmp_path, scene, b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\nno")


def test_a_node_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    async def play() -> None:
        socket = WebSocket(PlayedClient(), asyncio.get_running_loop())
        await socket.open(str(tmp_path / "nowhere"), ASK, Awaited(), 5)
        fault = await brought(socket.answered)
        assert isinstance(fault, Fault)

    run(play())


@pytest.mark.parametrize("answer", [b"HTTP/1.1 101 Swi", b"x" * 20_000, b""])
def test_an_answer_without_an_end_is_a_fault(tmp_path: Path, answer: bytes) -> None:
    async def scene(house: Scene) -> None:
        if len(answer) < 1000:
            await until(lambda: house.node.writer is not None)
            house.node.writer.close()  # type: ignore[union-attr]
        assert isinstance(await brought(house.socket.answered), Fault)

    played(tmp_path, scene, answer)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (masked(bytes(websockets.CLIENT_FRAME_BYTES + 1)), TOO_BIG),
        (plain(b"not masked"), PROTOCOL_ERROR),
        (masked(bytes(1000)) * 17, POLICY),
    ],
)
def test_a_client_that_says_too_much_is_told_so_and_the_node_is_left(tmp_path: Path, said: bytes, code: int) -> None:
    async def scene(house: Scene) -> None:
        await house.begin()
        house.socket.received(said)
        assert await house.end() == code
        assert house.client.got == close_frame(code)
        assert house.node.heard == b""

    played(tmp_path, scene)


def test_a_goodbye_stands_between_two_frames(tmp_path: Path) -> None:
    async def scene(house: Scene) -> None:
        await house.begin()
        frame = plain(b"x" * 1000)
        house.node.say(frame[:500])
        await until(lambda: len(house.client.got) == 500)
        house.socket.drain()
        assert not house.socket.ended.handed
        house.node.say(frame[500:])
        await until(lambda: len(house.client.got) == len(frame))
        house.socket.drain()
        assert await house.end() == GOING_AWAY
        assert house.client.got == frame + close_frame(GOING_AWAY)

    played(tmp_path, scene)


def test_a_goodbye_of_the_nodes_own_is_the_last_word(tmp_path: Path) -> None:
    async def scene(house: Scene) -> None:
        await house.begin()
        house.node.say(close_frame(4401))
        await until(lambda: house.client.got == close_frame(4401))
        house.node.writer.close()  # type: ignore[union-attr]
        assert await brought(house.socket.ended) == RESTARTED
        house.socket.end(RESTARTED)
        assert house.client.got == close_frame(4401)

    played(tmp_path, scene)


def test_a_node_that_dies_is_told_unless_it_died_inside_a_frame(tmp_path: Path) -> None:
    async def scene(house: Scene) -> None:
        await house.begin()
        house.node.say(plain(b"whole") + plain(b"cut")[:3])
        await until(lambda: len(house.client.got) == 10)
        house.node.writer.transport.abort()  # type: ignore[union-attr]
        house.socket.end(await brought(house.socket.ended))
        assert house.client.got == plain(b"whole") + plain(b"cut")[:3]

    played(tmp_path, scene)


def test_a_client_that_left_hears_nothing_and_the_node_is_left(tmp_path: Path) -> None:
    async def scene(house: Scene) -> None:
        await house.begin()
        house.client.gone = True
        house.socket.ended.hand(Fault(GONE, "left"))
        await house.end()
        assert house.client.got == b""

    played(tmp_path, scene)


def test_a_client_that_does_not_read_holds_the_node_back(tmp_path: Path) -> None:
    async def scene(house: Scene) -> None:
        await house.begin()
        house.client.congested = True
        house.node.say(plain(b"x" * 10))
        await until(lambda: house.client.got)
        held = len(house.client.got)
        for _ in range(200):
            house.node.say(plain(b"y" * 60_000))
        writer = house.node.writer
        assert writer is not None
        await until(lambda: writer.transport.get_write_buffer_size() > 1_000_000)
        assert len(house.client.got) == held
        house.client.congested = False
        house.socket.client_relieved()
        await until(lambda: len(house.client.got) == held + 200 * len(plain(b"y" * 60_000)))

    played(tmp_path, scene)


@pytest.mark.parametrize("silent", ["client", "node"])
def test_who_falls_silent_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, silent: str) -> None:
    monkeypatch.setattr(websockets, "SILENCE_S", 0.2)

    async def scene(house: Scene) -> None:
        await house.begin()

        async def talk() -> None:
            while not house.socket.ended.handed:
                if silent == "node":
                    house.socket.received(masked(b""))
                else:
                    house.node.say(plain(b""))
                await asyncio.sleep(0.02)

        talking = asyncio.ensure_future(talk())
        assert await house.end() == RESTARTED
        await talking

    played(tmp_path, scene)
