"""The product with TLS on, and certificates that a test exchanges under it."""

import os
import ssl
from pathlib import Path
from typing import Any

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from tests.support.authorities import Authority
from tests.support.product import Product, free_ports


class SecureProduct(Product):
    """Its `origin` is the gateway's TLS; `plain_origin` is the port that only says so."""

    def __init__(self, mode: str = "dev-selfsigned", **more: Any) -> None:
        super().__init__(**more)
        self.mode = mode
        [self.https_port] = free_ports(1)
        self._arguments += ["--tls", mode, "--https-port", str(self.https_port)]
        self.trusted: Path = self.home / "certs" / mode / "root.pem"
        """What its clients trust."""

    @property
    def origin(self) -> str:
        return f"https://127.0.0.1:{self.https_port}"

    @property
    def plain_origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def console_url(self) -> str:
        return f"https://127.0.0.1:{self.console_port}"

    @property
    def trust(self) -> ssl.SSLContext:
        """A client's context that trusts this product's root and nothing else."""
        return ssl.create_default_context(cafile=str(self.trusted))

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"sekisho serve ended with {self.process.returncode}:\n{self.output}"
        if not self.trusted.exists():
            return False
        # The node's own door opens a moment after the gateway.
        places = (self.origin + "/health/ready", self.console_url + "/health")
        try:
            return all(httpx.get(place, timeout=5, verify=self.trust).status_code == 200 for place in places)
        except httpx.TransportError:
            return False


class OwnFiles(SecureProduct):
    """With a certificate of another authority, in files that the test exchanges."""

    def __init__(self, folder: Path, authority: Authority, **more: Any) -> None:
        super().__init__("files", **more)
        self.authority = authority
        self.certificate, self.key_file = folder / "chain.pem", folder / "key.pem"
        self.trusted = folder / "authority.pem"
        self.trusted.write_text(authority.pem)
        self._arguments += ["--tls-certificate", str(self.certificate), "--tls-key", str(self.key_file)]
        self.serial = self.exchange()

    def exchange(self, **more: Any) -> int:
        """Put a new pair in place of the old one, the key first; returns the certificate's serial number."""
        key, chain = self.authority.pair(**more)
        put(self.key_file, key)
        put(self.certificate, chain)
        return x509.load_pem_x509_certificate(chain).serial_number

    def shown(self) -> int:
        """The serial number of the certificate that a new handshake is shown."""
        return serial_shown(self.https_port)


def put(path: Path, data: bytes) -> None:
    """Replace a file in one instant, as certificate tools do."""
    beside = path.with_suffix(".new")
    beside.write_bytes(data)
    beside.chmod(0o600)
    os.replace(beside, path)


def serial_shown(port: int) -> int:
    """The serial number that a port shows, whoever signed it."""
    pem = ssl.get_server_certificate(("127.0.0.1", port), timeout=10)
    return x509.load_pem_x509_certificate(pem.encode()).serial_number


def der(path: Path) -> bytes:
    """The first certificate in a file."""
    return x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(serialization.Encoding.DER)
