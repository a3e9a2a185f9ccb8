"""The management application over a real database, without workers: a house to be asked over its doors.

Only what lies beyond the control plane is played: the publisher, which stands for the workers, and the running product.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx

from sekisho.api.app import create_app
from sekisho.api.configurations.service import Configurations
from sekisho.api.doors import door
from sekisho.api.live import Live
from sekisho.api.maintenance import Maintenance
from sekisho.api.metrics import MetricsPage
from sekisho.api.services import Services
from sekisho.app.people import put_together
from sekisho.app.settings import Console, Settings
from sekisho.audit.service import AuditService
from sekisho.bridge.compiler import Compiler
from sekisho.bridge.feeds import Feed
from sekisho.bridge.pulses import Pulses
from sekisho.catalog.apis.service import ApiService
from sekisho.catalog.declarations.service import Declarations
from sekisho.catalog.prices.service import Prices
from sekisho.catalog.service import CatalogService, Directory
from sekisho.certs.service import CertificateService
from sekisho.certs.settings import Certs
from sekisho.core.model.errors import Kind, Refusal
from sekisho.core.model.snapshot import Model
from sekisho.egress.client import Egress
from sekisho.identity.service import Keys, KeyService
from sekisho.kit.crypto import KeyRing
from sekisho.rest.repeats import Repeats
from sekisho.storage.chains import Chain
from sekisho.storage.preparation import prepare
from sekisho.storage.session import Sessions
from sekisho.storage.tables import metadata
from sekisho.storage.urls import of_url
from sekisho.telemetry.metrics import Exposition, Gauges
from sekisho.telemetry.tallies import Tallies
from sekisho.usage.reports.service import ReportService
from sekisho.usage.service import UsageService

T = TypeVar("T")

START = 1_767_225_600_000_000
"""2026-01-01T00:00:00Z in microseconds: when each house's clock starts."""


class Hands:
    """A clock that moves when it is asked (by a microsecond, so that an order shows) or told to."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> int:
        self.at += 1
        return self.at

    def monotonic(self) -> float:
        return self.at / 1_000_000


@dataclass(frozen=True)
class Published:
    """What the played workers answered."""

    revision: int
    warnings: tuple[str, ...]


@dataclass
class Workers:
    """Stands for the workers: remembers what a compiler would have sent them, publication by publication."""

    compiler: Compiler
    warnings: tuple[str, ...] = ()
    known: int = 0
    publications: list[Any] = field(default_factory=list)

    async def publish(self) -> Published:
        changes = await self.compiler.changes(self.known)
        self.publications.append(changes)
        self.known = changes.revision
        return Published(changes.revision, self.warnings)


class Product:
    """Stands for the running product."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.listeners: dict[str, dict[str, object]] = {}
        """What was opened and not closed, by name."""

    async def status(self) -> dict[str, object]:
        return {"version": "0", "workers": [11, 12]}

    reason: str | None = None
    """Why it will not be reloaded."""

    def settings(self) -> list[dict[str, object]]:
        return [{"name": "gateway.port", "value": 4000, "source": "default"}]

    async def reload(self) -> str | None:
        if self.reason is None:
            self.asked.append("reload")
        return self.reason

    async def stop(self) -> None:
        self.asked.append("stop")

    async def open_listener(self, name: str, host: str, port: int, mode: str | None) -> dict[str, object] | Refusal:
        self.asked.append(f"open {name} {host} {port} {mode}")
        self.listeners[name] = {"name": name, "door": "gateway", "scheme": "http", "host": host, "port": port, "warnings": []}
        return self.listeners[name]

    async def close_listener(self, name: str) -> dict[str, object] | Refusal:
        return self.listeners.pop(name, None) or Refusal(404, Kind.INVALID, "listener_not_found", f"there is no listener {name}")

    async def proxy(self) -> dict[str, object]:
        listener = {"name": "gateway", "door": "gateway", "scheme": "http", "host": "127.0.0.1", "port": 4000}
        return {"mode": "local-http", "certificate": None, "root": None, "listeners": [listener]}

    async def reload_certificates(self) -> str | None:
        if self.reason is None:
            self.asked.append("reload certificates")
        return self.reason


