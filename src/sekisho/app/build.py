"""The one composition root: every concrete object is made here, and everything below receives what it needs.

It comes in two halves, because a start has to be quick: `open_core` makes what the workers wait for, `application` imports FastAPI and
makes the management API around it. The node uses both, and so does a command that runs while no node does.
"""

import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sekisho.app import rings, settings
from sekisho.app.lifecycle import CommandSystem, Gauges
from sekisho.bridge.compiler import Compiler
from sekisho.bridge.publisher import Publisher
from sekisho.bridge.recorder import Recorder
from sekisho.engines.builtin import BuiltInEngine
from sekisho.kit import clock, crypto
from sekisho.storage.database import Database, sqlite_path
from sekisho.storage.errors import StorageError
from sekisho.storage.preparation import Prepared, prepare

if TYPE_CHECKING:
    from sekisho.api.services import Services, System

log = logging.getLogger(__name__)

FIRST_KEY_LABEL: Final = "first key"

App = Any
"""An ASGI application."""


class StartError(Exception):
    """The start cannot go on; the text is one line for the person who started it."""


@dataclass(frozen=True)
class Core:
    """What the two crossings need."""

    loaded: settings.Loaded
    clock: clock.Clock
    ring: crypto.KeyRing
    database: Database
    prepared: Prepared
    engine: BuiltInEngine
    publisher: Publisher
    recorder: Recorder

    def gauges(self) -> Gauges:
        """What of the status changes all the time; cheap enough to be asked for often."""
        workers = sorted(self.publisher.workers, key=lambda each: (each.worker, each.pid))
        return Gauges(
            workers=tuple(each.pid for each in workers),
            journal_lag_s=self.recorder.lag_seconds,
            set_aside=len(self.recorder.set_aside()),
            engines=self.engine.states(),
        )

    async def close(self) -> None:
        """Let go of everything, children first."""
        await self.engine.close()
        await self.publisher.close()
        self.recorder.close()
        await self.database.close()


@dataclass(frozen=True)
class FirstKey:
    """The key that a new installation makes by itself; its text exists only here."""

    id: str
    plain: crypto.Secret


async def open_core(loaded: settings.Loaded, *, on_ready: Any = lambda pid: None) -> Core:
    """Open ring and database, bring the schema up to date, read the configuration. Raises StartError, and then nothing was overwritten."""
    system_clock = clock.SystemClock()
    async with contextlib.AsyncExitStack() as undo:
        try:
            path = sqlite_path(loaded.database_url)
            ring = rings.open_ring(loaded.home.ring_file, loaded.secret_key, path)
            database = Database(path)
            undo.push_async_callback(database.close)
            await database.open()
            prepared = await prepare(database, ring, system_clock, loaded.home.backups)
            engine = BuiltInEngine(loaded.home.models, loaded.settings.engines, on_change=lambda: publisher.republish())
            undo.push_async_callback(engine.close)
            await engine.open()
            publisher = Publisher(Compiler(database, ring, engine.models), engines=engine, on_ready=on_ready)
            await publisher.load()
        except (StorageError, rings.RingError) as error:
            raise StartError(str(error)) from error
        undo.pop_all()
    if prepared.migrated_from is not None:
        log.info("the database was brought up to date", extra={"from": prepared.migrated_from, "backup": str(prepared.backup)})
    journal = loaded.settings.journal
    recorder = Recorder(loaded.home.journal, database, sync_seconds=journal.sync_interval_ms / 1000 if journal.sync == "interval" else None)
    return Core(loaded, system_clock, ring, database, prepared, engine, publisher, recorder)


def services(core: Core, system: "System") -> "Services":
    """The slices' services over a core. Imports the heavy libraries."""
    from sekisho.api.maintenance import Maintenance
    from sekisho.api.services import Services
    from sekisho.app import doctor
    from sekisho.audit.service import AuditService
    from sekisho.catalog.service import CatalogService, Directory
    from sekisho.egress.client import Egress
    from sekisho.identity.service import KeyService
    from sekisho.storage.session import Sessions
    from sekisho.usage.service import UsageService

    sessions = Sessions(core.database, core.publisher)
    keys = KeyService(core.clock, Directory(sessions, core.engine.models))
    return Services(
        sessions=sessions,
        keys=keys,
        catalog=CatalogService(core.clock, core.ring, Egress(), keys, core.engine.models),
        usage=UsageService(core.clock),
        audit=AuditService(),
        maintenance=Maintenance(
            core.database,
            core.ring,
            core.clock,
            core.loaded.home.path,
            core.loaded.settings.console.host,
            look_around=lambda: [*doctor.journal(core.recorder.set_aside()), *doctor.models(core.engine.ignored()), *doctor.hot_path()],
        ),
        system=system,
    )


def applications(of: "Services") -> tuple[App, App]:
    """The management application behind its two doors: for the local owner, and for what comes through the tunnel."""
    from sekisho.api.app import create_app
    from sekisho.api.doors import door

    app = create_app(of)
    return door(app, "local"), door(app, "tunnel")


async def first_key(of: "Services") -> FirstKey | None:
    """Make the first key where none was ever made."""
    async with of.sessions.read() as session:
        if await of.keys.page(session, 1, None):
            return None
    committed = await of.sessions.transact(lambda session: of.keys.create(session, label=FIRST_KEY_LABEL))
    return FirstKey(committed.value.key.id, committed.value.plain)


@dataclass(frozen=True)
class Local:
    """The product inside a command: no workers, no sockets, the local owner as its only caller."""

    core: Core
    services: "Services"
    app: App


@contextlib.asynccontextmanager
async def local(loaded: settings.Loaded) -> AsyncIterator[Local]:
    """Be the node for the length of a command, under the home's lock. Raises homes.HomeError and StartError."""
    loaded.home.create()
    with loaded.home.locked():
        core = await open_core(loaded)
        try:
            # What a killed node left unrecorded is seen by this command too.
            await core.recorder.catch_up()
            made = services(core, CommandSystem(loaded, core.gauges))
            yield Local(core, made, applications(made)[0])
        finally:
            await core.close()


@contextlib.asynccontextmanager
async def local_app(loaded: settings.Loaded) -> AsyncIterator[App]:
    """The management application for `httpx.ASGITransport`; see `local`."""
    async with local(loaded) as found:
        yield found.app
