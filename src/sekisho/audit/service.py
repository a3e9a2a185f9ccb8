"""Tells what was refused."""

from sekisho.audit import repository
from sekisho.audit.model import RefusedRequest
from sekisho.storage.session import Session


class AuditService:
    """What can be asked about refusals."""

    async def newest(self, session: Session, limit: int, before: int | None) -> list[RefusedRequest]:
        """Newest recorded first."""
        return await repository.newest(session.connection, limit, before)
