"""E1, E2, E5, E8: what each mode listens on, what it shows, and what becomes of HTTP in clear."""

import datetime
import json
import socket
import ssl
import stat
import subprocess
from pathlib import Path

import httpx
import openai
import pytest
from cryptography import x509

from tests.e2e.tls.houses import OwnFiles, SecureProduct, serial_shown
from tests.support import requires
from tests.support.authorities import Authority
from tests.support.product import CommandError, Product, eventually, free_ports

pytestmark = pytest.mark.e2e

HELLO = {"model": "sandbox/echo", "messages": [{"role": "user", "content": "over TLS"}]}


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def names(of: x509.Certificate) -> set[str]:
    found = of.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {*found.get_values_for_type(x509.DNSName), *(str(each) for each in found.get_values_for_type(x509.IPAddress))}


def days(of: x509.Certificate) -> int:
    return (of.not_valid_after_utc - datetime.datetime.now(datetime.UTC)).days


def ask(product: SecureProduct, method: str, url: str, **more: object) -> httpx.Response:
    return httpx.request(method, url, verify=product.trust, timeout=10, **more)  # type: ignore[arg-type]


def test_what_is_made(secure: SecureProduct) -> None:
    """Root of 10 years, server of 365 days, the names of this host, keys for nobody else."""
    folder = secure.home / "certs" / "dev-selfsigned"
    root, server = certificate(folder / "root.pem"), certificate(folder / "server.pem")
    assert 3648 <= days(root) <= 3650
    assert 363 <= days(server) <= 365
    assert {"localhost", "127.0.0.1", "::1", socket.gethostname().lower()} <= names(server)
    assert not root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).critical
    assert root.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0
    assert not server.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes == dict.fromkeys(("root.pem", "root.key", "server.pem", "server.key"), 0o600)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("door", ["gateway", "console"])
def test_curl_verifies_it_against_the_root(secure: SecureProduct, host: str, door: str) -> None:
    requires.program("curl")
    port = secure.https_port if door == "gateway" else secure.console_port
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--cacert", str(secure.trusted), "--max-time", "10", f"https://{host}:{port}/health"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"status": "ok"}


def test_a_client_without_the_root_does_not_trust_it(secure: SecureProduct) -> None:
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"https://127.0.0.1:{secure.https_port}/health")


