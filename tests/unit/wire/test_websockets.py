"""Who may begin a WebSocket, and where its frames end. A library that reads frames is the second reader."""

import base64
import random
from typing import Any

import pytest
from websockets.frames import Frame, Opcode

from sekisho.core.wire import websocket
from sekisho.core.wire.http1.events import Head

GOOD = {
    b"host": b"127.0.0.1",
    b"connection": b"keep-alive, Upgrade",
    b"upgrade": b"websocket",
    b"sec-websocket-version": b"13",
    b"sec-websocket-key": base64.b64encode(bytes(16)),
}


def head(method: str = "GET", version: str = "1.1", **changed: bytes | None) -> Head:
    given = {**GOOD, **{name.replace("_", "-").encode(): value for name, value in changed.items()}}
    return Head(method, "/api/live", "", version, {name: value for name, value in given.items() if value is not None}, keep_alive=False)


def test_a_handshake_of_a_browser_is_let_through() -> None:
    assert websocket.asks(head())
    assert websocket.refuse(head()) is None


@pytest.mark.parametrize("upgrade", [None, b"h2c", b"websocket, h2c", b""])
def test_other_offers_are_no_websocket(upgrade: bytes | None) -> None:
    assert not websocket.asks(head(upgrade=upgrade))


@pytest.mark.parametrize(
    ("changed", "status", "param"),
    [
        ({"method": "POST"}, 400, "method"),
        ({"version": "1.0"}, 400, "method"),
        ({"connection": b"keep-alive"}, 400, "connection"),
        ({"connection": None}, 400, "connection"),
        ({"connection": b"upgraded"}, 400, "connection"),
        ({"sec_websocket_version": b"8"}, 426, "sec-websocket-version"),
        ({"sec_websocket_version": None}, 426, "sec-websocket-version"),
        ({"sec_websocket_key": None}, 400, "sec-websocket-key"),
        ({"sec_websocket_key": b"short"}, 400, "sec-websocket-key"),
        ({"sec_websocket_key": base64.b64encode(bytes(17))}, 400, "sec-websocket-key"),
        ({"sec_websocket_key": b"*" * 24}, 400, "sec-websocket-key"),
    ],
)
def test_what_is_no_handshake_is_refused(changed: dict[str, Any], status: int, param: str) -> None:
    refusal = websocket.refuse(head(**changed))
    assert refusal is not None
    assert (refusal.status, refusal.param) == (status, param)


def test_a_body_is_refused() -> None:
    with_body = head()
    with_body.content_length = 3
    assert websocket.refuse(with_body) is not None
    chunked = head()
    chunked.chunked = True
    assert websocket.refuse(chunked) is not None


def frames(seed: int, *, masked: bool) -> list[bytes]:
    dice = random.Random(seed)
    made = []
    for _ in range(30):
        opcode = dice.choice([Opcode.TEXT, Opcode.BINARY, Opcode.CONT, Opcode.PING, Opcode.PONG])
        most = 125 if opcode in (Opcode.PING, Opcode.PONG) else dice.choice([0, 1, 125, 126, 127, 1000, 65535, 65536, 70000])
        made.append(Frame(opcode, dice.randbytes(dice.randint(0, most))).serialize(mask=masked))
    return made


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_each_frame_ends_where_it_ends(seed: int, masked: bool) -> None:
    sent = frames(seed, masked=masked)
    whole = b"".join(sent)
    ends, at = set(), 0
    for frame in sent:
        at += len(frame)
        ends.add(at)
    follower = websocket.Frames(masked=masked, most=1 << 20)
    dice = random.Random(seed)
    at = 0
    while at < len(whole):
        step = dice.choice([1, 1, 2, 3, 10, 1000, 100_000])
        assert follower.follow(whole[at : at + step]) is None
        at = min(at + step, len(whole))
        assert follower.between is (at in ends)
    assert not follower.closed


def test_byte_by_byte_says_the_same() -> None:
    follower = websocket.Frames(masked=True, most=1 << 20)
    for frame in frames(9, masked=True)[:10]:
        for place in range(len(frame)):
            assert follower.follow(frame[place : place + 1]) is None
            assert follower.between is (place == len(frame) - 1)


def test_a_close_frame_is_noticed() -> None:
    follower = websocket.Frames(masked=False, most=100)
    assert follower.follow(websocket.close_frame(1001)) is None
    assert follower.closed
    assert follower.between
    assert websocket.close_frame(1001) == Frame(Opcode.CLOSE, (1001).to_bytes(2, "big")).serialize(mask=False)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"\x81\x01x", websocket.PROTOCOL_ERROR),  # a client's frame that is not masked
        (b"\xc1\x80", websocket.PROTOCOL_ERROR),  # a reserved bit, as compression would set
        (b"\x83\x80", websocket.PROTOCOL_ERROR),  # no such opcode
        (b"\x89\xfe\x00\x7e", websocket.PROTOCOL_ERROR),  # a ping beyond 125 bytes
        (b"\x81\xfe\x10\x01", websocket.TOO_BIG),
        (b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff", websocket.TOO_BIG),
    ],
)
def test_what_may_not_pass_is_known_by_its_head(sent: bytes, code: int) -> None:
    assert websocket.Frames(masked=True, most=4096).follow(sent) == code
    byte_by_byte = websocket.Frames(masked=True, most=4096)
    assert [code] == [found for place in range(len(sent)) if (found := byte_by_byte.follow(sent[place : place + 1])) is not None][:1]


def test_the_largest_frame_passes() -> None:
    frame = Frame(Opcode.TEXT, bytes(4096)).serialize(mask=True)
    follower = websocket.Frames(masked=True, most=4096)
    assert follower.follow(frame) is None
    assert follower.between
