"""The table of what an upstream can do wrong: its script, the exact answer for the client, the exact record.

One row is one call. Codes stand here once and nowhere else in these tests.
"""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.e2e.faults.scripts import (
    DONE,
    HANG,
    LAST_CHUNK,
    RESET,
    SSE_HEAD,
    SSE_HEAD_TO_CLOSE,
    USAGE,
    WORDS,
    Close,
    Pause,
    Repeat,
    Send,
    Step,
    chunk,
    chunked,
    completion,
    frames,
    head,
    json_answer,
    stream,
)

LATE: Final = "request_timeout"
"""No head within `first_byte`."""
IDLE: Final = "idle_timeout"
TOTAL: Final = "total_timeout"
NOT_ACCEPTED: Final = "connect_timeout"
UNREACHABLE: Final = "upstream_unreachable"
CUT: Final = "upstream_cut"
GARBAGE: Final = "upstream_invalid_response"
TOO_LARGE: Final = "upstream_response_too_large"
EVENT_TOO_LARGE: Final = "upstream_event_too_large"
REDIRECT: Final = "upstream_redirected"
REFUSED: Final = "upstream_refused_credential"

LET_GO: Final = (LATE, IDLE, TOTAL, GARBAGE, TOO_LARGE, EVENT_TOO_LARGE)
"""After these the upstream's connection is in a state that nobody knows, so it is closed at once."""

STEADY: Final = "steady"
"""A provider whose patience outlasts every row that is not about patience."""
HASTY: Final = "hasty"
"""A provider with its timeouts turned down to `HASTE`."""
HASTE: Final = {"connect": 0.5, "first_byte": 1.0, "idle": 1.0, "total": 2.4}

CREDENTIAL: Final = "sk-upstream-0123456789abcdefghijklmnopqrstuvwxyz"
"""What opens the scripted upstream; no client may ever see it."""


@dataclass(frozen=True)
class Row:
    """One fault. `http` is what the client is told; `code` None means that it is told no error."""

    name: str
    steps: tuple[Step, ...]
    http: int
    code: str | None = None
    stream: bool = False
    status: str = "failed"
    upstream_status: int = 200
    usage: str = "unknown"
    tokens: tuple[int, int] | None = None
    """Exact input and output tokens of the record; None leaves them to the estimate's own bounds."""
    provider: str = STEADY
    passes: bytes | None = None
    """The exact body that the client gets; None leaves it open."""
    spoken: str | None = None
    """The text that the stream carried before it failed."""
    asks_usage: bool = False
    own: bool = False
    """Whether the fault may touch the provider's standing, so that it gets a provider of its own."""
    repeatable: bool = False
    """Whether the request may be sent a second time, if the first went over a kept connection that was closed without a byte: nobody
    can tell that from a close that crossed the request on its way (RFC 9112, 9.3.1)."""
    retry_after: tuple[int, int] | None = None
    """Bounds of `retry-after` in seconds; None: the header is not looked at."""


def _sse(*pieces: bytes) -> bytes:
    return SSE_HEAD + b"".join(map(chunked, pieces))


def _slowly(data: bytes, framed: Callable[[bytes], bytes] = bytes) -> tuple[Step, ...]:
    """Each byte by itself, with a breath between."""
    return tuple(step for place in range(len(data)) for step in (Send(framed(data[place : place + 1])), Pause(0.0005)))


_BODY: Final = json.dumps(completion(), ensure_ascii=False).encode()
_JSON: Final = json_answer(completion())
_FIRST: Final = frames()[:3]
"""The opening and two words."""
_FIRST_TEXT: Final = "".join(WORDS[:2])
_HTML: Final = b"<!doctype html><html><body>502 Bad Gateway, said an angry balancer</body></html>"
_EVIL: Final = json_answer(completion("EVIL"))


def _json_with(status: str, body: bytes, *lines: str) -> bytes:
    return head(status, f"content-length: {len(body)}", *lines) + body


