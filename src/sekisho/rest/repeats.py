"""A creating request that carries an `Idempotency-Key` creates once, however often it is sent.

What it did is remembered for a day in the transaction that did it, under a digest of caller, route and key: so of two at the same moment
one creates and the other is told what that one did. The same key with another body is refused. An answer is kept sealed and not longer
than its caller says: one that holds a secret, for minutes only, and then a repeat is refused with what it made, not told the secret.
"""

import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Depends, Header, Request
from starlette.responses import JSONResponse

from sekisho.kit.clock import SECOND, Clock, to_rfc3339
from sekisho.kit.crypto import KeyRing, SealError
from sekisho.rest.errors import conflict, invalid
from sekisho.rest.permissions import caller_of
from sekisho.rest.schemas import Told
from sekisho.storage import repeats
from sekisho.storage.session import Session, Sessions

REMEMBERED: Final = 24 * 3600
"""Seconds for which a request is remembered."""

SECRETS_REMEMBERED: Final = 600
"""Seconds for which an answer with a secret in it is told again."""

HEADER: Final = "Idempotency-Key"

_KEY: Final = re.compile(r"[\x21-\x7e]{1,200}")


@dataclass(frozen=True)
class Repeat:
    """A request that may come again."""

    digest: bytes
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What a creating request is answered."""

    told: Mapping[str, Any]
    again: bool
    """Whether it was given before."""


async def _repeat(
    request: Request,
    key: Annotated[
        str | None,
        Header(alias=HEADER, description="Any word of up to 200 characters: sent again within a day, the request creates nothing more."),
    ] = None,
) -> Repeat | None:
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        raise invalid(f"{HEADER} is to be 1 to 200 visible ASCII characters, such as a UUID", HEADER)
    caller = caller_of(request)
    who = (caller.user_id or "", caller.token_id or "", "" if caller.user_id else caller.role)
    named = json.dumps([*who, request.method, request.url.path, key]).encode()
    return Repeat(hashlib.sha256(named).digest(), hashlib.sha256(await request.body()).digest())


Repeated = Annotated[Repeat | None, Depends(_repeat)]
"""The parameter of a route that creates."""


class Repeats:
    """Remembers and finds what such requests did."""

    def __init__(self, clock: Clock, ring: KeyRing) -> None:
        self._clock = clock
        self._ring = ring

    async def once(
        self, session: Session, repeat: Repeat | None, make: Callable[[], Awaitable[tuple[str, Told]]], seconds: int = REMEMBERED
    ) -> Answer:
        """Make something unless the same request did already, in the transaction that is open; the answer either way.

        `make` gives what it made, for people (`the key ab12`), and the answer, which is told again for so many seconds. Raises ApiError 409
        and 422.
        """
        known = await self.known(session, repeat)
        if known is not None:
            return known
        what, told = await make()
        answer = told.model_dump(mode="json")
        if repeat is not None:
            now = self._clock.now()
            await repeats.forget(session.connection, now - REMEMBERED * SECOND, now)
            sealed = self._ring.seal(json.dumps(answer).encode(), _place(repeat.digest))
            await repeats.keep(session.connection, repeat.digest, repeats.Done(repeat.body, what, now, sealed, now + seconds * SECOND))
        return Answer(answer, again=False)

    async def known(self, session: Session, repeat: Repeat | None) -> Answer | None:
        """The answer to a request that was done before; None where it was not. Raises ApiError 409 and 422."""
        if repeat is None:
            return None
        done = await repeats.find(session.connection, repeat.digest)
        now = self._clock.now()
        if done is None or done.created_at + REMEMBERED * SECOND <= now:
            return None
        if done.body != repeat.body:
            raise invalid(f"this {HEADER} came with another body before; a new request needs a new one", HEADER, "idempotency_key_reused")
        if done.answer is not None and done.answer_until > now:
            try:
                return Answer(json.loads(self._ring.open(done.answer, _place(repeat.digest))), again=True)
            except SealError:
                pass
        raise conflict(
            f"this request made {done.what} at {to_rfc3339(done.created_at)}; its answer is not told again", HEADER, "already_done"
        )

    async def tidy(self, sessions: Sessions) -> None:
        """Wipe what is not told again; costs a look where there is nothing."""
        now = self._clock.now()
        async with sessions.read() as session:
            if not await repeats.has_stale(session.connection, now - REMEMBERED * SECOND, now):
                return
        await sessions.transact(lambda session: repeats.forget(session.connection, now - REMEMBERED * SECOND, now))


def _place(digest: bytes) -> str:
    return f"repeats/{digest.hex()}/answer"


def created(answer: Answer, warnings: Sequence[str] = ()) -> JSONResponse:
    """201 with an answer, and whether it was given before. Only what the workers have to learn of can have warnings."""
    told = {**answer.told, "warnings": list(warnings)} if "warnings" in answer.told else dict(answer.told)
    return JSONResponse(told, 201, {"idempotent-replayed": "true"} if answer.again else None)