def test_the_line_of_the_first_start_works_as_it_is(secure: SecureProduct) -> None:
    """Whoever pastes it into a shell gets an answer, verified."""
    requires.program("curl")
    line = next(each.strip() for each in secure.stdout.splitlines() if each.strip().startswith("curl "))
    done = subprocess.run(["sh", "-c", f"{line} --silent --show-error --max-time 10"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["object"] == "chat.completion"


def test_the_openai_sdk_over_https(secure: SecureProduct) -> None:
    """Whole and streamed, over one kept connection."""
    with (
        httpx.Client(verify=secure.trust) as http,
        openai.OpenAI(base_url=secure.base_url, api_key=secure.key, http_client=http, max_retries=0) as client,
    ):
        for _ in range(3):
            answer = client.chat.completions.create(model="sandbox/echo", messages=[{"role": "user", "content": "sealed words"}])
            assert "sealed words" in (answer.choices[0].message.content or "")
        with client.chat.completions.create(model="sandbox/lorem", messages=[{"role": "user", "content": "go"}], stream=True) as stream:
            pieces = [choice.delta.content or "" for event in stream for choice in event.choices]
        assert len(pieces) > 3
        assert "".join(pieces).strip()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_reading_in_clear_is_sent_to_https(secure: SecureProduct, method: str) -> None:
    for origin, port in ((secure.plain_origin, secure.https_port), (f"http://127.0.0.1:{secure.console_port}", secure.console_port)):
        answer = httpx.request(method, f"{origin}/v1/models?a=%2Fb", timeout=10)
        assert (answer.status_code, answer.headers["location"]) == (301, f"https://127.0.0.1:{port}/v1/models?a=%2Fb")
        assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("door", ["gateway", "console"])
def test_writing_in_clear_is_refused(secure: SecureProduct, door: str) -> None:
    """And nothing behind the door hears of it."""
    port = secure.port if door == "gateway" else secure.console_port
    headers = {"authorization": f"Bearer {secure.key}"}
    answer = httpx.post(f"http://127.0.0.1:{port}/v1/chat/completions", json=HELLO, headers=headers, timeout=10)
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "https_required"
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /a HTTP/1.1\r\nHost: evil.example/x@y\r\n\r\n", b"400"),
        (b"GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"400"),
        (b"GET /a\r\nSet-Cookie: x HTTP/1.1\r\nHost: a\r\n\r\n", b"505"),
        (b"GET  HTTP/1.1\r\n\r\n", b"400"),
    ],
)
def test_the_framing_holds_in_clear(secure: SecureProduct, head: bytes, status: bytes) -> None:
    """A location is never made of what is no request."""
    for port in (secure.port, secure.console_port):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
            plain.sendall(head)
            heard = b"".join(iter(lambda: plain.recv(65536), b""))
        assert heard.startswith(b"HTTP/1.1 " + status)
        assert b"location:" not in heard.lower()
        assert b"set-cookie" not in heard.lower()


def test_the_node_hears_that_the_client_came_by_tls(secure: SecureProduct) -> None:
    """What the node answers is the node's own; no header says HSTS for an address or a bare host."""
    answer = ask(secure, "GET", secure.console_url + "/health")
    assert answer.status_code == 200
    assert "strict-transport-security" not in answer.headers
    named = ask(secure, "GET", secure.console_url + "/health", headers={"host": "llm.example.com"})
    assert "strict-transport-security" not in named.headers, "our own root vouches for no public name"


def test_what_is_told(secure: SecureProduct) -> None:
    """`proxy status`, `status`, `security certificates` and the doctor, of the same listeners and files."""
    told = secure.cli("proxy", "status")
    assert told["mode"] == "dev-selfsigned"
    assert told["root"] == str(secure.trusted)
    assert {each["name"]: (each["door"], each["scheme"], each["port"]) for each in told["listeners"]} == {
        "gateway": ("gateway", "redirect", secure.port),
        "gateway-https": ("gateway", "https", secure.https_port),
        "console": ("console", "https", secure.console_port),
    }
    assert secure.status()["ports"] == {"gateway": secure.port, "console": secure.console_port, "gateway_https": secure.https_port}
    listed = secure.cli("security", "certificates")
    found = {each["role"]: each for each in listed["certificates"]}
    assert found["server"]["serial"] == f"{serial_shown(secure.https_port):x}"
    assert (found["server"]["days_left"], found["root"]["days_left"]) == (pytest.approx(364, abs=1), pytest.approx(3649, abs=1))
    assert found["root"]["path"] == str(secure.trusted)
    assert all(each["in_use"] and each["expires_at"].endswith("Z") for each in found.values())
    assert [each for each in secure.cli("doctor")["findings"] if each["name"] in ("certificates", "console address")] == []


def test_the_chat_command_finds_its_way(secure: SecureProduct) -> None:
    done = secure.cli("chat", "--model", "sandbox/echo", "--key-stdin", "hello by TLS", input=secure.key + "\n")
    assert "hello by TLS" in done["content"]


def test_a_dry_run_prints_the_steps_and_takes_none(secure: SecureProduct) -> None:
    done = secure.cli("security", "install-ca", "--dry-run")
    assert done["exists"]
    assert not done["installed"]
    assert done["path"] == str(secure.trusted)
    assert any(str(secure.trusted) in step for step in done["steps"])
    assert done["undo"]
    with pytest.raises(CommandError) as refused:
        secure.cli("security", "install-ca")
    assert "--yes" in refused.value.message


def test_it_is_used_again_after_a_restart(tmp_path: Path) -> None:
    with SecureProduct("packaged-ca") as product:
        folder = product.home / "certs" / "packaged-ca"
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        assert serial_shown(product.https_port) == serial_shown(product.console_port)
        product.restart()
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
        # A name that is new is taken up by a new certificate under the same root and key.
        product.stop()
        product.environment["SEKISHO_TLS__NAMES"] = "llm.lan,10.1.2.3"
        product.start()
        assert {"llm.lan", "10.1.2.3"} <= names(certificate(folder / "server.pem"))
        kept = ("root.pem", "root.key", "server.key")
        assert {name: (folder / name).read_bytes() for name in kept} == {name: before[name] for name in kept}


def test_one_port_for_both(tmp_path: Path) -> None:
    """TLS and the way to it on the gateway's own port."""
    product = SecureProduct()
    product._arguments[-1] = str(product.port)
    product.https_port = product.port
    with product:
        assert ask(product, "GET", product.origin + "/health").status_code == 200
        answer = httpx.get(f"http://127.0.0.1:{product.port}/health", timeout=10)
        assert (answer.status_code, answer.headers["location"]) == (301, f"https://127.0.0.1:{product.port}/health")
        assert [each["name"] for each in product.cli("proxy", "status")["listeners"]] == ["gateway", "console"]


def test_hsts_where_a_public_name_is_vouched_for(tmp_path: Path) -> None:
    """With files of one's own, for browsers that ask for a domain; the gateway's machines are not bothered."""
    with OwnFiles(tmp_path, Authority()) as product:
        url = product.console_url + "/health"

        def hsts(host: str, url: str = url) -> str | None:
            return ask(product, "GET", url, headers={"host": host}).headers.get("strict-transport-security")

        assert hsts("llm.example.com") == "max-age=31536000"
        for host in ("localhost", f"127.0.0.1:{product.console_port}", "[::1]", "box", "box.local", "llm.corp"):
            assert hsts(host) is None, host
        assert hsts("llm.example.com", product.origin + "/health") is None


START = {
    "no files": (["--tls", "files"], ["tls.certificate is missing"]),
    "a missing file": (["--tls", "files", "--tls-certificate", "/nowhere/a.pem", "--tls-key", "/nowhere/b.pem"], ["/nowhere/a.pem"]),
    "files that nobody asked for": (["--tls-key", "/nowhere/b.pem"], ["tls.key", "local-http"]),
    "an unknown mode": (["--tls", "yes"], ["dev-selfsigned"]),
    "a relative path": (["--tls", "files", "--tls-certificate", "a.pem", "--tls-key", "/b.pem"], ["absolute path"]),
}


@pytest.mark.parametrize("flaw", START)
def test_a_start_that_cannot_be_is_told_in_one_line(flaw: str) -> None:
    arguments, words = START[flaw]
    product = Product(arguments=[*arguments, "--https-port", str(free_ports(1)[0])])
    try:
        product.start(wait=False)
        assert product.wait_exit() == 1
        [line] = product.stderr.strip().splitlines()
        assert all(word in line for word in words), line
        assert product.stdout == ""
    finally:
        product.stop()
        product.clean()


def test_a_root_that_is_damaged_is_not_overwritten(tmp_path: Path) -> None:
    with SecureProduct() as product:
        path = product.trusted
        product.stop()
        path.write_text("no certificate")
        product.start(wait=False)
        assert product.wait_exit() == 1
        assert str(path) in product.stderr
        assert path.read_text() == "no certificate"


def test_people_beyond_this_host_need_tls_or_consent() -> None:
    """The console on all addresses starts with TLS; without, it says what to do."""
    plain = Product(arguments=["--console-host", "0.0.0.0"])
    try:
        plain.start(wait=False)
        assert plain.wait_exit() == 1
        assert "--tls" in plain.stderr
    finally:
        plain.stop()
        plain.clean()
    with SecureProduct("packaged-ca", arguments=["--console-host", "0.0.0.0"]) as product:
        assert ask(product, "GET", product.console_url + "/health").status_code == 200


def _s_client(port: int, *flags: str, text: str = "") -> subprocess.CompletedProcess[str]:
    requires.program("openssl")
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *flags]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_openssl_speaks_what_is_strong(secure: SecureProduct, version: str) -> None:
    for port in (secure.https_port, secure.console_port):
        done = _s_client(port, version, "-CAfile", str(secure.trusted), "-verify_return_error", "-x509_strict", "-alpn", "h2,http/1.1")
        assert done.returncode == 0, done.stderr
        assert "Verify return code: 0 (ok)" in done.stdout
        assert "ALPN protocol: http/1.1" in done.stdout
        assert "Compression: NONE" in done.stdout


