"""The instruments measured: what the upstream and the tap say must be so, or the tests that use them prove nothing."""

import socket
import ssl

import httpx
import pytest

from tests.support import requires
from tests.support.authorities import Authority
from tests.support.messages import Reader
from tests.support.tap import Tap
from tests.support.upstream import Close, Pause, Reply, Send, Upstream, chunk, head

CHAT = {"model": "fake", "messages": [{"role": "user", "content": "hi"}]}


def test_upstream_answers_by_itself_and_keeps_the_bytes(upstream: Upstream) -> None:
    with httpx.Client() as client:
        assert client.get(upstream.base_url + "/models").json()["data"][0]["id"] == "fake"
        answer = client.post(upstream.base_url + "/chat/completions?x=1", json=CHAT)
    assert answer.json()["usage"]["total_tokens"] == 10
    (call,) = upstream.wait_calls(1)
    assert call.start == "POST /v1/chat/completions?x=1 HTTP/1.1"
    assert call.path == "/v1/chat/completions"
    assert call.json() == CHAT
    assert bytes(call.raw).startswith(b"POST /v1/chat/completions?x=1 HTTP/1.1\r\n")
    assert bytes(call.raw).endswith(bytes(call.body))
    assert len(upstream.connections) == 1
    assert upstream.received == sum(len(request.raw) for request in upstream.requests)
    upstream.forget()
    assert upstream.requests == []
    assert upstream.received == 0


def test_upstream_plays_its_script_in_order_and_then_behaves(upstream: Upstream) -> None:
    upstream.script(Reply.json({"error": "slow down"}, 429, [("retry-after", "2")]), Reply.sse([{"n": 1}, {"n": 2}]))
    with httpx.Client() as client:
        first, second, third = (client.post(upstream.base_url + "/chat/completions", json=CHAT) for _ in range(3))
    assert (first.status_code, first.headers["retry-after"]) == (429, "2")
    assert second.text == 'data: {"n": 1}\n\ndata: {"n": 2}\n\ndata: [DONE]\n\n'
    assert third.json()["choices"][0]["message"]["content"] == "a fake answer"


def test_upstream_cuts_at_the_byte_that_was_asked_for(upstream: Upstream) -> None:
    whole = Reply.sse(["one", "two"])
    for at in (0, 1, 40, len(whole.data) - 1):
        upstream.script(whole.cut(at))
        assert _exchange(upstream, b"POST /x HTTP/1.1\r\ncontent-length: 0\r\n\r\n") == whole.data[:at]


def test_upstream_tells_when_its_client_left(upstream: Upstream) -> None:
    upstream.script(Reply.endless(every=0.001))
    with socket.create_connection(("127.0.0.1", upstream.port)) as client:
        client.sendall(b"POST /x HTTP/1.1\r\ncontent-length: 0\r\n\r\n")
        assert client.recv(10)
        (connection,) = upstream.connections
        assert connection.left_at is None
    assert upstream.wait_left(connection) >= connection.opened_at
    upstream.wait(lambda: connection.closed_at, "the close")
    assert upstream.open == []


def test_a_close_of_its_own_is_not_taken_for_the_client_leaving(upstream: Upstream) -> None:
    upstream.script(Reply.closed())
    assert _exchange(upstream, b"GET /x HTTP/1.1\r\n\r\n") == b""
    (connection,) = upstream.connections
    upstream.wait(lambda: connection.closed_at, "the close")
    assert connection.left_at is None


def test_upstream_may_answer_before_the_body_is_in(upstream: Upstream) -> None:
    upstream.script(Reply((Send(b"HTTP/1.1 413 No\r\n\r\n"), Close()), early=True))
    assert _exchange(upstream, b"POST /x HTTP/1.1\r\ncontent-length: 1000\r\n\r\nabc") == b"HTTP/1.1 413 No\r\n\r\n"
    (request,) = upstream.requests
    assert (bytes(request.body), request.complete) == (b"abc", False)


def test_upstream_speaks_tls_to_who_trusts_its_authority(tls_upstream: Upstream, authority: Authority) -> None:
    trusting = ssl.create_default_context(cadata=authority.pem)
    assert httpx.get(tls_upstream.base_url + "/models", verify=trusting).status_code == 200
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(tls_upstream.base_url + "/models", verify=ssl.create_default_context(cadata=Authority("another").pem))