HANGS: Final = (
    Row("hangs before the head", (HANG,), 504, LATE, provider=HASTY, upstream_status=0),
    Row("hangs before the head of a stream", (HANG,), 504, LATE, stream=True, provider=HASTY, upstream_status=0),
    Row("hangs inside the status line", (Send(b"HTTP/1.1 2"), HANG), 504, LATE, provider=HASTY, upstream_status=0),
    Row("hangs inside the head", (Send(_JSON[:40]), HANG), 504, LATE, provider=HASTY, upstream_status=0),
    Row(
        "trickles headers without end",
        (Send(b"HTTP/1.1 200 OK\r\n"), Repeat(b"x-a: b\r\n", 0.2)),
        504,
        LATE,
        provider=HASTY,
        upstream_status=0,
    ),
    Row("hangs after the head", (Send(_JSON[: -len(_BODY)]), HANG), 504, IDLE, provider=HASTY, usage="estimated"),
    Row("hangs inside the body", (Send(_JSON[:-40]), HANG), 504, IDLE, provider=HASTY, usage="estimated"),
    Row(
        "trickles its body beyond the total",
        (Send(_JSON[: -len(_BODY)]), Repeat(b" ", 0.2)),
        504,
        TOTAL,
        provider=HASTY,
        usage="estimated",
    ),
    Row(
        "hangs inside a stream",
        (Send(_sse(*_FIRST)), HANG),
        200,
        IDLE,
        stream=True,
        provider=HASTY,
        usage="estimated",
        spoken=_FIRST_TEXT,
    ),
    Row(
        "hangs inside a frame",
        (Send(_sse(*_FIRST, b'data: {"id":"chatc')), HANG),
        200,
        IDLE,
        stream=True,
        provider=HASTY,
        usage="estimated",
        spoken=_FIRST_TEXT,
    ),
    Row(
        "streams without end",
        (Send(SSE_HEAD), Repeat(chunked(chunk({"content": "x"})), 0.1)),
        200,
        TOTAL,
        stream=True,
        provider=HASTY,
        usage="estimated",
    ),
    Row(
        "streams comments without end",
        (Send(_sse(*_FIRST)), Repeat(chunked(b": still here\n\n"), 0.2)),
        200,
        TOTAL,
        stream=True,
        provider=HASTY,
        usage="estimated",
        spoken=_FIRST_TEXT,
    ),
)

