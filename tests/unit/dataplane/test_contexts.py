"""A certificate in files that change under it: taken when whole and settled, refused once, never lost."""

import logging
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from sekisho.dataplane import contexts
from sekisho.dataplane.contexts import BadPairError, Certificate
from sekisho.dataplane.settings import Tls
from tests.support.authorities import Authority

OURS = Authority()


class Files:
    """A pair on disk."""

    def __init__(self, folder: Path) -> None:
        self.tls = Tls(str(folder / "chain.pem"), str(folder / "key.pem"))
        self._turn = 0
        self.exchange()

    def exchange(self, *, chain: bytes | None = None, key: bytes | None = None) -> None:
        made, signed = OURS.pair()
        self._put(self.tls.key, made if key is None else key)
        self._put(self.tls.certificate, signed if chain is None else chain)

    def _put(self, path: str, data: bytes) -> None:
        # Replaced, as tools do it: another file each time, whatever the clock's grain.
        self._turn += 1
        beside = Path(f"{path}.{self._turn}")
        beside.write_bytes(data)
        beside.rename(path)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_what_is_served_is_strong(files: Files) -> None:
    context = contexts.load(files.tls)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.options & ssl.OP_NO_RENEGOTIATION
    assert context.options & ssl.OP_NO_COMPRESSION
    names = {str(each["name"]) for each in context.get_ciphers()}
    assert names
    assert all(name.startswith("TLS_") or (name.startswith("ECDHE-") and ("GCM" in name or "CHACHA20" in name)) for name in names)


def test_a_change_is_taken_when_it_has_settled(files: Files) -> None:
    certificate = Certificate(files.tls, lambda: 0.0)
    first = certificate.context
    certificate.tend()
    assert certificate.context is first
    files.exchange()
    certificate.tend()
    assert certificate.context is first, "it may be half a pair still"
    certificate.tend()
    assert certificate.context is not first
    second = certificate.context
    certificate.tend()
    assert certificate.context is second


FLAWS = {
    "another's key": ({"key": Authority("Other").pair()[0]}, "the key does not belong"),
    "no PEM": ({"chain": b"words\n"}, "chain.pem"),
    "an empty chain": ({"chain": b""}, "chain.pem"),
    "a weak key": (
        {
            "key": rsa.generate_private_key(65537, 1024).private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        },
        "key.pem",
    ),
    "an encrypted key": (
        {
            "key": rsa.generate_private_key(65537, 2048).private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
            )
        },
        "key.pem",
    ),
}


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_bad_pair_is_refused_once_and_changes_nothing(files: Files, flaw: str, caplog: pytest.LogCaptureFixture) -> None:
    how, word = FLAWS[flaw]
    certificate = Certificate(files.tls, lambda: 0.0)
    first = certificate.context
    files.exchange(**how)
    with pytest.raises(BadPairError) as refused:
        contexts.load(files.tls)
    assert word in str(refused.value)
    assert "\n" not in str(refused.value)
    with caplog.at_level(logging.ERROR):
        for _ in range(5):
            certificate.tend()
    assert certificate.context is first
    assert len(caplog.records) == 1
    assert "the certificate in force goes on" in caplog.text
    files.exchange()
    certificate.tend()
    certificate.tend()
    assert certificate.context is not first


def test_a_file_that_is_gone_is_bad_too(files: Files, caplog: pytest.LogCaptureFixture) -> None:
    certificate = Certificate(files.tls, lambda: 0.0)
    first = certificate.context
    Path(files.tls.key).unlink()
    certificate.tend()
    certificate.tend()
    assert certificate.context is first
    assert "No such file" in caplog.text


def test_a_first_pair_that_is_bad_leaves_none_and_heals(files: Files, caplog: pytest.LogCaptureFixture) -> None:
    files.exchange(chain=b"")
    certificate = Certificate(files.tls, lambda: 0.0)
    assert certificate.context is None
    assert "TLS connections are refused" in caplog.text
    files.exchange()
    certificate.tend()
    certificate.tend()
    assert certificate.context is not None


def test_the_key_of_tickets_does_not_grow_old(files: Files) -> None:
    """The same certificate, another context: whoever steals the key of today cannot read what was recorded yesterday."""
    now = 0.0
    certificate = Certificate(files.tls, lambda: now)
    first = certificate.context
    now = contexts.RENEW_S - 1
    certificate.tend()
    assert certificate.context is first
    now = contexts.RENEW_S
    certificate.tend()
    second = certificate.context
    assert second is not first
    certificate.tend()
    assert certificate.context is second
