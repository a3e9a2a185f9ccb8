"""`/api/auth/tokens`: parse, authorise, call, render."""

from typing import Annotated

from fastapi import Response

from sekisho.identity.people.service import UserService
from sekisho.identity.tokens import schemas
from sekisho.identity.tokens.service import TokenService, account_of
from sekisho.rest import repeats
from sekisho.rest.routing import OwnAccount, ReadUsers, WriteUsers, guarded_router, provided
from sekisho.storage.session import Session, Sessions

router = guarded_router("tokens")

Tokens = Annotated[TokenService, provided(TokenService)]
Users = Annotated[UserService, provided(UserService)]
Repeats = Annotated[repeats.Repeats, provided(repeats.Repeats)]
Transactions = Annotated[Sessions, provided(Sessions)]


@router.post("/api/auth/tokens", status_code=201, response_model=schemas.TokenCreated)
async def create_token(
    caller: OwnAccount, body: schemas.CreateToken, tokens: Tokens, sessions: Transactions, remembered: Repeats, repeat: repeats.Repeated
) -> Response:
    """Make an access token for your scripts; its secret is in this answer and nowhere else."""

    async def make(session: Session) -> tuple[str, schemas.TokenCreated]:
        issued = await tokens.create(session, caller, name=body.name, scopes=body.scopes, expires_in=body.expires_in_s)
        return f"the access token {issued.token.id}", schemas.TokenCreated.issued(issued)

    done = await sessions.transact(
        lambda session: remembered.once(session, repeat, lambda: make(session), repeats.SECRETS_REMEMBERED), by=caller
    )
    return repeats.created(done.value)


@router.get("/api/auth/tokens")
async def list_tokens(caller: OwnAccount, tokens: Tokens, sessions: Transactions) -> schemas.TokenList:
    """Your access tokens, newest first; at most a hundred."""
    user_id = account_of(caller)
    async with sessions.read() as session:
        return schemas.TokenList(tokens=[schemas.TokenTold.of(each) for each in await tokens.of_user(session, user_id)])


@router.delete("/api/auth/tokens/{token_id}")
async def revoke_token(caller: OwnAccount, token_id: str, tokens: Tokens, sessions: Transactions) -> schemas.TokenRevoked:
    """End one of your access tokens; dead when this answers."""
    user_id = account_of(caller)
    await sessions.transact(lambda session: tokens.revoke(session, user_id, token_id), by=caller)
    return schemas.TokenRevoked(id=token_id, revoked=True)


@router.get("/api/users/{user_id}/tokens")
async def list_tokens_of(_: ReadUsers, user_id: str, users: Users, tokens: Tokens, sessions: Transactions) -> schemas.TokenList:
    """Somebody's access tokens."""
    async with sessions.read() as session:
        await users.find(session, user_id)
        return schemas.TokenList(tokens=[schemas.TokenTold.of(each) for each in await tokens.of_user(session, user_id)])


@router.delete("/api/users/{user_id}/tokens/{token_id}")
async def revoke_token_of(
    caller: WriteUsers, user_id: str, token_id: str, users: Users, tokens: Tokens, sessions: Transactions
) -> schemas.TokenRevoked:
    """End somebody's access token; dead when this answers, and so is what is open for that person."""

    async def revoke(session: Session) -> None:
        await users.touchable(session, user_id, caller)
        await tokens.revoke(session, user_id, token_id)

    await sessions.transact(revoke, by=caller)
    return schemas.TokenRevoked(id=token_id, revoked=True)
