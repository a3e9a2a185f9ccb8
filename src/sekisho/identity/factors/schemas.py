"""The bodies of `/api/auth/totp`."""

from typing import Annotated

from pydantic import Field

from sekisho.identity.factors.model import Enrolment, Standing
from sekisho.rest.schemas import Asked, OneLine, Time, Told

Code = Annotated[str, Field(min_length=1, max_length=40), OneLine]


class GiveCode(Asked):
    code: Code = Field(description="Of the authenticator; where something is switched off, a recovery code as well.")


class FactorTold(Told):
    enabled: bool
    confirmed_at: Time | None
    recovery_codes: int = Field(description="How many have not been used.")

    @classmethod
    def of(cls, standing: Standing) -> "FactorTold":
        enabled = standing.confirmed_at is not None
        return cls(enabled=enabled, confirmed_at=standing.confirmed_at, recovery_codes=standing.recovery_codes)


class EnrolmentTold(Told):
    secret: str = Field(description="To be typed into the authenticator; it is shown this once.")
    otpauth_url: str = Field(description="The same for a picture.")

    @classmethod
    def of(cls, enrolment: Enrolment) -> "EnrolmentTold":
        return cls(secret=enrolment.secret.reveal(), otpauth_url=enrolment.address.reveal())


class RecoveryTold(Told):
    recovery_codes: list[str] = Field(description="Each opens once in the place of a code; they are shown this once.")


class FactorDisabled(Told):
    enabled: bool
