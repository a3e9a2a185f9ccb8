"""The console's files through the workers' own door, plain and by TLS; and calls that the page makes at its own origin."""

import re
import socket
import ssl
from collections.abc import Iterator

import httpx
import pytest

from sekisho.api.console import DIRECTORY, FOREVER
from tests.e2e.tls.houses import SecureProduct
from tests.support.product import Product, eventually

pytestmark = pytest.mark.e2e

BROWSER = {"accept": "text/html,*/*;q=0.8", "accept-encoding": "gzip"}


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    with Product() as running:
        assert running.key
        yield running


@pytest.fixture
def client(product: Product) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=product.console_url, headers=BROWSER, timeout=20) as opened:
        eventually(lambda: opened.get("/health").status_code == 200, "the node's door")
        yield opened


def parts_of(page: str) -> list[str]:
    """What the page asks for first."""
    return re.findall(r'(?:src|href)="(/[^"]+)"', page)


def test_the_page_and_all_that_it_asks_for(client: httpx.Client) -> None:
    page = client.get("/")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    parts = parts_of(page.text)
    assert len(parts) >= 4
    for part in parts:
        told = client.get(part)
        assert told.status_code == 200
        assert told.content == (DIRECTORY / part.lstrip("/")).read_bytes()
        assert told.headers["cache-control"] == (FOREVER if part.startswith("/assets/") else "no-cache")
    script = next(part for part in parts if part.startswith("/assets/") and part.endswith(".js"))
    for coding in ("gzip", "br"):
        with client.stream("GET", script, headers={"accept-encoding": coding}) as told:
            assert told.headers["content-encoding"] == coding


def test_a_page_that_is_held_is_not_sent_again(client: httpx.Client) -> None:
    page = client.get("/calls")
    again = client.get("/calls", headers={"if-none-match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    # The connection is still in step after an answer without a body.
    assert client.get("/health").json() == {"status": "ok"}


def test_head_tells_the_size_and_sends_nothing(client: httpx.Client) -> None:
    whole, head = client.get("/robots.txt"), client.head("/robots.txt")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.content))


@pytest.mark.parametrize(
    "target",
    [
        b"/../../etc/passwd",
        b"/assets/../../../../etc/passwd",
        b"/%2e%2e/%2e%2e/etc/passwd",
        b"/assets/..%2f..%2f..%2fetc/passwd",
        b"/assets/%2e%2e/__init__.py",
        b"/static/files.json",
        b"/files.json",
        b"//etc/passwd",
        b"/assets/..\\..\\console.py",
        b"/assets/index.html%00.js",
    ],
)
def test_no_other_file_of_the_machine_is_told(product: Product, target: bytes) -> None:
    """Sent by hand: a client library would tidy these addresses up."""
    with socket.create_connection(("127.0.0.1", product.console_port), 20) as connection:
        connection.sendall(b"GET " + target + b" HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: */*\r\nconnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.split(b" ", 2)[1] in (b"400", b"401", b"404")
    for told in (b"root:", b"import ", b'"digest"'):
        assert told not in answer


def test_the_api_stays_the_api(client: httpx.Client) -> None:
    for path in ("/api/nothing", "/api/status", "/assets/gone-1.js"):
        told = client.get(path)
        assert told.status_code == 401
        assert told.json()["error"]["code"] == "authentication_required"
        assert told.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"


def test_a_call_from_the_console_is_a_call(product: Product, client: httpx.Client) -> None:
    """With a key as at the gateway's port, streamed piece by piece, and recorded."""
    asked = {"model": "sandbox/echo", "stream": True, "messages": [{"role": "user", "content": "from the page"}]}
    assert client.post("/gateway/v1/chat/completions", json=asked).status_code == 401
    with client.stream("POST", "/gateway/v1/chat/completions", json=asked, headers=product.authorization) as answer:
        assert answer.status_code == 200
        pieces = list(answer.iter_raw())
    assert b"".join(pieces).rstrip().endswith(b"data: [DONE]")
    number = answer.headers["x-request-id"]
    eventually(lambda: [call for call in product.calls() if call["request_id"] == number], "the record of the call")


def test_no_other_origin_may_read_it(product: Product, client: httpx.Client) -> None:
    """Neither door tells a browser that another site's page may read what it answers."""
    foreign = {
        "origin": "https://elsewhere.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
    }
    for base in (product.console_url, product.origin):
        for method, path in (
            ("OPTIONS", "/v1/chat/completions"),
            ("OPTIONS", "/gateway/v1/chat/completions"),
            ("GET", "/v1/models"),
            ("GET", "/health"),
            ("OPTIONS", "/api/keys"),
        ):
            told = client.request(method, base + path, headers=foreign)
            assert not [name for name in told.headers if name.startswith("access-control-")]


def test_by_tls_it_is_the_same() -> None:
    with SecureProduct() as secure, httpx.Client(base_url=secure.console_url, verify=secure.trust, headers=BROWSER, timeout=20) as client:
        page = client.get("/")
        assert page.status_code == 200
        assert all(client.get(part).status_code == 200 for part in parts_of(page.text))
        asked = {"model": "sandbox/echo", "messages": [{"role": "user", "content": "by TLS"}]}
        assert client.post("/gateway/v1/chat/completions", json=asked, headers=secure.authorization).status_code == 200
        with pytest.raises(ssl.SSLError), socket.create_connection(("127.0.0.1", secure.console_port), 20) as plain:
            ssl.create_default_context().wrap_socket(plain, server_hostname="127.0.0.1")
