"""TLS between a wire and a connection, without sockets: every way in which bytes may come, and every way in which it may end."""

import asyncio
import contextlib
import gc
import json
import socket
import ssl
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import pytest

from sekisho.dataplane import exchange, secured
from sekisho.dataplane.connection import Connection
from sekisho.dataplane.contexts import Certificate
from sekisho.dataplane.redirects import to_https
from sekisho.dataplane.secured import Secured
from sekisho.dataplane.settings import Tls
from tests.support.authorities import Authority
from tests.unit.dataplane.houses import HELLO, OPEN, House
from tests.unit.dataplane.loops import run

OURS = Authority()
HEALTH = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"


class Wire(asyncio.Transport):
    """The worker's side of a TCP connection."""

    def __init__(self, house: House, certificate: Certificate) -> None:
        super().__init__()
        self._socket = socket.socket()
        self.sent = bytearray()
        self.limit = 0
        self.eof = self.closed = self.aborted = False
        self.connection = Connection(house.plane, exchange.run, lambda connection: True, lambda connection: None)
        self.secured = Secured(self.connection, certificate, to_https(4443))
        self.secured.connection_made(self)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("192.0.2.7", 5), "socket": self._socket}.get(name, default)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.limit = high or 0

    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, data: Any) -> None:
        assert not self.closed
        assert not self.eof
        self.sent += data

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.eof = True

    def pause_reading(self) -> None:
        """Nobody reads here."""

    def resume_reading(self) -> None:
        """Likewise."""

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._socket.close()
            asyncio.get_running_loop().call_soon(self.secured.connection_lost, None)

    def abort(self) -> None:
        self.aborted = True
        self.close()


