"""`/api/auth/totp`: parse, authorise, call, render."""

from typing import Annotated

from sekisho.identity.factors import schemas
from sekisho.identity.factors.service import FactorService
from sekisho.identity.logins.service import LoginService
from sekisho.identity.people.schemas import Confirmed
from sekisho.identity.people.service import UserService
from sekisho.identity.tokens.service import account_of
from sekisho.rest.routing import OwnAccount, WriteUsers, guarded_router, provided
from sekisho.storage.session import Session, Sessions

router = guarded_router("second factor")

Factors = Annotated[FactorService, provided(FactorService)]
Logins = Annotated[LoginService, provided(LoginService)]
Users = Annotated[UserService, provided(UserService)]
Transactions = Annotated[Sessions, provided(Sessions)]


@router.get("/api/auth/totp")
async def show_factor(caller: OwnAccount, factors: Factors, sessions: Transactions) -> schemas.FactorTold:
    """Whether your login asks for a code."""
    user_id = account_of(caller)
    async with sessions.read() as session:
        return schemas.FactorTold.of(await factors.standing(session, user_id))


@router.post("/api/auth/totp", status_code=201)
async def enrol_factor(
    caller: OwnAccount, factors: Factors, logins: Logins, sessions: Transactions, body: Confirmed | None = None
) -> schemas.EnrolmentTold:
    """A secret for your authenticator. It is in force once a code of it was confirmed."""
    user_id = account_of(caller)
    # Whoever took over a login must not take over the account by locking its owner out.
    await logins.confirm(user_id, None if body is None else body.password(), caller)
    done = await sessions.transact(lambda session: factors.enrol(session, user_id, caller.name), by=caller)
    return schemas.EnrolmentTold.of(done.value)


@router.post("/api/auth/totp/confirm")
async def confirm_factor(caller: OwnAccount, body: schemas.GiveCode, factors: Factors, sessions: Transactions) -> schemas.RecoveryTold:
    """Show that the authenticator works; from now on a login asks for its code."""
    user_id = account_of(caller)
    done = await sessions.transact(lambda session: factors.confirm(session, user_id, body.code), by=caller)
    return schemas.RecoveryTold(recovery_codes=[each.reveal() for each in done.value])


@router.post("/api/auth/totp/recovery-codes")
async def renew_recovery_codes(
    caller: OwnAccount, body: schemas.GiveCode, factors: Factors, sessions: Transactions
) -> schemas.RecoveryTold:
    """New recovery codes; those before open nothing any more."""
    user_id = account_of(caller)
    done = await sessions.transact(lambda session: factors.renew_recovery(session, user_id, body.code), by=caller)
    return schemas.RecoveryTold(recovery_codes=[each.reveal() for each in done.value])


@router.post("/api/auth/totp/disable")
async def disable_factor(caller: OwnAccount, body: schemas.GiveCode, factors: Factors, sessions: Transactions) -> schemas.FactorDisabled:
    """Ask for no code any more."""
    user_id = account_of(caller)
    await sessions.transact(lambda session: factors.disable(session, user_id, body.code), by=caller)
    return schemas.FactorDisabled(enabled=False)


@router.delete("/api/users/{user_id}/totp")
async def reset_factor(caller: WriteUsers, user_id: str, users: Users, factors: Factors, sessions: Transactions) -> schemas.FactorDisabled:
    """Switch off the second factor of somebody else who has lost it, recovery codes included."""

    async def work(session: Session) -> None:
        await users.another(session, user_id, caller)
        await factors.reset(session, user_id)

    await sessions.transact(work, by=caller)
    return schemas.FactorDisabled(enabled=False)
