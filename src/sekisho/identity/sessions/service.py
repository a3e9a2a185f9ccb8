"""Begins sessions, knows them again and ends them.

A session is a row: without it the pass that a browser carries opens nothing. Nothing is kept in memory, so what ends a session on one
node ends it on all, with the next request.
"""

import logging
import os
from typing import Final

from sekisho.core.model import ids
from sekisho.identity.sessions import repository
from sekisho.identity.sessions.model import CONSOLE, TOKENS, Begun, Endings, LoginSession, Person
from sekisho.identity.sessions.passes import Passes
from sekisho.identity.sessions.settings import People
from sekisho.kit.clock import SECOND, Clock
from sekisho.kit.crypto import Secret, sha256, token
from sekisho.kit.tasks import Tasks
from sekisho.rest.errors import not_found
from sekisho.storage.database import Database
from sekisho.storage.errors import StorageError
from sekisho.storage.session import Session

_log: Final = logging.getLogger(__name__)

MOST: Final = 100
"""Sessions of one person; a further login ends the one that was not used for the longest time."""

SEEN_EVERY: Final = 60 * SECOND
"""How exactly it is known when a session was used last, in microseconds: one write per session and minute at most."""

FRESH: Final = 600 * SECOND
"""How young a login is, in microseconds, that stands for the person who has no password to be asked for."""

REFRESH_PREFIX: Final = "sekrt_"
_AGENT: Final = 200


class SessionService:
    """What can be done with sessions."""

    def __init__(self, clock: Clock, passes: Passes, database: Database, settings: People) -> None:
        self._clock = clock
        self._passes = passes
        self._database = database
        self._settings = settings
        self._noting: set[str] = set()
        self._tasks = Tasks(lambda name, error: _log.warning("%s failed", name, exc_info=error))
        self.endings = Endings()
        """Who keeps something open for a session subscribes here."""

    async def begin(self, session: Session, user_id: str, kind: str, address: str, agent: str) -> Begun:
        """A new session of a person, under a new id, and what opens it."""
        now = self._clock.now()
        await self._clear(session, user_id, now)
        made = LoginSession(
            id=ids.readable(os.urandom(16)),
            user_id=user_id,
            kind=kind,
            created_at=now,
            seen_at=now,
            expires_at=now + self._settings.session_life_s * SECOND,
            address=address,
            agent="".join(letter for letter in agent if letter.isprintable())[:_AGENT],
        )
        await repository.add(session.connection, made)
        return await self._open(session, made, now)

    async def knows_refresh(self, session: Session, text: str) -> bool:
        """Whether this is, or was, a refresh token of ours."""
        return await repository.refresh(session.connection, sha256(text.encode())) is not None

    async def refresh(self, session: Session, text: str) -> Begun | LoginSession | None:
        """Exchange a refresh token for new tokens. One that was used before ends its session, which is then the answer.

        None where the token opens nothing.
        """
        now, digest = self._clock.now(), sha256(text.encode())
        found = await repository.refresh(session.connection, digest)
        known = None if found is None else await repository.behind(session.connection, found[0])
        if found is None or known is None:
            return None
        login, person = known
        if found[1]:
            await self._remove(session, [login.id])
            return login
        if not self._lasts(login, now) or not person.active:
            return None
        await repository.use_refresh(session.connection, digest, now)
        await repository.seen(session.connection, login.id, now)
        return await self._open(session, login, now)

    async def recognise(self, session: Session, text: str, kind: str, *, used: bool = True) -> tuple[LoginSession, Person] | None:
        """The session that a pass opens, and who is behind it; None where it opens nothing (any more). `used`: this is a use of it."""
        now = self._clock.now()
        session_id = self._passes.read(text, kind, now)
        found = None if session_id is None else await repository.behind(session.connection, session_id)
        if found is None or found[0].kind != kind or not self._lasts(found[0], now) or not found[1].active:
            return None
        if used and now - found[0].seen_at >= SEEN_EVERY and found[0].id not in self._noting:
            self._noting.add(found[0].id)
            self._tasks.start(self._note(found[0].id, now), "noting that a session is used")
        return found

    async def is_fresh(self, session: Session, session_id: str) -> bool:
        """Whether a session began a short while ago."""
        found = await repository.behind(session.connection, session_id)
        return found is not None and self._clock.now() - found[0].created_at < FRESH

    async def person(self, session: Session, user_id: str) -> Person | None:
        """Who a user is; None where there is none, or not any more."""
        found = await repository.person(session.connection, user_id)
        return found if found is not None and found.active else None

    async def of_user(self, session: Session, user_id: str) -> list[LoginSession]:
        """The sessions of a person that last, those used last first."""
        now = self._clock.now()
        return [each for each in await repository.of_user(session.connection, user_id) if self._lasts(each, now)]

    async def end(self, session: Session, user_id: str, session_id: str) -> LoginSession:
        """End one session of this person; raises ApiError 404 where it is not one."""
        for each in await self.of_user(session, user_id):
            if each.id == session_id:
                await self._remove(session, [session_id])
                return each
        raise not_found("session", session_id)

    async def end_all(self, session: Session, user_id: str, but: str | None = None) -> frozenset[str]:
        """End all sessions of this person but one; their ids."""
        over = [each.id for each in await repository.of_user(session.connection, user_id) if each.id != but]
        await self._remove(session, over)
        return frozenset(over)

    def turn(self, session: Session, user_id: str) -> None:
        """What this person may do changes in this transaction: whatever is open for them closes and may be opened anew."""
        session.afterwards(lambda: self.endings.tell(frozenset(), user_id))

    def csrf(self, session_id: str) -> str:
        """What a page of ours sends beside the cookie with every change."""
        return self._passes.csrf(session_id)

    def csrf_matches(self, session_id: str, given: str) -> bool:
        return self._passes.csrf_matches(session_id, given)

    def _lasts(self, login: LoginSession, now: int) -> bool:
        return now < min(login.expires_at, login.seen_at + self._settings.session_idle_s * SECOND)

    async def _open(self, session: Session, login: LoginSession, now: int) -> Begun:
        if login.kind == CONSOLE:
            return Begun(login, self._passes.sign(login.id, CONSOLE, now, login.expires_at), login.expires_at)
        end = min(login.expires_at, now + self._settings.access_token_s * SECOND)
        refresh = Secret(REFRESH_PREFIX + token())
        await repository.add_refresh(session.connection, sha256(refresh.reveal().encode()), login.id, now)
        return Begun(login, self._passes.sign(login.id, TOKENS, now, end), end, refresh)

    async def _clear(self, session: Session, user_id: str, now: int) -> None:
        """Remove what is over, and make room for one more of this person."""
        over = await repository.ended(session.connection, now, now - self._settings.session_idle_s * SECOND)
        over += [each.id for each in (await repository.of_user(session.connection, user_id))[MOST - 1 :]]
        await self._remove(session, over)

    async def _remove(self, session: Session, session_ids: list[str]) -> None:
        """Remove sessions, and tell whoever keeps something open for them."""
        if session_ids:
            await repository.remove(session.connection, session_ids)
            session.afterwards(lambda: self.endings.tell(frozenset(session_ids)))

    async def _note(self, session_id: str, at: int) -> None:
        try:
            async with self._database.writer() as connection:
                await repository.seen(connection, session_id, at)
        except StorageError:
            # Reading goes on while nothing can be written; the session ends a little sooner than it would have.
            _log.debug("that a session is used was not noted", exc_info=True)
        finally:
            self._noting.discard(session_id)
