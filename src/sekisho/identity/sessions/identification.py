"""Finds out who stands behind the cookie or the token of a request: the one place where a stranger becomes somebody.

One indexed read per request, two for those whom projects bound. A request that no page of ours and no script would send is refused
before anybody is looked up.
"""

from dataclasses import replace
from typing import Final

from starlette.requests import HTTPConnection

from sekisho.core.model.errors import Kind, Refusal
from sekisho.identity.sessions import cookies
from sekisho.identity.sessions.model import CONSOLE, TOKENS, AccessTokens, Memberships, Person
from sekisho.identity.sessions.service import SessionService
from sekisho.rest import origins
from sekisho.rest.errors import ApiError
from sekisho.rest.permissions import DEMANDED, LOOKED_AGAIN, Caller, Permission, Role
from sekisho.storage.session import Session, Sessions

CSRF: Final = "x-csrf-token"
BY_ITSELF: Final = "x-by-itself"
"""With the value 1: a page asks on its own, by a timer, and nobody stands behind it."""
_MOST_TOKEN: Final = 2048


class Identification:
    """Use as `app.state.identifies`."""

    def __init__(
        self,
        transactions: Sessions,
        sessions: SessionService,
        addressing: origins.Addressing,
        memberships: Memberships,
        tokens: AccessTokens,
    ) -> None:
        self._transactions = transactions
        self._sessions = sessions
        self._addressing = addressing
        self._memberships = memberships
        self._tokens = tokens

    async def __call__(self, connection: HTTPConnection, stranger: Caller) -> Caller:
        """The caller, or the stranger; raises ApiError 400, 403, 415 and 421, and StorageError."""
        change, public = origins.is_change(connection), connection.scope.get(DEMANDED) is Permission.PUBLIC
        if change or not public:
            # What anybody may read is read under any name, by whoever looks after this host's health.
            origins.require_known_host(connection, self._addressing)
        if change:
            origins.require_own_page(connection)
            origins.require_json(connection)
        cookie, token = connection.cookies.get(cookies.name_for(connection)), _bearer(connection)
        if cookie and token:
            raise _ambiguous("a cookie and an Authorization header")
        if cookie:
            if connection.scope["type"] == "websocket":
                origins.require_named_origin(connection)
            return await self._by_cookie(connection, cookie, stranger, change=change)
        return await self._by_token(token, stranger, used=_is_use(connection)) if token else stranger

    async def _by_cookie(self, connection: HTTPConnection, cookie: str, stranger: Caller, *, change: bool) -> Caller:
        async with self._transactions.read() as session:
            found = await self._sessions.recognise(session, cookie, CONSOLE, used=_is_use(connection))
            if found is None:
                return stranger
            login, person = found
            if change and not self._sessions.csrf_matches(login.id, connection.headers.get(CSRF, "")):
                if connection.scope.get(DEMANDED) is Permission.PUBLIC:
                    # To log in once more needs nothing of the session that is there.
                    return stranger
                message = f"the header {CSRF} is missing or is not this session's; GET /api/auth/me tells it"
                raise ApiError(Refusal(403, Kind.PERMISSION, "csrf_token_invalid", message))
            return await self._caller(session, person, replace(stranger, session_id=login.id))

    async def _by_token(self, token: str, stranger: Caller, *, used: bool) -> Caller:
        async with self._transactions.read() as session:
            if token.startswith(self._tokens.prefix):
                holder = await self._tokens.holder(session, token, used=used)
                person = None if holder is None else await self._sessions.person(session, holder.user_id)
                if holder is None or person is None:
                    return stranger
                return await self._caller(session, person, replace(stranger, token_id=holder.token_id, scopes=holder.scopes))
            found = await self._sessions.recognise(session, token, TOKENS, used=used)
            return stranger if found is None else await self._caller(session, found[1], replace(stranger, session_id=found[0].id))

    async def _caller(self, session: Session, person: Person, so_far: Caller) -> Caller:
        bounded = person.role in (Role.USER, Role.GUEST)
        projects = await self._memberships.memberships(session, person.id) if bounded else {}
        return replace(so_far, role=person.role, name=person.email, user_id=person.id, projects=projects)


def _is_use(connection: HTTPConnection) -> bool:
    """Whether somebody does something: neither a socket that is looked at again nor what a page asks by itself keeps a login alive."""
    return LOOKED_AGAIN not in connection.scope and connection.headers.get(BY_ITSELF) != "1"


def _bearer(connection: HTTPConnection) -> str | None:
    """The token of the one Authorization header, if it is a bearer's; raises ApiError 400 where there are several."""
    given = connection.headers.getlist("authorization")
    if len(given) > 1:
        raise _ambiguous("two Authorization headers")
    scheme, _, token = given[0].partition(" ") if given else ("", "", "")
    token = token.strip()
    return token if scheme.lower() == "bearer" and 0 < len(token) <= _MOST_TOKEN else None


def _ambiguous(what: str) -> ApiError:
    return ApiError(Refusal(400, Kind.INVALID, "ambiguous_credentials", f"the request carries {what}; send one"))
