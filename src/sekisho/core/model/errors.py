"""A refusal is a value: whose fault, what to show, whether and when to try again.

Stages return one; the dialect of the route renders it. An exception class exists only where somebody catches it.
"""

import enum

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


class Refusal(msgspec.Struct, frozen=True, gc=False):
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