LIES: Final = (
    Row(
        "length too long",
        (Send(head("200 OK", "content-type: application/json", f"content-length: {len(_BODY) + 9}") + _BODY), Close()),
        502,
        CUT,
        usage="estimated",
    ),
    Row(
        "length too short",
        (Send(head("200 OK", "content-type: application/json", f"content-length: {len(_BODY) - 9}") + _BODY),),
        502,
        GARBAGE,
    ),
    Row(
        "length and chunks",
        (Send(head("200 OK", f"content-length: {len(_BODY)}", "transfer-encoding: chunked") + chunked(_BODY) + LAST_CHUNK),),
        502,
        GARBAGE,
        upstream_status=0,
    ),
    Row(
        "two lengths",
        (Send(head("200 OK", "content-length: 5", f"content-length: {len(_BODY)}") + _BODY),),
        502,
        GARBAGE,
        upstream_status=0,
    ),
    Row("negative length", (Send(head("200 OK", "content-length: -5") + _BODY), Close()), 502, GARBAGE, upstream_status=0),
    Row(
        "length beyond every integer",
        (Send(head("200 OK", "content-length: 99999999999999999999999") + _BODY), Close()),
        502,
        GARBAGE,
        upstream_status=0,
    ),
    Row("chunk sizes that are none", (Send(head("200 OK", "transfer-encoding: chunked") + b"zz\r\n" + _BODY),), 502, GARBAGE),
    Row(
        "a chunk longer than it says",
        (Send(head("200 OK", "transfer-encoding: chunked") + b"5\r\n" + _BODY + b"\r\n0\r\n\r\n"),),
        502,
        GARBAGE,
    ),
    Row(
        "chunk garbage inside a stream",
        (Send(_sse(*_FIRST) + b"zz\r\nzz\r\n"),),
        200,
        GARBAGE,
        stream=True,
        usage="estimated",
        spoken=_FIRST_TEXT,
    ),
    Row("an HTML page instead of JSON", (Send(_json_with("200 OK", _HTML, "content-type: text/html")),), 502, GARBAGE),
    Row("an HTML page instead of a stream", (Send(_json_with("200 OK", _HTML, "content-type: text/html")),), 502, GARBAGE, stream=True),
    Row("an HTML page called JSON", (Send(_json_with("200 OK", _HTML, "content-type: application/json")),), 502, GARBAGE),
    Row(
        "an HTML page called a stream",
        (Send(_json_with("200 OK", _HTML, "content-type: text/event-stream")),),
        200,
        CUT,
        stream=True,
        usage="estimated",
    ),
    Row("a page of NUL", (Send(_json_with("200 OK", b"\0" * 500, "content-type: application/json")),), 502, GARBAGE),
    Row("JSON cut short within its length", (Send(json_answer(_BODY[:-20])),), 502, GARBAGE),
    Row("JSON that is no object", (Send(json_answer(b'["a"]')),), 502, GARBAGE),
    Row("JSON in broken UTF-8", (Send(json_answer(_BODY.replace("関".encode(), b"\xe9\x96"))),), 502, GARBAGE),
    Row("an empty body", (Send(json_answer(b"")),), 502, GARBAGE),
    Row("no content", (Send(head("204 No Content")),), 502, GARBAGE, upstream_status=204),
    Row("a stream of nothing", (Send(SSE_HEAD + LAST_CHUNK),), 200, CUT, stream=True, usage="estimated"),
    Row("frames that hold no JSON", (Send(_sse(b"data: nonsense\n\n") + LAST_CHUNK),), 200, CUT, stream=True, usage="estimated"),
    Row(
        "a stream without its end",
        (Send(_sse(*_FIRST) + LAST_CHUNK),),
        200,
        CUT,
        stream=True,
        usage="estimated",
        spoken=_FIRST_TEXT,
    ),
    Row(
        "a stream to the close without its end",
        (Send(SSE_HEAD_TO_CLOSE + b"".join(_FIRST)), Close()),
        200,
        CUT,
        stream=True,
        usage="estimated",
        spoken=_FIRST_TEXT,
    ),
    Row("no HTTP at all", (Send(b"SSH-2.0-OpenSSH_9.2\r\n"),), 502, GARBAGE, upstream_status=0),
    Row("the answer of HTTP/0.9", (Send(_BODY), Close()), 502, GARBAGE, upstream_status=0),
    Row("a TLS alert", (Send(b"\x15\x03\x01\x00\x02\x02\x46"), Close()), 502, GARBAGE, upstream_status=0),
    Row("a version that does not exist", (Send(_JSON.replace(b"HTTP/1.1", b"HTTP/9.9")),), 502, GARBAGE, upstream_status=0),
    Row("a status of 99", (Send(_JSON.replace(b" 200 ", b" 99 ")),), 502, GARBAGE, upstream_status=0),
    Row("a status of 999", (Send(_JSON.replace(b" 200 ", b" 999 ")),), 502, GARBAGE, upstream_status=999),
    Row(
        "switching protocols",
        (Send(head("101 Switching Protocols", "upgrade: websocket", "connection: upgrade")),),
        502,
        GARBAGE,
        upstream_status=0,
    ),
    Row("a NUL in a header", (Send(_JSON.replace(b"\r\n\r\n", b"\r\nx-a: a\0b\r\n\r\n", 1)),), 502, GARBAGE, upstream_status=0),
    Row("a folded header", (Send(_JSON.replace(b"\r\n\r\n", b"\r\nx-a: a\r\n b\r\n\r\n", 1)),), 502, GARBAGE, upstream_status=0),
    Row("a header of a mebibyte", (Send(head("200 OK", "x-a: " + "a" * (1 << 20)) + _BODY),), 502, GARBAGE, upstream_status=0),
    Row("a header without end", (Send(b"HTTP/1.1 200 OK\r\nx-a: "), Repeat(b"a" * 65536, 0)), 502, GARBAGE, upstream_status=0),
    Row("20,000 headers", (Send(head("200 OK", *(f"x-{n}: a" for n in range(20_000))) + _BODY),), 502, GARBAGE, upstream_status=0),
    Row("a storm of interim answers", (Repeat(head("100 Continue"), 0),), 502, GARBAGE, upstream_status=0),
    Row(
        "an event of 10 MB",
        (Send(_sse(*_FIRST)), Send(chunked(chunk({"content": "x" * 10_000_000})))),
        200,
        EVENT_TOO_LARGE,
        stream=True,
        usage="estimated",
        spoken=_FIRST_TEXT,
    ),
    Row(
        "a line that never ends",
        (Send(_sse(*_FIRST)), Send(chunked(b"data: ")), Repeat(chunked(b"x" * 65536), 0)),
        200,
        EVENT_TOO_LARGE,
        stream=True,
        usage="estimated",
        spoken=_FIRST_TEXT,
    ),
    Row(
        "an answer without end",
        (Send(head("200 OK", "content-type: application/json", "transfer-encoding: chunked")), Repeat(chunked(b" " * (1 << 20)), 0)),
        502,
        TOO_LARGE,
    ),
    Row(
        "a length of a terabyte",
        (Send(head("200 OK", "content-type: application/json", f"content-length: {1 << 40}")), Repeat(b" " * (1 << 20), 0)),
        502,
        TOO_LARGE,
    ),
    Row(
        "compressed although identity was asked",
        (Send(_json_with("200 OK", gzip.compress(_BODY), "content-type: application/json", "content-encoding: gzip")),),
        502,
        GARBAGE,
    ),
    Row(
        "a compressed stream",
        (
            Send(
                head("200 OK", "content-type: text/event-stream", "content-encoding: gzip", "transfer-encoding: chunked")
                + chunked(gzip.compress(b"".join(frames())))
                + LAST_CHUNK
            ),
        ),
        502,
        GARBAGE,
        stream=True,
    ),
    Row(
        "gzip as a transfer coding",
        (Send(head("200 OK", "transfer-encoding: gzip, chunked") + chunked(gzip.compress(_BODY)) + LAST_CHUNK),),
        502,
        GARBAGE,
    ),
)

