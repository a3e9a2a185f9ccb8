"""The rules of the door over TLS: framing, deadlines, back-pressure, and ends of every kind."""

import asyncio
import contextlib
import socket
import ssl
import struct
import time
from collections import defaultdict
from collections.abc import Iterator

import pytest

from tests.e2e.door.campaigns import CONSOLE_PORT, CUTS, GATEWAY_PORT, PORTS, campaign, judge
from tests.e2e.door.cases import CASES
from tests.e2e.door.conftest import HASTY, OURS, Door, errors_in, open_door
from tests.e2e.door.messages import BODY, fill, message
from tests.e2e.door.processes import descriptors, resident_bytes
from tests.e2e.tls.houses import SecureProduct
from tests.support.patience import within
from tests.support.product import eventually
from tests.support.upstream import Repeat, Reply, Send, Upstream, chunk, head, sse, well_behaved

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

SLICE = CASES[::8]
"""A part of the table: TLS lies below all of it."""
MIB = 1024 * 1024
LATE = 4.0
HEALTH = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"


class SecureDoor(Door):
    """A door whose ports speak TLS."""

    product: SecureProduct

    @property
    def ports(self) -> dict[str, int]:
        return {GATEWAY_PORT: self.product.https_port, CONSOLE_PORT: self.product.console_port}


@contextlib.contextmanager
def secure_door(**bounds: str) -> Iterator[SecureDoor]:
    environment = {f"SEKISHO_BOUNDS__{name}": value for name, value in bounds.items()}
    with Upstream() as upstream, SecureProduct(environment=environment) as product:
        opened = open_door(product, upstream)
        yield SecureDoor(product, upstream, opened.key)


@pytest.fixture(scope="module")
def door() -> Iterator[SecureDoor]:
    with secure_door() as opened:
        yield opened


@pytest.fixture(scope="module")
def hasty() -> Iterator[SecureDoor]:
    with secure_door(**HASTY) as opened:
        yield opened


def test_the_table_of_the_door_holds_over_tls(door: SecureDoor) -> None:
    door.upstream.forget()
    outcomes = asyncio.run(campaign(SLICE, door.ports, door.key, door.product.trust))
    seen: dict[bytes, list[bytes]] = defaultdict(list)
    for call in door.upstream.calls:
        body = bytes(call.body)
        for name in OURS.findall(body):
            seen[name].append(body)
    wrong = {
        f"{case.name}, {port}, {cut}": sentences
        for case in SLICE
        for port in PORTS
        for cut in CUTS
        if (sentences := judge(case, port, cut, outcomes[case.name, port, cut], seen))
    }
    assert wrong == {}
    assert len(outcomes) == len(SLICE) * len(PORTS) * len(CUTS)
    assert len(SLICE) > 40
    assert errors_in(door.product.stderr) == []


@contextlib.contextmanager
def connected(door: SecureDoor, port: str = GATEWAY_PORT) -> Iterator[ssl.SSLSocket]:
    """A client that takes an end without TLS's own goodbye for an error."""
    with (
        socket.create_connection(("127.0.0.1", door.ports[port]), timeout=20) as plain,
        door.product.trust.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False) as tls,
    ):
        yield tls


def heard(tls: ssl.SSLSocket) -> bytes:
    """All until the peer says that nothing follows; fails where it only goes silent."""
    return b"".join(iter(lambda: tls.recv(65536), b""))


def spelled(door: Door, sent: bytes) -> bytes:
    return fill(sent, marker=b"tls---------", key=door.key.encode(), host=b"localhost")


@pytest.mark.parametrize("port", PORTS)
def test_the_end_is_said(door: SecureDoor, port: str) -> None:
    """A close is a close_notify: nobody can cut an answer and have it taken for whole."""
    with connected(door, port) as tls:
        tls.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert heard(tls).startswith(b"HTTP/1.1 200 ")


def test_a_refusal_is_heard_by_a_client_that_is_still_sending(door: SecureDoor) -> None:
    """The answer, then the goodbye, and the rest of the body is let run out: no reset takes the answer away."""
    with connected(door) as tls:
        tls.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 400000\r\n\r\n" + b" " * 1000)
        got = b""
        with contextlib.suppress(OSError):
            for _ in range(20):
                tls.sendall(b" " * 16_000)
        got = heard(tls)
    assert got.startswith(b"HTTP/1.1 401 ")


def test_a_body_of_ten_megabytes_and_an_answer_of_eight(door: SecureDoor) -> None:
    """Whole both ways, in records of sixteen kilobytes."""
    text = "x" * (8 * MIB)
    answer = b'{"choices":[],"id":"i","object":"chat.completion","pad":"' + text.encode() + b'"}'
    door.upstream.otherwise = lambda request: Reply.of(answer)
    body = BODY[:-1] + b',"user":"' + b"y" * (10 * MIB) + b'"}'
    try:
        with connected(door) as tls:
            tls.sendall(spelled(door, message(body=body)))
            got = b""
            while not got.endswith(answer[-20:]):
                piece = tls.recv(1 << 20)
                assert piece, "the connection ended early"
                got += piece
    finally:
        door.upstream.otherwise = well_behaved
    assert got.startswith(b"HTTP/1.1 200 ")
    assert got.endswith(answer)
    assert len(door.upstream.calls[-1].body) > 10 * MIB


