"""Bytes to heads and bodies. A message that two readers might read differently is refused, and the connection with it.

llhttp (through httptools) refuses most of what is ambiguous: Content-Length with Transfer-Encoding, repeated lengths, bare CR or
LF, obs-fold, control characters, bad chunks. What it lets pass is refused here: a missing or second Host, names with `_`, repeated
security headers, Transfer-Encoding other than `chunked` or on HTTP/1.0, foreign versions, and everything beyond a bound.
"""

import ipaddress
import re
from typing import Final

import httptools

from sekisho.core.model.errors import Kind, Refusal
from sekisho.core.wire.http1.events import METHODS, NOTED, Head, RequestSink, ResponseSink

SINGLE: Final = frozenset(
    (
        b"host",
        b"authorization",
        b"x-api-key",
        b"api-key",
        b"x-goog-api-key",
        b"content-length",
        b"content-type",
        b"content-encoding",
        b"transfer-encoding",
        b"expect",
        b"origin",
        b"upgrade",
        b"idempotency-key",
        b"x-request-id",
    )
)
"""Headers that decide something; two of them might be read differently by two readers."""

HOST: Final = re.compile(rb"([A-Za-z0-9._~-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{1,5}))?\Z")
TARGET: Final = re.compile(rb"/[!-~]*\Z")
BLANK_BYTES: Final = 1024
"""Empty lines before a request line are skipped (RFC 9112, 2.2), this many bytes of them."""
FRAMING_SLACK: Final = 64 * 1024
"""Framing bytes that a chunked body may add beyond four times its own size: room for many small chunks, none for a flood."""
TRAILERS: Final = 16
"""Trailer fields taken (and ignored) after a chunked body."""


def _is_ipv6(text: bytes) -> bool:
    try:
        ipaddress.IPv6Address(text.decode("ascii"))
    except ValueError:
        return False
    return True


def _bad(message: str, code: str = "bad_request", status: int = 400, param: str | None = None) -> Refusal:
    return Refusal(status, Kind.INVALID, code, message, param, should_retry=False, close=True)


RARE: Final = frozenset((b"transfer-encoding", b"expect", b"upgrade"))
"""Headers that change how the message goes on."""