@pytest.mark.parametrize(("names", "expired"), [(("else.where",), False), (("127.0.0.1",), True)], ids=["wrong name", "expired"])
def test_certificates_can_be_wrong(authority: Authority, names: tuple[str, ...], expired: bool) -> None:
    trusting = ssl.create_default_context(cadata=authority.pem)
    with (
        Upstream(context=authority.server_context(names, expired=expired)) as upstream,
        pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        httpx.get(upstream.base_url + "/models", verify=trusting)


def test_tap_passes_everything_and_pairs_requests_with_responses(upstream: Upstream) -> None:
    upstream.script(Reply.sse([{"n": n} for n in range(3)], delay=0.005), Reply.of(b"", 204), Reply.chat("after"))
    with Tap("127.0.0.1", upstream.port) as tap, httpx.Client() as client:
        answers = [client.post(tap.base_url + "/chat/completions", json=CHAT) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 204, 200]
        exchanges = tap.calls
        assert [each.request.json() for each in exchanges] == [CHAT] * 3
        responses = [each.response for each in exchanges]
        assert [each and each.status for each in responses] == [200, 204, 200]
        assert responses[0] is not None
        assert responses[0].events() == ['{"n": 0}', '{"n": 1}', '{"n": 2}', "[DONE]"]
        assert bytes(responses[0].body) == answers[0].content
        (passage,) = tap.passages
        assert bytes(passage.upward) == b"".join(bytes(request.raw) for request in upstream.requests)


def test_tap_passes_on_that_one_side_left(upstream: Upstream) -> None:
    upstream.script(Reply.endless(every=0.001))
    with Tap("127.0.0.1", upstream.port) as tap, socket.create_connection(("127.0.0.1", tap.port)) as client:
        client.sendall(b"POST /x HTTP/1.1\r\ncontent-length: 0\r\n\r\n")
        assert client.recv(10)
        client.close()
        upstream.wait_left(upstream.connections[0])
        tap.wait(lambda: tap.passages[0].closed, "the end of the passage")
        assert tap.exchanges[0].response is not None
        assert tap.exchanges[0].response.cut


STREAM = (
    head(100, [])
    + head(200, [("transfer-encoding", "chunked")])
    + chunk(b"one")
    + chunk(b"two\r\n")
    + b"0\r\nx-trailer: 1\r\n\r\n"
    + head(304, [("content-length", "9")])
    + head(200, [("content-length", "3")])
    + b"abc"
    + head(200, [])
    + b"until the end"
)


@pytest.mark.parametrize("size", [1, 2, 7, len(STREAM)])
def test_messages_are_the_same_however_they_are_cut(size: int) -> None:
    reader = Reader(responses=True)
    for place in range(0, len(STREAM), size):
        reader.feed(STREAM[place : place + size])
    reader.eof()
    assert [(each.status, bytes(each.body), each.complete) for each in reader.messages] == [
        (100, b"", True),
        (200, b"onetwo\r\n", True),
        (304, b"", True),
        (200, b"abc", True),
        (200, b"until the end", True),
    ]
    assert b"".join(bytes(each.raw) for each in reader.messages) == STREAM


def test_a_part_that_is_required_fails_instead_of_being_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    requires.need("stone", present=True, remedy="")
    monkeypatch.setenv("SEKISHO_TEST_REQUIRE", "")
    with pytest.raises(pytest.skip.Exception, match="stone is not here; dig"):
        requires.need("stone", present=False, remedy="dig")
    for value in ("all", "wood, stone"):
        monkeypatch.setenv("SEKISHO_TEST_REQUIRE", value)
        with pytest.raises(pytest.fail.Exception, match="stone is not here; dig"):
            requires.need("stone", present=False, remedy="dig")


def _exchange(upstream: Upstream, request: bytes) -> bytes:
    """Send bytes and return all that comes until the upstream closes."""
    with socket.create_connection(("127.0.0.1", upstream.port), timeout=10) as client:
        client.sendall(request)
        return b"".join(iter(lambda: client.recv(65536), b""))


def test_a_pause_without_end_lasts_until_the_client_leaves(upstream: Upstream) -> None:
    upstream.script(Reply((Send(b"HTTP/1.1 200 OK\r\n"), Pause())))
    with socket.create_connection(("127.0.0.1", upstream.port), timeout=10) as client:
        client.sendall(b"GET /x HTTP/1.1\r\n\r\n")
        assert client.recv(100) == b"HTTP/1.1 200 OK\r\n"
        assert upstream.open
    upstream.wait(lambda: not upstream.open, "the end")
