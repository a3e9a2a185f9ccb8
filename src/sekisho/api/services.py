"""What the application is made of. `app/build.py` makes each of these; nothing here makes anything."""

from dataclasses import dataclass
from typing import Protocol

from sekisho.api.configurations.service import Configurations
from sekisho.api.live import Live
from sekisho.api.maintenance import Maintenance
from sekisho.api.metrics import MetricsPage
from sekisho.audit.service import AuditService
from sekisho.catalog.apis.service import ApiService
from sekisho.catalog.service import CatalogService
from sekisho.certs.service import CertificateService
from sekisho.core.model.errors import Refusal
from sekisho.identity.departures.service import DepartureService
from sekisho.identity.factors.service import FactorService
from sekisho.identity.issuers.service import IssuerService
from sekisho.identity.links.service import LinkService
from sekisho.identity.logins.service import LoginService
from sekisho.identity.people.passwords import Passwords
from sekisho.identity.people.service import UserService
from sekisho.identity.projects.service import ProjectService
from sekisho.identity.service import KeyService
from sekisho.identity.sessions.identification import Identification
from sekisho.identity.sessions.service import SessionService
from sekisho.identity.tokens.service import TokenService
from sekisho.rest.origins import Addressing
from sekisho.rest.repeats import Repeats
from sekisho.storage.session import Sessions
from sekisho.usage.reports.service import ReportService
from sekisho.usage.service import UsageService


class System(Protocol):
    """The running product, as far as the management API looks at it and steers it."""

    async def status(self) -> dict[str, object]:
        """Processes, ports, journal, engines: everything that `GET /api/status` tells but the revision."""
        ...

    def settings(self) -> list[dict[str, object]]:
        """Every setting in force as `name`, `value` and `source`; secrets are masked already."""
        ...

    async def reload(self) -> str | None:
        """Ask for the settings to be read again; returns at once, with a line for people where they are bad and nothing was asked."""
        ...

    async def stop(self) -> None:
        """Ask for the end; returns at once."""
        ...

    async def proxy(self) -> dict[str, object]:
        """The listeners, the TLS mode, and the files of certificate and root."""
        ...

    async def open_listener(self, name: str, host: str, port: int, mode: str | None) -> dict[str, object] | Refusal:
        """Take calls on one more port, in the TLS mode that is in force; the listener, with `warnings`."""
        ...

    async def close_listener(self, name: str) -> dict[str, object] | Refusal:
        """Free the port of a listener that was opened so; the listener, with `warnings`."""
        ...

    async def reload_certificates(self) -> str | None:
        """Let the doors read their certificate again; a line for people where it is bad, and then nothing was changed."""
        ...


@dataclass(frozen=True)
class People:
    """What lets people in, and knows them again."""

    users: UserService
    sessions: SessionService
    passwords: Passwords
    logins: LoginService
    addressing: Addressing
    identification: Identification
    projects: ProjectService
    tokens: TokenService
    factors: FactorService
    links: LinkService
    issuers: IssuerService
    departures: DepartureService


@dataclass(frozen=True)
class Services:
    """All that the routes use."""

    sessions: Sessions
    keys: KeyService
    catalog: CatalogService
    apis: ApiService
    usage: UsageService
    reports: ReportService
    repeats: Repeats
    audit: AuditService
    configurations: Configurations
    maintenance: Maintenance
    certificates: CertificateService
    people: People
    system: System
    live: Live
    metrics: MetricsPage
