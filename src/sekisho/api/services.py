"""What the application is made of. `app/build.py` makes each of these; nothing here makes anything."""

from dataclasses import dataclass
from typing import Protocol

from sekisho.api.maintenance import Maintenance
from sekisho.audit.service import AuditService
from sekisho.catalog.service import CatalogService
from sekisho.certs.service import CertificateService
from sekisho.core.model.errors import Refusal
from sekisho.identity.service import KeyService
from sekisho.storage.session import Sessions
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
class Services:
    """All that the routes use."""

    sessions: Sessions
    keys: KeyService
    catalog: CatalogService
    usage: UsageService
    audit: AuditService
    maintenance: Maintenance
    certificates: CertificateService
    system: System
