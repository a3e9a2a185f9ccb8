"""Lets people in: by the setup link, by a password, by a registration, by a refresh token; and changes passwords.

Nothing here tells a stranger whether an account exists: the answer, its cost and the slowing down are the same. Whatever fails is a row
of the audit, in a transaction of its own, since the refusal itself undoes nothing.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Final

from sekisho.core.model.errors import Kind, Refusal
from sekisho.identity.logins import repository
from sekisho.identity.logins.failures import Failures, Source
from sekisho.identity.logins.model import Factor, Invitations, LoggedIn, Place, SecondFactor, Typed
from sekisho.identity.logins.throttles import Attempt, Throttle
from sekisho.identity.people.model import User, folded
from sekisho.identity.people.passwords import Passwords, require_good
from sekisho.identity.people.service import Changed, UserService
from sekisho.identity.sessions.model import CONSOLE, TOKENS, Begun, LoginSession
from sekisho.identity.sessions.service import FRESH, SessionService
from sekisho.identity.sessions.settings import People
from sekisho.kit.clock import SECOND, Clock
from sekisho.kit.crypto import Secret, sha256, token
from sekisho.kit.net import source_group
from sekisho.rest.errors import ApiError, conflict, invalid
from sekisho.rest.permissions import Caller, Role
from sekisho.storage.session import Session, Sessions

_SETUP: Final = "setup"
_REGISTER: Final = "register"
_LOGIN: Final = "login "
"""What attempts are counted as; at a login the address that was typed stands behind it, whatever that is."""


class LoginService:
    """What somebody can do to get in."""

    def __init__(
        self,
        clock: Clock,
        transactions: Sessions,
        users: UserService,
        sessions: SessionService,
        passwords: Passwords,
        settings: People,
        second_factor: SecondFactor,
        invitations: Invitations,
    ) -> None:
        self._clock = clock
        self._transactions = transactions
        self._users = users
        self._sessions = sessions
        self._passwords = passwords
        self._settings = settings
        self._second_factor = second_factor
        self._invitations = invitations
        self._throttle = Throttle()
        self.failures = Failures(clock, transactions)
        """What is written down of them."""

    @property
    def registration(self) -> str:
        """`people.registration` in force."""
        return self._settings.registration

    async def make_setup_link(self, session: Session) -> Secret:
        """The secret of the link that makes the first owner; the one before opens nothing any more. Raises ApiError 409 if claimed."""
        await self._require_unclaimed(session)
        secret = Secret(token())
        await repository.replace_link(session.connection, _digest(secret.reveal()), self._clock.now())
        session.record("setup_link.created", "setup_link", "")
        return secret

    async def claim(self, secret: Secret, typed: Typed, name: str, language: str | None, place: Place, by: Caller) -> LoggedIn:
        """Make the first owner of who holds the setup link, and log them in. Of two at once one wins; the other gets 409.

        Raises ApiError 403 for a wrong link, 409, 422, 429, 503.
        """
        async with self._transactions.read() as session:
            await self._require_unclaimed(session)
            right = await repository.is_link(session.connection, _digest(secret.reveal()))
        if not right:
            attempt = self._attempt(_SETUP, place, known=False)
            await self._refuse(attempt, by, "setup_link.refused", "setup_link", "", _no_such_link())
        require_good(typed.password.reveal(), typed.email, name)
        hashed = await self._passwords.hash(typed.password.reveal())

        async def work(session: Session) -> LoggedIn:
            await self._require_unclaimed(session)
            if not await repository.is_link(session.connection, _digest(secret.reveal())):
                raise _no_such_link()
            user = await self._users.create(session, email=typed.email, name=name, role=Role.OWNER, password=hashed, language=language)
            await repository.remove_links(session.connection)
            session.record("setup.claimed", "user", user.id)
            return await self._begin(session, user, CONSOLE, place)

        return await self._commit(work, by, typed.email)

    async def register(
        self, typed: Typed, name: str, language: str | None, invitation: Secret | None, place: Place, by: Caller
    ) -> LoggedIn:
        """Make an account for who asks, if that is allowed, and log them in.

        Raises ApiError 403 where it is not, 409 where the address is taken, 422, 429, 503.
        """
        if self._settings.registration == "closed":
            raise _no_registration("registration_closed", "accounts are made by an administrator here; ask one")
        if invitation is None and self._settings.registration != "open":
            raise _no_registration("invitation_required", "an account needs an invitation here; open the link that you were sent")
        account = folded(typed.email)
        # Counted where it comes from and nowhere else: whoever tries from many places keeps nobody else from registering.
        attempt = self._attempt(_REGISTER, place, known=True)
        async with self._transactions.read() as session:
            if not await self._users.claimed(session):
                raise conflict("this installation is not set up yet; open its setup link first", None, "setup_required")
            if invitation is not None:
                # Before the costly part: a stranger's guess costs one look-up.
                await self._invitations.promised(session, invitation.reveal(), account)
        try:
            require_good(typed.password.reveal(), typed.email, name)
            hashed = await self._passwords.hash(typed.password.reveal())
        except ApiError:
            self._throttle.give_back(attempt)
            raise

        async def work(session: Session) -> LoggedIn:
            role = Role(self._settings.registration_role)
            if invitation is not None:
                role = await self._invitations.redeem(session, invitation.reveal(), account)
            user = await self._users.create(session, email=typed.email, name=name, role=role, password=hashed, language=language)
            if invitation is not None:
                await self._invitations.redeemed(session, invitation.reveal(), user.id)
            return await self._begin(session, user, CONSOLE, place)

        done = await self._commit(work, by, typed.email)
        self._throttle.succeeded(attempt)
        return done

    async def login(self, typed: Typed, place: Place, by: Caller, *, tokens: bool = False) -> LoggedIn:
        """Begin a session for who knows the password, and the code where there is a second factor.

        Raises ApiError 401 (`invalid_credentials`, `totp_required`, `totp_invalid`), 403 for a deactivated account whose password was
        right, 429 and 503.
        """
        account = folded(typed.email)
        # Most of a storm ends here, before anything is read.
        if (wait := self._throttle.waiting(_LOGIN + account, place.address, self._clock.monotonic())) > 0:
            raise _too_many(wait)
        self._passwords.require_room()
        async with self._transactions.read() as session:
            user = await self._users.by_email(session, account)
            kept = None if user is None else await self._users.password(session, user.id)
            known = user is not None and any(each.address == place.address for each in await self._sessions.of_user(session, user.id))
        attempt = self._attempt(_LOGIN + account, place, known=known)
        try:
            right = await self._passwords.matches(typed.password.reveal(), kept)
            dated = right and kept is not None and self._passwords.is_dated(kept)
            anew = await self._passwords.hash(typed.password.reveal()) if dated else None
        except ApiError:
            self._throttle.give_back(attempt)
            raise
        if user is None or not right:
            await self._refuse(attempt, by, "login.failed", "user", "" if user is None else user.id, _wrong())
        assert user is not None

        async def work(session: Session) -> LoggedIn | Factor | None:
            now = await self._users.find(session, user.id)
            if now.deactivated_at is not None or await self._users.password(session, user.id) != kept:
                return None
            factor = await self._second_factor.verify(session, user.id, typed.code)
            if factor is not Factor.PASSED:
                return factor
            return await self._begin(session, now, TOKENS if tokens else CONSOLE, place, anew)

        done = (await self._transactions.transact(work, by=replace(by, name=user.email, user_id=user.id))).value
        if isinstance(done, LoggedIn):
            self._throttle.succeeded(attempt)
            return done
        if done is Factor.REQUIRED:
            self._throttle.give_back(attempt)
            raise _unauthorised("totp_required", "this account has a second factor; send its code as `totp`")
        if done is Factor.INVALID:
            await self._refuse(
                attempt, by, "login.failed", "user", user.id, _unauthorised("totp_invalid", "the code is wrong, or was used")
            )
        return await self._refuse(attempt, by, "login.failed", "user", user.id, _deactivated())

    async def admit(self, session: Session, user: User, place: Place) -> LoggedIn:
        """Begin a console session for somebody whom another house vouches for; raises ApiError 403 where the account is deactivated."""
        if user.deactivated_at is not None:
            raise _deactivated()
        return await self._begin(session, user, CONSOLE, place)

    async def refresh(self, text: Secret, by: Caller) -> Begun:
        """New tokens for a refresh token, which is used up. Seen again, it ends its session; raises ApiError 401."""

        async def work(session: Session) -> Begun | LoginSession | None:
            done = await self._sessions.refresh(session, text.reveal())
            if isinstance(done, LoginSession):
                session.record(
                    "session.revoked", "session", done.id, after={"reason": "a refresh token was used twice"}, person=done.user_id
                )
            return done

        async with self._transactions.read() as session:
            # Strangers' guesses do not queue up where people write.
            known = await self._sessions.knows_refresh(session, text.reveal())
        done = (await self._transactions.transact(work, by=by)).value if known else None
        if isinstance(done, Begun):
            return done
        raise _unauthorised("invalid_refresh_token", "the refresh token opens nothing (any more); log in again")

    async def change_password(self, user_id: str, old: Secret, new: Secret, by: Caller) -> Changed:
        """Give oneself a new password; all other sessions end. Raises ApiError 403 for a wrong old one, 422, 429, 503."""
        user = await self._confirmed(user_id, old, by)
        require_good(new.reveal(), user.email, user.name, param="new_password")
        hashed = await self._passwords.hash(new.reveal())
        work = partial(self._users.set_password, user_id=user_id, password=hashed, keep=by.session_id)
        return (await self._transactions.transact(work, by=by)).value

    async def confirm(self, user_id: str, password: Secret | None, by: Caller) -> None:
        """Make sure that it is still this person who asks, before something grave: by their password, or where they have none, by a
        login that is no older than `sessions.service.FRESH`. Raises ApiError 403, 422, 429, 503.
        """
        async with self._transactions.read() as session:
            user = await self._users.find(session, user_id)
            if not user.has_password:
                if by.session_id is None or not await self._sessions.is_fresh(session, by.session_id):
                    raise _too_old()
                return
        if password is None:
            raise invalid("current_password: this needs your password", "current_password", "missing_field")
        await self._confirmed(user_id, password, by)

    async def _confirmed(self, user_id: str, password: Secret, by: Caller) -> User:
        async with self._transactions.read() as session:
            user = await self._users.find(session, user_id)
            kept = await self._users.password(session, user_id)
        # A stolen session must not be a way to guess at leisure.
        attempt = self._attempt(_LOGIN + user.email, Place(by.address, ""), known=True)
        try:
            right = await self._passwords.matches(password.reveal(), kept)
        except ApiError:
            self._throttle.give_back(attempt)
            raise
        if not right:
            message = "current_password: this is not your password"
            refusal = ApiError(Refusal(403, Kind.PERMISSION, "wrong_password", message, "current_password"))
            await self._refuse(attempt, by, "login.failed", "user", user_id, refusal)
        self._throttle.succeeded(attempt)
        return user

    def _attempt(self, account: str, place: Place, *, known: bool) -> Attempt:
        attempt = self._throttle.begin(account, place.address, self._clock.monotonic(), known=known)
        if isinstance(attempt, int):
            raise _too_many(attempt)
        return attempt

    async def _refuse(self, attempt: Attempt, by: Caller, action: str, kind: str, object_id: str, error: ApiError) -> LoggedIn:
        """Write down that it failed, and fail."""
        source = Source(action, "address", source_group(by.address))
        await self.failures.write(source, kind, object_id, {"reason": error.refusal.code}, by)
        raise error

    async def _begin(self, session: Session, user: User, kind: str, place: Place, password: str | None = None) -> LoggedIn:
        """Let somebody in; `password` is its hash made anew, where the old one was dated."""
        await self._users.logged_in(session, user.id, password)
        begun = await self._sessions.begin(session, user.id, kind, place.address, place.agent)
        session.record("session.started", "session", begun.session.id, after={"kind": kind, "user_id": user.id}, person=user.id)
        return LoggedIn(user, begun)

    async def _commit(self, work: Callable[[Session], Awaitable[LoggedIn]], by: Caller, email: str) -> LoggedIn:
        """Somebody who makes an account is who it is for."""
        return (await self._transactions.transact(work, by=replace(by, name=folded(email)))).value

    async def _require_unclaimed(self, session: Session) -> None:
        if await self._users.claimed(session):
            raise conflict("this installation has its owner already; log in", None, "already_claimed")


def _digest(secret: str) -> bytes:
    return sha256(b"sekisho setup link " + secret.encode())


def _unauthorised(code: str, message: str) -> ApiError:
    return ApiError(Refusal(401, Kind.AUTHENTICATION, code, message))


def _too_many(seconds: int) -> ApiError:
    message = f"too many attempts; try again in {seconds} s"
    return ApiError(Refusal(429, Kind.RATE_LIMIT, "too_many_attempts", message, retry_after=seconds, should_retry=True))


def _wrong() -> ApiError:
    return _unauthorised("invalid_credentials", "the e-mail or the password is wrong")


def _too_old() -> ApiError:
    message = f"your login is older than {FRESH // SECOND // 60} minutes; log out, log in again, and repeat this"
    return ApiError(Refusal(403, Kind.PERMISSION, "fresh_login_required", message))


def _deactivated() -> ApiError:
    return ApiError(Refusal(403, Kind.PERMISSION, "account_deactivated", "this account may not come in any more; ask an administrator"))


def _no_registration(code: str, message: str) -> ApiError:
    return ApiError(Refusal(403, Kind.PERMISSION, code, message))


def _no_such_link() -> ApiError:
    message = "this setup link opens nothing (any more); make a new one with `sekisho users setup-link` on the host"
    return ApiError(Refusal(403, Kind.PERMISSION, "setup_link_invalid", message, "token"))
