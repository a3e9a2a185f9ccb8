"""A refusal as it is told. Times are wall times in microseconds."""

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
