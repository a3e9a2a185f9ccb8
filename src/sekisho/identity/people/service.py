"""Makes, changes and tells of users.

There is always an owner who can come in: nothing removes the last one. Who is no owner touches no owner, by whatever way.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sekisho.core.model import ids
from sekisho.identity.people import repository
from sekisho.identity.people.model import Found, User, folded, told
from sekisho.identity.sessions.service import SessionService
from sekisho.kit.clock import Clock
from sekisho.rest.errors import conflict, not_found
from sekisho.rest.permissions import Caller, Permission, Role, require
from sekisho.storage.session import Session


@dataclass(frozen=True)
class Changed:
    """A user after a change, and the sessions that ended by it."""

    user: User
    ended: frozenset[str] = frozenset()
    """Sessions that are over."""


class UserService:
    """What can be done with users."""

    def __init__(self, clock: Clock, sessions: SessionService) -> None:
        self._clock = clock
        self._sessions = sessions

    async def find(self, session: Session, user_id: str) -> User:
        """The user of this id; raises ApiError 404."""
        user = await repository.find(session.connection, user_id)
        if user is None:
            raise not_found("user", user_id)
        return user

    async def by_email(self, session: Session, email: str) -> User | None:
        """Who has this address, however it is spelled."""
        return await repository.by_email(session.connection, folded(email))

    async def password(self, session: Session, user_id: str) -> str | None:
        """The hash of somebody's password, to be compared with and for nothing else."""
        return await repository.password(session.connection, user_id)

    async def page(self, session: Session, found: Found, limit: int, after: tuple[int, str] | None) -> list[User]:
        """Newest first."""
        return await repository.page(session.connection, found, limit, after)

    async def claimed(self, session: Session) -> bool:
        """Whether this installation has, or had, an owner with a login."""
        return await repository.any_owner(session.connection)

    async def create(
        self, session: Session, *, email: str, name: str, role: Role, password: str | None, language: str | None = None
    ) -> User:
        """Make a user; `password` is its hash already. Raises ApiError 409 where the address is taken."""
        now = self._clock.now()
        await self._require_free(session, folded(email))
        user = User(
            id=ids.readable(os.urandom(10)),
            email=folded(email),
            name=name,
            role=role,
            language=language,
            created_at=now,
            updated_at=now,
            last_login_at=None,
            deactivated_at=None,
            has_password=password is not None,
        )
        await repository.add(session.connection, user, password)
        session.record("user.created", "user", user.id, after=told(user))
        return user

    async def change(
        self,
        session: Session,
        user_id: str,
        by: Caller,
        *,
        role: Role | None = None,
        active: bool | None = None,
        name: str | None = None,
    ) -> Changed:
        """Change somebody else; what is None stays. A lesser role or none acts at once, on what is open as well.

        Raises ApiError 403 where an owner is made or touched by who is none, 404, and 409 for the last owner.
        """
        before = await self.touchable(session, user_id, by)
        if role is Role.OWNER and before.role is not Role.OWNER:
            require(by, Permission.OWNERS_WRITE)
        after = replace(before, role=role or before.role, name=before.name if name is None else name)
        if active is not None and active is not (before.deactivated_at is None):
            after = replace(after, deactivated_at=None if active else self._clock.now())
        if after == before:
            return Changed(before)
        if after.role is not Role.OWNER or after.deactivated_at is not None:
            await self._require_another_owner(session, before)
        after = replace(after, updated_at=self._clock.now())
        await repository.change(
            session.connection,
            user_id,
            role=after.role.value,
            name=after.name,
            deactivated_at=after.deactivated_at,
            updated_at=after.updated_at,
        )
        session.record(_action(before, after), "user", user_id, before=told(before), after=told(after))
        ended = await self._sessions.end_all(session, user_id) if after.deactivated_at is not None else frozenset[str]()
        if (before.role, before.deactivated_at) != (after.role, after.deactivated_at):
            self._sessions.turn(session, user_id)
        return Changed(after, ended)

    async def change_own(self, session: Session, user_id: str, changes: Mapping[str, str | None]) -> User:
        """What people change of themselves: `name`, `email`, `language`. Raises ApiError 409 where the address is taken."""
        before = await self.find(session, user_id)
        after = replace(
            before,
            name=changes.get("name") or before.name,
            email=folded(changes.get("email") or before.email),
            language=changes.get("language", before.language),
        )
        if after == before:
            return before
        if after.email != before.email:
            await self._require_free(session, after.email)
        after = replace(after, updated_at=self._clock.now())
        await repository.change(
            session.connection, user_id, name=after.name, email=after.email, language=after.language, updated_at=after.updated_at
        )
        session.record(
            "user.changed",
            "user",
            user_id,
            before={**told(before), "language": before.language},
            after={**told(after), "language": after.language},
        )
        return after

    async def set_password(self, session: Session, user_id: str, password: str, keep: str | None = None) -> Changed:
        """Give somebody a new password (its hash); all their sessions end but `keep`."""
        user = await self.find(session, user_id)
        now = self._clock.now()
        await repository.change(session.connection, user_id, password=password, updated_at=now)
        session.record("user.password_changed", "user", user_id)
        return Changed(replace(user, has_password=True, updated_at=now), await self._sessions.end_all(session, user_id, but=keep))

    async def logged_in(self, session: Session, user_id: str, password: str | None = None) -> None:
        """Note a login; `password` is the hash made anew, where the old one is dated."""
        values: dict[str, object] = {"last_login_at": self._clock.now()}
        if password is not None:
            values["password"] = password
        await repository.change(session.connection, user_id, **values)

    async def touchable(self, session: Session, user_id: str, by: Caller) -> User:
        """The user, if the caller may change them at all; raises ApiError 403 and 404."""
        user = await self.find(session, user_id)
        if user.role is Role.OWNER:
            require(by, Permission.OWNERS_WRITE)
        return user

    async def another(self, session: Session, user_id: str, by: Caller) -> User:
        """The same for what would let in whoever holds no more than a login of this very person. Raises ApiError 409 for oneself."""
        user = await self.touchable(session, user_id, by)
        if user.id == by.user_id:
            raise conflict("this is your own account; see to it in its own settings, with your password", None, "own_account")
        return user

    async def require_dispensable(self, session: Session, user: User) -> None:
        """Raises ApiError 409 where this is the last owner who can come in."""
        await self._require_another_owner(session, user)

    async def _require_another_owner(self, session: Session, user: User) -> None:
        if user.role is Role.OWNER and user.deactivated_at is None and await repository.owners(session.connection) == [user.id]:
            raise conflict(f"{user.email} is the last owner; make somebody else an owner first", "role", "last_owner")

    async def _require_free(self, session: Session, email: str) -> None:
        if await repository.by_email(session.connection, email) is not None:
            raise conflict(f"there is an account for {email} already", "email", "email_taken")


def _action(before: User, after: User) -> str:
    if before.deactivated_at != after.deactivated_at:
        return "user.reactivated" if after.deactivated_at is None else "user.deactivated"
    return "user.role_changed" if before.role is not after.role else "user.changed"
