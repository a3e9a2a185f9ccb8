"""Connections over real loopback sockets: which are used again, which never, and what is told when there is none."""

import asyncio
import resource
import socket
import ssl
from pathlib import Path

import pytest

from sekisho.core.model.errors import Fault
from sekisho.dataplane.upstream.client import UpstreamConnection
from sekisho.dataplane.upstream.pool import TAIL_S
from sekisho.dataplane.upstream.targets import Origin
from tests.unit.dataplane.loops import brought, run, until
from tests.unit.dataplane.sinks import Awaited
from tests.unit.dataplane.upstream.peers import ANSWER, House


async def connected(house: House) -> tuple[UpstreamConnection, socket.socket]:
    """A new connection and the provider's end of it."""
    connection, peer = await asyncio.gather(brought(house.pool.connect(house.origin, 5.0)), house.accept())
    assert isinstance(connection, UpstreamConnection)
    return connection, peer


async def served(connection: UpstreamConnection, peer: socket.socket, answer: bytes = ANSWER) -> Awaited:
    """One request and its answer."""
    loop, sink = asyncio.get_running_loop(), Awaited()
    connection.send([b"GET / HTTP/1.1\r\n", b"\r\n"], 18, sink)
    assert await loop.sock_recv(peer, 100) == b"GET / HTTP/1.1\r\n\r\n"
    await loop.sock_sendall(peer, answer)
    await sink.ended.wait()
    assert sink.wrong == []
    return sink


async def noticed(connection: UpstreamConnection) -> None:
    await until(lambda: connection.closed)


def test_a_connection_is_used_again_last_in_first_out() -> None:
    async def scene() -> None:
        async with House() as house:
            (first, peer), (second, other) = await connected(house), await connected(house)
            for connection, end in ((first, peer), (second, other)):
                assert (await served(connection, end)).body == b"ok"
                house.pool.release(connection)
            assert house.pool.take(house.origin) is second
            assert (await served(second, other)).whole
            assert house.pool.take(house.origin) is first
            assert house.pool.take(house.origin) is None
            assert house.pool.open == house.origin.open == 2
            for connection in (first, second):
                house.pool.release(connection)

    run(scene())


def test_another_origin_gets_none_of_it() -> None:
    async def scene() -> None:
        async with House() as house:
            connection, peer = await connected(house)
            await served(connection, peer)
            house.pool.release(connection)
            twin = Origin(house.origin.name, house.origin.host, house.origin.port, None)
            assert house.pool.take(twin) is None

    run(scene())


def test_a_large_request_goes_out_in_pieces() -> None:
    async def scene() -> None:
        async with House() as house:
            loop, sink = asyncio.get_running_loop(), Awaited()
            connection, peer = await connected(house)
            body = bytes(range(256)) * 1024
            connection.send([b"POST", memoryview(body)[:100_000], memoryview(body)[100_000:]], len(body) + 4, sink)
            got = b""
            while len(got) < len(body) + 4:
                got += await loop.sock_recv(peer, 1 << 20)
            assert got == b"POST" + body
            await loop.sock_sendall(peer, ANSWER)
            await sink.ended.wait()
            house.pool.release(connection)

    run(scene())


@pytest.mark.parametrize("leave", ["close", "reset", "surplus"])
def test_a_peer_that_left_or_spoke_is_noticed_before_the_loop_does(leave: str) -> None:
    async def scene() -> None:
        async with House() as house:
            connection, peer = await connected(house)
            await served(connection, peer)
            house.pool.release(connection)
            if leave == "surplus":
                peer.send(ANSWER)
            else:
                if leave == "reset":
                    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
                peer.close()
            assert not connection.closed
            house.now += 1.0
            assert house.pool.take(house.origin) is None
            await noticed(connection)

    run(scene())


