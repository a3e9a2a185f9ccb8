"""What supervisor and node say to each other, and the product as its own API sees it.

Orders go down the node's standard input, sayings come up its standard output: JSON, one object per line. The end of the input is the
end of the supervisor.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from sekisho import __version__
from sekisho.app import openings
from sekisho.app.doors import DoorError, Told, certificate, prepare, root
from sekisho.app.homes import Home
from sekisho.app.settings import Loaded, Settings, SettingsError, load
from sekisho.core.model.errors import Kind, Refusal
from sekisho.kit import clock

if TYPE_CHECKING:
    from sekisho.engines.servers import State


class Orders(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first line that a node reads."""

    home: str
    settings: Settings
    origins: dict[str, str]
    supervisor: int
    gateway_port: int
    console_port: int
    """Both as they are bound; the settings may say 0."""
    started_at: int
    """When the supervisor started; wall time in microseconds."""
    first: bool
    """Whether this is the supervisor's first node: only that one makes a first key and looks for engines."""
    secret_key: str | None = None
    workers: tuple[int, ...] = ()
    flags: dict[str, str] = {}
    """Of `serve`, by dotted name: a reload reads the settings with them once more."""
    listeners: tuple[Told, ...] = ()

    def __repr__(self) -> str:
        return f"Orders(home={self.home!r})"

    def loaded(self) -> Loaded:
        """The settings as the supervisor read them."""
        return Loaded(Home(Path(self.home)), self.settings, self.origins, self.secret_key)


class Update(msgspec.Struct, frozen=True):
    """Every further line: who serves now, and after a reload the settings that are in force."""

    workers: tuple[int, ...]
    settings: Settings | None = None
    origins: dict[str, str] = {}


class Ready(msgspec.Struct, frozen=True, tag_field="event", tag="ready"):
    """Both doors of the node are open."""

    first_key: str | None = None
    """Only here, and only once: the text of a key that was made now."""
    setup_token: str | None = None
    """What stands behind # in the setup link; None where there is an owner."""
    engines: tuple[str, ...] | None = None
    """What was found on this machine, a line each; None where nobody looked."""

    def __repr__(self) -> str:
        return "Ready()"


class Failed(msgspec.Struct, frozen=True, tag_field="event", tag="failed"):
    """The node cannot start."""

    message: str


class WorkerReady(msgspec.Struct, frozen=True, tag_field="event", tag="worker"):
    """A worker has a whole configuration in force."""

    pid: int


class Reload(msgspec.Struct, frozen=True, tag_field="event", tag="reload"):
    """Somebody asked for it through the API."""


class Stop(msgspec.Struct, frozen=True, tag_field="event", tag="stop"):
    """Likewise."""


Saying = Ready | Failed | WorkerReady | Reload | Stop

encode: Final = msgspec.json.Encoder().encode
decode_saying: Final = msgspec.json.Decoder(Saying).decode


class ControlError(Exception):
    """The product runs inside a command: there is no supervisor to ask."""


@dataclass(frozen=True)
class Outage:
    """What is wrong with the database."""

    reason: str
    since: int | None = None
    """When it was noticed, wall time in microseconds; None where the one who noticed keeps no time."""
    copy_revision: int | None = None
    """Of the sealed copy that stands in for the database; None where what was read before is in force."""
    copy_written_at: int | None = None
    """When that copy was brought to its revision; wall time in microseconds."""

    def told(self) -> dict[str, object]:
        """As the status tells it."""
        copy = None
        if self.copy_revision is not None:
            copy = {"revision": self.copy_revision, "written_at": clock.to_rfc3339(self.copy_written_at or 0)}
        return {"reason": self.reason, "since": None if self.since is None else clock.to_rfc3339(self.since), "sealed_copy": copy}


@dataclass(frozen=True)
class Gauges:
    """What of the status changes all the time."""

    workers: tuple[int, ...]
    journal_lag_s: float
    set_aside: int = 0
    """Files of the journal that are kept for a person to look at."""
    journals_full: int = 0
    """Workers that have no room for records now."""
    dropped: int = 0
    """Records that found none since the node's start."""
    engines: "tuple[State, ...]" = ()
    revision: int = 0
    """Of the configuration that is published."""
    outage: Outage | None = None
    copy_trouble: str | None = None
    """Why there is no sealed copy of it on the disk."""


