"""How the doors are served, and with whose certificate."""

import re
from typing import Final, Literal

import msgspec

from sekisho.kit.net import parse_address

LOCAL_HTTP: Final = "local-http"
DEV_SELFSIGNED: Final = "dev-selfsigned"
PACKAGED_CA: Final = "packaged-ca"
FILES: Final = "files"
MADE: Final = (DEV_SELFSIGNED, PACKAGED_CA)
"""Modes whose root and certificate are made here."""

ROOT: Final = "root.pem"
ROOT_KEY: Final = "root.key"
SERVER: Final = "server.pem"
"""Without the root, which clients have or do not trust."""
SERVER_KEY: Final = "server.key"
"""Files of a mode that makes its own, in `<home>/certs/<mode>`."""

ROOT_DAYS: Final = 3650
SERVER_DAYS: Final = 365
RENEW_DAYS: Final = 30
"""A server certificate that ends sooner is made anew, with the same key and root."""
WARN_DAYS: Final = 14
"""From here on the doctor speaks of a certificate's end."""

_NAME: Final = re.compile(
    r"(?=.{1,253}\Z)(\*\.)?([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*\Z"
)


class Certs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """TLS at the doors."""

    mode: Literal["local-http", "dev-selfsigned", "packaged-ca", "files"] = LOCAL_HTTP
    """`local-http`: none. `dev-selfsigned`: a root and certificate for this host, made at the first start. `packaged-ca`: the same for
    a network, with the addresses that are listened on and `names`. `files`: a certificate of one's own."""
    certificate: str | None = None
    """Absolute path of the chain in PEM, the server's own first; for `files`."""
    key: str | None = None
    """Absolute path of its key in PEM, without a passphrase; for `files`."""
    names: tuple[str, ...] = ()
    """Further host names and addresses for a certificate that is made here."""


def is_name(text: str) -> bool:
    """Whether a certificate can be made for it: a host name or an address."""
    return parse_address(text) is not None or _NAME.match(text) is not None