@pytest.mark.parametrize(
    "flags",
    [
        ["-tls1", "-cipher", "DEFAULT@SECLEVEL=0"],
        ["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"],
        ["-tls1_2", "-cipher", "AES128-SHA:AES256-GCM-SHA384@SECLEVEL=0"],
        ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA384@SECLEVEL=0"],
        ["-tls1_2", "-cipher", "aNULL:eNULL@SECLEVEL=0"],
    ],
)
def test_openssl_is_refused_what_is_weak(secure: SecureProduct, flags: list[str]) -> None:
    done = _s_client(secure.https_port, *flags)
    assert done.returncode != 0
    assert "Cipher is (NONE)" in done.stdout


def test_there_is_no_renegotiation(secure: SecureProduct) -> None:
    """A client that asks for it within TLS 1.2 is told no."""
    done = _s_client(secure.https_port, "-tls1_2", text="R\n")
    assert "RENEGOTIATING" in done.stderr
    assert "no renegotiation" in done.stderr


def test_a_session_is_resumed(secure: SecureProduct, tmp_path: Path) -> None:
    """A ticket spares the next connection the certificate."""
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = secure.trust
        context.maximum_version = version
        session: ssl.SSLSession | None = None
        for round_ in range(2):
            with (
                socket.create_connection(("127.0.0.1", secure.https_port), timeout=10) as plain,
                context.wrap_socket(plain, server_hostname="localhost", session=session) as tls,
            ):
                tls.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                assert b"".join(iter(lambda: tls.recv(65536), b"")).startswith(b"HTTP/1.1 200 ")
                assert tls.session_reused == (round_ == 1)
                session = tls.session


def test_nothing_crashed(secure: SecureProduct) -> None:
    """None of this is an error of ours."""
    eventually(lambda: secure.status()["workers"], "a worker")
    errors = [line for line in secure.stderr.splitlines() if '"severity":"error"' in line.replace(" ", "")]
    assert errors == []
