"""The steps that are timed: real functions of `sekisho`, real bytes. Each probe prepares its data once and gives one operation.

Modules of the product are imported inside the probes, so that one that is missing or broken costs its own line only.
"""

import contextlib
import hashlib
import itertools
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

Operation = Callable[[], object]
Probe = Callable[[], AbstractContextManager[Operation]]

KEY: Final = b"sk-sek-k7Qd0aZrXv3N-9f8e7d6c5b4a39281706f5e4d3c2b1a0f9e8d7c6b5a"
BODY: Final = (
    b'{"model":"up/gpt-4o-mini","messages":[{"role":"system","content":"You know rivers well and keep your answers short."},'
    b'{"role":"user","content":"Which river flows through Kyoto, and in which direction? Answer in one short sentence, please."}],'
    b'"temperature":0.7}'
)
STREAM_BODY: Final = BODY.replace(b'"messages"', b'"stream":true,"messages"')
REQUEST: Final = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:4000\r\nAccept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\n"
    b"Accept: application/json\r\nContent-Type: application/json\r\nUser-Agent: OpenAI/Python 3.51.0\r\nX-Stainless-Lang: python\r\n"
    b"X-Stainless-Package-Version: 3.51.0\r\nX-Stainless-OS: Linux\r\nX-Stainless-Arch: x64\r\nX-Stainless-Runtime: CPython\r\n"
    b"X-Stainless-Runtime-Version: 3.11.7\r\nAuthorization: Bearer %b\r\nX-Stainless-Async: async:asyncio\r\n"
    b"x-stainless-retry-count: 0\r\nx-stainless-read-timeout: 600\r\nContent-Length: %d\r\n\r\n%b" % (KEY, len(BODY), BODY)
)
ANSWER: Final = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"gpt-4o-mini","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"The Kamo river flows through Kyoto from north to south.","refusal":null},"logprobs":null,'
    b'"finish_reason":"stop"}],"usage":{"prompt_tokens":41,"completion_tokens":13,"total_tokens":54,"prompt_tokens_details":'
    b'{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0}}}'
)
RESPONSE: Final = b"HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(ANSWER),
    ANSWER,
)
EVENT: Final = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o-mini","system_fingerprint":"fp_1",'
    b'"choices":[{"index":0,"delta":{"content":" river"},"logprobs":null,"finish_reason":null}],"usage":null}\n\n'
)
LAST_EVENTS: Final = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o-mini","choices":[],'
    b'"usage":{"prompt_tokens":41,"completion_tokens":48,"total_tokens":89}}\n\ndata: [DONE]\n\n'
)
PICTURE_BYTES: Final = 10_000_000


class _Sink:
    """Hears what the readers tell, and fails loudly where they refuse what these probes send."""

    def __init__(self) -> None:
        self.completed = 0

    def head_received(self, head: object) -> None: ...

    def body_received(self, data: bytes) -> None: ...

    def message_completed(self) -> None:
        self.completed += 1

    def message_refused(self, refusal: object) -> None:
        raise AssertionError(f"refused: {refusal}")

    def response_head(self, status: int, headers: dict[bytes, bytes]) -> None: ...

    def response_body(self, data: bytes) -> None: ...

    def response_completed(self) -> None:
        self.completed += 1

    def response_failed(self, code: str, message: str) -> None:
        raise AssertionError(f"failed: {code} {message}")


def _expect(held: bool, words: str) -> None:
    if not held:
        raise AssertionError(words)


@contextlib.contextmanager
def request_head() -> Iterator[Operation]:
    from sekisho.core.wire.http1.readers import RequestReader
    from sekisho.dataplane.settings import Bounds

    bounds, sink = Bounds(), _Sink()
    reader = RequestReader(sink, bounds.header_bytes, bounds.header_count, bounds.target_bytes)
    reader.feed(REQUEST)
    _expect(sink.completed == 1, "the request was not read whole")
    yield lambda: reader.feed(REQUEST)


@contextlib.contextmanager
def response() -> Iterator[Operation]:
    from sekisho.core.wire.http1.readers import ResponseReader

    sink = _Sink()
    reader = ResponseReader(64 * 1024)

    def once() -> None:
        reader.expect(sink)
        reader.feed(RESPONSE)

    once()
    _expect(sink.completed == 1, "the response was not read whole")
    _expect(reader.reusable, "after a kept-alive response the connection is not reusable: every call would dial anew")
    yield once


def _envelope(body: bytes) -> Operation:
    from sekisho.core.dialects import openai_chat
    from sekisho.dataplane.settings import Bounds

    keys = Bounds().json_keys
    sent = b"".join(openai_chat.decode_request(body, keys).encode(b'"gpt-4o-mini"'))
    _expect(b'"model":"gpt-4o-mini"' in sent and len(sent) >= len(body) - 3, "the model was not replaced")
    return lambda: openai_chat.decode_request(body, keys).encode(b'"gpt-4o-mini"')


