"""What the doors of one life are: which sockets are bound, how each is served, and with which certificate.

With TLS on, the gateway's port only says where TLS is; the console's port speaks TLS itself.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from socket import socket
from typing import Final

import msgspec

from sekisho.app.settings import Loaded, Settings
from sekisho.certs.settings import FILES, LOCAL_HTTP, MADE, ROOT, SERVER, SERVER_KEY
from sekisho.dataplane import contexts
from sekisho.dataplane.settings import Listener, Tls

CONSOLE: Final = "console"
GATEWAY: Final = "gateway"
GATEWAY_HTTPS: Final = "gateway-https"
OTHER_HTTPS_PORT: Final = 4443
"""Of the gateway, where the port behind its own is the console's."""
MAKING_SECONDS: Final = 30
"""How long the making of a certificate may take; it takes a fifth of a second."""


class DoorError(Exception):
    """The doors cannot be served as they are set; the text is one line that says what to do."""


class Planned(msgspec.Struct, frozen=True):
    """A socket to be bound."""

    name: str
    door: str
    """`gateway` or `console`: which part of the house lies behind."""
    scheme: str
    """As `dataplane.settings.Listener` has it."""
    host: str
    port: int
    """As it is set; 0 lets the system choose."""
    setting: str
    """The setting that names the port."""


class Told(msgspec.Struct, frozen=True):
    """A listener as the status tells it."""

    name: str
    door: str
    scheme: str
    host: str
    port: int
    """As it is bound."""


def planned(of: Settings) -> tuple[Planned, ...]:
    """The sockets that the settings ask for, the gateway's own first."""
    gateway, console = of.gateway, of.console
    secure = of.tls.mode != LOCAL_HTTP
    behind = Planned(CONSOLE, CONSOLE, "https" if secure else "http", console.host, console.port, "console.port")
    if not secure:
        return (Planned(GATEWAY, GATEWAY, "http", gateway.host, gateway.port, "gateway.port"), behind)
    port = https_port(of)
    if port == gateway.port != 0:
        return (Planned(GATEWAY, GATEWAY, "https", gateway.host, port, "gateway.port"), behind)
    return (
        Planned(GATEWAY, GATEWAY, "redirect", gateway.host, gateway.port, "gateway.port"),
        Planned(GATEWAY_HTTPS, GATEWAY, "https", gateway.host, port, "gateway.https_port"),
        behind,
    )


def https_port(of: Settings) -> int:
    """Where the gateway's TLS is, if it is on."""
    gateway, console = of.gateway, of.console
    if gateway.https_port is not None:
        return gateway.https_port
    if gateway.port == 0:
        return 0
    following = gateway.port + 1
    return OTHER_HTTPS_PORT if following in (console.port, 65536) else following


def listeners(plan: Sequence[Planned], sockets: Mapping[str, socket]) -> tuple[Listener, ...]:
    """The bound sockets as a worker is told of them."""
    secure = {each.door: int(sockets[each.name].getsockname()[1]) for each in plan if each.scheme == "https"}
    return tuple(Listener(sockets[each.name].fileno(), each.door, each.scheme, secure.get(each.door, 0)) for each in plan)


def told(plan: Sequence[Planned], addresses: Mapping[str, tuple[str, int]]) -> tuple[Told, ...]:
    """The same for people."""
    return tuple(Told(each.name, each.door, each.scheme, *addresses[each.name]) for each in plan)


def certificate(loaded: Loaded) -> Tls | None:
    """The files that the doors show; None without TLS."""
    tls = loaded.settings.tls
    if tls.mode == LOCAL_HTTP:
        return None
    if tls.mode == FILES:
        assert tls.certificate is not None
        assert tls.key is not None
        return Tls(tls.certificate, tls.key, hsts=True)
    directory = loaded.home.certs / tls.mode
    return Tls(str(directory / SERVER), str(directory / SERVER_KEY))


def root(loaded: Loaded) -> Path | None:
    """The root that clients have to trust, where it is of our making."""
    mode = loaded.settings.tls.mode
    return loaded.home.certs / mode / ROOT if mode in MADE else None


def prepare(loaded: Loaded) -> None:
    """Make or renew what is ours to make, and see that the pair can be served. Takes a part of a second; raises DoorError."""
    mode = loaded.settings.tls.mode
    if mode in MADE:
        _make(loaded)
    pair = certificate(loaded)
    if pair is not None:
        try:
            contexts.load(pair)
        except contexts.BadPairError as error:
            raise DoorError(f"tls.certificate: {error}" if mode == FILES else str(error)) from error


def _make(loaded: Loaded) -> None:
    of = loaded.settings
    order = {
        "directory": str(loaded.home.certs / of.tls.mode),
        "mode": of.tls.mode,
        "hosts": [of.gateway.host, of.console.host],
        "names": of.tls.names,
    }
    command = [sys.executable, "-P", "-m", "sekisho.certs"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SEKISHO_")}
    try:
        done = subprocess.run(
            command, input=msgspec.json.encode(order), capture_output=True, env=environment, timeout=MAKING_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise DoorError(f"the certificate was not made within {MAKING_SECONDS} s; try again") from None
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise DoorError(said[-1] if said else "the certificate could not be made")


def url(host: str, port: int, scheme: str) -> str:
    """How a client on this host reaches a listening socket."""
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        host = "127.0.0.1"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def shown(of: Sequence[Told], door: str) -> str:
    """The address of a door for people: by TLS where it has it."""
    best = max((each for each in of if each.door == door), key=lambda each: each.scheme == "https")
    return url(best.host, best.port, "https" if best.scheme == "https" else "http")
