"""The frames between node and worker: a length (u32, little-endian) and one msgpack message.

The node is the server of the socket. A worker says `Hello`; the node answers with a `Catalog` and all keys in pages, of which the
last has `last=True`: only then does the worker swap. From there on each revision is a `Catalog` (all but keys, swapped whole) or a
`KeyDelta`; the worker answers each with an `Ack` once it is in force.

Limits are counted by every worker and shared: `Counts` says what one booked since it last said so, `Shares` tells it to the others.
Each process has a monotonic clock of its own; `Ages` tells how old a frame is that was long on its way.
"""

import math
import struct
from typing import Final

import msgspec

from sekisho.core.model.snapshot import Catalog, Key

LENGTH: Final = struct.Struct("<I")
MAX_MESSAGE: Final = 64 * 1024 * 1024
PAGE_KEYS: Final = 1000
"""Keys in one page: decoding one stays well under the 20 ms that the loop may stall."""


class CatalogFrame(msgspec.Struct, frozen=True, gc=False, tag="catalog"):
    """Node → worker. Everything but the keys. `whole` announces that all keys follow in pages."""

    catalog: Catalog
    whole: bool = False
    at: float = 0.0
    """With `whole`, by the node's monotonic clock, in seconds: so that later frames can be told to be late."""


class KeyPage(msgspec.Struct, frozen=True, gc=False, tag="keys"):
    """Node → worker. A part of all keys; they replace the old ones when the last page is in."""

    revision: int
    keys: tuple[Key, ...]
    last: bool


class KeyDelta(msgspec.Struct, frozen=True, gc=False, tag="delta"):
    """Node → worker. Keys that came or changed, and the digests of those that are gone."""

    revision: int
    keys: tuple[Key, ...] = ()
    gone: tuple[bytes, ...] = ()


class Share(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Of one key: the seconds for which what others booked keeps its limits busy, and how many calls they have under way."""

    key: str
    requests_s: float
    tokens_s: float
    in_flight: int


class Shares(msgspec.Struct, frozen=True, gc=False, tag="shares"):
    """Node → worker. To be added to what it knows; with `whole`, where the keys stand: it knows at least so much then."""

    at: float
    """By the sender's monotonic clock, in seconds."""
    shares: tuple[Share, ...]
    whole: bool = False


class Drain(msgspec.Struct, frozen=True, gc=False, tag="drain"):
    """Node → worker. Stop accepting, finish what runs, end."""


class Hello(msgspec.Struct, frozen=True, gc=False, tag="hello"):
    """Worker → node, first."""

    worker: int
    boot: str
    pid: int


class Ack(msgspec.Struct, frozen=True, gc=False, tag="ack"):
    """Worker → node. The revision is in force."""

    revision: int


class Count(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Of one key: what was booked here since the last count (negative where more was given back), and the calls under way here."""

    key: str
    requests: int
    tokens: int
    in_flight: int
    requests_s: float = 0.0
    """For how many seconds from now the limit is busy with all that the worker knows; only where it resumes."""
    tokens_s: float = 0.0


class Counts(msgspec.Struct, frozen=True, gc=False, tag="counts"):
    """Worker → node. `resumed` where the link was away: the node may have forgotten, or never have known, what was booked meanwhile."""

    at: float
    """By the sender's monotonic clock, in seconds."""
    counts: tuple[Count, ...]
    resumed: bool = False


class Wake(msgspec.Struct, frozen=True, gc=False, tag="wake"):
    """Worker → node. A call waits for a sleeping model of the built-in engine; the answer is a `CatalogFrame` or a `WakeFailed`."""

    model: str


class WakeFailed(msgspec.Struct, frozen=True, gc=False, tag="wake-failed"):
    """Node → worker. The engine did not start."""

    model: str
    reason: str


class Pulse(msgspec.Struct, frozen=True, gc=False, tag="pulse"):
    """Worker → node, every second. Totals since the worker's start unless said otherwise."""

    at: int
    revision: int
    connections: int
    in_flight: int
    requests: int
    refused: int
    rss_bytes: int
    buffered_bytes: int
    upstream_connections: int
    loop_lag_us: int
    """The longest delay of the worker's timer since the last pulse."""
    calls: int = 0
    """Those that went to a provider."""
    failed: int = 0
    """Those of them that failed."""
    journal_full: bool = False
    """Whether there is room for nothing but the ends of calls that run: new ones are refused, or go unrecorded."""
    dropped: int = 0
    """Records that found no room in the journal."""


ToWorker = CatalogFrame | KeyPage | KeyDelta | Shares | Drain | WakeFailed
ToNode = Hello | Ack | Counts | Wake | Pulse

_encoder: Final = msgspec.msgpack.Encoder()
_to_worker: Final = msgspec.msgpack.Decoder(ToWorker)
_to_node: Final = msgspec.msgpack.Decoder(ToNode)


class LinkError(Exception):
    """The other side sent what is no frame of the link."""


def encode(message: ToWorker | ToNode) -> bytes:
    payload = _encoder.encode(message)
    return LENGTH.pack(len(payload)) + payload


def decode_to_worker(payload: bytes) -> ToWorker:
    try:
        message: ToWorker = _to_worker.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise LinkError(str(error)) from error
    return message


def decode_to_node(payload: bytes) -> ToNode:
    try:
        message: ToNode = _to_node.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise LinkError(str(error)) from error
    return message


class Ages:
    """How old frames are that carry their sender's time: the quickest one so far shows the difference between both clocks.

    A process that was stopped reads what was sent meanwhile all at once; told how old it is, it can book it when it happened.
    """

    def __init__(self) -> None:
        self._least = math.inf

    def of(self, at: float, now: float) -> float:
        """Seconds since a frame was sent, as far as one can know: at least so many."""
        self._least = min(self._least, now - at)
        return now - at - self._least


class Splitter:
    """Cuts a stream of bytes into payloads; holds at most one unfinished one."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads that are whole now; raises LinkError on a length beyond all bounds."""
        self._rest += data
        payloads: list[bytes] = []
        start = 0
        while len(self._rest) - start >= LENGTH.size:
            (length,) = LENGTH.unpack_from(self._rest, start)
            if length > MAX_MESSAGE:
                raise LinkError(f"a frame of {length} bytes is beyond the bound of {MAX_MESSAGE}")
            end = start + LENGTH.size + length
            if len(self._rest) < end:
                break
            payloads.append(bytes(self._rest[start + LENGTH.size : end]))
            start = end
        del self._rest[:start]
        return payloads
