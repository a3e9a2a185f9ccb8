"""A refusal is a value: whose fault, what to show, whether and when to try again.

Stages return one; the dialect of the route renders it. An exception class exists only where somebody catches it.
"""

import enum
from typing import Any, Final

import msgspec


class Kind(enum.Enum):
    """The nature of a refusal; each dialect maps it to its own words. The value is OpenAI's `error.type`."""

    INVALID = "invalid_request_error"
    AUTHENTICATION = "authentication_error"
    PERMISSION = "permission_error"
    NOT_FOUND = "not_found_error"
    RATE_LIMIT = "rate_limit_error"
    QUOTA = "insufficient_quota"
    UPSTREAM = "upstream_error"
    OVERLOADED = "overloaded_error"
    TIMEOUT = "timeout_error"
    INTERNAL = "server_error"


class Refusal(msgspec.Struct, frozen=True):
    """Why a request is not served, complete enough to render in any dialect."""

    status: int
    kind: Kind
    code: str
    """A stable word for programs, such as `model_not_found`."""
    message: str
    """For a person: which field, and what to do."""
    param: str | None = None
    retry_after: int | None = None
    """Whole seconds, sent as `retry-after`."""
    should_retry: bool | None = None
    """Sent as `x-should-retry`, which the SDKs obey; None leaves the choice to them."""
    close: bool = False
    """Whether the connection cannot be read any further."""
    headers: tuple[tuple[str, str], ...] = ()
    """Further headers, such as `allow` or the limits."""
    details: dict[str, Any] | None = None
    """Members of a provider's own error, passed on beside ours."""


GONE: Final = "client_gone"
"""The code of the fault that is not the upstream's at all: the client left."""

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


_NO_ANSWER: Final = frozenset(("upstream_invalid_response", "upstream_response_too_large", "upstream_redirected"))


class Fault:
    """Why an upstream call did not end well."""

    __slots__ = ("code", "message", "retry_after")

    def __init__(self, code: str, message: str, retry_after: int | None = None) -> None:
        self.code = code
        self.message = message
        self.retry_after = retry_after

    @property
    def no_answer(self) -> bool:
        """Whether what came was no answer of a model at all, so that nothing of it is counted or charged."""
        return self.code in _NO_ANSWER

    @property
    def status(self) -> int:
        """What the client is told, and the record says."""
        return _STATUS[self.code][0]

    def refusal(self) -> Refusal:
        status, kind, should_retry = _STATUS[self.code]
        return Refusal(status, kind, self.code, self.message, None, self.retry_after, should_retry)

    def __repr__(self) -> str:
        return f"Fault({self.code})"
