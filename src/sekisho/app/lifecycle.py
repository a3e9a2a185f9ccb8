"""What supervisor and node say to each other, and the product as its own API sees it.

Orders go down the node's standard input, sayings come up its standard output: JSON, one object per line. The end of the input is the
end of the supervisor.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from sekisho import __version__
from sekisho.app.homes import Home
from sekisho.app.settings import Loaded, Settings, SettingsError, load
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
class Gauges:
    """What of the status changes all the time."""

    workers: tuple[int, ...]
    journal_lag_s: float
    set_aside: int = 0
    """Files of the journal that are kept for a person to look at."""
    engines: "tuple[State, ...]" = ()


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
            "ports": {"gateway": orders.gateway_port, "console": orders.console_port},
            **_told(gauges),
            "started_at": clock.to_rfc3339(orders.started_at),
            "home": orders.home,
            "database": "sqlite",
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


def _told(gauges: Gauges) -> dict[str, object]:
    """What journal and built-in engine have to say, as the status tells it."""
    return {
        "journal_lag_s": round(gauges.journal_lag_s, 3),
        "journal_set_aside": gauges.set_aside,
        "engines": [
            {"model": each.model, "state": each.phase.value, "pid": each.pid, "falls": each.falls, "last_error": each.last_error or None}
            for each in gauges.engines
        ],
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
            "database": "sqlite",
        }

    def settings(self) -> list[dict[str, object]]:
        return self._loaded.effective()

    async def reload(self) -> str | None:
        """There is nobody to ask; raises ControlError."""
        raise ControlError("Sekisho does not run; `sekisho serve` starts it")

    async def stop(self) -> None:
        """Likewise."""
        raise ControlError("Sekisho does not run")