class NodeSystem:
    """The system of a node under a supervisor; implements `api.services.System`."""

    def __init__(self, orders: Orders, gauges: Callable[[], Gauges], say: Callable[[Saying], None]) -> None:
        self._orders = orders
        self._gauges = gauges
        self._say = say

    def reloaded(self, orders: Orders) -> None:
        """The settings in force are others now."""
        self._orders = orders

    async def status(self) -> dict[str, object]:
        """Everything of the status but the revision."""
        orders, gauges = self._orders, self._gauges()
        return {
            "version": __version__,
            "supervisor": orders.supervisor,
            "node": os.getpid(),
            "workers": list(gauges.workers),
            "ports": {
                "gateway": orders.gateway_port,
                "console": orders.console_port,
                **{each.name.replace("-", "_"): each.port for each in orders.listeners if each.name != each.door},
            },
            **_told(gauges),
            "started_at": clock.to_rfc3339(orders.started_at),
            "home": orders.home,
            "database": orders.loaded().database_kind,
        }

    def settings(self) -> list[dict[str, object]]:
        return self._orders.loaded().effective()

    async def reload(self) -> str | None:
        """Ask the supervisor for new workers with the settings on disk; returns at once. Settings that are bad are not asked with."""
        try:
            load({**self._orders.flags, "home": self._orders.home})
        except SettingsError as error:
            return str(error)
        self._say(Reload())
        return None

    async def stop(self) -> None:
        """Ask the supervisor to drain and end everything; returns at once."""
        self._say(Stop())

    async def proxy(self) -> dict[str, object]:
        """The listeners, and what they show."""
        loaded = self._orders.loaded()
        listeners = [_listener(each) for each in self._orders.listeners]
        # Without its word there are those of the settings.
        with contextlib.suppress(openings.OpeningsError):
            opened = (await openings.command(loaded.home.doors_socket, openings.Ask("list"))).listeners
            listeners += [{**_listener(each), "extra": True} for each in opened]
        return {**_shown(loaded), "listeners": listeners}

    async def open_listener(self, name: str, host: str, port: int, mode: str | None) -> dict[str, object] | Refusal:
        """Let every worker take calls on one more port, by TLS where it is on."""
        loaded = self._orders.loaded()
        served = loaded.settings.tls.mode
        if mode not in (None, served):
            return _declined("mode_not_served", f"the server's tls.mode is {served}; it serves no listener in mode {mode}", "mode")
        scheme = "http" if certificate(loaded) is None else "https"
        return await self._command(openings.Ask("open", name, scheme, host, port))

    async def close_listener(self, name: str) -> dict[str, object] | Refusal:
        """Free the port of a listener that was opened so; calls that came through it finish."""
        return await self._command(openings.Ask("close", name))

    async def _command(self, ask: openings.Ask) -> dict[str, object] | Refusal:
        try:
            answer = await openings.command(self._orders.loaded().home.doors_socket, ask)
        except openings.OpeningsError as error:
            return Refusal(503, Kind.OVERLOADED, "supervisor_away", str(error))
        if answer.error:
            return _declined(answer.code, answer.error, answer.param)
        return {**_listener(answer.listeners[0]), "warnings": list(answer.warnings)}

    async def reload_certificates(self) -> str | None:
        """Let the workers read the certificate again, if it is sound; open connections go on. Returns what is wrong with it."""
        try:
            await asyncio.to_thread(prepare, self._orders.loaded())
        except DoorError as error:
            return str(error)
        for pid in self._gauges().workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGHUP)
        return None


def _told(gauges: Gauges) -> dict[str, object]:
    """What journal and built-in engine have to say, as the status tells it."""
    return {
        "journal_lag_s": round(gauges.journal_lag_s, 3),
        "journal_set_aside": gauges.set_aside,
        "journals_full": gauges.journals_full,
        "journal_dropped": gauges.dropped,
        "revision": gauges.revision,
        "outage": None if gauges.outage is None else gauges.outage.told(),
        "sealed_copy_trouble": gauges.copy_trouble,
        "engines": [
            {"model": each.model, "state": each.phase.value, "pid": each.pid, "falls": each.falls, "last_error": each.last_error or None}
            for each in gauges.engines
        ],
    }


def _declined(code: str, message: str, param: str | None) -> Refusal:
    return Refusal(404 if code == "listener_not_found" else 409 if code == "name_taken" else 422, Kind.INVALID, code, message, param)


def _listener(each: Told) -> dict[str, object]:
    return {"name": each.name, "door": each.door, "scheme": each.scheme, "host": each.host, "port": each.port}


def _shown(loaded: Loaded) -> dict[str, object]:
    """The mode, the certificate that is shown, and the root that clients need, where it is of our making."""
    pair, ours = certificate(loaded), root(loaded)
    return {
        "mode": loaded.settings.tls.mode,
        "certificate": None if pair is None else pair.certificate,
        "root": None if ours is None else str(ours),
    }


class CommandSystem:
    """The system of a command that runs while no node does."""

    def __init__(self, loaded: Loaded, gauges: Callable[[], Gauges]) -> None:
        self._loaded = loaded
        self._gauges = gauges

    async def status(self) -> dict[str, object]:
        """The same fields; what does not run is null or empty."""
        configured = self._loaded.settings
        return {
            "version": __version__,
            "supervisor": None,
            "node": None,
            "workers": [],
            "ports": {"gateway": configured.gateway.port, "console": configured.console.port},
            **_told(self._gauges()),
            "started_at": None,
            "home": str(self._loaded.home.path),
            "database": self._loaded.database_kind,
        }

    def settings(self) -> list[dict[str, object]]:
        return self._loaded.effective()

    async def reload(self) -> str | None:
        """There is nobody to ask; raises ControlError."""
        raise ControlError("Sekisho does not run; `sekisho serve` starts it")

    async def stop(self) -> None:
        """Likewise."""
        raise ControlError("Sekisho does not run")

    async def proxy(self) -> dict[str, object]:
        """Nothing listens."""
        return {**_shown(self._loaded), "listeners": []}

    async def open_listener(self, name: str, host: str, port: int, mode: str | None) -> dict[str, object] | Refusal:
        """There is nobody to serve it; raises ControlError."""
        raise ControlError("Sekisho does not run; `sekisho serve` starts it")

    async def close_listener(self, name: str) -> dict[str, object] | Refusal:
        """Likewise."""
        raise ControlError("Sekisho does not run")

    async def reload_certificates(self) -> str | None:
        """There is nobody who shows one; raises ControlError."""
        raise ControlError("Sekisho does not run; `sekisho serve` starts it")
