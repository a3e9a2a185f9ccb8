"""The ports of a house: each is bound once, by the supervisor, and whoever cannot have one is told in a line what to do."""

import contextlib
import errno
import socket
import time
from collections.abc import Callable, Sequence
from typing import Final

from sekisho.app import settings
from sekisho.kit import clock

PORTS_TRIED: Final = 100
_BACKLOG: Final = 4096


class StartError(Exception):
    """The start cannot go on; the text is one line that says what to do."""


class PortError(StartError):
    """Somebody else listens on a port of ours."""


def bind(door: str, host: str, port: int, taken: Sequence[int] = (), setting: str = "") -> socket.socket:
    """A listening socket for a door; raises StartError that offers the next free port where this one is taken.

    `setting` names the port, where it is not the door's own.
    """
    setting = setting or f"{door}.port"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (OSError, UnicodeError) as error:
        flag = settings.FLAGS[f"{door}.host"]
        raise StartError(f"{door}.host: {host!r} is no address of this machine ({error}); choose one with {flag}") from error
    bound = socket.socket(family, kind, protocol)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(address)
        bound.listen(_BACKLOG)
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            raise PortError(_in_use(door, host, port, taken, settings.FLAGS[setting])) from error
        reason = error.strerror or str(error)
        remedy = f"choose an address of this machine with {settings.FLAGS[f'{door}.host']}"
        if error.errno == errno.EACCES:
            remedy = f"ports below 1024 need a right that this user lacks, choose another with {settings.FLAGS[setting]}"
        raise StartError(f"cannot listen on {host} port {port}: {reason}; {remedy}") from error
    bound.setblocking(False)
    return bound


def _in_use(door: str, host: str, port: int, taken: Sequence[int], flag: str) -> str:
    for other in range(port + 1, min(port + PORTS_TRIED, 65536)):
        if other not in taken:
            with contextlib.suppress(StartError), contextlib.closing(_probe(door, host, other)):
                return f"port {port} is in use; {other} is free: {flag} {other}"
    return f"port {port} is in use; choose a free one with {flag}"


def _probe(door: str, host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    probed = socket.socket(family, kind, protocol)
    try:
        probed.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probed.bind(address)
    except OSError as error:
        probed.close()
        raise StartError(f"{door}: port {port} is not free") from error
    return probed


def inherited(descriptor: int) -> socket.socket:
    """A listening socket that the supervisor before us bound."""
    bound = socket.socket(fileno=descriptor)
    bound.setblocking(False)
    return bound


def bind_within(patience: float, bound: Callable[[], socket.socket]) -> socket.socket:
    """A listening socket, at the latest so many seconds from now; raises StartError.

    The workers that a killed supervisor left behind hold the ports until they notice.
    """
    deadline = clock.monotonic() + patience
    while True:
        try:
            return bound()
        except PortError:
            if clock.monotonic() >= deadline:
                raise
        time.sleep(0.02)