def test_byte_by_byte_in_records_of_their_own(door: SecureDoor) -> None:
    with connected(door) as tls:
        for _ in range(2):
            for at in range(len(HEALTH)):
                tls.send(HEALTH[at : at + 1])
            assert tls.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_a_handshake_byte_by_byte(door: SecureDoor) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = door.product.trust.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with socket.create_connection(("127.0.0.1", door.product.https_port), timeout=20) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                if outgoing.pending:
                    for byte in outgoing.read():
                        plain.sendall(bytes([byte]))
                incoming.write(plain.recv(65536))
        tls.write(HEALTH)
        for byte in outgoing.read():
            plain.sendall(bytes([byte]))
        answer = b""
        while b"\r\n\r\n" not in answer:
            incoming.write(plain.recv(65536))
            with contextlib.suppress(ssl.SSLWantReadError):
                answer += tls.read(65536)
    assert answer.startswith(b"HTTP/1.1 200 ")


GARBAGE = {
    "a greeting that is none": b"\x16\x03\x01\x00\x05hello",
    "an old greeting": b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10",
    "records without end": b"\x16\x03\x01\x40\x00\x01\x00\xff\xf0" + b"\x00" * 200_000,
    "an alert": b"\x15\x03\x03\x00\x02\x02\x28",
    "application data at once": b"\x17\x03\x03\x00\x10" + b"\x00" * 16,
}


@pytest.mark.parametrize("kind", GARBAGE)
@pytest.mark.parametrize("port", PORTS)
def test_garbage_is_let_go_at_once(door: SecureDoor, port: str, kind: str) -> None:
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", door.ports[port]), timeout=20) as plain, contextlib.suppress(ConnectionError):
        plain.sendall(GARBAGE[kind])
        while plain.recv(65536):
            pass
    assert time.monotonic() - began < within(5)
    with connected(door, port) as tls:
        tls.sendall(HEALTH)
        assert tls.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_garbage_inside_a_connection_ends_it_with_an_alert(door: SecureDoor) -> None:
    plain = socket.create_connection(("127.0.0.1", door.product.https_port), timeout=20)
    with door.product.trust.wrap_socket(plain, server_hostname="localhost") as tls:
        tls.sendall(HEALTH)
        assert tls.recv(65536).startswith(b"HTTP/1.1 200 ")
        with socket.socket(fileno=socket.dup(tls.fileno())) as raw:
            raw.sendall(b"\x17\x03\x03\x00\x20" + b"\x00" * 32)
        with pytest.raises(ssl.SSLError, match=r"BAD_RECORD_MAC|bad record mac"):
            tls.recv(65536)


SLOW = {
    "a silent connection": (False, b"", 0.0),
    "a greeting that stops": (False, b"\x16\x03\x01\x02\x00\x01", 0.0),
    "a greeting byte by byte": (False, b"\x16\x03\x01\x02\x00\x01" + b"\x00" * 100, 0.1),
    "silence behind the handshake": (True, b"", 0.0),
    "a head that stops": (True, b"GET /health HTTP/1.1\r\nHost: a\r\n", 0.0),
    "a head byte by byte": (True, b"GET /health HTTP/1.1\r\nHost: a\r\nX-A: " + b"a" * 60, 0.1),
}


@pytest.mark.parametrize("kind", SLOW)
@pytest.mark.parametrize("port", PORTS)
def test_whoever_is_slow_is_let_go(hasty: SecureDoor, port: str, kind: str) -> None:
    """The handshake is part of the time that a first head may take; a late head hears 408."""
    secured, data, pause = SLOW[kind]
    began = time.monotonic()
    got, at = b"", 0
    with socket.create_connection(("127.0.0.1", hasty.ports[port]), timeout=20) as plain, contextlib.ExitStack() as stack:
        end: socket.socket = plain
        if secured:
            end = stack.enter_context(hasty.product.trust.wrap_socket(plain, server_hostname="localhost"))
        end.settimeout(pause or 20)
        with contextlib.suppress(ConnectionError):
            if not pause:
                end.sendall(data)
            while time.monotonic() - began < within(LATE + 2):
                if pause and at < len(data):
                    end.sendall(data[at : at + 1])
                    at += 1
                with contextlib.suppress(TimeoutError):
                    piece = end.recv(65536)
                    if not piece:
                        break
                    got += piece
    assert 0.8 <= time.monotonic() - began < within(LATE + 2)
    assert got.startswith(b"HTTP/1.1 408 ") if "head" in kind and secured and data else not got.startswith(b"HTTP/")


