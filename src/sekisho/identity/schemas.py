"""The bodies of `/api/keys`."""

from typing import Annotated, Any, Final, Literal

from pydantic import Field

from sekisho.identity.model import ApiKey, Issued
from sekisho.rest.schemas import Asked, Moment, OneLine, Time, Told, Written

Label = Annotated[str, Field(min_length=1, max_length=200), OneLine]
Bound = Annotated[int, Field(ge=1, le=1_000_000_000, strict=True)]
Entry = Annotated[str, Field(min_length=1, max_length=400), OneLine]

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
        default=None, description="Canonical ids, `provider/*` or names of APIs; none means all there are."
    )
    expires_in_s: Annotated[int, Field(ge=1, le=MAX_LIFE, strict=True)] | None = Field(default=None, description="Seconds from now.")


class ChangeKey(Asked):
    """What is given is changed; null takes a bound away."""

    label: Label = Field(default="", description="A name for people.")
    rpm: Bound | None = Field(default=None, description="Requests per minute; null: no limit.")
    tpm: Bound | None = Field(default=None, description="Tokens per minute; null: no limit.")
    concurrency: Bound | None = Field(default=None, description="Calls at once; null: no limit.")
    models: Annotated[list[Entry], Field(min_length=1, max_length=1000)] | None = Field(
        default=None, description="Canonical ids, `provider/*` or names of APIs; null: all there are."
    )
    expires_at: Moment | None = Field(default=None, description="When it ends; null: never.")
    enabled: Annotated[bool, Field(strict=True)] = Field(default=True, description="Whether it opens anything.")

    def changes(self) -> dict[str, Any]:
        """The fields that were given."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class RotateKey(Asked):
    overlap_s: Annotated[int, Field(ge=0, le=MAX_OVERLAP, strict=True)] = Field(default=0, description="How long the old one still opens.")
    label: Label | None = None


State = Literal["active", "soon", "disabled", "expired", "revoked"]


class MakerTold(Told):
    id: str
    email: str | None = Field(description="Null where the user is gone.")


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
    disabled_at: Time | None = Field(description="Since when it is switched off; null where it is on.")
    state: Literal["active", "disabled", "expired", "revoked"]
    created_by: MakerTold | None = Field(description="Null where the local owner made it.")
    last_used_at: Time | None = Field(description="When the newest of its recorded calls started.")

    @classmethod
    def of(cls, key: ApiKey, now: int) -> "KeyTold":
        return cls(**facts(key, now))


class KeyCreated(KeyTold, Written):
    plain_key: str = Field(description="The secret; it is shown this once.")


class KeyChanged(KeyTold, Written):
    pass


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


def facts(key: ApiKey, now: int) -> dict[str, Any]:
    """The fields of `KeyTold`."""
    maker = None if key.created_by is None else MakerTold(id=key.created_by, email=key.maker)
    values = {**vars(key), "models": None if key.models is None else list(key.models), "state": key.state(now), "created_by": maker}
    return {name: values[name] for name in KeyTold.model_fields}


def created(issued: Issued, now: int) -> KeyCreated:
    """The answer that shows the secret; whether the workers know the key is added to it."""
    return KeyCreated(**facts(issued.key, now), plain_key=issued.plain.reveal(), revision=issued.key.revision)


def changed(key: ApiKey, now: int, revision: int, warnings: tuple[str, ...]) -> KeyChanged:
    return KeyChanged(**facts(key, now), revision=revision, warnings=list(warnings))


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