class RequestReader:
    """Reads the messages of one client connection. Feed it what arrives; it calls its sink.

    After `message_refused`, or a message that asks for the connection's end, it ignores all further input.
    """

    __slots__ = (
        "_barren",
        "_completed_in_feed",
        "_current",
        "_earlier",
        "_ended",
        "_good_host",
        "_good_names",
        "_good_url",
        "_head_raw",
        "_header_bytes",
        "_header_count",
        "_headers",
        "_joined",
        "_keep_alive",
        "_noted",
        "_parser",
        "_path",
        "_query",
        "_repeated",
        "_shared",
        "_sink",
        "_target_bytes",
        "_trailers",
        "_url",
        "body_bytes",
        "in_body",
        "in_message",
    )

    def __init__(self, sink: RequestSink, header_bytes: int, header_count: int, target_bytes: int) -> None:
        self._sink = sink
        self._header_bytes = header_bytes
        self._header_count = header_count
        self._target_bytes = target_bytes
        self._parser = httptools.HttpRequestParser(self)
        self._headers: dict[bytes, bytes] = {}
        self._url = b""
        self._head_raw = 0
        self._barren = 0
        self._repeated = b""
        self._joined = 0
        self._good_host: bytes | None = None
        self._good_url: bytes | None = None
        self._good_names: bytes | None = None
        """The names of a head that was fine: the next one on the connection mostly has the same."""
        self._noted = True
        self._path = self._query = ""
        self._ended = False
        self._keep_alive = True
        self._trailers = 0
        self._shared = False
        self._completed_in_feed = False
        self._current = self._earlier = b""
        self.in_message = False
        """Whether the first byte of a message has come and its last has not."""
        self.in_body = False
        self.body_bytes = 0
        """Body bytes of the current message so far."""

    def feed(self, data: bytes) -> None:
        """Read on. Calls the sink any number of times."""
        if self._ended:
            return
        self._completed_in_feed = False
        self._current = data
        body_before = self.body_bytes if self.in_body else -1
        self._head_raw += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._go_on_without_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            if not self._ended:
                self._refuse(_explain(error))
            return
        if self._ended or (not self.in_message and not self._head_raw):
            return
        self._check_progress(data, body_before)

    def _check_progress(self, data: bytes, body_before: int) -> None:
        """Bound what a message that is not whole yet may have sent."""
        if self.in_body:
            # Chunk sizes, extensions and trailers bring a body no further.
            self._barren = self._barren + len(data) if self.body_bytes == body_before else 0
            # `_head_raw` has gone on counting: all bytes of the message but for those read along with the one before.
            framing = self._head_raw - self.body_bytes
            if self._barren > self._header_bytes or framing > self._header_bytes + FRAMING_SLACK + 4 * self.body_bytes:
                self._refuse(_bad("the body's framing goes on and on without bringing a byte; send larger chunks and fewer trailers"))
        elif self.in_message:
            self._earlier += data
            if self._head_raw > self._header_bytes:
                self._refuse(self._head_too_large())
        elif self._head_raw > BLANK_BYTES:
            self._refuse(_bad("only blank lines came where a request was expected"))

    def _go_on_without_upgrade(self, rest: bytes) -> None:
        """An upgrade is an offer (RFC 9110, 7.8) that we decline by answering as usual.

        llhttp stops reading there, as if the body belonged to the new protocol, so that a declined offer would lose a body (Java's
        client offers h2c on every POST). A fresh parser reads on behind a head that says how long the body is.
        """
        if self._ended or not self.in_message:
            return
        length = self._headers.get(b"content-length")
        if length is not None:
            restart = b"POST / HTTP/1.1\r\ncontent-length: " + length + b"\r\n\r\n"
        else:
            restart = b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"
        self._parser = httptools.HttpRequestParser(_BodyOf(self))
        try:
            self._parser.feed_data(restart + rest)
        except httptools.HttpParserError as error:
            if not self._ended:
                self._refuse(_explain(error))

    def _refuse(self, refusal: Refusal) -> None:
        self._ended = True
        self._sink.message_refused(refusal)

    def _head_too_large(self) -> Refusal:
        if len(self._url) > self._target_bytes:
            return _bad(f"the target is longer than {self._target_bytes} bytes; send parameters in the body", "target_too_long", 414)
        return _bad(
            f"the request's head is beyond {self._header_count} headers or {self._header_bytes} bytes; send fewer or shorter ones",
            "headers_too_large",
            431,
        )

    # Called by httptools.

    def on_message_begin(self) -> None:
        self.in_message = True
        self._headers = {}
        self._url = b""
        self._shared = self._completed_in_feed

    def on_url(self, url: bytes) -> None:
        self._url += url
        if len(self._url) > self._target_bytes and not self._ended:
            self._refuse(self._head_too_large())

    def on_header(self, name: bytes, value: bytes) -> None:
        headers = self._headers
        name = name.lower()
        if name in headers or self.in_body:
            self._take_again(name, value)
        else:
            headers[name] = value.rstrip(b" \t")

    def _take_again(self, name: bytes, value: bytes) -> None:
        """A trailer, which is ignored, or a header of a name that was there before."""
        if self.in_body:
            self._trailers += 1
            if self._trailers > TRAILERS and not self._ended:
                self._refuse(_bad(f"more than {TRAILERS} trailer fields"))
            return
        if name in SINGLE:
            self._repeated = name
        # Counted apart, since a joined header is one entry of the dict.
        self._joined += 1
        self._headers[name] += b", " + value.rstrip(b" \t")

    def on_headers_complete(self) -> None:
        if self._ended:
            return
        headers = self._headers
        parser = self._parser
        verb = parser.get_method()
        method = METHODS.get(verb)
        url = self._url
        raw = self._earlier + self._current if self._earlier else self._current
        says_http = not self._shared and raw.startswith(verb + b" " + url + b" HTTP/1.1\r\n")
        version = "1.1" if says_http else parser.get_http_version()
        refusal = self._check_head(headers, version, method, url, says_http)
        if refusal is not None:
            self._refuse(refusal)
            return
        self._keep_alive = keep_alive = parser.should_keep_alive()
        assert method is not None
        head = Head(method, self._path, self._query, version, headers, keep_alive)
        length = headers.get(b"content-length")
        if length is not None:
            head.content_length = int(length)
        head.noted = self._noted
        self.in_body = True
        self.body_bytes = 0
        if self._noted and not RARE.isdisjoint(headers) and not self._take_rare(head):
            return
        self._sink.head_received(head)

    def _take_rare(self, head: Head) -> bool:
        """Apply the headers that change how the message goes on; False where the message is refused for them."""
        headers = head.headers
        head.chunked = b"transfer-encoding" in headers
        if b"upgrade" in headers and self._parser.should_upgrade():
            self._keep_alive = head.keep_alive = False
        expect = headers.get(b"expect")
        if expect is not None:
            if expect.lower() != b"100-continue":
                self._refuse(_bad("expect may only be 100-continue", "expectation_failed", 417, "expect"))
                return False
            head.expects_continue = head.version == "1.1"
        return True

    def _check_head(self, headers: dict[bytes, bytes], version: str, method: str | None, url: bytes, says_http: bool) -> Refusal | None:
        if version != "1.1" and version != "1.0":
            return _bad("only HTTP/1.1 and HTTP/1.0 are spoken here", "version_not_supported", 505)
        if method is None:
            return _bad("this method is not known here", "method_not_supported", 501)
        if self._head_raw > self._header_bytes or self._shared:
            # The bytes at hand may hold more than this head; only then is it worth adding up.
            size = len(url) + 16 + sum(len(name) + len(value) + 4 for name, value in headers.items())
            if size > self._header_bytes:
                return self._head_too_large()
        if self._joined or len(headers) > self._header_count:
            refusal = self._check_repeated(headers)
            if refusal is not None:
                return refusal
        host = headers.get(b"host")
        if host != self._good_host or host is None:
            refusal = self._check_host(host, version)
            if refusal is not None:
                return refusal
        names = b" ".join(headers)
        if names != self._good_names:
            if names.find(b"_") >= 0:
                return _bad("a header name holds an underscore, which some servers read as a hyphen; use hyphens", "header_invalid")
            self._good_names = names
            self._noted = not NOTED.isdisjoint(headers)
        if self._noted and b"transfer-encoding" in headers and (version == "1.0" or headers[b"transfer-encoding"].lower() != b"chunked"):
            return _bad("transfer-encoding may only be chunked, on HTTP/1.1", "transfer_encoding_invalid", 400, "transfer-encoding")
        # RTSP and ICE look like HTTP to llhttp, which does not tell them apart afterwards: the line itself must say so.
        if not says_http and not self._says_http(url):
            if not self._shared and b" HTTP/1." in (self._earlier + self._current).lstrip(b"\r\n").partition(b"\r")[0]:
                return _bad("the request line is not `METHOD target HTTP/1.1` with single blanks", "http_invalid")
            return _bad("only HTTP/1.1 and HTTP/1.0 are spoken here", "version_not_supported", 505)
        if url != self._good_url:
            return self._check_target(url, host)
        return None

    def _says_http(self, url: bytes) -> bool:
        raw = self._earlier + self._current if self._earlier else self._current
        line = self._parser.get_method() + b" " + url + b" HTTP/1."
        if not self._shared:
            return raw.startswith(line) or raw.lstrip(b"\r\n").startswith(line)
        # Behind another message of the same read, where this one begins is not known.
        return line in raw and url + b" RTSP/" not in raw and url + b" ICE/" not in raw

    def _check_repeated(self, headers: dict[bytes, bytes]) -> Refusal | None:
        if len(headers) + self._joined > self._header_count:
            return self._head_too_large()
        self._joined = 0
        if self._repeated:
            name = self._repeated.decode("ascii", "replace")
            return _bad(f"the header {name} came twice; send it once", "duplicate_header", 400, name)
        return None

    def _check_host(self, host: bytes | None, version: str) -> Refusal | None:
        if host is None:
            if version == "1.1":
                return _bad("the host header is missing; HTTP/1.1 requires it", "host_missing", 400, "host")
            return None
        match = HOST.match(host)
        port = match[2] if match else None
        if match is None or (port is not None and not 0 < int(port) < 65536) or (host[:1] == b"[" and not _is_ipv6(match[1][1:-1])):
            return _bad("the host header is no host name with an optional port", "host_invalid", 400, "host")
        self._good_host = host
        return None

    def _check_target(self, url: bytes, host: bytes | None) -> Refusal | None:
        """Absolute form (RFC 9112, 3.2.2) is for proxies; it is taken where it names the very host of the request."""
        target = url
        if TARGET.match(url) is None:
            target = b""
            scheme, mark, rest = url.partition(b"://")
            if mark and scheme.lower() in (b"http", b"https") and host:
                authority, _, path = rest.partition(b"/")
                if authority.lower() == host.lower() and TARGET.match(b"/" + path):
                    target = b"/" + path
            elif url == b"*" and self._parser.get_method() == b"OPTIONS":
                target = url
        if not target:
            return _bad("the request target must be a path of this server, in printable ASCII", "target_invalid")
        self._good_url = url
        self._path, _, self._query = target.decode("ascii").partition("?")
        return None

    def on_body(self, data: bytes) -> None:
        if not self._ended:
            self.body_bytes += len(data)
            self._sink.body_received(data)

    def on_message_complete(self) -> None:
        if self._ended:
            return
        if b"upgrade" in self._headers and self._parser.should_upgrade() and self._announces_body():
            return
        self._complete()

    def _announces_body(self) -> bool:
        headers = self._headers
        return b"transfer-encoding" in headers or int(headers.get(b"content-length", b"0")) > 0

    def _complete(self) -> None:
        self.in_message = False
        self.in_body = False
        self._head_raw = 0
        self._completed_in_feed = True
        if self._earlier:
            self._earlier = b""
        if self._trailers:
            self._trailers = 0
        if not self._keep_alive:
            # What follows is not ours to read (RFC 9112, 9.6).
            self._ended = True
        self._sink.message_completed()


