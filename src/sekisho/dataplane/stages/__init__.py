"""The stages of a request, and the two things they share: the exchange (one request) and the plane (one worker).

A stage takes both and returns None, or a refusal. Stages do not call each other; exchange.py calls them, in order.
"""

import asyncio
from typing import Any, Final

from sekisho.core.dialects.base import Envelope
from sekisho.core.dialects.registry import CHAT, Route
from sekisho.core.model.chat import Outcome, Usage
from sekisho.core.model.errors import Fault, Kind, Refusal
from sekisho.core.model.snapshot import Catalog, Credential, Key, Model
from sekisho.core.policy.access import Directory, Keys
from sekisho.core.policy.limits import Meter
from sekisho.core.wire.http1.events import Head
from sekisho.dataplane.counters import Bucket, Counters
from sekisho.dataplane.journal import Journal
from sekisho.dataplane.link import Link
from sekisho.dataplane.relay import Answer, Client
from sekisho.dataplane.settings import Bounds
from sekisho.dataplane.upstream.pool import Pool
from sekisho.dataplane.upstream.targets import Target, Targets
from sekisho.kit.drive import Baton
from sekisho.kit.net import AddressSet
from sekisho.kit.tasks import Tasks
from sekisho.kit.turn import Turn

UNBOUNDED: Final = 1 << 40
"""More calls at once than there can be."""
_TWO_DIGITS: Final = tuple(f"{number:02x}" for number in range(256))


class Plane:
    """Everything of one worker that a request may touch."""

    def __init__(
        self,
        *,
        boot: str,
        worker: int,
        bounds: Bounds,
        proxies: AddressSet | None,
        journal: Journal,
        drop_when_full: bool,
        pool: Pool,
        loop: asyncio.AbstractEventLoop,
        tasks: Tasks,
        turn: Turn,
    ) -> None:
        self.boot = boot
        self.bounds = bounds
        self.proxies = proxies
        self.journal = journal
        self.drop_when_full = drop_when_full
        self.pool = pool
        self.loop = loop
        self.tasks = tasks
        self.turn = turn
        self.link: Link | None = None
        self.counters = Counters()
        self.refusals = Bucket(bounds.refusals_per_s)
        self.targets = Targets()
        self.directory: Directory | None = None
        """None until the first snapshot is in."""
        self.keys = Keys()
        self.instance = ""
        self._requests = 0
        self._request_block = ""
        """What the ids of 256 requests in a row have in common."""
        self.calls = 0
        """Numbers calls: the `seq` of records."""
        self.draining = False
        self.most_in_flight = UNBOUNDED
        """Calls at once, beyond which new ones are refused; see `pressure`."""
        self.common_fields = b""
        """Header lines of every answer, the date among them; made anew each second."""
        self.refresh_date(b"")

    def next_request_id(self) -> str:
        number = self._requests = self._requests + 1
        if number & 255 == 0 or not self._request_block:
            self._request_block = f"req_{self.boot[:8]}{number >> 8:06x}"
        return self._request_block + _TWO_DIGITS[number & 255]

    def refresh_date(self, date: bytes) -> None:
        self.common_fields = (
            b"%bx-content-type-options: nosniff\r\nx-frame-options: DENY\r\nreferrer-policy: no-referrer\r\n"
            b"content-security-policy: default-src 'none'; frame-ancestors 'none'\r\ncache-control: no-store\r\n"
        ) % (b"date: %b\r\n" % date if date else b"")

    def install(self, catalog: Catalog | None, keys: Keys | None) -> None:
        """Swap in a new snapshot, whole."""
        if catalog is not None:
            directory = Directory(catalog)
            self.targets.install(catalog)
            self.directory = directory
            self.instance = f"sekisho-{catalog.instance}"
        if keys is not None:
            self.keys = keys

    def hold(self, amount: int) -> bool:
        """Count body bytes held in memory; False where the worker's bound is reached."""
        counters = self.counters
        counters.buffered += amount
        return counters.buffered <= self.bounds.buffered_bytes

    def let_go(self, amount: int) -> None:
        self.counters.buffered -= amount


class Exchange:
    """One request and all that becomes of it. Times are nanoseconds of the performance counter.

    Most requests set few of these; what they do not set stays the class's.
    """

    started_wall_ns = 0
    t_screened = 0
    t_authenticated = 0
    t_body = 0
    t_routed = 0
    t_admitted = 0
    t_connected = 0
    t_first_byte = 0
    t_ended = 0
    body_bytes = 0
    body_complete = False
    body_wait: Baton | None = None
    held = 0
    """Bytes counted against the worker's memory."""
    refusal: Refusal | None = None
    """Set by the framing while the body is still coming."""
    route: Route = CHAT
    rest = ""
    key: Key | None = None
    envelope: Envelope | None = None
    model: Model | None = None
    target: Target | None = None
    credential: Credential | None = None
    meter: Meter | None = None
    booked_tokens = 0
    seq = 0
    """The call's number; 0 where it has no record."""
    began = False
    """Whether the begin record is written: from then on there is a call to settle."""
    attempts = 0
    pending: Baton | None = None
    """The wait for a connection or an engine, if that is what the exchange does."""
    sent_at = 0.0
    """Loop time when the request left for the upstream."""
    upstream: Any = None
    answer: Answer | None = None
    upstream_status = 0
    outcome: Outcome | None = None
    usage: Usage | None = None
    """Set with the price."""
    fault: Fault | None = None
    trouble_code = ""
    """Error code for the record, where the provider answered with an error."""
    trouble_message = ""
    cost: int | None = None
    currency = ""
    settled = False
    head_written = False
    """Whether a byte of the answer has gone to the client."""
    told = 0
    """HTTP status of the answer, 0 before it is decided."""

    def __init__(
        self, client: Client, head: Head | None, request_id: str, peer: str, started_ns: int, head_ns: int, body_bound: int, closing: bool
    ) -> None:
        self.client = client
        """The connection; it writes, and says whether its client is congested or gone."""
        self.head = head
        self.request_id = request_id
        self.peer = peer
        self.address = peer
        """The client's address, once proxies that are trusted have been asked."""
        self.started_ns = started_ns
        self.t_head = head_ns
        self.body: list[bytes] = []
        self.body_bound = body_bound
        self.closing = closing
        """Whether the connection ends with this exchange."""


def overloaded(message: str, code: str = "overloaded", retry_after: int = 1) -> Refusal:
    """The house is full; the client should come back."""
    return Refusal(503, Kind.OVERLOADED, code, message, None, retry_after, should_retry=True)
