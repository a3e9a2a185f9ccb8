"""The one way out, against real listeners: connected to what was checked, told apart by origin, bounded in bytes and time."""

import asyncio
import ssl
from collections.abc import Sequence
from typing import Any

import pytest

from sekisho.egress.client import Answer, Egress, EgressError, Origin, origin_of
from tests.support.authorities import Authority
from tests.support.upstream import Pause, Reply, Send, Upstream, head

LOOPBACK = "127.0.0.1"


class Names:
    """A resolver that answers from a table and counts."""

    def __init__(self, **names: Sequence[str]) -> None:
        self.names = names
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        if host not in self.names:
            raise OSError("no such name")
        return self.names[host]


def get(url: str, egress: Egress | None = None, **more: Any) -> Answer:
    return asyncio.run((egress or Egress()).get(url, **{"headers": {}, **more}))


def refused(url: str, egress: Egress | None = None, **more: Any) -> str:
    with pytest.raises(EgressError) as error:
        get(url, egress, **more)
    return str(error.value)


def test_a_registered_origin_is_reached_on_loopback(upstream: Upstream) -> None:
    answer = get(upstream.base_url + "/models", headers={"authorization": "Bearer s"}, registered=origin_of(upstream.origin))
    assert answer.status == 200
    (request,) = upstream.requests
    assert request.header("host") == f"127.0.0.1:{upstream.port}"
    assert request.header("authorization") == "Bearer s"
    assert request.header("accept-encoding") == "identity"


def test_an_origin_that_is_not_registered_is_not(upstream: Upstream) -> None:
    for registered in (
        None,
        Origin("https", LOOPBACK, upstream.port),
        Origin("http", LOOPBACK, upstream.port + 1),
        Origin("http", "localhost", upstream.port),
    ):
        assert "public address" in refused(upstream.base_url, registered=registered)
    assert upstream.connections == []


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "127.1",
        "0x7f.1",
        "2130706433",
        "0177.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "[::]",
        "127.0.0.1.",
    ],
)
def test_no_spelling_of_loopback_gets_through(upstream: Upstream, host: str) -> None:
    assert refused(f"http://{host}:{upstream.port}/") != ""
    assert upstream.connections == []


def test_a_name_with_one_private_address_is_refused_whole() -> None:
    names = Names(mixed=["8.8.8.8", "10.0.0.1"], metadata=["169.254.169.254"], mapped=["::ffff:10.0.0.1"], zone=["fe80::1%eth0"], none=[])
    egress = Egress(names)
    for host in ("mixed", "metadata", "mapped", "zone"):
        assert "public address" in refused(f"http://{host}/", egress)
    assert "no address" in refused("http://none/", egress)
    assert "no address" in refused("http://unknown/", egress)


def test_even_a_registered_origin_is_one_host() -> None:
    egress = Egress(Names(multi=["224.0.0.1"], any=["0.0.0.0"]))
    for host in ("multi", "any"):
        assert "public address" in refused(f"http://{host}/", egress, registered=Origin("http", host, 80))


def test_a_name_is_resolved_once_and_connected_to_as_checked(upstream: Upstream) -> None:
    """A second answer, as DNS rebinding gives it, would go elsewhere: it is never asked for."""

    class Rebinding(Names):
        async def __call__(self, host: str, port: int) -> Sequence[str]:
            await super().__call__(host, port)
            return [LOOPBACK] if len(self.asked) == 1 else ["192.0.2.1"]

    names = Rebinding(**{"engine.example": []})
    url = f"http://engine.example:{upstream.port}/v1/models"
    answer = get(url, Egress(names), registered=origin_of(url))
    assert (answer.status, names.asked) == (200, ["engine.example"])
    assert upstream.requests[0].header("host") == f"engine.example:{upstream.port}"


def test_the_next_address_is_tried_where_nobody_listens(upstream: Upstream) -> None:
    egress = Egress(Names(engine=["127.0.0.2", "::1", LOOPBACK]))
    assert get(f"http://engine:{upstream.port}/v1/models", egress, registered=Origin("http", "engine", upstream.port)).status == 200