class _BodyOf:
    """Receives the body that follows a declined upgrade, for the reader whose head it belongs to."""

    def __init__(self, reader: RequestReader) -> None:
        self._reader = reader
        self._done = False

    def on_body(self, data: bytes) -> None:
        if not self._done:
            self._reader.on_body(data)

    def on_message_complete(self) -> None:
        if not self._done:
            self._done = True
            self._reader._complete()


_PHRASES: Final[dict[type[Exception], str]] = {
    httptools.HttpParserInvalidMethodError: "the method is unknown; use one of HTTP's own",
    httptools.HttpParserInvalidURLError: "the request target holds characters that must be percent-encoded",
}


def _explain(error: Exception) -> Refusal:
    """The parser's complaint as a refusal; its words hold none of the client's bytes."""
    detail = _PHRASES.get(type(error)) or f"the message is no valid HTTP/1.1: {error}"
    return _bad(detail, "http_invalid")


class ResponseReader:
    """Reads the responses of one upstream connection, one at a time, as hostile input.

    Completion is told when the bytes at hand are used up, not when the parser sees it: a second response behind the first would
    else be taken for the answer to the next request.
    """

    __slots__ = (
        "_head_bytes",
        "_head_raw",
        "_headers",
        "_informational",
        "_keep_alive",
        "_parser",
        "_sink",
        "_spoilt",
        "_to_the_close",
        "_whole",
    )

    MAX_INFORMATIONAL: Final = 8

    def __init__(self, head_bytes: int) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._head_bytes = head_bytes
        self._sink: ResponseSink | None = None
        self._headers: dict[bytes, bytes] = {}
        self._head_raw = 0
        self._informational = 0
        self._to_the_close = False
        self._spoilt = False
        self._whole = False
        self._keep_alive = True

    def expect(self, sink: ResponseSink) -> None:
        """A request was sent; what comes next is its response."""
        self._sink = sink
        self._head_raw = 0
        self._informational = 0
        self._to_the_close = False
        self._whole = False

    def hand_over(self, sink: ResponseSink) -> None:
        """Another sink takes the rest of the running response."""
        if self._sink is not None:
            self._sink = sink

    @property
    def busy(self) -> bool:
        return self._sink is not None

    @property
    def reusable(self) -> bool:
        """Whether the connection may carry another request."""
        return self._sink is None and not self._spoilt and not self._to_the_close and self._keep_alive

    def feed(self, data: bytes) -> None:
        """Read on, while `busy`."""
        if self._head_raw >= 0:
            self._head_raw += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._spoilt = True
            if not self._whole:
                self._fail(f"the provider's answer is no valid HTTP/1.1: {_reason(error)}")
        if self._head_raw > self._head_bytes:
            self._fail("the provider's answer has a head beyond all bounds")
        if self._whole and self._sink is not None:
            sink, self._sink = self._sink, None
            sink.response_completed()

    def ended(self) -> bool:
        """The connection was closed; True where that is how the response says that it is whole."""
        self._spoilt = True
        if self._sink is not None and self._to_the_close:
            sink, self._sink = self._sink, None
            sink.response_completed()
            return True
        return False

    @property
    def started(self) -> bool:
        """Whether a byte of the awaited response has come."""
        return self._head_raw != 0

    @property
    def head_seen(self) -> bool:
        """Whether the head of the awaited response has come."""
        return self._head_raw < 0

    def _fail(self, message: str) -> None:
        sink, self._sink = self._sink, None
        self._spoilt = True
        if sink is not None:
            sink.response_failed("upstream_invalid_response", message)

    # Called by httptools.

    def on_message_begin(self) -> None:
        if self._whole:
            self._spoilt = True
        self._headers = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head_raw >= 0:
            self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        sink = self._sink
        if sink is None or self._whole:
            self._spoilt = True
            return
        status = self._parser.get_status_code()
        if status < 200:
            self._informational += 1
            if status == 101 or self._informational > self.MAX_INFORMATIONAL:
                self._fail("the provider sends informational answers without end")
            return
        headers = self._headers
        if self._head_raw > self._head_bytes and sum(len(name) + len(value) + 4 for name, value in headers.items()) > self._head_bytes:
            self._fail("the provider's answer has a head beyond all bounds")
            return
        self._to_the_close = b"content-length" not in headers and b"transfer-encoding" not in headers and status not in (204, 304)
        self._head_raw = -1
        sink.response_head(status, headers)

    def on_body(self, data: bytes) -> None:
        sink = self._sink
        if sink is not None and not self._whole:
            sink.response_body(data)

    def on_message_complete(self) -> None:
        if self._head_raw < 0:
            self._whole = True
            # The parser forgets it once the message is over.
            self._keep_alive = bool(self._parser.should_keep_alive())


def _reason(error: Exception) -> str:
    return "it switches protocols" if isinstance(error, httptools.HttpParserUpgrade) else str(error)