class Client:
    """The other end: OpenSSL in memory, whose bytes the test hands over as it likes."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        trust = ssl.create_default_context(cadata=OURS.pem)
        self.tls = trust.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")
        self.plain = bytearray()
        self.ended = False

    def unsent(self) -> bytes:
        return self._outgoing.read()

    def hand(self, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            if not self.wire.closed:
                self.wire.secured.data_received(piece)

    def take(self) -> None:
        """Read what was sent to us, as far as it goes."""
        self._incoming.write(bytes(self.wire.sent))
        self.wire.sent.clear()
        with contextlib.suppress(ssl.SSLWantReadError):
            while True:
                piece = self.tls.read(65536)
                if not piece:
                    self.ended = True
                    return
                self.plain += piece

    def greet(self, size: int = 1 << 20) -> None:
        """Shake hands, in pieces of so many bytes."""
        for _ in range(4):
            with contextlib.suppress(ssl.SSLWantReadError):
                self.tls.do_handshake()
            data = self.unsent()
            self.hand(data[at : at + size] for at in range(0, len(data), size))
            self._incoming.write(bytes(self.wire.sent))
            self.wire.sent.clear()

    def say(self, data: bytes, size: int = 1 << 20) -> None:
        self.tls.write(data)
        sealed = self.unsent()
        self.hand(sealed[at : at + size] for at in range(0, len(sealed), size))


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    key, chain = OURS.pair()
    (tmp_path / "key.pem").write_bytes(key)
    (tmp_path / "chain.pem").write_bytes(chain)
    return Certificate(Tls(str(tmp_path / "chain.pem"), str(tmp_path / "key.pem")), lambda: 0.0)


@contextlib.asynccontextmanager
async def met(tmp_path: Path, certificate: Certificate, *, greeted: bool = True) -> Any:
    folder = tmp_path / "journal"
    folder.mkdir()
    async with House(folder) as house:
        wire = Wire(house, certificate)
        client = Client(wire)
        if greeted:
            client.greet()
        try:
            yield client
        finally:
            wire.abort()
            await asyncio.sleep(0)


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_however_the_bytes_come(tmp_path: Path, certificate: Certificate, size: int) -> None:
    async def scene() -> None:
        async with met(tmp_path, certificate, greeted=False) as client:
            client.greet(size)
            assert client.wire.connection.secure
            for _ in range(3):
                client.say(HEALTH, size)
                client.take()
            assert client.plain.count(b"HTTP/1.1 200 ") == 3
            assert client.wire.limit > 0, "back-pressure is asked for below"

    run(scene())


def test_a_request_in_the_breath_of_the_handshake(tmp_path: Path, certificate: Certificate) -> None:
    """The last word of the handshake and more than its bound behind it, in one read."""

    async def scene() -> None:
        async with met(tmp_path, certificate, greeted=False) as client:
            for _ in range(2):
                with contextlib.suppress(ssl.SSLWantReadError):
                    client.tls.do_handshake()
                    break
                client.hand([client.unsent()])
                client._incoming.write(bytes(client.wire.sent))
                client.wire.sent.clear()
            client.tls.write(b"POST /v1/embeddings HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n" + b" " * 200_000)
            client.hand([client.unsent()])
            client.take()
            assert client.plain.startswith(b"HTTP/1.1 401 ")

    run(scene())


def test_a_handshake_without_end_is_cut(tmp_path: Path, certificate: Certificate) -> None:
    async def scene() -> None:
        async with met(tmp_path, certificate, greeted=False) as client:
            client.hand([b"\x16\x03\x01\x40\x00\x01\x00\xff\xf0" + bytes(100)])
            assert not client.wire.closed
            client.hand([bytes(1000)] * 40)
            assert client.wire.closed

    run(scene())


def test_what_is_no_handshake_hears_an_alert(tmp_path: Path, certificate: Certificate) -> None:
    async def scene() -> None:
        async with met(tmp_path, certificate, greeted=False) as client:
            client.hand([b"\x16\x03\x01\x00\x05hello"])
            assert client.wire.closed
            assert not client.wire.aborted
            assert client.wire.sent[:1] == b"\x15"

    run(scene())


def test_http_in_clear_is_shown_the_way(tmp_path: Path, certificate: Certificate) -> None:
    async def scene() -> None:
        async with met(tmp_path, certificate, greeted=False) as client:
            client.hand([b"G", b"ET /v1/models?x=1 HTTP/1.1\r\nHost: b:80\r\n\r\n"])
            assert client.wire.sent.startswith(b"HTTP/1.1 301 ")
            assert b"\r\nlocation: https://b:4443/v1/models?x=1\r\n" in client.wire.sent
            assert client.wire.closed
            assert not client.wire.connection.secure

    run(scene())


def test_without_a_certificate_nobody_is_greeted(tmp_path: Path, certificate: Certificate) -> None:
    async def scene() -> None:
        certificate.context = None
        async with met(tmp_path, certificate) as client:
            assert client.wire.aborted
            assert client.wire.sent == b""

    run(scene())


def test_a_long_answer_is_whole(tmp_path: Path, certificate: Certificate) -> None:
    """Beyond a record and beyond what is sealed at once, and whatever is written after it comes after it."""

    async def scene() -> None:
        async with met(tmp_path, certificate) as client:
            text = bytes(range(256)) * 4096
            client.wire.secured.write(text)
            client.wire.secured.write(b"end")
            client.take()
            assert client.plain == text + b"end"
            assert len(text) > 2 * secured.PIECE_BYTES

    run(scene())


@pytest.mark.parametrize("how", ["close", "write_eof"])
def test_our_end_is_said_and_the_rest_is_not_read(tmp_path: Path, certificate: Certificate, how: str) -> None:
    async def scene() -> None:
        async with met(tmp_path, certificate) as client:
            getattr(client.wire.secured, how)()
            client.take()
            assert client.ended
            assert (client.wire.closed, client.wire.eof) == (how == "close", how == "write_eof")
            client.hand([b"whatever", b"\x17\x03\x03\x00\x20" + bytes(32)])
            client.wire.secured.write(b"too late")
            assert client.wire.sent == b""

    run(scene())


@pytest.mark.parametrize("how", ["goodbye", "silent end", "garbage"])
def test_a_client_that_leaves_inside_a_call(tmp_path: Path, certificate: Certificate, how: str) -> None:
    """The call is cancelled at once, whatever the client's end looks like."""

    async def scene() -> None:
        async with met(tmp_path, certificate) as client:
            body = json.dumps({**HELLO, "model": "sandbox/slow", "stream": True}).encode()
            client.say(
                b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %b\r\nContent-Length: %d\r\n\r\n%b"
                % (OPEN.encode(), len(body), body)
            )
            assert not client.wire.connection.gone
            if how == "goodbye":
                with contextlib.suppress(ssl.SSLError):
                    client.tls.unwrap()
                client.hand([client.unsent()])
                assert client.wire.closed
            elif how == "silent end":
                assert client.wire.secured.eof_received() is False
            else:
                client.hand([b"\x17\x03\x03\x00\x20" + bytes(32)])
                assert client.wire.closed
            assert client.wire.connection.gone

    run(scene())


def test_back_pressure_reaches_the_connection(tmp_path: Path, certificate: Certificate) -> None:
    async def scene() -> None:
        async with met(tmp_path, certificate) as client:
            client.wire.secured.pause_writing()
            assert client.wire.connection.congested
            client.wire.secured.resume_writing()
            assert not client.wire.connection.congested

    run(scene())


def test_what_it_holds_is_let_go(tmp_path: Path, certificate: Certificate) -> None:
    """No circle is left behind: a TLS object is large, and the collector comes seldom."""

    async def scene() -> None:
        async with met(tmp_path, certificate) as client:
            client.say(HEALTH)
            wire = client.wire
            held = weakref.ref(wire.secured._tls)
            assert held() is not None
            wire.secured.close()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            wire.secured = cast(Secured, None)
            assert held() is None
            wire.secured = Secured(wire.connection, certificate, to_https(1))

    gc.disable()
    try:
        run(scene())
    finally:
        gc.enable()
