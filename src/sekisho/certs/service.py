"""Tells of the certificates that lie on disk, by reading them anew each time: what is told is what the next handshake shows."""

import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from sekisho.certs import authorities
from sekisho.certs.model import CertificateFacts, CertificateFault
from sekisho.certs.settings import FILES, MADE, PACKAGED_CA, ROOT, ROOT_KEY, SERVER, SERVER_KEY, Certs
from sekisho.kit.clock import SECOND, Clock


class CertificateService:
    """What can be asked about certificates."""

    def __init__(self, clock: Clock, directory: Path, settings: Certs) -> None:
        self._clock = clock
        self._directory = directory
        self._settings = settings

    @property
    def mode(self) -> str:
        """`tls.mode` in force."""
        return self._settings.mode

    def now(self) -> int:
        """Wall time in microseconds, by which certificates end."""
        return self._clock.now()

    def all(self) -> list[CertificateFacts | CertificateFault]:
        """Every certificate of ours and the one that was given, those in use first. Reads files."""
        found = [each for mode in MADE for each in self._made(mode)]
        if self._settings.mode == FILES and self._settings.certificate is not None:
            found.append(_facts(Path(self._settings.certificate), self._settings.key, "server", FILES, in_use=True))
        return sorted(found, key=lambda each: isinstance(each, CertificateFacts) and not each.in_use)

    def root(self) -> str | None:
        """Where the root of the mode in force lies; without TLS, where that of `packaged-ca` would. None where it is not ours."""
        if self.mode == FILES:
            return None
        return str(self._directory / (self.mode if self.mode in MADE else PACKAGED_CA) / ROOT)

    def _made(self, mode: str) -> list[CertificateFacts | CertificateFault]:
        directory, used = self._directory / mode, self._settings.mode == mode
        files = ((ROOT, ROOT_KEY, "root"), (SERVER, SERVER_KEY, "server"))
        return [
            _facts(directory / name, str(directory / key), role, mode, in_use=used)
            for name, key, role in files
            if (directory / name).exists()
        ]


def _facts(path: Path, key: str | None, role: str, mode: str, *, in_use: bool) -> CertificateFacts | CertificateFault:
    try:
        found = x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        return CertificateFault(str(path), f"{error.strerror}")
    except ValueError:
        return CertificateFault(str(path), "this is no certificate in PEM")
    return CertificateFacts(
        role=role,
        mode=mode,
        path=str(path),
        key_path=key,
        subject=found.subject.rfc4514_string(),
        issuer=found.issuer.rfc4514_string(),
        names=authorities.names_in(found),
        serial=f"{found.serial_number:x}",
        fingerprint=found.fingerprint(hashes.SHA256()).hex(),
        not_before=_micros(found.not_valid_before_utc),
        not_after=_micros(found.not_valid_after_utc),
        in_use=in_use,
    )


def _micros(moment: datetime.datetime) -> int:
    return round(moment.timestamp() * SECOND)
