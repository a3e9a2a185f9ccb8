"""The one composition root: every concrete object is made here, and everything below receives what it needs.

It comes in two halves, because a start has to be quick: `open_core` makes what the workers wait for, `application` imports FastAPI and
makes the management API around it. The node uses both, and so does a command that runs while no node does.
"""

import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sekisho.app import homes, rings, settings
from sekisho.app.lifecycle import CommandSystem, Gauges, Outage
from sekisho.app.truth import Truth
from sekisho.bridge.compiler import Compiler
from sekisho.bridge.copies import SealedCopy
from sekisho.bridge.feeds import Feed
from sekisho.bridge.publisher import Publisher
from sekisho.bridge.pulses import Pulses
from sekisho.bridge.recorder import Recorder
from sekisho.bridge.rows import Record, Row
from sekisho.bridge.sealed import is_of, origin_of, with_engines
from sekisho.bridge.standings import Standings
from sekisho.bridge.watcher import Watcher
from sekisho.engines.builtin import BuiltInEngine
from sekisho.kit import clock, crypto
from sekisho.storage.database import Database
from sekisho.storage.errors import StorageError
from sekisho.storage.preparation import Prepared, prepare
from sekisho.storage.urls import of_url
from sekisho.telemetry.tallies import Tallies

if TYPE_CHECKING:
    from sekisho.api.services import Services, System
    from sekisho.audit.settings import Audit
    from sekisho.identity.model import Issued
    from sekisho.storage.session import Session
    from sekisho.telemetry import metrics

log = logging.getLogger(__name__)

NODE_FILE: Final = "node.id"
"""In the home. Which open calls and places of the journal in a shared database are this home's."""

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
    truth: Truth
    engine: BuiltInEngine
    copy: SealedCopy
    publisher: Publisher
    recorder: Recorder
    feed: Feed
    pulses: Pulses
    tallies: Tallies

    @property
    def prepared(self) -> Prepared | None:
        """What was found when the database was opened; None where it was not yet."""
        return self.truth.prepared

    def gauges(self) -> Gauges:
        """What of the status changes all the time; cheap enough to be asked for often."""
        workers = sorted(self.publisher.workers, key=lambda each: (each.worker, each.pid))
        return Gauges(
            workers=tuple(each.pid for each in workers),
            journal_lag_s=self.recorder.lag_seconds,
            set_aside=len(self.recorder.set_aside()),
            journals_full=self.pulses.journals_full,
            dropped=self.pulses.totals.dropped,
            engines=self.engine.states(),
            revision=self.publisher.revision,
            outage=self.outage(),
            copy_trouble=self.copy.trouble,
        )

    def outage(self) -> Outage | None:
        """What is wrong with the database, as far as it was noticed."""
        reason = self.database.frozen or self.recorder.waits_for
        return self.truth.outage or (None if reason is None else Outage(reason))

    def measured(self, live: int) -> "metrics.Gauges":
        """What `/metrics` tells of this moment, with so many live feeds."""
        from sekisho.telemetry import metrics

        totals = self.pulses.totals
        return metrics.Gauges(
            workers=[(each.worker, each.pulse) for each in self.publisher.workers if each.pulse is not None],
            requests=totals.requests,
            refused=totals.refused,
            dropped=totals.dropped,
            journal_lag_s=self.recorder.lag_seconds,
            set_aside=len(self.recorder.set_aside()),
            revision=self.publisher.revision,
            database_up=self.outage() is None,
            live=live,
        )

    async def watch(self) -> None:
        """Bring to our workers what other nodes commit, for ever; returns at once where there can be no others."""
        await Watcher(self.database, self.publisher).run()

    async def close(self) -> None:
        """Let go of everything, children first."""
        await self.engine.close()
        await self.publisher.close()
        await self.copy.close()
        self.recorder.close()
        # What nobody waits for, such as a note that a session is used, ends before what it writes to.
        await self.database.drain()
        await self.database.close()


@dataclass(frozen=True)
class FirstKey:
    """The key that a new installation makes by itself; its text exists only here."""

    id: str
    plain: crypto.Secret


