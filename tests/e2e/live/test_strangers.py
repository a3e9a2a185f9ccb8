"""What must not get at the feed, and what must not get through it: other sites' pages, strangers, floods, frames that are none."""

import base64
import os
import socket
from typing import Any

import httpx
import pytest
from websockets.frames import Frame, Opcode

from tests.e2e.live.test_feed import call, seen
from tests.e2e.live.viewers import LONG_S, PASSWORD, Viewer, refusal
from tests.support.product import Product

pytestmark = pytest.mark.e2e

HANDSHAKE = {
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": base64.b64encode(bytes(16)).decode(),
}


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost", None])
def test_a_page_of_another_site_opens_nothing_with_the_cookie(owner: Viewer, origin: str | None) -> None:
    assert refusal(owner, origin=origin) == (403, "cross_site_request")


def test_the_other_scheme_is_another_site(owner: Viewer) -> None:
    assert refusal(owner, origin=owner.origin.replace("http:", "https:")) == (403, "cross_site_request")


def test_a_stranger_opens_nothing(owner: Viewer) -> None:
    stranger = Viewer(owner.origin)
    assert refusal(stranger) == (401, "authentication_required")
    assert refusal(stranger, additional_headers={"authorization": "Bearer nonsense"}) == (401, "authentication_required")
    stranger.close()


def test_a_gateway_key_opens_nothing(owner: Viewer, product: Product) -> None:
    stranger = Viewer(owner.origin)
    assert refusal(stranger, additional_headers=product.authorization) == (401, "authentication_required")
    stranger.close()


def test_an_access_token_needs_no_origin_and_its_scope(owner: Viewer, product: Product) -> None:
    def token(*scopes: str) -> dict[str, str]:
        made = owner.ask("POST", "/api/auth/tokens", {"name": "script", "scopes": list(scopes)})
        return {"authorization": f"Bearer {made['plain_token']}"}

    with owner.look(origin=None, additional_headers=token("usage:read")) as look:
        seen(look, call(product))
    assert refusal(owner, origin=None, additional_headers=token("catalog:read")) == (403, "permission_denied")
    assert refusal(owner, origin="https://evil.example", additional_headers=token("usage:read")) == (403, "cross_site_request")


def test_what_the_client_says_of_itself_in_our_headers_is_dropped(owner: Viewer) -> None:
    lie = {"x-sekisho-scheme": "https", "x-sekisho-client-address": "127.0.0.1"}
    assert refusal(owner, origin=owner.origin.replace("http:", "https:"), additional_headers=lie) == (403, "cross_site_request")


@pytest.mark.parametrize("after", ["-1", "x", "1e5", "9" * 17, "1%00"])
def test_a_number_that_is_none_is_refused(owner: Viewer, after: Any) -> None:
    assert refusal(owner, after=after) == (422, "invalid_value")


def test_one_login_has_so_many_feeds_and_not_more(owner: Viewer) -> None:
    other = Viewer(owner.origin).log_in("owner@example.org")
    looks = [other.look() for _ in range(16)]
    assert refusal(other) == (429, "too_many_sockets")
    with owner.look() as mine:
        assert mine.next()
    for look in looks:
        look.close()
    other.close()


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (Frame(Opcode.TEXT, bytes(4097)).serialize(mask=True), 1009),
        (Frame(Opcode.TEXT, b"hello").serialize(mask=False), 1002),
        (b"\xc1" + Frame(Opcode.TEXT, b"hello").serialize(mask=True)[1:], 1002),
        (Frame(Opcode.PING, b"").serialize(mask=True)[:1] + b"\xff" + bytes(12), 1002),
        (Frame(Opcode.TEXT, bytes(1000)).serialize(mask=True) * 40, 1008),
        (Frame(Opcode.PING, b"x").serialize(mask=True) * 4000, 1008),
    ],
    ids=["oversize", "unmasked", "compressed", "large control", "flood", "flood of pings"],
)
def test_frames_that_may_not_pass_end_the_socket_and_nothing_else(owner: Viewer, frame: bytes, code: int) -> None:
    with owner.look() as other:
        with owner.look() as look:
            look.socket.socket.sendall(frame)
            assert look.code() == code
        assert other.next()


