"""Sets up second factors and asks for them.

A secret is in force from the moment that somebody has shown a code of it, so that nobody locks themselves out with a picture that was
never scanned. Guesses are counted per person, whichever door they come by: six digits fall to a million of them.
"""

import math
import os
from collections.abc import Collection
from typing import Final

from sekisho.core.model.errors import Kind, Refusal
from sekisho.identity.factors import codes, repository
from sekisho.identity.factors.model import Authenticator, Enrolment, Standing, place
from sekisho.identity.logins.model import Factor
from sekisho.kit.clock import Clock
from sekisho.kit.crypto import KeyRing, SealError, Secret
from sekisho.rest.errors import ApiError, conflict
from sekisho.storage.session import Session

ISSUER: Final = "Sekisho"
"""What an authenticator shows beside the account."""

INVALID: Final = "totp_invalid"
"""The code of the refusal of a wrong code."""

FREE_GUESSES: Final = 5
"""Wrong codes in a row before the waiting begins."""

FIRST_WAIT_S: Final = 30.0
LONGEST_WAIT_S: Final = 900.0
MOST_REMEMBERED: Final = 10_000
"""People whose wrong guesses are remembered at once."""


class FactorService:
    """What can be done with second factors."""

    def __init__(self, clock: Clock, ring: KeyRing) -> None:
        self._clock = clock
        self._ring = ring
        self._guesses: dict[str, tuple[int, float]] = {}

    async def standing(self, session: Session, user_id: str) -> Standing:
        """What a person has set up."""
        found = await repository.find(session.connection, user_id)
        left = await repository.recovery_left(session.connection, user_id)
        return Standing(None if found is None else found.confirmed_at, left)

    async def enrol(self, session: Session, user_id: str, account: str) -> Enrolment:
        """A new secret for a person's authenticator, not in force yet; raises ApiError 409 where there is one in force."""
        await self._require_unconfirmed(session, user_id)
        secret = os.urandom(codes.SECRET_BYTES)
        now = self._clock.now()
        await repository.put(session.connection, Authenticator(user_id, self._ring.seal(secret, place(user_id)), 0, now, None))
        return Enrolment(Secret(codes.spelled(secret)), Secret(codes.otpauth(secret, ISSUER, account)))

    async def confirm(self, session: Session, user_id: str, code: str) -> list[Secret]:
        """Put the new secret into force, since this code is of it; the recovery codes, shown once. Raises ApiError."""
        found = await self._require_unconfirmed(session, user_id)
        if found is None:
            raise conflict("there is nothing to confirm; begin with POST /api/auth/totp", None, "totp_not_begun")
        await self._take(session, found, code)
        await repository.change(session.connection, user_id, confirmed_at=self._clock.now())
        session.record("totp.enabled", "user", user_id)
        return await self._new_recovery(session, user_id)

    async def renew_recovery(self, session: Session, user_id: str, code: str) -> list[Secret]:
        """New recovery codes in the place of all before, shown once; raises ApiError."""
        await self._take(session, await self._require_confirmed(session, user_id), code)
        session.record("recovery_codes.renewed", "user", user_id)
        return await self._new_recovery(session, user_id)

    async def disable(self, session: Session, user_id: str, code: str) -> None:
        """Ask for no code any more, since this one is right; raises ApiError."""
        await self._check(session, await self._require_confirmed(session, user_id), code)
        await self._remove(session, user_id)

    async def reset(self, session: Session, user_id: str) -> None:
        """Ask for no code any more, since an administrator says so; raises ApiError 409 where none is asked for."""
        await self._require_confirmed(session, user_id)
        await self._remove(session, user_id)

    async def verify(self, session: Session, user_id: str, code: str | None) -> Factor:
        """What a login whose password was right still needs; fills `logins.model.SecondFactor`. Raises ApiError 429.

        In the transaction that begins the session: a code that was taken is taken for good.
        """
        found = await repository.find(session.connection, user_id)
        if found is None or found.confirmed_at is None:
            return Factor.PASSED
        if not code:
            return Factor.REQUIRED
        try:
            await self._check(session, found, code)
        except ApiError as error:
            if error.refusal.code != INVALID:
                raise
            return Factor.INVALID
        return Factor.PASSED

    # Inside

    async def _check(self, session: Session, found: Authenticator, code: str) -> None:
        """Take a code or a recovery code."""
        digest = codes.recovery_digest(code)
        if digest is None:
            await self._take(session, found, code)
            return
        self._require_patience(found.user_id)
        if not await repository.use_recovery(session.connection, found.user_id, digest, self._clock.now()):
            raise self._wrong(found.user_id)
        self._guesses.pop(found.user_id, None)
        left = await repository.recovery_left(session.connection, found.user_id)
        session.record("recovery_code.used", "user", found.user_id, after={"left": left})

    async def _take(self, session: Session, found: Authenticator, code: str) -> None:
        """Take a code of the authenticator, once."""
        self._require_patience(found.user_id)
        try:
            secret = self._ring.open(found.sealed, place(found.user_id))
        except SealError:
            raise conflict(
                "the authenticator's secret cannot be opened with this key ring; an administrator has to reset it", None, "totp_unreadable"
            ) from None
        step = codes.matching_step(secret, code.replace(" ", ""), self._clock.now(), found.last_step)
        if step is None:
            raise self._wrong(found.user_id)
        self._guesses.pop(found.user_id, None)
        await repository.change(session.connection, found.user_id, last_step=step)

    def _require_patience(self, user_id: str) -> None:
        left = self._guesses.get(user_id, (0, 0.0))[1] - self._clock.monotonic()
        if left > 0:
            seconds = math.ceil(left)
            message = f"too many wrong codes; try again in {seconds} s"
            raise ApiError(Refusal(429, Kind.RATE_LIMIT, "too_many_attempts", message, "code", retry_after=seconds))

    def _wrong(self, user_id: str) -> ApiError:
        number = self._guesses.pop(user_id, (0, 0.0))[0] + 1
        wait = 0.0 if number < FREE_GUESSES else min(FIRST_WAIT_S * 2 ** min(number - FREE_GUESSES, 10), LONGEST_WAIT_S)
        if len(self._guesses) >= MOST_REMEMBERED:
            # The one who was silent for the longest time; a new guess always comes last.
            del self._guesses[next(iter(self._guesses))]
        self._guesses[user_id] = (number, self._clock.monotonic() + wait)
        message = "the code is wrong, or was used already; wait for the next one"
        return ApiError(Refusal(403, Kind.PERMISSION, INVALID, message, "code"))

    async def _new_recovery(self, session: Session, user_id: str) -> list[Secret]:
        made = [codes.recovery_code(os.urandom(codes.RECOVERY_BYTES)) for _ in range(codes.RECOVERY_CODES)]
        await repository.set_recovery(session.connection, user_id, _digests(made))
        return [Secret(each) for each in made]

    async def _remove(self, session: Session, user_id: str) -> None:
        await repository.remove(session.connection, user_id)
        session.record("totp.disabled", "user", user_id)

    async def _require_unconfirmed(self, session: Session, user_id: str) -> Authenticator | None:
        found = await repository.find(session.connection, user_id)
        if found is not None and found.confirmed_at is not None:
            raise conflict("an authenticator is in use already; disable it first", None, "totp_enabled")
        return found

    async def _require_confirmed(self, session: Session, user_id: str) -> Authenticator:
        found = await repository.find(session.connection, user_id)
        if found is None or found.confirmed_at is None:
            raise conflict("no authenticator is in use", None, "totp_not_enabled")
        return found


def _digests(made: Collection[str]) -> list[bytes]:
    return [digest for each in made if (digest := codes.recovery_digest(each)) is not None]