ERROR: Final = "upstream_error"
_SAID: Final = b'data: {"error": {"message": "out of memory, key %b", "type": "server_error", "code": "oom"}}\n\n' % CREDENTIAL.encode()

INSIDE: Final = (
    Row(
        "an error inside a stream that tells the credential",
        (Send(_sse(*_FIRST, _SAID) + LAST_CHUNK),),
        200,
        ERROR,
        stream=True,
        usage="estimated",
        spoken=_FIRST_TEXT,
    ),
    Row("an error as the whole stream", (Send(_sse(_SAID) + LAST_CHUNK),), 200, ERROR, stream=True, usage="estimated", spoken=""),
    Row(
        "an error inside a stream and then its end",
        (Send(_sse(*_FIRST, _SAID, DONE) + LAST_CHUNK),),
        200,
        ERROR,
        stream=True,
        usage="estimated",
        spoken=_FIRST_TEXT,
    ),
)

REDIRECTS: Final = tuple(
    Row(
        f"redirects with {status}",
        (Send(head(f"{status} Elsewhere", "location: http://127.0.0.1:1/elsewhere", "content-length: 0")),),
        502,
        REDIRECT,
        upstream_status=status,
    )
    for status in (301, 302, 303, 307, 308)
)

HARMLESS: Final = (
    Row(
        "interim answers before the answer",
        (Send(head("100 Continue") + head("103 Early Hints", "link: </x>") + _JSON),),
        200,
        status="completed",
        usage="provider",
        tokens=(11, 7),
        passes=_BODY,
    ),
    Row(
        "another content type around good JSON",
        (Send(_json_with("200 OK", _BODY, "content-type: text/plain")),),
        200,
        status="completed",
        usage="provider",
        tokens=(11, 7),
        passes=_BODY,
    ),
    Row(
        "no content type around good JSON",
        (Send(_json_with("200 OK", _BODY)),),
        200,
        status="completed",
        usage="provider",
        tokens=(11, 7),
        passes=_BODY,
    ),
    Row(
        "a body to the close",
        (Send(head("200 OK", "content-type: application/json", "connection: close") + _BODY), Close()),
        200,
        status="completed",
        usage="provider",
        tokens=(11, 7),
        passes=_BODY,
    ),
    Row(
        "a body byte by byte",
        (Send(_JSON[: -len(_BODY)]), *_slowly(_BODY)),
        200,
        status="completed",
        usage="provider",
        tokens=(11, 7),
        passes=_BODY,
    ),
    Row(
        "a second answer behind the first", (Send(_JSON + _EVIL),), 200, status="completed", usage="provider", tokens=(11, 7), passes=_BODY
    ),
    Row(
        "two ends of a stream",
        (Send(_sse(*frames(), DONE) + LAST_CHUNK),),
        200,
        stream=True,
        asks_usage=True,
        status="completed",
        usage="provider",
        tokens=(11, 7),
        spoken="".join(WORDS),
    ),
    Row(
        "words after the end",
        (Send(_sse(*frames(), chunk({"content": "more"})) + LAST_CHUNK),),
        200,
        stream=True,
        asks_usage=True,
        status="completed",
        usage="provider",
        tokens=(11, 7),
        spoken="".join(WORDS),
    ),
    Row(
        "a stream with CRLF",
        (Send(_sse(*(frame.replace(b"\n", b"\r\n") for frame in frames())) + LAST_CHUNK),),
        200,
        stream=True,
        asks_usage=True,
        status="completed",
        usage="provider",
        tokens=(11, 7),
        spoken="".join(WORDS),
    ),
    Row(
        "a stream byte by byte",
        (Send(SSE_HEAD), *_slowly(b"".join(frames()), chunked), Send(LAST_CHUNK)),
        200,
        stream=True,
        asks_usage=True,
        status="completed",
        usage="provider",
        tokens=(11, 7),
        spoken="".join(WORDS),
    ),
    Row(
        "a stream that was not asked to tell its usage",
        (Send(stream(None)),),
        200,
        stream=True,
        status="completed",
        usage="estimated",
        spoken="".join(WORDS),
    ),
)