@contextlib.contextmanager
def envelope() -> Iterator[Operation]:
    yield _envelope(BODY)


@contextlib.contextmanager
def envelope_stream() -> Iterator[Operation]:
    yield _envelope(STREAM_BODY)


@contextlib.contextmanager
def envelope_picture() -> Iterator[Operation]:
    picture = b"k7Qd0aZr+Xv3/NbM" * (PICTURE_BYTES // 16)
    yield _envelope(
        b'{"model":"up/gpt-4o-mini","messages":[{"role":"user","content":[{"type":"text","text":"What is this?"},'
        b'{"type":"image_url","image_url":{"url":"data:image/png;base64,' + picture + b'"}}]}],"temperature":0.7}'
    )


@contextlib.contextmanager
def answer() -> Iterator[Operation]:
    from sekisho.core.dialects import openai_chat

    outcome = openai_chat.read_answer(ANSWER)
    _expect(outcome is not None and outcome.usage is not None and outcome.usage.output == 13, "the usage was not found")
    yield lambda: openai_chat.read_answer(ANSWER)


@contextlib.contextmanager
def relay_event() -> Iterator[Operation]:
    from sekisho.core.dialects.openai_chat import Scanner
    from sekisho.core.wire import sse
    from sekisho.core.wire.http1 import writers
    from sekisho.dataplane.settings import Bounds

    splitter, scanner = sse.Splitter(Bounds().event_bytes), Scanner(False)
    _expect(
        writers.chunk(scanner.scan(splitter.feed(EVENT))) == b"%x\r\n%b\r\n" % (len(EVENT), EVENT), "the event was not relayed as it came"
    )
    yield lambda: writers.chunk(scanner.scan(splitter.feed(EVENT)))


@contextlib.contextmanager
def relay_end() -> Iterator[Operation]:
    from sekisho.core.dialects.openai_chat import Scanner

    first = Scanner(False)
    left = first.scan(LAST_EVENTS)
    _expect(first.finished and first.outcome.usage is not None and left == b"data: [DONE]\n\n", "the usage event was not taken out")
    yield lambda: Scanner(False).scan(LAST_EVENTS)


@contextlib.contextmanager
def limits() -> Iterator[Operation]:
    """What admission does for one call: book a request and its tokens, tell what remains, give back what was not used."""
    from sekisho.core.policy import limits as policy

    steps = itertools.count()
    state = [0.0, 0.0]

    def once() -> tuple[tuple[int, bytes], tuple[int, bytes]]:
        now = 1000.0 + next(steps) * 1e-4
        requests = policy.take(state[0], now, 100_000_000, 1)
        tokens = policy.take(state[1], now, 1_000_000_000, 500)
        state[0], state[1] = requests, policy.give_back(tokens, 1_000_000_000, 420)
        return policy.state(requests, now, 100_000_000), policy.state(tokens, now, 1_000_000_000)

    _expect(once()[0][0] == 99_999_999, "a request was not booked")
    yield once


@contextlib.contextmanager
def key_check() -> Iterator[Operation]:
    """A bearer key against 10,000 keys, and its scope against a model."""
    from sekisho.core.model.snapshot import Key, Model
    from sekisho.core.policy import access

    others = [Key(hashlib.sha256(b"%d" % number).digest(), f"key-{number}", "other", "default") for number in range(9_999)]
    keys = access.Keys([*others, Key(hashlib.sha256(KEY).digest(), "key", "bench", "default", models=("up/gpt-4o-mini", "other/*"))])
    model = Model("up/gpt-4o-mini", "up", "gpt-4o-mini")
    header = b"Bearer " + KEY

    def once() -> bool:
        key = keys.find(hashlib.sha256(header[7:]).digest())
        return key is not None and access.may_use(key, model)

    _expect(once(), "the key was not found")
    yield once


@contextlib.contextmanager
def route() -> Iterator[Operation]:
    """Path to route, and the model's name to the model, among 1,000 models."""
    from sekisho.core.dialects import registry
    from sekisho.core.model.snapshot import Catalog, Model, Provider
    from sekisho.core.policy.access import Directory

    models = tuple(Model(f"up/model-{number}", "up", f"model-{number}") for number in range(999))
    directory = Directory(Catalog(1, "bench", (Provider("up", "custom"),), (*models, Model("up/gpt-4o-mini", "up", "gpt-4o-mini"))))
    _expect(registry.find("/v1/chat/completions") is not None and directory.find("up/gpt-4o-mini") is not None, "no route, or no model")
    yield lambda: (registry.find("/v1/chat/completions"), directory.find("up/gpt-4o-mini"))


@contextlib.contextmanager
def price() -> Iterator[Operation]:
    from sekisho.core.model.chat import Usage, UsageSource
    from sekisho.core.model.snapshot import Rate
    from sekisho.core.policy import pricing

    usage, rate = Usage(41, 13, 8, 0, UsageSource.PROVIDER), Rate(1500, 6000, 750)
    _expect(pricing.cost(usage, rate) == 33 * 1500 + 8 * 750 + 13 * 6000, "the price is wrong")
    yield lambda: pricing.cost(usage, rate)


@contextlib.contextmanager
def journal_append() -> Iterator[Operation]:
    """Both frames of one call into a mapped segment, encoding and making of the records included."""
    from sekisho.core.model.records import CallBegan, CallEnded
    from sekisho.dataplane.journal import Journal
    from sekisho.dataplane.settings import Journal as JournalSettings

    with tempfile.TemporaryDirectory(prefix="sekisho-micro-") as folder:
        journal = Journal(Path(folder), 1, "0123456789abcdef", JournalSettings().segment_bytes)
        numbers = itertools.count(1)

        def once() -> bool:
            seq = next(numbers)
            began = CallBegan(
                seq,
                "req_0123456789abcdef01234567",
                1_700_000_000_000_000,
                "POST",
                "/v1/chat/completions",
                "127.0.0.1",
                "key_0123456789",
                "bench",
                "default",
                "up/gpt-4o-mini",
                "up",
                "gpt-4o-mini",
                "cred_0123456789",
                False,
                "",
                "OpenAI/Python 3.51.0",
            )
            ended = CallEnded(
                seq,
                0,
                200,
                41,
                13,
                0,
                0,
                1,
                139_500,
                "USD",
                tuple(range(1_000_000_000_000, 1_000_010_000_000, 1_000_000)),
                1,
                270,
                520,
                200,
                "",
                "",
                "stop",
            )
            return journal.append(began) and journal.append(ended)

        try:
            _expect(once(), "the journal took no record")
            yield once
        finally:
            journal.close(0)


def _keys(count: int) -> list[object]:
    from sekisho.core.model.snapshot import Key

    return [
        Key(hashlib.sha256(b"%d" % number).digest(), f"key-{number:011d}", f"customer {number}", "default", rpm=600, tpm=100_000)
        for number in range(count)
    ]


@contextlib.contextmanager
def key_page() -> Iterator[Operation]:
    """One frame of the keys' first coming: the longest that their loading holds the loop at a time."""
    from sekisho.core.policy.access import Keys
    from sekisho.core.wire import link

    payload = link.encode(link.KeyPage(1, tuple(_keys(link.PAGE_KEYS)), last=False))[link.LENGTH.size :]  # type: ignore[arg-type]
    keys = Keys()

    def once() -> None:
        message = link.decode_to_worker(payload)
        assert isinstance(message, link.KeyPage)
        keys.extend(message.keys)

    once()
    _expect(len(keys) == link.PAGE_KEYS, "the page was not taken")
    yield once


@contextlib.contextmanager
def key_delta() -> Iterator[Operation]:
    """A key that comes and one that goes, among 100,000."""
    from sekisho.core.policy.access import Keys
    from sekisho.core.wire import link

    *present, changed = _keys(100_001)
    keys = Keys(present)  # type: ignore[arg-type]
    digest = changed.digest  # type: ignore[attr-defined]
    comes = link.encode(link.KeyDelta(1, keys=(changed,)))[link.LENGTH.size :]  # type: ignore[arg-type]
    goes = link.encode(link.KeyDelta(2, gone=(digest,)))[link.LENGTH.size :]

    def once() -> None:
        for payload in (comes, goes):
            message = link.decode_to_worker(payload)
            assert isinstance(message, link.KeyDelta)
            keys.patch(message.keys, message.gone)

    once()
    _expect(len(keys) == 100_000 and keys.find(digest) is None, "the delta was not applied")
    yield once


PROBES: Final[dict[str, tuple[str, Probe]]] = {
    "request": ("read one request, head (17 fields) and body", request_head),
    "response": ("read one response of an upstream", response),
    "key": ("check a key among 10,000, and its scope", key_check),
    "key-page": ("take 1,000 keys from the link", key_page),
    "key-delta": ("make one key known and another unknown, among 100,000", key_delta),
    "route": ("path to route, name to model among 1,000", route),
    "envelope": ("read the envelope of a chat body, splice the model", envelope),
    "envelope-stream": ("the same, with the usage event asked for", envelope_stream),
    "envelope-10mb": ("the same with a picture of 10 MB inside", envelope_picture),
    "limits": ("book rpm and tpm, give back, tell what remains", limits),
    "answer": ("find usage and finish reason in an answer", answer),
    "relay": ("relay one SSE event: split, scan, chunk", relay_event),
    "relay-end": ("the last events: read usage, take its event out", relay_end),
    "price": ("price one call", price),
    "journal": ("make and append both frames of one call", journal_append),
}
"""Everything that is timed, by the name that `--only` takes."""
