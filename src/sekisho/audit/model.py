"""Refusals and audit rows as they are told. Times are wall times in microseconds."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RefusedRequest:
    """A request that no upstream saw."""

    number: int
    """The order of recording."""
    at: int
    request_id: str
    method: str
    path: str
    address: str
    key_id: str
    http_status: int
    code: str
    detail: str
    suppressed: int
    """Others like it that the flood bound left unwritten."""


@dataclass(frozen=True)
class Wanted:
    """Which audit rows; None means all."""

    actor: str | None = None
    """A name or a user's id."""
    action: str | None = None
    """An act such as `key.created`, or all acts of a noun such as `key`."""
    object_kind: str | None = None
    object_id: str | None = None
    project: str | None = None
    request_id: str | None = None
    since: int | None = None
    until: int | None = None