def _usage_rows() -> tuple[Row, ...]:
    lies: dict[str, object] = {
        "negative": {"prompt_tokens": -11, "completion_tokens": -7, "total_tokens": -18},
        "of 1e18": {"prompt_tokens": 10**18, "completion_tokens": 10**18, "total_tokens": 2 * 10**18},
        "beyond 64 bits": {"prompt_tokens": 10**30, "completion_tokens": 7, "total_tokens": 10**30},
        "in words": {"prompt_tokens": "11", "completion_tokens": "seven", "total_tokens": "18"},
        "in halves": {"prompt_tokens": 11.5, "completion_tokens": 7.25, "total_tokens": 18.75},
        "of nothing": {},
        "of nulls": {"prompt_tokens": None, "completion_tokens": None, "total_tokens": None},
        "in a list": [11, 7],
        "in a text": "11 and 7",
        "true": True,
        "with more cached than asked": {**USAGE, "prompt_tokens_details": {"cached_tokens": 10**9}},
    }
    rows = []
    for name, usage in lies.items():
        whole = json_answer(completion(usage=usage))
        body = whole.partition(b"\r\n\r\n")[2]
        rows.append(Row(f"usage {name}", (Send(whole),), 200, status="completed", usage="estimated", passes=body))
        rows.append(
            Row(
                f"streamed usage {name}",
                (Send(stream(usage)),),
                200,
                stream=True,
                asks_usage=True,
                status="completed",
                usage="estimated",
                spoken="".join(WORDS),
            )
        )
    missing = json_answer(completion(usage=None))
    rows.append(
        Row("usage missing", (Send(missing),), 200, status="completed", usage="estimated", passes=missing.partition(b"\r\n\r\n")[2])
    )
    twice = _BODY[:-1] + b', "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}}'
    rows.append(Row("usage twice", (Send(json_answer(twice)),), 200, status="completed", usage="provider", tokens=(11, 7), passes=twice))
    again = frames()
    again.insert(-1, again[-2])
    rows.append(
        Row(
            "streamed usage twice",
            (Send(_sse(*again) + LAST_CHUNK),),
            200,
            stream=True,
            asks_usage=True,
            status="completed",
            usage="provider",
            tokens=(11, 7),
        )
    )
    growing = frames()
    growing.insert(2, chunk(None, usage={"prompt_tokens": 11, "completion_tokens": 1, "total_tokens": 12}))
    rows.append(
        Row(
            "streamed usage that grows",
            (Send(_sse(*growing) + LAST_CHUNK),),
            200,
            stream=True,
            asks_usage=True,
            status="completed",
            usage="provider",
            tokens=(11, 7),
        )
    )
    nan = _BODY.replace(b'"prompt_tokens": 11', b'"prompt_tokens": NaN')
    rows.append(Row("usage that is not a number", (Send(json_answer(nan)),), 502, GARBAGE))
    return tuple(rows)


