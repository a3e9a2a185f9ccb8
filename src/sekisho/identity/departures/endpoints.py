"""Exports and erasures: parse, authorise, call, render."""

import json
from collections.abc import AsyncIterator
from typing import Annotated, Final

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from sekisho.identity.departures import schemas
from sekisho.identity.departures.service import DepartureService
from sekisho.identity.logins.service import LoginService
from sekisho.identity.people.schemas import Confirmed
from sekisho.identity.sessions import cookies
from sekisho.identity.tokens.service import account_of
from sekisho.rest.routing import OwnAccount, ReadUsers, WriteUsers, guarded_router, provided

router = guarded_router("people")

Departures = Annotated[DepartureService, provided(DepartureService)]
Logins = Annotated[LoginService, provided(LoginService)]

MEDIA: Final = "application/jsonl"


@router.get("/api/auth/export", response_class=StreamingResponse)
async def export_me(caller: OwnAccount, departures: Departures) -> StreamingResponse:
    """All that concerns you, one JSON object a line."""
    user_id = account_of(caller)
    await departures.known(user_id)
    return _lines(departures, user_id)


@router.get("/api/users/{user_id}/export", response_class=StreamingResponse)
async def export_user(_: ReadUsers, user_id: str, departures: Departures) -> StreamingResponse:
    """All that concerns somebody, one JSON object a line."""
    await departures.known(user_id)
    return _lines(departures, user_id)


@router.post("/api/auth/me/erase")
async def erase_me(
    caller: OwnAccount,
    request: Request,
    response: Response,
    body: Confirmed,
    departures: Departures,
    logins: Logins,
) -> schemas.Erased:
    """Leave: the account is gone, and what you did names a pseudonym. There is no way back."""
    user_id = account_of(caller)
    await logins.confirm(user_id, body.password(), caller)
    pseudonym = await departures.erase(user_id, caller)
    cookies.take(request, response)
    return schemas.Erased(id=user_id, pseudonym=pseudonym)


@router.post("/api/users/{user_id}/erase")
async def erase_user(caller: WriteUsers, user_id: str, departures: Departures) -> schemas.Erased:
    """Let somebody else go: the account is gone, and what they did names a pseudonym. There is no way back."""
    return schemas.Erased(id=user_id, pseudonym=await departures.erase_another(user_id, caller))


def _lines(departures: DepartureService, user_id: str) -> StreamingResponse:
    async def lines() -> AsyncIterator[str]:
        async for piece in departures.everything(user_id):
            yield json.dumps(piece, ensure_ascii=False) + "\n"

    headers = {"content-disposition": f'attachment; filename="{user_id}.jsonl"'}
    return StreamingResponse(lines(), headers=headers, media_type=MEDIA)
