"""Gives a person a copy of all that concerns them, and lets them go.

What they did stays, because others rely on it: their calls, the keys and projects that they made, the rows of the audit, whose chain
goes on verifying. Who it was does not stay: the account is gone, the audit knows a pseudonym, and what they made names nobody.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final

from sekisho.identity.departures import repository
from sekisho.identity.people.model import User
from sekisho.identity.people.service import UserService
from sekisho.identity.sessions.service import SessionService
from sekisho.kit.clock import to_rfc3339
from sekisho.rest.permissions import Caller
from sekisho.storage.session import Session, Sessions

_TIMES: Final = "_at"
_ANOTHERS: Final = {"address": "", "actor_token": ""}
"""What concerns only whoever did it, where that was somebody else."""


class DepartureService:
    """What can be done when somebody leaves, or wants to know."""

    def __init__(self, transactions: Sessions, users: UserService, sessions: SessionService) -> None:
        self._transactions = transactions
        self._users = users
        self._sessions = sessions

    async def known(self, user_id: str) -> None:
        """Raise ApiError 404 where there is nobody of this id."""
        async with self._transactions.read() as session:
            await self._users.find(session, user_id)

    async def everything(self, user_id: str) -> AsyncIterator[Mapping[str, Any]]:
        """All that concerns somebody, piece by piece, each with the `record` that it is; secrets are left out."""
        async with self._transactions.read() as session:
            user = await self._users.find(session, user_id)
            found = await repository.everything(session.connection, user_id, user.email)
        for kind, values in found:
            yield {"record": kind, **_plain(values)}
        after = 0
        while True:
            # Each page is a read of its own: whoever fetches them slowly keeps nothing open.
            async with self._transactions.read() as session:
                rows = await repository.audit(session.connection, user_id, after)
            for row in rows:
                yield {"record": "audit", **_plain(row if row["actor_id"] == user_id else {**row, **_ANOTHERS})}
            if len(rows) < repository.PAGE:
                return
            after = rows[-1]["seq"]

    async def erase_another(self, user_id: str, by: Caller) -> str:
        """Let somebody else go; the pseudonym that the audit knows from now on. Raises ApiError 403, 404, and 409."""
        return await self._erase(user_id, by, lambda session: self._users.another(session, user_id, by))

    async def erase(self, user_id: str, by: Caller) -> str:
        """Let somebody go who asks for it, and was confirmed. Raises ApiError 404, and 409 for the last owner."""
        return await self._erase(user_id, by, lambda session: self._users.find(session, user_id))

    async def _erase(self, user_id: str, by: Caller, find: Callable[[Session], Awaitable[User]]) -> str:
        async def work(session: Session) -> str:
            user = await find(session)
            await self._users.require_dispensable(session, user)
            await self._sessions.end_all(session, user_id)
            self._sessions.turn(session, user_id)
            pseudonym = await session.erase(user_id)
            await repository.remove(session.connection, user_id, user.email)
            return pseudonym

        return (await self._transactions.transact(work, by=by)).value


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: to_rfc3339(value) if (name.endswith(_TIMES) or name == "at") and isinstance(value, int) and value else value
        for name, value in values.items()
    }