USAGES: Final = _usage_rows()


def _refusal(status: int, message: str, *lines: str) -> bytes:
    return json_answer(
        {"error": {"message": message, "type": "server_error", "param": None, "code": "engine_says"}}, f"{status} No", *lines
    )


def _refusal_rows() -> tuple[Row, ...]:
    rows = []
    for status in (400, 404, 409, 413, 422):
        whole = _refusal(status, f"the engine says {status}")
        rows.append(
            Row(
                f"answers {status}",
                (Send(whole),),
                status,
                "engine_says",
                upstream_status=status,
                own=True,
            )
        )
    for status in (500, 502, 503, 504, 529):
        whole = _refusal(status, f"the engine says {status}")
        rows.append(Row(f"answers {status}", (Send(whole),), status, "engine_says", upstream_status=status, own=True))
    rows.extend(
        Row(
            f"answers {status} and tells the credential",
            (Send(_refusal(status, f"Incorrect API key provided: {CREDENTIAL}.", f"x-your-key: {CREDENTIAL}")),),
            502,
            REFUSED,
            upstream_status=status,
            own=True,
        )
        for status in (401, 402, 403)
    )
    for name, value in {
        "of a century": "3153600000",
        "of 400 digits": "9" * 400,
        "negative": "-1",
        "in words": "soon",
        "a date": "Fri, 31 Dec 2100 23:59:59 GMT",
    }.items():
        rows.append(
            Row(
                f"answers 429 with a retry-after {name}",
                (Send(_refusal(429, "slow down", f"retry-after: {value}")),),
                429,
                "engine_says",
                upstream_status=429,
                own=True,
                retry_after=(1, 3600),
            )
        )
    rows.append(
        Row(
            "answers 500 with a page",
            (Send(_json_with("500 Oh", _HTML, "content-type: text/html")),),
            500,
            "upstream_500",
            upstream_status=500,
            own=True,
        )
    )
    rows.append(
        Row(
            "answers 500 without a word and closes",
            (Send(head("500 Oh", "content-length: 0", "connection: close")), Close()),
            500,
            "upstream_500",
            upstream_status=500,
            own=True,
        )
    )
    rows.append(Row("refuses a stream", (Send(_refusal(503, "no room")),), 503, "engine_says", stream=True, upstream_status=503, own=True))
    rows.append(
        Row(
            "tells the credential in a 400",
            (Send(_refusal(400, f"you sent {CREDENTIAL}", f"x-your-key: {CREDENTIAL}")),),
            400,
            "engine_says",
            upstream_status=400,
            own=True,
        )
    )
    return tuple(rows)


REFUSALS: Final = _refusal_rows()

RESETS: Final = (
    Row("resets before the head", (RESET,), 502, CUT, upstream_status=0, repeatable=True),
    Row("closes before the head", (Close(),), 502, CUT, upstream_status=0, repeatable=True),
    Row("resets inside the body", (Send(_JSON[:-20]), Pause(0.1), RESET), 502, CUT, usage="estimated"),
    Row("resets inside a stream", (Send(_sse(*_FIRST)), Pause(0.1), RESET), 200, CUT, stream=True, usage="estimated", spoken=_FIRST_TEXT),
)

ROWS: Final = (*HANGS, *LIES, *INSIDE, *REDIRECTS, *HARMLESS, *USAGES, *REFUSALS, *RESETS)