def test_a_client_that_does_not_read_holds_up_its_provider_and_is_let_go(hasty: SecureDoor) -> None:
    """Memory stays flat, the provider waits, and after a while without progress both ends are closed."""
    event = chunk(sse({"id": "c", "choices": [{"index": 0, "delta": {"content": "on " * 1000}, "finish_reason": None}]}))
    opening = Send(head(200, [("content-type", "text/event-stream"), ("transfer-encoding", "chunked")]))
    hasty.upstream.otherwise = lambda request: Reply((opening, Repeat(event, 0.0)))
    hasty.upstream.forget()
    worker = hasty.worker
    before = resident_bytes(worker)
    most = 0
    try:
        with connected(hasty) as tls:
            tls.sendall(spelled(hasty, message(body=BODY[:-1] + b',"stream":true}')))
            hasty.upstream.wait_calls(1)
            connection = next(each for each in hasty.upstream.connections if each.reader.messages)

            def let_go() -> bool:
                nonlocal most
                most = max(most, resident_bytes(worker) - before)
                return connection.left_at is not None

            eventually(let_go, "the end of the provider's connection", LATE + 6)
    finally:
        hasty.upstream.otherwise = well_behaved
    assert most < 10 * MIB


@pytest.mark.parametrize("end", ["reset", "end without goodbye", "goodbye"])
def test_a_client_that_leaves_ends_its_call(door: SecureDoor, end: str) -> None:
    """However it leaves: the provider is closed, and the record says so."""
    event = chunk(sse({"id": "c", "choices": [{"index": 0, "delta": {"content": "on "}, "finish_reason": None}]}))
    opening = Send(head(200, [("content-type", "text/event-stream"), ("transfer-encoding", "chunked")]))
    door.upstream.otherwise = lambda request: Reply((opening, Repeat(event, 0.05)))
    door.upstream.forget()
    try:
        plain = socket.create_connection(("127.0.0.1", door.product.https_port), timeout=20)
        tls = door.product.trust.wrap_socket(plain, server_hostname="localhost")
        tls.sendall(spelled(door, message(body=BODY[:-1] + b',"stream":true}')))
        got = b""
        while got.count(b"data:") < 3:
            got += tls.recv(65536)
        request_id = got.partition(b"x-request-id: ")[2].partition(b"\r\n")[0].decode()
        if end == "reset":
            tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            tls.close()
        elif end == "end without goodbye":
            tls.shutdown(socket.SHUT_RDWR)
            tls.close()
        else:
            with contextlib.suppress(OSError):
                tls.unwrap()
            tls.close()
        connection = next(each for each in door.upstream.connections if each.reader.messages)
        # The provider would go on for ever, and so would the call.
        eventually(lambda: connection.left_at is not None, "the end of the provider's connection", 25)
    finally:
        door.upstream.otherwise = well_behaved
    record = eventually(lambda: [each for each in door.product.calls() if each["request_id"] == request_id], "the record")[0]
    assert record["status"] == "cancelled"


def test_connections_beyond_the_cap_are_shed_and_none_is_forgotten(hasty: SecureDoor) -> None:
    """Handshakes that are never finished count like all others; when they are gone, so are their descriptors and their memory."""
    worker = hasty.worker
    before = descriptors(worker)
    with contextlib.ExitStack() as stack:
        for _ in range(300):
            plain = stack.enter_context(socket.create_connection(("127.0.0.1", hasty.product.https_port), timeout=20))
            with contextlib.suppress(ConnectionError):
                plain.sendall(b"\x16\x03\x01\x02\x00\x01")
        assert descriptors(worker) <= before + 270
        eventually(lambda: descriptors(worker) <= before + 5, "the end of all that never greeted", LATE + 6)
    with connected(hasty) as tls:
        tls.sendall(HEALTH)
        assert tls.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_what_a_connection_took_is_given_back(door: SecureDoor) -> None:
    """Handshakes by the hundred, and half of them end badly: memory and descriptors are where they were."""
    worker = door.worker

    def some(count: int) -> None:
        for number in range(count):
            with connected(door, PORTS[number % 2]) as tls:
                tls.sendall(HEALTH)
                assert tls.recv(65536).startswith(b"HTTP/1.1 200 ")
                if number % 2:
                    tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    some(300)
    memory, files = resident_bytes(worker), descriptors(worker)
    some(600)
    eventually(lambda: descriptors(worker) <= files + 3, "the end of all descriptors")
    assert resident_bytes(worker) - memory < 6 * MIB


def test_a_drain_lets_calls_finish(door: SecureDoor) -> None:
    """`reload` while a stream runs: it is heard to its end, with the goodbye behind it."""
    with connected(door) as tls:
        body = b'{"model":"sandbox/slow","stream":true,"messages":[{"role":"user","content":"one two three"}]}'
        tls.sendall(spelled(door, message(body=body)))
        got = tls.recv(65536)
        door.product.cli("reload")
        got += heard(tls)
    assert b"[DONE]" in got
    assert got.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("which", ["door", "hasty"])
def test_nothing_crashed(which: str, request: pytest.FixtureRequest) -> None:
    """All of this is ordinary work: the log holds no error."""
    opened: SecureDoor = request.getfixturevalue(which)
    assert errors_in(opened.product.stderr) == []
