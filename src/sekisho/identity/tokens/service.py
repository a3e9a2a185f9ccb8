"""Issues access tokens, and says whose one is.

A token never reaches further than its person: what it may do is cut to the person's role and projects at each use, so a demotion
narrows it at once. It makes no tokens of its own.
"""

import logging
import os
from collections.abc import Collection
from dataclasses import replace
from typing import Final

from sekisho.core.model.errors import Kind, Refusal
from sekisho.core.model.ids import readable
from sekisho.identity.sessions.model import TokenHolder
from sekisho.identity.sessions.service import SessionService
from sekisho.identity.tokens import repository
from sekisho.identity.tokens.model import PREFIX, AccessToken, IssuedToken
from sekisho.kit.clock import SECOND, Clock
from sekisho.kit.crypto import Secret, sha256, token
from sekisho.kit.tasks import Tasks
from sekisho.rest.errors import ApiError, conflict, invalid, not_found
from sekisho.rest.permissions import Caller, Permission, allows
from sekisho.storage.database import Database
from sekisho.storage.errors import StorageError
from sekisho.storage.session import Session

_log: Final = logging.getLogger(__name__)

MOST: Final = 100
"""Live tokens of one person."""

MAX_LENGTH: Final = 100
"""Characters of a token; what is longer is none."""

USED_EVERY: Final = 60 * SECOND
"""How exactly the last use is noted."""


class TokenService:
    """What can be done with access tokens."""

    prefix = PREFIX

    def __init__(self, clock: Clock, database: Database, sessions: SessionService) -> None:
        self._clock = clock
        self._database = database
        self._sessions = sessions
        self._noting: set[str] = set()
        self._tasks = Tasks(lambda name, error: _log.warning("%s failed", name, exc_info=error))

    async def create(
        self, session: Session, caller: Caller, *, name: str, scopes: Collection[Permission] | None, expires_in: int
    ) -> IssuedToken:
        """Make a token for the caller; `expires_in` in seconds. Raises ApiError."""
        user_id = account_of(caller)
        now = self._clock.now()
        wider = [each for each in scopes or () if each is Permission.PUBLIC or not allows(caller, each)]
        if wider:
            raise invalid(f"you may not do {wider[0].value} yourself; leave it out", "scopes", "scope_not_allowed")
        if len(await repository.of_user(session.connection, user_id)) >= MOST:
            raise conflict(f"you have {MOST} access tokens; revoke one first", None, "too_many_tokens")
        token_id = readable(os.urandom(10))
        plain = f"{PREFIX}{token_id}_{token()}"
        made = AccessToken(
            id=token_id,
            user_id=user_id,
            name=name,
            last4=plain[-4:],
            scopes=None if scopes is None else tuple(sorted(set(scopes))),
            created_at=now,
            expires_at=now + expires_in * SECOND,
            last_used_at=None,
            revoked_at=None,
        )
        await repository.add(session.connection, made, sha256(plain.encode()))
        session.record(
            "token.created",
            "token",
            token_id,
            after={"name": name, "scopes": made.scopes and list(made.scopes), "expires_in_s": expires_in},
            person=user_id,
        )
        return IssuedToken(made, Secret(plain))

    async def of_user(self, session: Session, user_id: str) -> list[AccessToken]:
        """Newest first; expired ones included, revoked ones not."""
        return await repository.of_user(session.connection, user_id)

    async def revoke(self, session: Session, user_id: str, token_id: str) -> AccessToken:
        """End a token of somebody, and with it what is open for that person; raises ApiError 404."""
        found = next((each for each in await repository.of_user(session.connection, user_id) if each.id == token_id), None)
        if found is None:
            raise not_found("token", token_id)
        now = self._clock.now()
        await repository.change(session.connection, token_id, revoked_at=now)
        session.record("token.revoked", "token", token_id, before={"name": found.name}, person=user_id)
        self._sessions.turn(session, user_id)
        return replace(found, revoked_at=now)

    async def holder(self, session: Session, text: str, *, used: bool = True) -> TokenHolder | None:
        """Whom a token stands for, if it opens something now; whether that person may come in is not asked here."""
        if len(text) > MAX_LENGTH or not text.isascii():
            return None
        found, now = await repository.by_digest(session.connection, sha256(text.encode())), self._clock.now()
        if found is None or found.revoked_at is not None or found.expires_at <= now:
            return None
        if used and (found.last_used_at is None or now - found.last_used_at >= USED_EVERY) and found.id not in self._noting:
            self._noting.add(found.id)
            self._tasks.start(self._note(found.id, now), "noting that an access token is used")
        return TokenHolder(found.user_id, found.id, _permissions(found))

    async def _note(self, token_id: str, at: int) -> None:
        try:
            async with self._database.writer() as connection:
                await repository.change(connection, token_id, last_used_at=at)
        except StorageError:
            # Reading goes on while nothing can be written; the note is the next use's.
            _log.debug("that an access token is used was not noted", exc_info=True)
        finally:
            self._noting.discard(token_id)


def account_of(caller: Caller) -> str:
    """The id of a caller who logged in as a person; raises ApiError for tokens, and for the local owner, who has no account."""
    if caller.token_id is not None:
        raise ApiError(
            Refusal(403, Kind.PERMISSION, "login_required", "an access token cannot do this; log in with your password in the console")
        )
    if caller.user_id is None:
        raise conflict("the local owner is no account; log in with one in the console", None, "no_account")
    return caller.user_id


def _permissions(found: AccessToken) -> frozenset[Permission] | None:
    """What a token is narrowed to; permissions that there are no more are nobody's."""
    if found.scopes is None:
        return None
    known = {each.value for each in Permission}
    return frozenset(Permission(each) for each in found.scopes if each in known)
