"""Sets up issuers, and lets in whom they vouch for.

Who somebody is over there is told by issuer and subject, never by their address: an address that an issuer has verified opens an
account that is there already only where an administrator said so, and an owner's never. Whatever is refused is a row of the audit with
its reason.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sekisho.core.model.ids import readable
from sekisho.egress.client import Egress, EgressError, Origin, origin_of
from sekisho.identity.issuers import flows, idtokens, repository
from sekisho.identity.issuers.discoveries import Asked, Discoveries
from sekisho.identity.issuers.idtokens import Claims, Expected, RejectedError, UnknownKeyError
from sekisho.identity.issuers.model import Identity, Issuer, place, shown
from sekisho.identity.logins.failures import Source
from sekisho.identity.logins.model import LoggedIn, Place
from sekisho.identity.logins.service import LoginService
from sekisho.identity.people.model import User
from sekisho.identity.people.service import UserService
from sekisho.kit.clock import Clock
from sekisho.kit.crypto import KeyRing, SealError, Secret, digest_of, fingerprint
from sekisho.kit.net import is_loopback
from sekisho.rest import versions
from sekisho.rest.errors import ApiError, conflict, invalid, not_found
from sekisho.rest.permissions import Caller, Role
from sekisho.storage.session import Session, Sessions


@dataclass(frozen=True)
class Answer:
    """What the browser brings back."""

    code: str
    state: str
    error: str
    issuer: str | None
    """RFC 9207."""
    cookie: str | None


@dataclass(frozen=True)
class Begun:
    """Where the browser goes, and what it keeps meanwhile."""

    address: str
    cookie: Secret


class IssuerService:
    """What can be done with issuers."""

    def __init__(
        self,
        clock: Clock,
        ring: KeyRing,
        egress: Egress,
        transactions: Sessions,
        users: UserService,
        logins: LoginService,
    ) -> None:
        self._clock = clock
        self._ring = ring
        self._transactions = transactions
        self._users = users
        self._logins = logins
        self._discoveries = Discoveries(egress, clock)

    # Setting up

    async def everything(self, session: Session) -> list[Issuer]:
        """By name."""
        return await repository.everything(session.connection)

    async def find(self, session: Session, name_or_id: str) -> Issuer:
        """One; raises ApiError 404."""
        found = await repository.find(session.connection, name_or_id)
        if found is None:
            raise not_found("issuer", name_or_id)
        return found

    def check(self, issuer: Issuer) -> None:
        """Raise ApiError 422 where what was written cannot be."""
        _check(issuer)

    async def try_out(self, issuer: Issuer) -> None:
        """Ask the issuer for its addresses and keys; raises ApiError 422 with the reason where they are no good."""
        self._discoveries.forget()
        asked = Asked(issuer.issuer, issuer.ca_bundle)
        try:
            await self._discoveries.discover(asked)
            await self._discoveries.keys(asked)
        except RejectedError as error:
            raise invalid(str(error), "issuer", error.reason) from None

    async def create(self, session: Session, draft: Issuer, secret: Secret | None) -> Issuer:
        """Add one; raises ApiError 409 and 422."""
        _check(draft)
        if await repository.find(session.connection, draft.name) is not None:
            raise conflict(f"there is an issuer {draft.name!r} already; change it, or take another name", "name", "name_taken")
        now = self._clock.now()
        made = replace(draft, id=readable(os.urandom(10)), has_secret=secret is not None, created_at=now, updated_at=now)
        await repository.add(session.connection, made)
        await self._keep(session, made.id, secret)
        session.record("issuer.created", "issuer", made.id, after=_told(made))
        return made

    async def change(
        self, session: Session, name_or_id: str, fields: Mapping[str, object], secret: Secret | None, version: str | None = None
    ) -> Issuer:
        """Set the fields that are given; a `secret` replaces the one before. Raises ApiError."""
        before = await self.find(session, name_or_id)
        versions.require_current(version, before.updated_at, "issuer")
        after = replace(before, **fields)  # type: ignore[arg-type]
        _check(after)
        if origin_of_issuer(after) != origin_of_issuer(before) and before.has_secret and secret is None:
            raise invalid("another issuer is not given the secret of the one before; write client_secret again", "client_secret")
        after = replace(after, has_secret=before.has_secret or secret is not None, updated_at=self._clock.now())
        await repository.change(session.connection, after)
        if secret is not None:
            await self._keep(session, after.id, secret)
        self._discoveries.forget()
        session.record("issuer.changed", "issuer", after.id, before=_told(before), after={**_told(after), "new_secret": secret is not None})
        return after

    async def remove(self, session: Session, name_or_id: str) -> Issuer:
        """Let nobody in by it any more; who came by it keeps the account. Raises ApiError 404."""
        found = await self.find(session, name_or_id)
        await repository.remove(session.connection, found.id)
        session.record("issuer.removed", "issuer", found.id, before=_told(found))
        return found

    async def secret_fingerprint(self, session: Session, issuer: Issuer) -> str:
        """Tells the stored client secret from others and tells nothing of it; a word where it does not open."""
        try:
            secret = self._opened(issuer, await repository.sealed_secret(session.connection, issuer.id))
        except RejectedError:
            return "unreadable"
        return "none" if secret is None else fingerprint(secret)

    async def identities(self, session: Session, user_id: str) -> list[Identity]:
        """By whose word somebody comes in."""
        return await repository.identities(session.connection, user_id)

    # Logging in

    async def begin(self, name: str, next_path: str, by: Caller) -> Begun:
        """Send somebody over there; raises ApiError 404, and RejectedError, which is written down already."""
        issuer = await self._enabled(name)
        try:
            discovery = await self._discoveries.discover(Asked(issuer.issuer, issuer.ca_bundle))
        except RejectedError as error:
            await self._write_down(issuer, error, by)
            raise
        flow = flows.begin(issuer.id, next_path, self._clock.now())
        scopes = " ".join(dict.fromkeys(("openid", *issuer.scopes)))
        address = flows.address(flow, discovery.authorization, issuer.client_id, issuer.redirect_uri, scopes)
        return Begun(address, Secret(flows.pack(flow, self._ring)))

    async def finish(self, name: str, answer: Answer, where: Place, by: Caller) -> tuple[LoggedIn, str]:
        """Let in who comes back, and where in the console they wanted to go.

        Raises ApiError 404, and RejectedError, which is written down already.
        """
        issuer = await self._enabled(name)
        try:
            flow = flows.unpack(answer.cookie, answer.state, issuer.id, self._ring, self._clock.now())
            return await self._admit(issuer, await self._claims(issuer, flow, answer), where, by), flow.next
        except RejectedError as error:
            await self._write_down(issuer, error, by)
            raise

    async def _enabled(self, name: str) -> Issuer:
        async with self._transactions.read() as session:
            issuer = await self.find(session, name)
        if not issuer.enabled or issuer.name != name:
            raise not_found("issuer", name)
        return issuer

    async def _claims(self, issuer: Issuer, flow: flows.Flow, answer: Answer) -> Claims:
        """What the issuer says of who came back."""
        if answer.issuer is not None and answer.issuer != issuer.issuer:
            raise RejectedError("wrong_issuer", "the answer is of another issuer than the one that was asked")
        if answer.error or not answer.code:
            word = answer.error[:100] if answer.error.isprintable() else ""
            raise RejectedError("issuer_refused", f"the issuer let nobody in ({word or 'without a reason'})")
        asked = Asked(issuer.issuer, issuer.ca_bundle)
        async with self._transactions.read() as session:
            sealed = await repository.sealed_secret(session.connection, issuer.id)
        secret = self._opened(issuer, sealed)
        token = await self._discoveries.exchange(asked, issuer.client_id, secret, answer.code, issuer.redirect_uri, flow.verifier)
        expected = Expected(issuer.issuer, issuer.client_id, issuer.algorithm, flow.nonce)
        now = self._clock.now()
        try:
            return idtokens.validate(token, await self._discoveries.keys(asked), expected, now, issuer.groups_claim)
        except UnknownKeyError:
            # The issuer may have rotated its keys since we asked for them.
            return idtokens.validate(token, await self._discoveries.keys(asked, again=True), expected, now, issuer.groups_claim)

    async def _admit(self, issuer: Issuer, claims: Claims, where: Place, by: Caller) -> LoggedIn:
        async def work(session: Session) -> LoggedIn:
            known = await repository.identity(session.connection, issuer.issuer, claims.subject)
            role = issuer.role_for(claims.groups)
            if known is None:
                user = await self._newcomer(session, issuer, claims, role)
            else:
                user = await self._users.find(session, known.user_id)
                await repository.logged_in(session.connection, known.id, self._clock.now())
            if user.role is not Role.OWNER and issuer.group_roles:
                if role is None:
                    raise RejectedError("no_role", "none of this person's groups may come in here")
                if role is not user.role:
                    user = (await self._users.change(session, user.id, Caller(Role.ADMIN, f"issuer {issuer.name}"), role=role)).user
            return await self._logins.admit(session, user, where)

        try:
            return (await self._transactions.transact(work, by=by)).value
        except ApiError as error:
            if error.refusal.status >= 500:
                raise
            raise RejectedError(error.refusal.code, error.refusal.message) from None

    async def _newcomer(self, session: Session, issuer: Issuer, claims: Claims, role: Role | None) -> User:
        """Who was never here by this issuer: a new account, or one that is there, where that was allowed."""
        if claims.email is None:
            if claims.unverified_email:
                raise RejectedError("email_unverified", "the issuer has not verified this person's e-mail address")
            raise RejectedError("email_missing", "the issuer does not tell this person's e-mail address; is email among the scopes?")
        user = await self._users.by_email(session, claims.email)
        if user is not None and (not issuer.link_by_email or user.role is Role.OWNER):
            raise RejectedError("account_exists", "there is an account of this address, which this issuer may not open")
        if user is None:
            if role is None:
                raise RejectedError("no_role", "none of this person's groups may come in here")
            name = claims.name or claims.email.partition("@")[0]
            user = await self._users.create(session, email=claims.email, name=name, role=role, password=None)
        now = self._clock.now()
        await repository.add_identity(
            session.connection, Identity(readable(os.urandom(10)), issuer.issuer, claims.subject, user.id, now, now)
        )
        session.record("user.linked", "user", user.id, after={"issuer": issuer.name, "subject": claims.subject})
        return user

    def _opened(self, issuer: Issuer, sealed: bytes | None) -> str | None:
        try:
            return None if sealed is None else self._ring.open(sealed, place(issuer.id)).decode()
        except SealError:
            raise RejectedError("secret_unreadable", "the client secret cannot be opened with this key ring; set it again") from None

    async def _keep(self, session: Session, issuer_id: str, secret: Secret | None) -> None:
        sealed = None if secret is None else self._ring.seal(secret.reveal().encode(), place(issuer_id))
        await repository.set_secret(session.connection, issuer_id, sealed)

    async def _write_down(self, issuer: Issuer, error: RejectedError, by: Caller) -> None:
        """A row of the audit, unless there were too many."""
        source = Source("login.refused", "issuer", issuer.id)
        await self._logins.failures.write(source, "issuer", issuer.id, {"reason": error.reason, "message": str(error)}, by)


def origin_of_issuer(issuer: Issuer) -> Origin:
    """Where its secret goes."""
    return origin_of(issuer.issuer)


def _check(issuer: Issuer) -> None:
    """Raise ApiError 422 where what was written cannot be."""
    for name in ("issuer", "console_url"):
        url = getattr(issuer, name)
        try:
            origin = origin_of(url)
        except EgressError as error:
            raise invalid(f"{name}: {error}", name) from None
        if origin.scheme != "https" and not (origin.host == "localhost" or is_loopback(origin.host)):
            raise invalid(f"{name}: plain http is for this host only; write an https:// address", name)
    if issuer.console_url.endswith("/"):
        raise invalid("console_url: write the console's address without a / at its end, such as https://gateway.example.com", "console_url")


def _told(issuer: Issuer) -> dict[str, Any]:
    """An issuer as the audit tells of it: whether there is a secret, and which bundle of authorities it is."""
    return {"name": issuer.name, "has_secret": issuer.has_secret, **shown(issuer), "ca_bundle": digest_of(issuer.ca_bundle)}
