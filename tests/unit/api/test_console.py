"""The console's files: what the build listed is served as a browser wants it, and nothing else is ever read."""

import asyncio
import gzip
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from starlette.responses import JSONResponse
from starlette.types import Message, Receive, Scope, Send

from sekisho.api.console import FOREVER, NOT_BUILT, POLICY, Console, Files, load
from sekisho.rest.permissions import DOOR, TUNNEL

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8", "accept-encoding": "gzip, deflate, br, zstd"}
SCRIPT = "export const x = 1;\n" * 100


@dataclass
class Told:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def from_console(self) -> bool:
        """Whether it was not left to the application."""
        return "x-application" not in self.headers


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Stands for the management API, and marks what it answers."""
    await JSONResponse({"path": scope["path"]}, 404, {"x-application": "yes"})(scope, receive, send)


def ask(files: Files, path: str, headers: dict[str, str] | None = None, method: str = "GET", **more: object) -> Told:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in (headers or {}).items()],
        **more,
    }
    asyncio.run(Console(application, files)(scope, receive, send))
    head = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Told(sent[0]["status"], head, b"".join(message.get("body", b"") for message in sent[1:]))


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A build as `make console` leaves it, with a secret beside it."""
    (tmp_path / "secret.txt").write_text("never told")
    static = tmp_path / "static"
    (static / "assets").mkdir(parents=True)
    (static / "index.html").write_text("<!doctype html><title>Sekisho</title>")
    (static / "assets" / "a-1b2c.js").write_text(SCRIPT)
    (static / "assets" / "a-1b2c.js.gz").write_bytes(gzip.compress(SCRIPT.encode()))
    (static / "assets" / "a-1b2c.js.br").write_bytes(b"as brotli")
    (static / "assets" / "unlisted.js").write_text("never told")
    listed = {
        "/index.html": {"type": "text/html; charset=utf-8", "digest": "aaaa", "forms": []},
        "/assets/a-1b2c.js": {"type": "text/javascript; charset=utf-8", "digest": "bbbb", "forms": ["br", "gz"]},
    }
    (static / "files.json").write_text(json.dumps(listed))
    return static


@pytest.fixture
def files(built: Path) -> Files:
    return load(built)


@pytest.mark.parametrize("path", ["/", "/login", "/setup", "/calls/b7k2q9xw-12", "/providers/my.engine", "/no/such/screen"])
def test_who_navigates_gets_the_page(files: Files, path: str) -> None:
    told = ask(files, path, BROWSER)
    assert (told.status, told.body) == (200, b"<!doctype html><title>Sekisho</title>")
    assert told.headers["content-type"] == "text/html; charset=utf-8"
    assert told.headers["cache-control"] == "no-cache"
    assert told.headers["content-security-policy"] == POLICY


def test_the_root_is_the_page_for_every_client(files: Files) -> None:
    assert ask(files, "/", {"accept": "*/*"}).status == 200


@pytest.mark.parametrize(
    "path", ["/api", "/api/nothing", "/assets/gone-9.js", "/health", "/metrics", "/gateway/v1/models", "/v1/nothing", "/v1beta/nothing"]
)
def test_what_is_not_there_is_no_screen(files: Files, path: str) -> None:
    assert not ask(files, path, BROWSER).from_console


@pytest.mark.parametrize(("method", "accept"), [("POST", BROWSER["accept"]), ("DELETE", BROWSER["accept"]), ("GET", "application/json")])
def test_only_navigation_gets_the_page(files: Files, method: str, accept: str) -> None:
    assert not ask(files, "/calls", {"accept": accept}, method).from_console


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/assets/../../secret.txt",
        "/assets/..%2f..%2fsecret.txt",
        "/%2e%2e/secret.txt",
        "/..\\secret.txt",
        "//secret.txt",
        "/assets/unlisted.js",
        "/assets/./a-1b2c.js",
        "/assets//a-1b2c.js",
        "/assets/a-1b2c.js/",
        "/assets/a-1b2c.js.gz",
        "/assets/a-1b2c.js\x00.html",
        "/files.json",
        "/static/index.html",
        "/etc/passwd",
    ],
)
def test_nothing_beside_the_list_is_told(files: Files, path: str) -> None:
    for headers in ({}, BROWSER):
        told = ask(files, path, headers)
        assert b"never told" not in told.body
        assert b"root:" not in told.body
        # A navigation to an address that is no file is a screen's, and gets the page.
        assert not told.from_console or told.body.startswith(b"<!doctype html>")


def test_a_file_is_told_in_the_smallest_form_that_the_client_reads(files: Files) -> None:
    path = "/assets/a-1b2c.js"
    brotli = ask(files, path, {"accept-encoding": "gzip, br"})
    assert (brotli.headers["content-encoding"], brotli.body) == ("br", b"as brotli")
    zipped = ask(files, path, {"accept-encoding": "gzip;q=0.5, br;q=0"})
    assert zipped.headers["content-encoding"] == "gzip"
    assert gzip.decompress(zipped.body).decode() == SCRIPT
    plain = ask(files, path, {"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.body.decode() == SCRIPT
    assert {each.headers["vary"] for each in (brotli, zipped, plain)} == {"accept-encoding"}
    assert len({each.headers["etag"] for each in (brotli, zipped, plain)}) == 3


def test_behind_the_tunnel_the_coding_goes_by_our_own_name(files: Files) -> None:
    told = ask(files, "/assets/a-1b2c.js", BROWSER, **{DOOR: TUNNEL})
    assert told.headers["x-sekisho-content-encoding"] == "br"
    assert "content-encoding" not in told.headers


def test_a_name_with_a_digest_is_kept_for_good(files: Files) -> None:
    assert ask(files, "/assets/a-1b2c.js").headers["cache-control"] == FOREVER


def test_what_the_client_holds_is_not_sent_again(files: Files) -> None:
    tag = ask(files, "/", BROWSER).headers["etag"]
    for held in (tag, f"W/{tag}", f'"other", {tag}'):
        told = ask(files, "/", {**BROWSER, "if-none-match": held})
        assert (told.status, told.body, told.headers["etag"]) == (304, b"", tag)
        assert "content-type" not in told.headers
    assert ask(files, "/", {**BROWSER, "if-none-match": '"other"'}).status == 200


def test_a_newer_build_on_disk_changes_nothing(built: Path, files: Files) -> None:
    (built / "index.html").write_text("newer")
    (built / "assets" / "a-1b2c.js").unlink()
    assert ask(files, "/", BROWSER).body.startswith(b"<!doctype html>")
    assert ask(files, "/assets/a-1b2c.js").status == 200


def test_without_a_build_the_page_says_how_to_make_one(tmp_path: Path) -> None:
    nothing = load(tmp_path)
    told = ask(nothing, "/", BROWSER)
    assert (told.status, told.body.decode()) == (404, NOT_BUILT)
    assert not ask(nothing, "/api/status", BROWSER).from_console


@pytest.mark.parametrize("damage", ["not json", '{"/index.html": {"type": "x"}}', '{"/gone.html": {"type":"x","digest":"y","forms":[]}}'])
def test_a_broken_build_is_logged_and_leaves_the_rest_working(built: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    (built / "files.json").write_text(damage)
    assert load(built) == {}
    assert "make console" in caplog.text