def test_what_a_client_says_is_heard_and_thrown_away(owner: Viewer, product: Product) -> None:
    with owner.look() as look:
        look.socket.send("hello")
        look.socket.send(b"\x00" * 100)
        seen(look, call(product))


def raw(product: Product, head: dict[str, str], *, target: str = "/api/live", method: str = "GET", behind: bytes = b"") -> bytes:
    """What is answered to these very bytes, until the connection ends or falls silent."""
    lines = [
        f"{method} {target} HTTP/1.1",
        f"host: 127.0.0.1:{product.console_port}",
        *(f"{name}: {value}" for name, value in head.items()),
    ]
    with socket.create_connection(("127.0.0.1", product.console_port), timeout=LONG_S) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + behind)
        answer = b""
        while b"\r\n\r\n" not in answer or b"content-length: 0" in answer:
            piece = connection.recv(65536)
            if not piece:
                break
            answer += piece
        return answer


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"sec-websocket-version": "12"}, 426),
        ({"sec-websocket-key": "short"}, 400),
        ({"connection": "close, Upgrade"}, 401),
        ({"upgrade": "h2c"}, 401),
        ({"connection": "keep-alive"}, 400),
    ],
)
def test_a_bad_handshake_is_answered_as_a_request(product: Product, changed: dict[str, str], status: int) -> None:
    assert raw(product, {**HANDSHAKE, **changed}).startswith(f"HTTP/1.1 {status} ".encode())


@pytest.mark.parametrize("target", ["/api/status", "/", "/api/live/", "/api/live%2f", "//api/live", "/metrics"])
def test_no_other_path_becomes_a_socket(product: Product, target: str) -> None:
    assert not raw(product, HANDSHAKE, target=target).startswith(b"HTTP/1.1 101 ")


def test_the_gateways_port_has_no_feed(product: Product) -> None:
    answer = httpx.get(f"{product.origin}/api/live", headers=HANDSHAKE, timeout=LONG_S)
    assert answer.status_code == 404


def test_a_request_behind_a_handshake_is_never_read_as_one(product: Product) -> None:
    smuggled = f"GET /api/openapi.json HTTP/1.1\r\nhost: 127.0.0.1:{product.console_port}\r\n\r\n".encode()
    answer = raw(product, HANDSHAKE, behind=smuggled)
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"openapi" not in answer


def test_a_plain_request_is_told_to_be_a_socket(owner: Viewer) -> None:
    answer = owner.client.get("/api/live")
    assert answer.status_code == 426
    assert answer.json()["error"]["code"] == "upgrade_required"


def test_a_guest_sees_calls_of_their_projects_only(owner: Viewer, product: Product) -> None:
    name = f"p{os.urandom(4).hex()}"
    project = owner.ask("POST", "/api/projects", {"name": name, "title": "Theirs"})
    owner.ask("POST", "/api/users", {"email": f"{name}@example.org", "name": "Guest", "role": "guest", "password": PASSWORD})
    owner.ask("POST", f"/api/projects/{project['id']}/members", {"email": f"{name}@example.org", "role": "viewer"})
    key = owner.ask("POST", "/api/keys", {"label": "theirs", "project": name})["plain_key"]
    guest = Viewer(owner.origin).log_in(f"{name}@example.org")
    with guest.look() as look, owner.look() as wide:
        foreign = call(product)
        seen(wide, foreign)
        body = {"model": "sandbox/echo", "messages": [{"role": "user", "content": "hello"}]}
        answer = httpx.post(f"{product.base_url}/chat/completions", headers={"authorization": f"Bearer {key}"}, json=body, timeout=LONG_S)
        assert answer.status_code == 200, answer.text
        seen(look, answer.headers["x-request-id"])
        assert look.calls() == [answer.headers["x-request-id"]]
        look.until(lambda told: sum(message["data"]["passed"] for message in told if message["type"] == "pulse") == 1)
        members = {each["email"]: each["user_id"] for each in owner.ask("GET", f"/api/projects/{project['id']}/members")["members"]}
        owner.ask("DELETE", f"/api/projects/{project['id']}/members/{members[f'{name}@example.org']}")
        assert look.code() == 4401
    guest.close()
