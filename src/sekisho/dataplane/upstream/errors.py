"""Faults of an upstream call, as values: what the client is told and what the record says."""

from typing import Final

from sekisho.core.model.errors import Kind, Refusal

GONE: Final = "client_gone"
"""Not the upstream's fault at all: the client left."""

_STATUS: Final = {
    "upstream_unreachable": (502, Kind.UPSTREAM, None),
    "upstream_tls_failed": (502, Kind.UPSTREAM, False),
    "upstream_busy": (503, Kind.OVERLOADED, None),
    "upstream_cut": (502, Kind.UPSTREAM, None),
    "upstream_invalid_response": (502, Kind.UPSTREAM, False),
    "upstream_redirected": (502, Kind.UPSTREAM, False),
    "upstream_refused_credential": (502, Kind.UPSTREAM, False),
    "upstream_response_too_large": (502, Kind.UPSTREAM, False),
    "upstream_event_too_large": (502, Kind.UPSTREAM, False),
    "upstream_error": (502, Kind.UPSTREAM, None),
    "engine_unavailable": (503, Kind.OVERLOADED, None),
    "connect_timeout": (504, Kind.TIMEOUT, None),
    "request_timeout": (504, Kind.TIMEOUT, False),
    "idle_timeout": (504, Kind.TIMEOUT, False),
    "total_timeout": (504, Kind.TIMEOUT, False),
    "slow_reader": (499, Kind.INVALID, False),
    "draining": (503, Kind.OVERLOADED, True),
    "internal_error": (500, Kind.INTERNAL, False),
    GONE: (499, Kind.INVALID, False),
}


class Fault:
    """Why an upstream call did not end well."""

    __slots__ = ("code", "message", "retry_after")

    def __init__(self, code: str, message: str, retry_after: int | None = None) -> None:
        self.code = code
        self.message = message
        self.retry_after = retry_after

    @property
    def status(self) -> int:
        """What the client is told, and the record says."""
        return _STATUS[self.code][0]

    def refusal(self) -> Refusal:
        status, kind, should_retry = _STATUS[self.code]
        return Refusal(status, kind, self.code, self.message, None, self.retry_after, should_retry)

    def __repr__(self) -> str:
        return f"Fault({self.code})"
