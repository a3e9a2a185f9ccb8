"""T102, E8: a certificate is exchanged while clients knock without a pause, and none of them is turned away."""

import re
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from sekisho.certs import authorities
from sekisho.kit.clock import SECOND, SystemClock
from tests.e2e.tls.houses import OwnFiles, SecureProduct, put, serial_shown
from tests.support import requires
from tests.support.authorities import Authority
from tests.support.patience import within
from tests.support.product import CommandError, eventually

pytestmark = pytest.mark.e2e

REQUEST = b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
KNOCKERS = 3
BY_COMMAND, BY_ITSELF = 15, 5
"""Exchanges that are asked for, and exchanges that the workers find by themselves."""
WRK_CONNECTIONS, WRK_EXCHANGES = 32, 24


@dataclass
class Knocking:
    """What became of all handshakes."""

    done: int = 0
    failed: list[str] = field(default_factory=list)


@contextmanager
def knocking(product: OwnFiles) -> Iterator[Knocking]:
    """Threads that shake hands, ask and leave, without a pause, verifying what they are shown."""
    found, stop = Knocking(), threading.Event()

    def knock() -> None:
        trust = product.trust
        while not stop.is_set():
            try:
                with (
                    socket.create_connection(("127.0.0.1", product.https_port), timeout=20) as plain,
                    trust.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False) as tls,
                ):
                    tls.sendall(REQUEST)
                    heard = b"".join(iter(lambda: tls.recv(65536), b""))
                if not heard.startswith(b"HTTP/1.1 200 "):
                    found.failed.append(f"heard {heard[:60]!r}")
                found.done += 1
            except OSError as error:
                found.failed.append(repr(error))

    threads = [threading.Thread(target=knock, daemon=True) for _ in range(KNOCKERS)]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)


def reload(product: OwnFiles) -> httpx.Response:
    """What `sekisho proxy reload` asks for."""
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(product.home / "run" / "node.sock"))) as node:
        return node.post("http://sekisho/api/proxy/reload", timeout=20)


def test_twenty_exchanges_without_a_failed_handshake(tmp_path: Path) -> None:
    with OwnFiles(tmp_path, Authority(), workers=2) as product:
        open_connection = httpx.Client(verify=product.trust)
        assert open_connection.get(product.origin + "/health").status_code == 200
        # The node's own door opens a moment after the gateway.
        eventually(lambda: product.key, "the node")
        with knocking(product) as found:
            shown = [product.serial]
            for number in range(BY_COMMAND + BY_ITSELF):
                serial = product.exchange()
                if number < BY_COMMAND:
                    assert reload(product).status_code == 202
                # Of two workers each shows it: some handshakes in a row.
                eventually(lambda serial=serial: all(product.shown() == serial for _ in range(4)), "the new certificate")  # type: ignore[misc]
                shown.append(serial)
            before = found.done
            eventually(lambda: found.done >= before + 20, "more handshakes")
        assert found.failed == []
        assert found.done > 100
        assert len(set(shown)) == BY_COMMAND + BY_ITSELF + 1
        # A connection that was open all along never noticed.
        assert open_connection.get(product.origin + "/health").status_code == 200
        open_connection.close()


