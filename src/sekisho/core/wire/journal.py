"""The journal's bytes: a segment is a header and frames, each valid only when its length and CRC are.

    segment = magic (8) · boot (16, ASCII, zero-padded) · worker (u32) · number (u32) · zeros up to 64 · frames
    frame   = length (u32, > 0) · CRC-32 of the payload (u32) · payload (msgpack of one `records.Frame`)

Little-endian. A segment is preallocated with zeros, so a length of 0 is the end so far; a frame cut by `kill -9` fails its CRC
and is the end for good. The recorder's position in a segment is the offset of the next frame.
"""

import struct
import zlib
from typing import Final

import msgspec

from sekisho.core.model.records import Frame

MAGIC: Final = b"SEKJRNL1"
HEADER: Final = struct.Struct("<8s16sII")
HEADER_BYTES: Final = 64
FRAME: Final = struct.Struct("<II")
MAX_PAYLOAD: Final = 64 * 1024
"""No record is larger; a length beyond it is damage."""

_encode: Final = msgspec.msgpack.Encoder().encode
_pack: Final = FRAME.pack
_crc: Final = zlib.crc32
_decoder: Final = msgspec.msgpack.Decoder(Frame)


class DamageError(Exception):
    """The bytes are no segment of ours."""


def segment_name(boot: str, worker: int, number: int) -> str:
    return f"{boot}-{worker}-{number:06d}.log"


def parse_segment_name(name: str) -> tuple[str, int, int] | None:
    """Boot, worker and number of a segment's file name; None where it is another file."""
    parts = name.removesuffix(".log").split("-")
    if len(parts) != 3 or not name.isascii() or not name.endswith(".log") or not parts[1].isdecimal() or not parts[2].isdecimal():
        return None
    return parts[0], int(parts[1]), int(parts[2])


def segment_header(boot: str, worker: int, number: int) -> bytes:
    return HEADER.pack(MAGIC, boot.encode(), worker, number).ljust(HEADER_BYTES, b"\0")


def check_header(data: bytes) -> tuple[str, int, int]:
    """Boot, worker and number as the header has them; raises DamageError."""
    if len(data) < HEADER_BYTES or data[:8] != MAGIC:
        raise DamageError("not a journal segment")
    _, boot, worker, number = HEADER.unpack_from(data)
    try:
        return boot.rstrip(b"\0").decode("ascii"), worker, number
    except UnicodeDecodeError:
        raise DamageError("the segment's boot is no ASCII text") from None


def encode(frame: Frame) -> bytes:
    """A whole frame, ready to be copied into the segment. Its texts are the writer's to bound: raises ValueError beyond MAX_PAYLOAD."""
    payload = _encode(frame)
    size = len(payload)
    if size > MAX_PAYLOAD:
        raise ValueError(f"a record of {size} bytes is beyond the bound of {MAX_PAYLOAD}")
    return _pack(size, _crc(payload)) + payload


def decode_from(data: bytes | memoryview, offset: int, most: int) -> tuple[list[Frame], int, bool]:
    """Read up to `most` frames at an offset.

    Returns the frames, the offset after them, and whether reading stopped at a frame that is not whole (cut by a kill, or still
    being written: ask again as long as its writer lives).
    """
    frames: list[Frame] = []
    end = len(data)
    while len(frames) < most and offset + FRAME.size <= end:
        length, crc = FRAME.unpack_from(data, offset)
        if length == 0:
            break
        start = offset + FRAME.size
        payload = data[start : start + length]
        if length > MAX_PAYLOAD or len(payload) < length or zlib.crc32(payload) != crc:
            return frames, offset, True
        try:
            frames.append(_decoder.decode(payload))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            # Whole, but no record of ours: a newer version's, or damage with a lucky sum.
            return frames, offset, True
        offset = start + length
    return frames, offset, False
