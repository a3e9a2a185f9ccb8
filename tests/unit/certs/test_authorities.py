"""What is made, kept, renewed and refused, on a clock of the test's own."""

import os
import stat
from pathlib import Path

import pytest
from cryptography import x509

from sekisho.certs import authorities
from sekisho.certs.model import CertificateFacts, CertificateFault
from sekisho.certs.service import CertificateService
from sekisho.certs.settings import Certs, is_name
from sekisho.kit.clock import SECOND

DAY = 24 * 3600 * SECOND
NOW = 1_800_000_000 * SECOND
NAMES = ("localhost", "127.0.0.1")
MODE = "packaged-ca"


class Hands:
    """A clock that stands."""

    def now(self) -> int:
        return NOW

    def monotonic(self) -> float:
        return 0.0


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def certificate(folder: Path, name: str = "server.pem") -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / name).read_bytes())


def test_a_new_pair_is_whole_and_private(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    before = os.umask(0)
    try:
        assert authorities.ensure(folder, MODE, NAMES, NOW)
    finally:
        os.umask(before)
    assert {name: stat.S_IMODE((folder / name).stat().st_mode) for name in files(folder)} == dict.fromkeys(
        ("root.pem", "root.key", "server.pem", "server.key"), 0o600
    )
    root, server = certificate(folder, "root.pem"), certificate(folder)
    server.verify_directly_issued_by(root)
    assert (root.not_valid_after_utc - root.not_valid_before_utc).days == 3650
    assert (server.not_valid_after_utc - server.not_valid_before_utc).days == 365
    assert authorities.names_in(server) == NAMES
    assert "Sekisho Local CA" in root.subject.rfc4514_string()
    constraints = server.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (constraints.critical, constraints.value.ca) == (True, False)


def test_two_homes_have_roots_of_different_names(tmp_path: Path) -> None:
    """A client that trusts both can tell them apart."""
    for name in ("a", "b"):
        authorities.ensure(tmp_path / name, MODE, NAMES, NOW)
    assert certificate(tmp_path / "a", "root.pem").subject != certificate(tmp_path / "b", "root.pem").subject


def test_what_is_good_is_kept(tmp_path: Path) -> None:
    authorities.ensure(tmp_path, MODE, NAMES, NOW)
    before = files(tmp_path)
    assert not authorities.ensure(tmp_path, MODE, NAMES, NOW + 334 * DAY)
    assert not authorities.ensure(tmp_path, MODE, NAMES[:1], NOW), "a name less is no reason"
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    ("names", "days"), [(NAMES, 336), (NAMES, 800), ((*NAMES, "new.lan"), 1), (NAMES, -2)], ids=["due", "past", "a new name", "early clock"]
)
def test_what_is_not_is_made_anew_under_the_same_root(tmp_path: Path, names: tuple[str, ...], days: int) -> None:
    authorities.ensure(tmp_path, MODE, NAMES, NOW)
    before = files(tmp_path)
    assert authorities.ensure(tmp_path, MODE, names, NOW + days * DAY)
    after = files(tmp_path)
    assert {name for name in before if before[name] != after[name]} == {"server.pem"}
    assert set(authorities.names_in(certificate(tmp_path))) >= set(names)


def test_a_server_never_outlives_its_root(tmp_path: Path) -> None:
    authorities.ensure(tmp_path, MODE, NAMES, NOW)
    authorities.ensure(tmp_path, MODE, NAMES, NOW + 3500 * DAY)
    assert certificate(tmp_path).not_valid_after_utc == certificate(tmp_path, "root.pem").not_valid_after_utc


def test_a_half_written_making_is_finished(tmp_path: Path) -> None:
    """Killed between any two files, the next start goes on from what is there."""
    authorities.ensure(tmp_path / "whole", MODE, NAMES, NOW)
    order = ("root.key", "root.pem", "server.key", "server.pem")
    for count in range(4):
        folder = tmp_path / str(count)
        folder.mkdir()
        for name in order[:count]:
            (folder / name).write_bytes((tmp_path / "whole" / name).read_bytes())
        (folder / ".server.pem.new").write_bytes(b"half")
        authorities.ensure(folder, MODE, NAMES, NOW)
        certificate(folder).verify_directly_issued_by(certificate(folder, "root.pem"))


@pytest.mark.parametrize("name", ["root.pem", "root.key", "server.key", "server.pem"])
def test_what_is_damaged_is_never_overwritten(tmp_path: Path, name: str) -> None:
    authorities.ensure(tmp_path, MODE, NAMES, NOW)
    (tmp_path / name).write_bytes(b"damaged")
    before = files(tmp_path)
    with pytest.raises(authorities.AuthorityError) as refused:
        authorities.ensure(tmp_path, MODE, NAMES, NOW)
    assert str(tmp_path / name) in str(refused.value)
    assert "\n" not in str(refused.value)
    assert files(tmp_path) == before


def test_a_root_of_another_key_or_near_its_end_is_refused(tmp_path: Path) -> None:
    authorities.ensure(tmp_path / "a", MODE, NAMES, NOW)
    authorities.ensure(tmp_path / "b", MODE, NAMES, NOW)
    (tmp_path / "a" / "root.key").write_bytes((tmp_path / "b" / "root.key").read_bytes())
    with pytest.raises(authorities.AuthorityError, match="do not belong together"):
        authorities.ensure(tmp_path / "a", MODE, NAMES, NOW)
    with pytest.raises(authorities.AuthorityError, match="ends on"):
        authorities.ensure(tmp_path / "b", MODE, NAMES, NOW + 3640 * DAY)


def test_the_names_of_a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authorities.socket, "gethostname", lambda: "Box.example.com")
    names = authorities.names_of_host(("10.1.2.3", "127.0.0.1"), ("llm.lan", "::ffff:10.9.9.9"))
    assert names == ("localhost", "127.0.0.1", "::1", "box.example.com", "box", "10.1.2.3", "llm.lan", "10.9.9.9")
    monkeypatch.setattr(authorities.socket, "gethostname", lambda: "odd_name")
    monkeypatch.setattr(authorities, "_addresses", lambda host: ["192.0.2.7"])
    assert authorities.names_of_host(("0.0.0.0",), ()) == ("localhost", "127.0.0.1", "::1", "192.0.2.7")


@pytest.mark.parametrize(
    ("text", "good"),
    [("a", True), ("*.llm.lan", True), ("10.0.0.1", True), ("::1", True), ("", False), ("a..b", False), ("-a", False), ("a b", False)],
)
def test_what_a_name_is(text: str, good: bool) -> None:
    assert is_name(text) == good
    assert is_name(text + "\n") is False


def test_what_is_told_of_them(tmp_path: Path) -> None:
    authorities.ensure(tmp_path / MODE, MODE, NAMES, NOW)
    (tmp_path / "dev-selfsigned").mkdir()
    (tmp_path / "dev-selfsigned" / "root.pem").write_text("damaged")
    service = CertificateService(Hands(), tmp_path, Certs(mode="packaged-ca"))
    found = service.all()
    assert [each.role for each in found if isinstance(each, CertificateFacts)] == ["root", "server"]
    assert [each.path for each in found if isinstance(each, CertificateFault)] == [str(tmp_path / "dev-selfsigned" / "root.pem")]
    server = next(each for each in found if isinstance(each, CertificateFacts) and each.role == "server")
    assert (server.names, server.in_use, server.not_after) == (NAMES, True, NOW + 365 * DAY)
    assert service.root() == str(tmp_path / MODE / "root.pem")
    assert CertificateService(Hands(), tmp_path, Certs(mode="files", certificate="/a", key="/b")).root() is None
