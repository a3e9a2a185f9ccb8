"""What a worker is told at its start, and the bounds it keeps. Every bound exists because its absence is a way to take the house down."""

import msgspec


class Bounds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits on what a client may send and how slowly. Sizes in bytes, times in seconds."""

    header_bytes: int = 32 * 1024
    """Request line and all headers together; beyond: 431. nginx takes 32 KiB, Node 16 KiB."""
    header_count: int = 100
    """Beyond: 431. SDKs send about 20."""
    target_bytes: int = 8 * 1024
    """Path and query; beyond: 414."""
    chat_body_bytes: int = 32 * 1024 * 1024
    """Body of chat and completions (images travel inside); beyond: 413 while still reading."""
    json_body_bytes: int = 10 * 1024 * 1024
    """Body of every other JSON route."""
    json_keys: int = 200_000
    """Most member names in one body, at any depth; one million would hold the loop for a third of a second."""
    response_bytes: int = 64 * 1024 * 1024
    """Largest answer of an upstream that is not a stream of events; beyond: 502."""
    event_bytes: int = 1024 * 1024
    """Largest single event in a stream from an upstream."""
    head_timeout_s: float = 10.0
    """From the accept, or the first byte of a further request, to the end of its head."""
    body_idle_s: float = 15.0
    """Longest silence inside a body."""
    body_min_rate: int = 100
    """Bytes per second that a body must average after its first `body_idle_s`."""
    write_idle_s: float = 30.0
    """Longest time without progress while the client has unread bytes waiting."""
    keepalive_s: float = 75.0
    """How long an idle connection is kept."""
    pipelining: int = 16
    """Requests that may wait on one connection behind the one being answered."""
    connections: int = 20_000
    """Open client connections of one worker; never more than its file descriptors allow."""
    connections_per_address: int = 512
    """Per IPv4 address or IPv6 /64; loopback and trusted proxies are exempt."""
    buffered_bytes: int = 256 * 1024 * 1024
    """Request and response bytes held by the whole worker; beyond: 503 with `retry-after`."""
    write_buffer_bytes: int = 256 * 1024
    """Unsent bytes per client after which its upstream is paused."""
    drain_s: float = 30.0
    """How long running calls may finish after SIGTERM."""
    upstream_idle_s: float = 30.0
    """How long an unused upstream connection is kept."""
    upstream_connections: int = 16_384
    """Open connections to all upstreams; beyond: 503."""
    comment_s: float = 15.0
    """After this silence of a stream's upstream the client gets an SSE comment, so that no middlebox hangs up."""
    refusals_per_s: int = 100
    """Refusals that are written as records each second; the rest is counted only."""


class Trust(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to believe about where a request came from."""

    proxies: tuple[str, ...] = ()
    """Networks of reverse proxies in front; only from them is `x-forwarded-for` read, right to left. Empty: from nobody."""


class Journal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How records are kept until they are in the database."""

    segment_bytes: int = 64 * 1024 * 1024
    """Size of one preallocated segment."""
    on_full: str = "refuse"
    """When no further segment can be made: `refuse` new calls with 503, or `drop` records and count them."""


class Listener(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One inherited listening socket."""

    descriptor: int
    door: str
    """`gateway` or `console`."""
    scheme: str = "http"
    """`http`; `https`, where HTTP in clear is sent to `https_port`; or `redirect`, where all of it is."""
    https_port: int = 0
    """The port of the door's TLS; 0 where it has none."""


class Tls(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The certificate that the doors show."""

    certificate: str
    """Path of the chain in PEM, the server's own first."""
    key: str
    """Path of its key in PEM, without a passphrase."""
    hsts: bool = False
    """Whether browsers are told to come back by TLS only: right where a public authority vouches for a public name."""


class WorkerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One JSON line on the worker's standard input."""

    worker: int
    """1 for the first."""
    workers: int
    """How many accept on the same sockets, this one included."""
    journal_directory: str
    link_path: str
    tunnel_path: str
    listeners: tuple[Listener, ...]
    bounds: Bounds = Bounds()
    trust: Trust = Trust()
    journal: Journal = Journal()
    tls: Tls | None = None
    """Where a listener is `https`."""
    doors_path: str = ""
    """Where the supervisor hands over listeners that are opened later; empty: nowhere."""
    log_level: str = "info"
