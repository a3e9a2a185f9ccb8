"""TLS towards an upstream: certificates are verified, and whatever fails is told without a byte of the request leaving."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.e2e.faults.arena import Arena, Record
from tests.e2e.faults.clients import Answer, ask, chat
from tests.e2e.faults.rows import CREDENTIAL, HASTE, NOT_ACCEPTED
from tests.e2e.faults.test_reach import unread_listener
from tests.support.authorities import Authority
from tests.support.upstream import Reply, Upstream

pytestmark = pytest.mark.e2e

FAILED = "upstream_tls_failed"


@pytest.fixture(scope="module")
def ours() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def upstreams(ours: Authority) -> Iterator[dict[str, Upstream]]:
    """Servers by what is wrong with their certificate."""
    contexts = {
        "right": ours.server_context(),
        "of another authority": Authority("Somebody else").server_context(),
        "of another name": ours.server_context(["api.example.com"]),
        "expired": ours.server_context(expired=True),
    }
    with ExitStack() as stack:
        yield {kind: stack.enter_context(Upstream(context=context)) for kind, context in contexts.items()}


def call(arena: Arena, name: str) -> tuple[Answer, Record]:
    answer = asyncio.run(ask(arena.port, chat(f"{name}/m", "tls", arena.key)))
    [record] = arena.records([answer.request_id])[answer.request_id]
    return answer, record


def check(answer: Answer, record: Record, http: int, code: str) -> None:
    error = answer.error()
    assert answer.whole
    assert answer.status == http
    assert error is not None
    assert error["code"] == code
    assert (record["status"], record["http_status"], record["error"]["code"]) == ("failed", http, code)
    assert (record["usage_source"], record["upstream_status"]) == ("unknown", None)


def test_a_right_certificate(arena: Arena, upstreams: dict[str, Upstream], ours: Authority) -> None:
    arena.provider("tls-right", upstreams["right"].base_url, ca_bundle=ours.pem)
    for _ in range(3):
        answer, record = call(arena, "tls-right")
        assert (answer.status, record["status"]) == (200, "completed")
    assert upstreams["right"].calls[0].header("authorization") == f"Bearer {CREDENTIAL}"
    assert len({id(connection) for connection in upstreams["right"].connections}) == 1, "the connection is kept"


@pytest.mark.parametrize("kind", ["of another authority", "of another name", "expired"])
def test_a_wrong_certificate(arena: Arena, upstreams: dict[str, Upstream], ours: Authority, kind: str) -> None:
    name = "tls-" + kind.replace(" ", "-")
    arena.provider(name, upstreams[kind].base_url, ca_bundle=ours.pem)
    check(*call(arena, name), 502, FAILED)
    assert not upstreams[kind].requests
    assert upstreams[kind].received == 0


def test_an_authority_that_nobody_named(arena: Arena, upstreams: dict[str, Upstream]) -> None:
    """Without a bundle the system's authorities count, and ours is none of them; not even one that another provider trusts."""
    before = upstreams["right"].received
    arena.provider("tls-unnamed", upstreams["right"].base_url)
    check(*call(arena, "tls-unnamed"), 502, FAILED)
    assert upstreams["right"].received == before


@contextmanager
def plain_listener(heard: list[bytes]) -> Iterator[int]:
    """A server of plain HTTP, which answers a TLS greeting as such servers do: with a 400 in clear."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                heard.append(connection.recv(65536))
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")

        thread = threading.Thread(target=serve, name="plain listener")
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def test_a_port_without_tls(arena: Arena) -> None:
    heard: list[bytes] = []
    with plain_listener(heard) as port:
        arena.provider("tls-plain", f"https://127.0.0.1:{port}/v1")
        check(*call(arena, "tls-plain"), 502, FAILED)
    assert CREDENTIAL.encode() not in b"".join(heard)


def test_a_handshake_that_hangs(arena: Arena) -> None:
    with unread_listener() as port:
        arena.provider("tls-hangs", f"https://127.0.0.1:{port}/v1", timeouts=HASTE)
        answer, record = call(arena, "tls-hangs")
        check(answer, record, 504, NOT_ACCEPTED)
        assert answer.seconds <= HASTE["connect"] + 1.5


def test_a_cut_without_a_goodbye(arena: Arena, ours: Authority) -> None:
    """TCP ends without TLS's own end: a body that lasts to the close is not whole then."""
    with Upstream(context=ours.server_context()) as upstream:
        arena.provider("tls-cut", upstream.base_url, ca_bundle=ours.pem)
        upstream.script(Reply.chat("cut").cut(120, reset=True))
        check_cut(*call(arena, "tls-cut"))


def check_cut(answer: Answer, record: Record) -> None:
    error = answer.error()
    assert answer.whole
    assert answer.status == 502
    assert error is not None
    assert error["code"] == "upstream_cut"
    assert (record["status"], record["error"]["code"]) == ("failed", "upstream_cut")