async def open_core(
    loaded: settings.Loaded, *, on_ready: Any = lambda pid: None, stands_in_for: tuple[type[StorageError], ...] = ()
) -> Core:
    """Open ring and database, bring the schema up to date, read the configuration. Raises StartError, and then nothing was overwritten.

    For the errors that are named, the sealed copy stands in for the database, where it can.
    """
    system_clock = clock.SystemClock()
    async with contextlib.AsyncExitStack() as undo:
        try:
            database = of_url(loaded.database_url, readers=loaded.settings.database.readers)
            undo.push_async_callback(database.close)
            # A copy is moved with its home, and a database in the home as well.
            origin = origin_of(database.name if loaded.settings.database.url else "in the home")
            ring = rings.ring_for(loaded.home.ring_file, loaded.secret_key, await _present(database, loaded.home.sealed_copy, origin))
            copy = SealedCopy(loaded.home.sealed_copy, ring, origin, system_clock)
            undo.push_async_callback(copy.close)
            engine = BuiltInEngine(loaded.home.models, loaded.settings.engines, on_change=lambda: publisher.republish())
            undo.push_async_callback(engine.close)
            await engine.open()
            pulses = Pulses()
            publisher = Publisher(
                Compiler(database, ring, engine.models),
                engines=engine,
                on_ready=on_ready,
                copy=copy,
                refresh=lambda catalog: with_engines(catalog, engine.models()),
                standings=Standings(loaded.home.run / "limits", system_clock),
                pulses=pulses,
            )
            truth = Truth(
                database,
                publisher,
                copy,
                system_clock,
                lambda: _prepare(loaded.home, database, ring, system_clock),
                on_back=lambda: recorder.try_now(),
            )
            try:
                await truth.open()
            except stands_in_for as error:
                await truth.stand_in(error)
        except (StorageError, rings.RingError) as error:
            raise StartError(str(error)) from error
        undo.pop_all()
    prepared = truth.prepared
    if prepared is not None:
        log.info("the database is open", extra={"database": database.name, "most_connections": database.connections})
    if prepared is not None and prepared.migrated_from is not None:
        log.info("the database was brought up to date", extra={"from": prepared.migrated_from, "backup": str(prepared.backup)})
    journal = loaded.settings.journal
    feed, tallies = Feed(system_clock, pulses), Tallies()

    def recorded(calls: Sequence[Record], refusals: Sequence[Row]) -> None:
        tallies.recorded(calls, refusals)
        feed.recorded(calls)

    recorder = Recorder(
        loaded.home.journal,
        database,
        node=node_id(loaded.home) if database.shared else "",
        sync_seconds=journal.sync_interval_ms / 1000 if journal.sync == "interval" else None,
        on_recorded=recorded,
    )
    return Core(loaded, system_clock, ring, database, truth, engine, copy, publisher, recorder, feed, pulses, tallies)


async def _prepare(home: homes.Home, database: Database, ring: crypto.KeyRing, wall: clock.Clock) -> Prepared:
    """Bring an open database to this version's state, once it is certain that we are who we say. Raises StorageError."""
    if database.shared:
        taken = await database.claim(node_id(home))
        if taken is not None:
            raise StorageError(
                f"a node with the name of this home runs on the database {database.name} already, at {taken}: one of the two homes is a "
                f"copy; to make this one a node of its own, delete {home.path / NODE_FILE} and what lies in {home.journal}"
            )
    return await prepare(database, ring, wall, home.backups)


async def _present(database: Database, copy: Path, origin: bytes) -> str | None:
    """What a new key ring would lose: the database, or what is sealed of it while it is away. Raises StorageError."""
    if is_of(copy, origin):
        return f"{database.name}, or its sealed copy,"
    return database.name if await database.holds_anything() else None


def node_id(home: homes.Home) -> str:
    """This node's own name in a database that several share; made once, and never copied to another home. Raises StartError."""
    file = home.path / NODE_FILE
    try:
        if not file.exists():
            crypto.write_private(file, crypto.token(12).encode())
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StartError(f"{file}: the name of this node cannot be read or made ({error}); check the directory") from error


