"""The bodies of `/api/keys`."""

from typing import Annotated, Any, Final

from pydantic import Field

from sekisho.identity.model import ApiKey, Issued
from sekisho.rest.schemas import Asked, OneLine, Time, Told, Written

Label = Annotated[str, Field(min_length=1, max_length=200), OneLine]
Bound = Annotated[int, Field(ge=1, le=1_000_000_000, strict=True)]
Entry = Annotated[str, Field(min_length=3, max_length=400), OneLine]

MAX_LIFE: Final = 100 * 366 * 86400
"""A hundred years in seconds: what lasts longer has no expiry."""

MAX_OVERLAP: Final = 90 * 86400


class CreateKey(Asked):
    label: Label
    project: Annotated[str, Field(max_length=200), OneLine] | None = None
    rpm: Bound | None = Field(default=None, description="Requests per minute; none means no limit.")
    tpm: Bound | None = Field(default=None, description="Tokens per minute.")
    concurrency: Bound | None = Field(default=None, description="Calls at once.")
    models: Annotated[list[Entry], Field(min_length=1, max_length=1000)] | None = Field(
        default=None, description="Canonical ids or `provider/*`; none means all models."
    )
    expires_in_s: Annotated[int, Field(ge=1, le=MAX_LIFE, strict=True)] | None = Field(default=None, description="Seconds from now.")


class RotateKey(Asked):
    overlap_s: Annotated[int, Field(ge=0, le=MAX_OVERLAP, strict=True)] = Field(default=0, description="How long the old one still opens.")
    label: Label | None = None


class KeyTold(Told):
    """A key, without its secret."""

    id: str
    label: str
    project: str
    models: list[str] | None
    rpm: int | None
    tpm: int | None
    concurrency: int | None
    last4: str
    created_at: Time
    expires_at: Time | None
    rotated_at: Time | None
    revoked_at: Time | None

    @classmethod
    def of(cls, key: ApiKey) -> "KeyTold":
        return cls(**facts(key))


class KeyCreated(KeyTold, Written):
    plain_key: str = Field(description="The secret; it is shown this once.")


class KeyRevoked(Written):
    id: str
    revoked: bool
    revoked_at: Time


class KeyRotated(Written):
    id: str
    old_key_id: str = Field(description="The same as id: a rotation changes the secret, not the key.")
    label: str
    last4: str
    plain_key: str = Field(description="The new secret; it is shown this once.")
    rotated_at: Time
    overlap_until: Time | None = Field(description="Until when the old secret opens; null where it is dead already.")


class KeyPage(Told):
    api_keys: list[KeyTold]
    next_cursor: str | None


def facts(key: ApiKey) -> dict[str, Any]:
    """The fields of `KeyTold`."""
    return {**vars(key), "models": None if key.models is None else list(key.models)}


def created(issued: Issued, revision: int, warnings: tuple[str, ...]) -> KeyCreated:
    return KeyCreated(**facts(issued.key), plain_key=issued.plain.reveal(), revision=revision, warnings=list(warnings))


def rotated(issued: Issued, revision: int, warnings: tuple[str, ...]) -> KeyRotated:
    key = issued.key
    assert key.rotated_at is not None
    return KeyRotated(
        id=key.id,
        old_key_id=key.id,
        label=key.label,
        last4=key.last4,
        plain_key=issued.plain.reveal(),
        rotated_at=key.rotated_at,
        overlap_until=issued.overlap_until,
        revision=revision,
        warnings=list(warnings),
    )