class House:
    """Use as a context manager; every method waits for its answer."""

    def __init__(self, home: Path, ring: KeyRing | None = None, url: str | None = None) -> None:
        """`url` is the database's; without it, a file in the home."""
        self.home = home
        self._url = url or f"sqlite:///{home / 'sekisho.db'}"
        self.ring = ring or KeyRing.generate()
        self.clock = Hands()
        self.product = Product()
        self.builtin: tuple[Model, ...] = ()
        self.settings = Settings(console=Console(hosts=("sekisho",)))
        """In force when it is opened."""
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        self._runner.__enter__()
        self.run(self._open())
        return self

    def __exit__(self, *error: object) -> None:
        try:
            # What nobody waits for, such as a note that a token is used, may still be under way.
            self.run(self.database.drain())
            self.run(self.database.close())
        finally:
            self._runner.__exit__(None, None, None)

    async def _open(self) -> None:
        self.home.mkdir(mode=0o700, exist_ok=True)
        self.database = of_url(self._url)
        await self.database.open()
        self.prepared = await prepare(self.database, self.ring, self.clock, self.home / "backups")
        self.compiler = Compiler(self.database, self.ring, lambda: self.builtin, self.clock)
        self.workers = Workers(self.compiler)
        sessions = Sessions(self.database, self.workers, Chain(self.ring, self.clock))
        keys = KeyService(self.clock, Directory(sessions, lambda: self.builtin))
        catalog = CatalogService(self.clock, self.ring, Egress(), keys, lambda: self.builtin)
        apis = ApiService(self.clock, lambda: self.builtin)
        people = put_together(self.clock, self.ring, self.database, sessions, self.settings)
        self.services = services = Services(
            sessions=sessions,
            keys=keys,
            catalog=catalog,
            apis=apis,
            usage=UsageService(Keys(sessions), Prices(sessions)),
            reports=ReportService(self.clock, Keys(sessions)),
            repeats=Repeats(self.clock, self.ring),
            audit=AuditService(sessions, self.ring, self.clock),
            configurations=Configurations(catalog, Declarations(self.clock), apis, people.projects, people.issuers),
            maintenance=Maintenance(self.database, self.ring, self.clock, self.home, "127.0.0.1"),
            certificates=CertificateService(self.clock, self.home / "certs", Certs()),
            people=people,
            system=self.product,
            live=Live(Feed(self.clock, Pulses())),
            metrics=MetricsPage(Exposition(Tallies()), lambda: Gauges([], 0, 0, 0, 0.0, 0, 0, True, 0), lambda: False),
        )
        self.app = create_app(services)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(coroutine)

    def ask(self, method: str, path: str, json: Any = None, *, through: str | None = "local", **more: Any) -> httpx.Response:
        """One request through a door; None is no door at all."""
        return self.run(self._ask(method, path, through, {"json": json, **more} if json is not None else more))

    async def _ask(self, method: str, path: str, through: str | None, more: dict[str, Any]) -> httpx.Response:
        app: Any = self.app if through is None else door(self.app, through)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://sekisho") as client:
            return await client.request(method, path, **more)

    def good(self, method: str, path: str, json: Any = None, **more: Any) -> Any:
        """The body of an answer that has to be a success."""
        answer = self.ask(method, path, json, **more)
        assert answer.is_success, answer.text
        return answer.json()

    def refused(self, status: int, method: str, path: str, json: Any = None, **more: Any) -> Any:
        """The error of an answer that has to be this refusal, in the one error body."""
        answer = self.ask(method, path, json, **more)
        assert answer.status_code == status, answer.text
        error = answer.json()["error"]
        assert set(error) == {"type", "code", "message", "param", "request_id"}
        assert error["request_id"] == answer.headers["x-request-id"]
        return error

    def execute(self, sql: str, rows: Any = None) -> None:
        """Raw SQL on the writing connection, as the recorder does; parameters are written as `?`."""
        sql = sql.replace("?", self.database.mark)

        async def run() -> None:
            async with self.database.writer() as connection:
                await connection.exec_driver_sql(sql, rows)

        self.run(run())

    def stored(self) -> bytes:
        """All that the database holds: the bytes of its files, or of every value where the files are the server's."""
        if self.database.kind == "sqlite":
            return b"".join(path.read_bytes() for path in self.home.glob("sekisho.db*"))

        async def read() -> list[Any]:
            async with self.database.reader() as connection:
                return [value for table in metadata.sorted_tables for row in await connection.execute(table.select()) for value in row]

        return b"\0".join(value if isinstance(value, bytes) else str(value).encode() for value in self.run(read()))
