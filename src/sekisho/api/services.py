"""What the application is made of. `app/build.py` makes each of these; nothing here makes anything."""

from dataclasses import dataclass
from typing import Protocol

from sekisho.api.maintenance import Maintenance
from sekisho.audit.service import AuditService
from sekisho.catalog.service import CatalogService
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


@dataclass(frozen=True)
class Services:
    """All that the routes use."""

    sessions: Sessions
    keys: KeyService
    catalog: CatalogService
    usage: UsageService
    audit: AuditService
    maintenance: Maintenance
    system: System
