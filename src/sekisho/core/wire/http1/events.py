"""The vocabulary of framing: what a reader tells its owner."""

from typing import Final

from sekisho.core.model.errors import Refusal

METHODS: Final = {method.encode(): method for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")}
"""What is served. llhttp knows RTSP's and others' as well; those, CONNECT and TRACE have no meaning here."""


NOTED: Final = frozenset(
    b"transfer-encoding expect upgrade x-api-key api-key x-goog-api-key openai-beta openai-organization openai-project "
    b"traceparent tracestate idempotency-key".split()
)
"""Headers that few requests have, and that are looked for only where a head is `noted`; all others are asked for each time."""


class Head:
    """Request line and headers of one message, already within all bounds."""

    content_length: int | None = None
    chunked = False
    expects_continue = False
    noted = True
    """Whether it may have one of the headers in `NOTED`."""

    def __init__(self, method: str, path: str, query: str, version: str, headers: dict[bytes, bytes], keep_alive: bool) -> None:
        self.method = method
        self.path = path
        """As sent, without the query: never decoded, never normalised."""
        self.query = query
        self.version = version
        self.headers = headers
        """Names in lower case. A name that came twice holds both values, joined by a comma, unless it must not repeat."""
        self.keep_alive = keep_alive


class RequestSink:
    """Whoever owns a `RequestReader`. Calls come in order: head, body pieces, completion; or a refusal, which is the last.

    A base class, not a protocol: machine code calls its methods without looking them up.
    """

    def head_received(self, head: Head) -> None:
        raise NotImplementedError

    def body_received(self, data: bytes) -> None:
        raise NotImplementedError

    def message_completed(self) -> None:
        raise NotImplementedError

    def message_refused(self, refusal: Refusal) -> None:
        raise NotImplementedError


class ResponseSink:
    """Whoever awaits an upstream's response."""

    def response_head(self, status: int, headers: dict[bytes, bytes]) -> None:
        raise NotImplementedError

    def response_body(self, data: bytes) -> None:
        raise NotImplementedError

    def response_completed(self) -> None:
        raise NotImplementedError

    def response_failed(self, code: str, message: str) -> None:
        raise NotImplementedError