def test_a_redirect_is_told_and_not_followed(upstream: Upstream) -> None:
    upstream.script(Reply.of(b"", 302, [("location", upstream.origin + "/elsewhere")]))
    answer = get(upstream.origin + "/x", registered=origin_of(upstream.origin))
    assert (answer.status, answer.headers["location"]) == (302, upstream.origin + "/elsewhere")
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (Reply.of(b"x" * 1001), "larger than 1000 bytes"),
        (Reply.chunked([b"x" * 400] * 3), "larger than 1000 bytes"),
        (Reply.of(b"", headers=[("content-encoding", "gzip")]), "compressed"),
        (Reply.raw(b"220 smtp ready\r\n\r\n"), "no HTTP response"),
        (Reply.garbage(), "no HTTP response"),
        (Reply.closed(), "no HTTP response"),
        (Reply.closed(reset=True), "no HTTP response"),
        (Reply.of(b"x" * 500).cut(100), "no HTTP response"),
    ],
)
def test_an_answer_is_whole_plain_and_bounded_or_none(upstream: Upstream, reply: Reply, says: str) -> None:
    upstream.script(reply)
    assert says in refused(upstream.origin + "/x", registered=origin_of(upstream.origin), max_bytes=1000)


@pytest.mark.parametrize(
    "reply",
    [Reply.hang(), Reply((Send(head(200, [("content-length", "5")])), Pause(None))), Reply.endless(every=0.001)],
)
def test_time_is_bounded_from_beginning_to_end(upstream: Upstream, reply: Reply) -> None:
    upstream.script(reply)
    assert "did not answer within 0.2 s" in refused(upstream.origin + "/x", registered=origin_of(upstream.origin), total_seconds=0.2)
    upstream.wait(lambda: not upstream.open, "the connection's end")


def test_nobody_there_is_said_so() -> None:
    assert refused("http://127.0.0.1:1/", registered=Origin("http", LOOPBACK, 1)).startswith("no connection to http://127.0.0.1:1;")


def test_the_environment_names_no_proxy(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert get(upstream.base_url + "/models", registered=origin_of(upstream.origin)).status == 200


def test_tls_is_verified_against_the_given_authority_and_the_name(tls_upstream: Upstream, authority: Authority) -> None:
    url = tls_upstream.base_url + "/models"
    assert "the TLS connection to" in refused(url, registered=origin_of(url))
    assert get(url, registered=origin_of(url), ca_bundle=authority.pem).status == 200
    assert "ca_bundle holds no certificate" in refused(url, registered=origin_of(url), ca_bundle="-----BEGIN CERTIFICATE-----\nx\n")
    other = f"https://other.example:{tls_upstream.port}/v1/models"
    egress = Egress(Names(**{"other.example": [LOOPBACK]}))
    assert "TLS" in refused(other, egress, registered=origin_of(other), ca_bundle=authority.pem)


def test_the_name_and_not_the_address_is_asked_for_in_tls(authority: Authority) -> None:
    seen: list[str | None] = []
    context = authority.server_context()
    context.sni_callback = lambda _socket, name, _context: seen.append(name)
    with Upstream(context=context) as server:
        url = f"https://localhost:{server.port}/v1/models"
        egress = Egress(Names(localhost=[LOOPBACK]))
        assert get(url, egress, registered=origin_of(url), ca_bundle=authority.pem).status == 200
    assert seen == ["localhost"]
    assert isinstance(context, ssl.SSLContext)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://h", ("http", "h", 80)),
        ("https://H.example/v1", ("https", "h.example", 443)),
        ("http://h:8080/v1", ("http", "h", 8080)),
        ("http://[::1]:8080/v1", ("http", "::1", 8080)),
    ],
)
def test_an_origin_is_scheme_host_and_port(url: str, origin: tuple[str, str, int]) -> None:
    assert origin_of(url) == origin
    assert origin_of(str(Origin(*origin))) == origin


@pytest.mark.parametrize(
    "url",
    [
        "",
        "h",
        "//h",
        "ftp://h",
        "file:///etc/passwd",
        "http://",
        "http:///x",
        "http://u@h",
        "http://u:p@h",
        "http://h?q=1",
        "http://h?",
        "http://h#f",
        "http://h#",
        "http://h:0",
        "http://h:65536",
        "http://h:x",
        "http://h\\@other",
        "http://[::1",
        "http://h\n/x",
    ],
)
def test_what_is_no_plain_origin_is_refused(url: str) -> None:
    with pytest.raises(EgressError):
        origin_of(url)


def test_a_form_is_sent_as_one_and_under_the_same_rules(upstream: Upstream) -> None:
    egress = Egress()
    url = upstream.base_url + "/models"
    with pytest.raises(EgressError, match="public address"):
        asyncio.run(egress.post(url, {"code": "c"}, headers={}))
    assert upstream.connections == []
    asyncio.run(egress.post(url, {"code": "a b&c", "state": "ü"}, headers={}, registered=origin_of(upstream.origin)))
    (request,) = upstream.requests
    assert (request.method, request.header("content-type")) == ("POST", "application/x-www-form-urlencoded")
    assert request.body == b"code=a+b%26c&state=%C3%BC"
    assert request.header("host") == f"127.0.0.1:{upstream.port}"
