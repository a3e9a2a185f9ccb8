"""A root of our own and a server certificate under it: made once, kept, and renewed before the end. Keys are of mode 0600.

Whatever is there and good is used again; what is there and bad is never overwritten, for somebody may trust it. The server's key
outlives its certificate, so that a renewal replaces one file in one instant.
"""

import contextlib
import datetime
import ipaddress
import os
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sekisho.certs.settings import (
    DEV_SELFSIGNED,
    PACKAGED_CA,
    RENEW_DAYS,
    ROOT,
    ROOT_DAYS,
    ROOT_KEY,
    SERVER,
    SERVER_DAYS,
    SERVER_KEY,
    is_name,
)
from sekisho.kit.clock import SECOND
from sekisho.kit.crypto import write_private
from sekisho.kit.net import parse_address

_TITLES: Final = {DEV_SELFSIGNED: "Sekisho Dev Root CA", PACKAGED_CA: "Sekisho Local CA"}
_DAY: Final = datetime.timedelta(days=1)
_EARLY: Final = datetime.timedelta(hours=1)
"""How far a new certificate reaches back, for clients whose clock is late."""
_EVERYWHERE: Final = ("0.0.0.0", "::", "")  # noqa: S104 - compared, not bound


class AuthorityError(Exception):
    """A root or certificate of ours cannot be used or made; the text names the file and says what to do."""


def names_of_host(hosts: Iterable[str], more: Iterable[str]) -> tuple[str, ...]:
    """What a server certificate is good for: this host, the addresses that are listened on, and what else is wanted."""
    own = socket.gethostname()
    names = ["localhost", "127.0.0.1", "::1", own, own.partition(".")[0], *hosts]
    if any(host in _EVERYWHERE for host in hosts):
        names += _addresses(own)
    names += more
    return tuple(dict.fromkeys(_canonical(name) for name in names if name not in _EVERYWHERE and is_name(name)))


def _addresses(host: str) -> list[str]:
    """The addresses that this host knows itself by; there may be none."""
    with contextlib.suppress(OSError, UnicodeError):
        return [str(each[4][0]).partition("%")[0] for each in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
    return []


def _canonical(name: str) -> str:
    address = parse_address(name)
    return name.lower().rstrip(".") if address is None else str(address)


def ensure(directory: Path, mode: str, names: tuple[str, ...], now: int) -> bool:
    """See to it that a good pair lies in the directory; whether the server's certificate was made. Raises AuthorityError."""
    moment = datetime.datetime.fromtimestamp(now / SECOND, datetime.UTC)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        root, root_key = _root(directory, mode, moment)
        return _server(directory, root, root_key, names, moment)
    except OSError as error:
        raise AuthorityError(f"{error.filename or directory}: {error.strerror}") from error


def _root(directory: Path, mode: str, now: datetime.datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    path = directory / ROOT
    key = _key(directory / ROOT_KEY)
    if path.exists():
        found = _read(path)
        if _public(found.public_key()) != _public(key.public_key()):
            raise AuthorityError(f"{path} and {directory / ROOT_KEY} do not belong together; {_restore(directory)}")
        if found.not_valid_after_utc - RENEW_DAYS * _DAY <= now:
            raise AuthorityError(f"{path} ends on {found.not_valid_after_utc:%Y-%m-%d}; {_restore(directory)}")
        return found, key
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Sekisho"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"{_TITLES[mode]} {os.urandom(4).hex()}"),
        ]
    )
    made = (
        _builder(name, name, key.public_key(), key.public_key(), now, now + ROOT_DAYS * _DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    write_private(path, made.public_bytes(serialization.Encoding.PEM))
    return made, key


def _server(
    directory: Path, root: x509.Certificate, root_key: ec.EllipticCurvePrivateKey, names: tuple[str, ...], now: datetime.datetime
) -> bool:
    path = directory / SERVER
    key = _key(directory / SERVER_KEY)
    if path.exists() and _is_good(_read(path), root, key, names, now):
        return False
    general: list[x509.GeneralName] = [
        x509.DNSName(name) if parse_address(name) is None else x509.IPAddress(ipaddress.ip_address(name)) for name in names
    ]
    made = (
        _builder(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])]),
            root.subject,
            key.public_key(),
            root_key.public_key(),
            now,
            min(now + SERVER_DAYS * _DAY, root.not_valid_after_utc),
        )
        .add_extension(x509.SubjectAlternativeName(general), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    write_private(path, made.public_bytes(serialization.Encoding.PEM))
    return True


def _is_good(
    found: x509.Certificate, root: x509.Certificate, key: ec.EllipticCurvePrivateKey, names: tuple[str, ...], now: datetime.datetime
) -> bool:
    """Whether a certificate can go on: of this root and key, for all the names, and for long enough."""
    try:
        found.verify_directly_issued_by(root)
    except Exception:
        return False
    return (
        _public(found.public_key()) == _public(key.public_key())
        and set(names) <= set(names_in(found))
        and found.not_valid_before_utc <= now
        and now < found.not_valid_after_utc - RENEW_DAYS * _DAY
    )


def names_in(certificate: x509.Certificate) -> tuple[str, ...]:
    """The host names and addresses that a certificate is good for."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return (*found.get_values_for_type(x509.DNSName), *(str(each) for each in found.get_values_for_type(x509.IPAddress)))


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    signer: ec.EllipticCurvePublicKey,
    now: datetime.datetime,
    end: datetime.datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLY)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer), critical=False)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    """The key in a file, made there where it is missing; raises AuthorityError."""
    if not path.exists():
        made = ec.generate_private_key(ec.SECP256R1())
        write_private(
            path,
            made.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
        )
        return made
    os.chmod(path, 0o600)
    try:
        found = serialization.load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError) as error:
        raise AuthorityError(f"{path} is no key; {_restore(path.parent)}") from error
    if not isinstance(found, ec.EllipticCurvePrivateKey):
        raise AuthorityError(f"{path} is no key of ours; {_restore(path.parent)}")
    return found


def _read(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError as error:
        raise AuthorityError(f"{path} is no certificate; {_restore(path.parent)}") from error


def _restore(directory: Path) -> str:
    return f"put the right files back, or move {directory} away: new ones are made, and clients have to trust the new root"


def _public(key: CertificatePublicKeyTypes) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
