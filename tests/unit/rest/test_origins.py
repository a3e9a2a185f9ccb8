"""What a page that is not ours can make a browser send is refused; what our own pages and scripts send is not."""

from collections.abc import Callable

import pytest
from starlette.requests import HTTPConnection

from sekisho.rest import origins
from sekisho.rest.errors import ApiError
from sekisho.rest.origins import Addressing

NOWHERE = Addressing()


def asked(kind: str = "http", method: str = "POST", **headers: str) -> HTTPConnection:
    given = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return HTTPConnection({"type": kind, "method": method, "headers": given})


def code(check: Callable[[], None]) -> str | None:
    try:
        check()
    except ApiError as error:
        return error.refusal.code
    return None


OWN = [
    {"host": "console.example.org", "x_sekisho_scheme": "https"},
    {"host": "console.example.org", "x_sekisho_scheme": "https", "origin": "https://console.example.org"},
    {"host": "localhost:4001", "origin": "http://localhost:4001", "sec_fetch_site": "same-origin"},
    {"host": "LOCALHOST:4001", "origin": "http://localhost:4001"},
    {"host": "[::1]:4001", "origin": "http://[::1]:4001", "sec_fetch_site": "none"},
]
OTHERS = [
    {"host": "a.example", "x_sekisho_scheme": "https", "origin": "https://b.example"},
    {"host": "a.example", "x_sekisho_scheme": "https", "origin": "http://a.example"},
    {"host": "a.example", "x_sekisho_scheme": "https", "origin": "https://a.example:444"},
    {"host": "a.example", "x_sekisho_scheme": "https", "origin": "https://a.example.evil.example"},
    {"host": "a.example", "x_sekisho_scheme": "https", "origin": "https://evil.a.example"},
    {"host": "a.example", "x_sekisho_scheme": "https", "origin": "null"},
    {"host": "a.example", "x_sekisho_scheme": "https", "origin": ""},
    {"host": "localhost:4001", "origin": "http://localhost:8080"},
    {"host": "localhost:4001", "origin": "http://127.0.0.1:4001"},
    {"host": "a.example", "x_sekisho_scheme": "https", "sec_fetch_site": "cross-site"},
    {"host": "a.example", "x_sekisho_scheme": "https", "sec_fetch_site": "same-site"},
    {"host": "a.example", "x_sekisho_scheme": "https", "sec_fetch_site": "cross-site", "origin": "https://a.example"},
]


@pytest.mark.parametrize("headers", OWN)
def test_our_own_pages_and_scripts_may_ask(headers: dict[str, str]) -> None:
    assert code(lambda: origins.require_own_page(asked(**headers))) is None


@pytest.mark.parametrize("headers", OTHERS)
def test_pages_of_others_may_not(headers: dict[str, str]) -> None:
    assert code(lambda: origins.require_own_page(asked(**headers))) == "cross_site_request"


def test_a_socket_that_a_cookie_opens_has_to_name_its_page() -> None:
    assert code(lambda: origins.require_named_origin(asked("websocket", **OWN[0]))) == "cross_site_request"
    assert code(lambda: origins.require_named_origin(asked("websocket", **OWN[1]))) is None
    assert code(lambda: origins.require_named_origin(asked("websocket", **OTHERS[0]))) == "cross_site_request"


@pytest.mark.parametrize("host", ["localhost", "localhost:4001", "app.localhost:4001", "127.0.0.1:4001", "10.0.0.7", "[::1]:4001", "box:1"])
def test_this_hosts_names_and_addresses_are_known(host: str) -> None:
    assert code(lambda: origins.require_known_host(asked(host=host), Addressing(frozenset({"box"})))) is None


@pytest.mark.parametrize("host", ["evil.example", "evil.example:4001", "localhost.evil.example", "127.0.0.1.evil.example", "", ":4001"])
def test_a_name_that_was_made_to_point_here_is_not(host: str) -> None:
    assert code(lambda: origins.require_known_host(asked(host=host), NOWHERE)) == "unknown_host"
    assert code(lambda: origins.require_known_host(asked(host=host, x_sekisho_scheme="https"), NOWHERE)) is None
    assert code(lambda: origins.require_known_host(asked(host=host), Addressing(insecure=True))) is None


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({"content_length": "2", "content_type": "application/json"}, False),
        ({"content_length": "2", "content_type": "Application/JSON; charset=utf-8"}, False),
        ({"content_length": "0", "content_type": "text/plain"}, False),
        ({}, False),
        ({"content_length": "2"}, True),
        ({"content_length": "2", "content_type": "text/plain"}, True),
        ({"content_length": "2", "content_type": "application/x-www-form-urlencoded"}, True),
        ({"content_length": "2", "content_type": "text/plain; application/json"}, True),
        ({"content_length": "2", "content_type": "application/jsonp"}, True),
        ({"transfer_encoding": "chunked", "content_type": "multipart/form-data"}, True),
    ],
)
def test_a_body_is_json_by_its_type(headers: dict[str, str], refused: bool) -> None:
    assert code(lambda: origins.require_json(asked(**headers))) == ("unsupported_media_type" if refused else None)


@pytest.mark.parametrize(
    ("headers", "may"),
    [
        ({"host": "a.example", "x_sekisho_scheme": "https", "x_sekisho_client_address": "203.0.113.1"}, True),
        ({"host": "localhost:4001", "x_sekisho_client_address": "127.0.0.1"}, True),
        ({"host": "127.0.0.1:4001", "x_sekisho_client_address": "127.0.0.1"}, True),
        ({"host": "[::1]:4001", "x_sekisho_client_address": "::1"}, True),
        ({"host": "localhost:4001", "x_sekisho_client_address": "10.0.0.1"}, False),
        ({"host": "10.0.0.2:4001", "x_sekisho_client_address": "127.0.0.1"}, False),
        ({"host": "localhost:4001"}, False),
    ],
)
def test_a_cookie_goes_by_tls_or_stays_on_this_host(headers: dict[str, str], may: bool) -> None:
    assert origins.may_keep_cookie(asked(**headers), NOWHERE) is may
    assert origins.may_keep_cookie(asked(**headers), Addressing(insecure=True))


def test_what_only_reads_is_no_change() -> None:
    assert not any(origins.is_change(asked(method=method)) for method in ("GET", "HEAD", "OPTIONS"))
    assert all(origins.is_change(asked(method=method)) for method in ("POST", "PUT", "PATCH", "DELETE", "get", "PROPFIND"))