@pytest.mark.parametrize("left", [True, False])
def test_an_idle_connection_goes_when_its_peer_leaves_or_speaks(left: bool) -> None:
    async def scene() -> None:
        async with House() as house:
            connection, peer = await connected(house)
            await served(connection, peer)
            house.pool.release(connection)
            if left:
                peer.close()
            else:
                peer.send(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n")
            await noticed(connection)
            assert house.pool.take(house.origin) is None
            assert house.pool.open == 0

    run(scene())


@pytest.mark.parametrize(
    "answer",
    [
        ANSWER + b"surplus",
        ANSWER + ANSWER,
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
    ],
)
def test_a_connection_that_cannot_carry_another_is_closed(answer: bytes) -> None:
    async def scene() -> None:
        async with House() as house:
            connection, peer = await connected(house)
            assert (await served(connection, peer, answer)).body == b"ok"
            house.pool.release(connection)
            assert house.pool.take(house.origin) is None
            await noticed(connection)

    run(scene())


@pytest.mark.parametrize(("answer", "says"), [(b"", "before"), (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok", "inside")])
def test_a_close_before_the_end_is_told(answer: bytes, says: str) -> None:
    async def scene() -> None:
        async with House() as house:
            connection, peer = await connected(house)
            sink = Awaited()
            connection.send([b"GET / HTTP/1.1\r\n\r\n"], 18, sink)
            await asyncio.get_running_loop().sock_recv(peer, 100)
            peer.send(answer)
            peer.close()
            await sink.ended.wait()
            assert sink.failure == "upstream_cut"
            assert connection.answering == (says == "inside")
            await noticed(connection)

    run(scene())


def test_a_close_that_ends_a_body_without_length_is_its_end() -> None:
    async def scene() -> None:
        async with House() as house:
            connection, peer = await connected(house)
            sink = Awaited()
            connection.send([b"GET / HTTP/1.1\r\n\r\n"], 18, sink)
            await asyncio.get_running_loop().sock_recv(peer, 100)
            peer.send(b"HTTP/1.1 200 OK\r\n\r\nok")
            peer.close()
            await sink.ended.wait()
            assert (sink.body, sink.whole, sink.failure) == (b"ok", True, "")

    run(scene())


def test_no_more_than_the_bound() -> None:
    async def scene() -> None:
        async with House(most=1) as house:
            connection, _ = await connected(house)
            baton = house.pool.connect(house.origin, 5.0)
            assert baton.handed
            fault = await brought(baton)
            assert isinstance(fault, Fault)
            assert (fault.code, fault.retry_after) == ("upstream_busy", 1)
            connection.abort()
            await noticed(connection)
            again, _ = await connected(house)
            again.abort()

    run(scene())


def test_an_idle_connection_makes_room_for_one_that_leads_elsewhere() -> None:
    """The one that was unused for longest; one in use never."""

    async def scene() -> None:
        async with House(most=3) as house, House() as other:
            made = [await connected(house) for _ in range(3)]
            for connection, peer in made:
                await served(connection, peer)
            for connection, _ in made[1:]:
                house.pool.release(connection)
                house.now += 1.0
            elsewhere, _ = await asyncio.gather(brought(house.pool.connect(other.origin, 5.0)), other.accept())
            assert isinstance(elsewhere, UpstreamConnection)
            await noticed(made[1][0])
            assert [connection.closed for connection, _ in made] == [False, True, False]
            assert house.pool.open == 3
            assert house.pool.take(house.origin) is made[2][0]
            refused = await brought(house.pool.connect(other.origin, 5.0))
            assert isinstance(refused, Fault)
            for connection in (made[0][0], made[2][0], elsewhere):
                connection.abort()
                await noticed(connection)

    run(scene())


def test_without_descriptors_it_is_us_who_are_busy() -> None:
    """No provider is blamed for it, and it is over when there are some."""

    async def scene() -> None:
        async with House() as house:
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
            try:
                fault = await brought(house.pool.connect(house.origin, 5.0))
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            assert isinstance(fault, Fault)
            assert (fault.code, fault.retry_after) == ("upstream_busy", 1)
            assert house.pool.open == house.origin.open == 0
            connection, _ = await connected(house)
            connection.abort()

    run(scene())


def test_a_port_that_nobody_listens_on() -> None:
    async def scene() -> None:
        async with House() as house:
            with socket.socket() as bound:
                bound.bind(("127.0.0.1", 0))
                origin = Origin("dead", "127.0.0.1", bound.getsockname()[1], None)
                fault = await brought(house.pool.connect(origin, 5.0))
            assert isinstance(fault, Fault)
            assert fault.code == "upstream_unreachable"
            assert "Connection refused" in fault.message
            assert house.pool.open == origin.open == 0

    run(scene())


def test_a_peer_that_does_not_answer_the_handshake_is_given_up_in_time() -> None:
    async def scene() -> None:
        async with House() as house:
            origin = Origin("mute", "127.0.0.1", house.origin.port, ssl.create_default_context())
            fault, _ = await asyncio.gather(brought(house.pool.connect(origin, 0.05)), house.accept())
            assert isinstance(fault, Fault)
            assert (fault.code, fault.message) == ("connect_timeout", "the provider did not accept a connection within 0.05 s")
            assert house.pool.open == origin.open == 0

    run(scene())


def test_a_peer_that_speaks_no_tls_is_told() -> None:
    async def scene() -> None:
        async with House() as house:
            origin = Origin("plain", "127.0.0.1", house.origin.port, ssl.create_default_context())

            async def answer_plainly() -> None:
                await asyncio.get_running_loop().sock_sendall(await house.accept(), ANSWER)

            fault, _ = await asyncio.gather(brought(house.pool.connect(origin, 5.0)), answer_plainly())
            assert isinstance(fault, Fault)
            assert fault.code == "upstream_tls_failed"
            assert house.pool.open == origin.open == 0

    run(scene())


def test_a_connection_that_nobody_waits_for_any_more_is_the_next_ones() -> None:
    async def scene() -> None:
        async with House() as house:
            baton = house.pool.connect(house.origin, 5.0)
            baton.hand(Fault("client_gone", "left"))
            await house.accept()
            taken: list[UpstreamConnection] = []

            def take() -> bool:
                taken.extend(filter(None, [house.pool.take(house.origin)]))
                return bool(taken)

            await until(take)
            house.pool.release(taken[0])

    run(scene())


def test_where_a_connection_costs_a_thread_only_a_lone_one_is_kept() -> None:
    async def scene() -> None:
        async with House() as house:
            house.origin.thread_bound = True
            (first, peer), (second, other) = await connected(house), await connected(house)
            await served(first, peer)
            house.pool.release(first)
            await noticed(first)
            assert house.pool.take(house.origin) is None
            await served(second, other)
            house.pool.release(second)
            assert house.pool.take(house.origin) is second
            house.pool.release(second)

    run(scene())


def test_what_follows_the_clients_end_is_heard_out() -> None:
    async def scene() -> None:
        async with House() as house:
            loop, sink = asyncio.get_running_loop(), Awaited()
            connection, peer = await connected(house)
            connection.send([b"GET / HTTP/1.1\r\n\r\n"], 18, sink)
            await loop.sock_recv(peer, 100)
            peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n")
            await until(lambda: sink.body == b"ok")
            house.pool.leave(connection)
            assert house.pool.take(house.origin) is None
            peer.send(b"0\r\n\r\n")
            await until(lambda: connection.reusable)
            assert house.pool.take(house.origin) is connection
            house.pool.release(connection)

    run(scene())


def test_an_end_that_does_not_come_is_not_waited_for_for_ever() -> None:
    async def scene() -> None:
        async with House() as house:
            connection, peer = await connected(house)
            connection.send([b"GET / HTTP/1.1\r\n\r\n"], 18, Awaited())
            await asyncio.get_running_loop().sock_recv(peer, 100)
            house.pool.leave(connection)
            house.now += TAIL_S
            house.pool.tend()
            await asyncio.sleep(0)
            assert not connection.closed
            house.now += 0.1
            house.pool.tend()
            await noticed(connection)

    run(scene())


def test_what_lay_idle_too_long_is_closed() -> None:
    async def scene() -> None:
        async with House() as house:
            (old, peer), (young, other) = await connected(house), await connected(house)
            await served(old, peer)
            house.pool.release(old)
            house.now += 20.0
            await served(young, other)
            house.pool.release(young)
            house.now += 20.0
            house.pool.tend()
            await noticed(old)
            assert house.pool.take(house.origin) is young
            house.pool.release(young)
            house.pool.forget(house.origin)
            await noticed(young)
            assert house.pool.take(house.origin) is None

    run(scene())


def test_a_unix_socket_is_an_origin_too(tmp_path: Path) -> None:
    async def scene() -> None:
        async with House() as house:
            path = str(tmp_path / "s")
            listening = socket.socket(socket.AF_UNIX)
            listening.bind(path)
            listening.listen()
            listening.setblocking(False)
            origin = Origin("unix", "", 0, None, unix_path=path)
            connection, (peer, _) = await asyncio.gather(
                brought(house.pool.connect(origin, 5.0)), asyncio.get_running_loop().sock_accept(listening)
            )
            assert isinstance(connection, UpstreamConnection)
            peer.setblocking(False)
            house.peers += [peer, listening]
            assert (await served(connection, peer)).body == b"ok"
            house.pool.release(connection)
            assert house.pool.take(origin) is connection
            house.pool.release(connection)

    run(scene())