def services(core: Core, system: "System") -> "Services":
    """The slices' services over a core. Imports the heavy libraries."""
    from sekisho.api.configurations.service import Configurations
    from sekisho.api.live import Live
    from sekisho.api.maintenance import Maintenance
    from sekisho.api.metrics import MetricsPage
    from sekisho.api.services import Services
    from sekisho.app import doctor, doors, people
    from sekisho.audit.service import AuditService
    from sekisho.catalog.apis.service import ApiService
    from sekisho.catalog.declarations.service import Declarations
    from sekisho.catalog.prices.service import Prices
    from sekisho.catalog.service import CatalogService, Directory
    from sekisho.certs.service import CertificateService
    from sekisho.egress.client import Egress
    from sekisho.identity.service import Keys, KeyService
    from sekisho.rest.repeats import Repeats
    from sekisho.storage import workspaces
    from sekisho.storage.chains import Chain
    from sekisho.storage.session import Sessions
    from sekisho.telemetry.metrics import Exposition
    from sekisho.usage.reports.service import ReportService
    from sekisho.usage.service import UsageService

    # What a backup or a restore left that was killed.
    for directory in (core.loaded.home.path, core.loaded.home.backups):
        workspaces.sweep(directory)
    sessions = Sessions(core.database, core.publisher, Chain(core.ring, core.clock))
    keys = KeyService(core.clock, Directory(sessions, core.engine.models))
    certificates = CertificateService(core.clock, core.loaded.home.certs, core.loaded.settings.tls)
    catalog = CatalogService(core.clock, core.ring, Egress(), keys, core.engine.models)
    apis = ApiService(core.clock, core.engine.models)
    admitted = people.put_together(core.clock, core.ring, core.database, sessions, core.loaded.settings)
    live = Live(core.feed)
    return Services(
        sessions=sessions,
        keys=keys,
        catalog=catalog,
        apis=apis,
        usage=UsageService(Keys(sessions), Prices(sessions)),
        reports=ReportService(core.clock, Keys(sessions)),
        repeats=Repeats(core.clock, core.ring),
        audit=AuditService(sessions, core.ring, core.clock),
        configurations=Configurations(catalog, Declarations(core.clock), apis, admitted.projects, admitted.issuers),
        maintenance=Maintenance(
            core.database,
            core.ring,
            core.clock,
            core.loaded.home.path,
            core.loaded.settings.console.host if doors.certificate(core.loaded) is None else "localhost",
            look_around=lambda: [
                *doctor.database(core.outage(), core.copy.trouble),
                *doctor.journal(core.recorder.set_aside()),
                *doctor.room(core.pulses.journals_full, core.pulses.totals.dropped),
                *doctor.models(core.engine.ignored()),
                *doctor.certificates(certificates.all(), core.clock.now()),
                *doctor.hot_path(),
            ],
            node=node_id(core.loaded.home) if core.database.shared else "",
        ),
        certificates=certificates,
        people=admitted,
        system=system,
        live=live,
        metrics=MetricsPage(
            Exposition(core.tallies), lambda: core.measured(len(live)), lambda: core.loaded.settings.metrics.open_to == "loopback"
        ),
    )


def keep_audit(of: "Services", wanted: Callable[[], "Audit"]) -> Coroutine[Any, Any, None]:
    """Look after the audit, for ever."""
    from sekisho.audit.jobs import keep

    return keep(of.audit, wanted)


def keep_logins(of: "Services") -> Coroutine[Any, Any, None]:
    """Write down how many failed logins have no row of their own, for ever."""
    from sekisho.identity.logins.jobs import keep

    return keep(of.people.logins.failures)


def keep_reading(core: Core, of: "Services") -> Coroutine[Any, Any, None]:
    """Keep what long reports and repeated requests read, for ever."""
    from sekisho.usage.reports.jobs import keep

    return keep(core.database, of.reports, lambda: of.repeats.tidy(of.sessions))


def applications(of: "Services") -> tuple[App, App]:
    """The management application and the console behind their two doors: for the local owner, and for what comes through the tunnel."""
    from sekisho.api import console
    from sekisho.api.app import create_app
    from sekisho.api.doors import door

    app = create_app(of, console=console.load())
    return door(app, "local"), door(app, "tunnel")


async def first_key(of: "Services") -> FirstKey | None:
    """Make the first key where none was ever made."""

    async def make(session: "Session") -> "Issued | None":
        # Asked where nobody else writes: two nodes may start at the same moment.
        return None if await of.keys.page(session, 1, None) else await of.keys.create(session, label=FIRST_KEY_LABEL)

    async with of.sessions.read() as session:
        if await of.keys.page(session, 1, None):
            return None
    made = (await of.sessions.transact(make)).value
    return None if made is None else FirstKey(made.key.id, made.plain)


async def setup_token(of: "Services") -> crypto.Secret | None:
    """A new secret for the setup link, as long as there is no owner; the one before opens nothing any more."""
    async with of.sessions.read() as session:
        if await of.people.users.claimed(session):
            return None
    return (await of.sessions.transact(of.people.logins.make_setup_link)).value


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