def test_exchanges_under_wrk(tmp_path: Path) -> None:
    """As fast as one machine can: a connection and a handshake for every request, with the tickets of former certificates at hand."""
    requires.program("wrk")
    with OwnFiles(tmp_path, Authority(), workers=2) as product:
        eventually(lambda: product.key, "the node")
        load = ["-t1", f"-c{WRK_CONNECTIONS}", "-d300s", "--timeout", "60s", "-H", "Connection: close", f"{product.origin}/health"]
        with subprocess.Popen(["wrk", *load], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as wrk:
            try:
                for number in range(WRK_EXCHANGES):
                    serial = product.exchange()
                    if number % 4:
                        assert reload(product).status_code == 202
                    eventually(lambda serial=serial: all(product.shown() == serial for _ in range(4)), "the certificate", 30)  # type: ignore[misc]
                assert wrk.poll() is None
            finally:
                wrk.send_signal(signal.SIGINT)
                said = wrk.communicate(timeout=60)[0]
        print(said)
        made = re.search(r"(\d+) requests in", said)
        assert made is not None, said
        assert int(made[1]) > 1000, said
        # It counts a handshake that fails as an error of connecting.
        assert "Socket errors" not in said, said
        assert "Non-2xx" not in said, said


def test_a_reload_of_everything_shows_it_too(tmp_path: Path) -> None:
    """`sekisho reload` replaces the workers: the new ones begin with what lies on disk."""
    with OwnFiles(tmp_path, Authority()) as product:
        assert product.key
        with knocking(product) as found:
            serial = product.exchange()
            product.cli("reload")
            eventually(lambda: product.shown() == serial, "the new certificate")
        assert found.failed == []


FLAWS = {
    "a key of another": ("key", Authority("Other").pair()[0]),
    "no PEM": ("chain", b"no certificate at all\n"),
    "an empty file": ("chain", b""),
}


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_broken_pair_is_refused_and_the_old_one_goes_on(tmp_path: Path, flaw: str) -> None:
    which, data = FLAWS[flaw]
    with OwnFiles(tmp_path, Authority()) as product:
        assert product.key
        put(product.key_file if which == "key" else product.certificate, data)
        with knocking(product) as found:
            with pytest.raises(CommandError) as refused:
                product.cli("proxy", "reload")
            assert refused.value.exit_code == 1
            assert str(product.certificate) in refused.value.message
            # The worker finds it by itself, too, says so once, and goes on.
            eventually(lambda: "the certificate is not taken" in product.stderr, "the word of it", explain=lambda: product.stderr)
            assert product.shown() == product.serial
            # A reload of everything would begin with it: it is refused as a whole.
            product.cli("reload")
            eventually(lambda: "nothing is reloaded" in product.stderr, "the word of it", explain=lambda: product.stderr)
            assert product.shown() == product.serial
            serial = product.exchange()
            eventually(lambda: product.shown() == serial, "the mended certificate")
        assert found.failed == []
        assert product.stderr.count("the certificate is not taken") == 1
        assert product.status()["workers"]


def test_a_worker_that_starts_while_the_pair_is_broken_heals(tmp_path: Path) -> None:
    """It has no old one to go on with: it says so, refuses handshakes, sends nobody astray in clear, and is well with the files."""
    with OwnFiles(tmp_path, Authority()) as product:
        assert product.key
        put(product.certificate, b"broken\n")
        product.kill_worker()
        eventually(lambda: "TLS connections are refused" in product.stderr, "the word of it", explain=lambda: product.stderr)
        with pytest.raises(OSError, match=r"EOF|reset|closed"):
            product.shown()
        assert httpx.get(product.plain_origin + "/health", timeout=10).status_code == 301
        serial = product.exchange()

        def shown() -> bool:
            try:
                return product.shown() == serial
            except OSError:
                return False

        eventually(shown, "the mended certificate")


def test_a_certificate_that_is_due_is_renewed_at_the_start(tmp_path: Path) -> None:
    """Thirty days before its end, under the same root, so that clients need to do nothing."""
    product = SecureProduct()
    folder = product.trusted.parent
    folder.mkdir(parents=True, mode=0o700)
    names = authorities.names_of_host(("127.0.0.1",), ())
    authorities.ensure(folder, "dev-selfsigned", names, SystemClock().now() - 340 * 24 * 3600 * SECOND)
    old, root = (folder / "server.pem").read_bytes(), product.trusted.read_bytes()
    with product:
        assert (folder / "server.pem").read_bytes() != old
        assert product.trusted.read_bytes() == root
        assert httpx.get(product.origin + "/health", verify=product.trust).status_code == 200
        assert serial_shown(product.console_port) == serial_shown(product.https_port)


def test_certificates_are_looked_at_without_a_request(tmp_path: Path) -> None:
    """Nobody knocks; the file changes; the first one to come is shown the new one."""
    with OwnFiles(tmp_path, Authority()) as product:
        serial = product.exchange()
        eventually(lambda: "a new certificate is in force" in product.stderr, "the word of it", explain=lambda: product.stderr)
        began = time.monotonic()
        assert product.shown() == serial
        assert time.monotonic() - began < within(5)


def test_the_trust_of_the_test_is_real(tmp_path: Path) -> None:
    """A certificate of another authority fails the very check that the knockers make."""
    with OwnFiles(tmp_path, Authority()) as product:
        product.authority = Authority("Somebody else")
        serial = product.exchange()
        eventually(lambda: product.shown() == serial, "the foreign certificate")
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(product.origin + "/health", verify=product.trust)
        assert isinstance(product.trust, ssl.SSLContext)
