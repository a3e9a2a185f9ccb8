"""Where the running gateway takes calls, what a client has to trust there, and where its console is."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sekisho.cli.failures import CommandError

if TYPE_CHECKING:
    import ssl

    from sekisho.cli.client import Management

WILDCARDS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (not bound: these are what we replace)
"""Addresses that a listener has and a client cannot call, and what a client calls instead."""


@dataclass(frozen=True)
class Gateway:
    """One gateway on this host."""

    url: str
    """Without a path."""
    certificate: str | None = None
    """The file of the certificate that it shows; None where it speaks HTTP in clear."""
    root: str | None = None
    """The root that clients have to trust, where Sekisho made it."""


def find(management: "Management") -> Gateway:
    """The gateway of a running server; raises CommandError where it has none."""
    doors = management.get("/api/proxy")
    listener = _listener(doors, "gateway")
    if listener is None:
        raise CommandError("NO_LISTENER", "the server listens for no calls; see: sekisho proxy status")
    secure = listener["scheme"] == "https"
    return Gateway(_url(listener), doors["certificate"] if secure else None, doors["root"] if secure else None)


def console_url(management: "Management") -> str:
    """Where the console of a running server is, without a path; raises CommandError where it has none."""
    listener = _listener(management.get("/api/proxy"), "console")
    if listener is None:
        raise CommandError("NO_LISTENER", "the server has no console; see: sekisho proxy status")
    return _url(listener)


def _listener(doors: dict[str, Any], door: str) -> dict[str, Any] | None:
    return next((each for each in doors["listeners"] if each["door"] == door and each["scheme"] != "redirect"), None)


def _url(listener: dict[str, Any]) -> str:
    host = str(listener["host"])
    host = WILDCARDS.get(host, host)
    return f"{listener['scheme']}://{f'[{host}]' if ':' in host else host}:{listener['port']}"


def pinned(certificate: str) -> "ssl.SSLContext":
    """Trust in the very certificate that lies in a file, whatever names it has; raises CommandError."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # the file says who it is, and the address is this host's
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(certificate)
    except OSError as error:
        raise CommandError("CERTIFICATE_UNREADABLE", f"{certificate}: {error.strerror or error}; name the gateway with --url") from error
    return context
