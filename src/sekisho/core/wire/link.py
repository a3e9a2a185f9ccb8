"""The frames between node and worker: a length (u32, little-endian) and one msgpack message.

The node is the server of the socket. A worker says `Hello`; the node answers with a `Catalog` and all keys in pages, of which the
last has `last=True`: only then does the worker swap. From there on each revision is a `Catalog` (all but keys, swapped whole) or a
`KeyDelta`; the worker answers each with an `Ack` once it is in force.
"""

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


ToWorker = CatalogFrame | KeyPage | KeyDelta | Drain | WakeFailed
ToNode = Hello | Ack | Wake | Pulse

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
