"""What goes through goes through to the byte.

h11 reads the requests that we take as the upstream received them, and it takes the answers that we give.
"""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.e2e.door.campaigns import upstream_body
from tests.e2e.door.conftest import Door
from tests.e2e.door.conversations import Answer, Conversation
from tests.fuzz.strategies import blanks, casings, chunkings, cuts, names, values
from tests.fuzz.test_envelopes import spelled
from tests.fuzz.test_envelopes import values as json_values
from tests.support.upstream import Reply, sse, stream_events, well_behaved
from tests.unit.wire.oracles import requests_by_h11

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

OURS = ("authorization", "x-api-key", "api-key", "x-goog-api-key", "via")


@st.composite
def chats(draw: st.DrawFn) -> str:
    """The body of a chat: any members around the model, spelled in any way."""
    around = draw(st.dictionaries(st.text("abcxyz", min_size=1, max_size=5), json_values, max_size=3))
    members = [f'"{name}":{draw(spelled(value))}' for name, value in around.items()]
    members += ['"model":"up/echo-model"', '"messages":[{"role":"user","content":"' + draw(st.text("abcあ😀 ", max_size=20)) + '"}]']
    blank = draw(st.sampled_from(["", " ", "\r\n\t"]))
    return blank + "{" + ("," + blank).join(draw(st.permutations(members))) + "}" + blank


@st.composite
def heads(draw: st.DrawFn, framing: tuple[str, str]) -> str:
    """A head in any order and casing, with fields that mean nothing here."""
    fields = draw(
        st.lists(
            st.tuples(names.filter(lambda name: name.lower() not in OURS and not name.lower().startswith("content-")), values), max_size=5
        )
    )
    fields = list({name.lower(): (name, value) for name, value in fields}.values())
    fields += [(draw(casings("host")), "127.0.0.1"), framing]
    fields.append((draw(casings("authorization")), draw(st.sampled_from(["Bearer", "bearer"])) + " %%KEY%%"))
    lines = [f"{name}:{draw(blanks)}{value}" for name, value in draw(st.permutations(fields))]
    target = draw(st.sampled_from(["/v1/chat/completions", "/chat/completions", "/v1/chat/completions?a=b"]))
    return "\r\n".join([f"POST {target} HTTP/1.1", *lines, "", ""])


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """A whole valid chat request."""
    body = draw(chats()).encode()
    if draw(st.booleans()):
        framing, tail = (draw(casings("transfer-encoding")), draw(casings("chunked"))), draw(chunkings(body))
    else:
        framing, tail = (draw(casings("content-length")), str(len(body))), body
    return draw(heads(framing)).encode() + tail


@settings(max_examples=120, deadline=None)
@given(st.data(), st.lists(messages(), min_size=1, max_size=4))
def test_the_upstream_receives_what_h11_reads(door: Door, data: st.DataObject, sent: list[bytes]) -> None:
    """Any spelling, chunking, order, casing, pipeline and cut; and h11 takes every answer."""
    stream = b"".join(sent).replace(b"%%KEY%%", door.key.encode())

    async def run(pieces: list[bytes]) -> list[Answer]:
        async with await Conversation.open(door.product.port) as conversation:
            await conversation.send(pieces, singly=True)
            answers = await conversation.wait(len(sent))
            assert not conversation.rest
            return answers

    door.upstream.forget()
    answers = asyncio.run(run(data.draw(cuts(stream))))
    read, refused = requests_by_h11(stream)
    assert not refused
    assert [answer.status for answer in answers] == [200] * len(sent)
    received = [bytes(call.body) for call in door.upstream.calls]
    assert received == [upstream_body(body) for _, _, body in read]
    for call in door.upstream.calls:
        assert call.path == "/v1/chat/completions"
        assert int(call.header("content-length") or -1) == len(call.body)
        assert call.header("transfer-encoding") is None
        assert door.key not in bytes(call.raw).decode()


def test_no_header_of_the_client_travels_that_is_not_meant_to(door: Door) -> None:
    """Hop-by-hop fields, credentials, cookies and claims about addresses end at the door (T63, as far as framing is concerned)."""
    fields = {
        "Cookie": "session=canary",
        "X-Forwarded-For": "canary",
        "Forwarded": "for=canary",
        "X-Real-IP": "canary",
        "TE": "trailers, canary",
        "Trailer": "X-Canary",
        "Keep-Alive": "canary",
        "Proxy-Authorization": "canary",
        "X-Sekisho-Client-Address": "canary",
        "Accept-Encoding": "canary",
        "Connection": "X-Canary, keep-alive",
        "X-Canary": "canary",
    }
    body = b'{"model":"up/echo-model","messages":[]}'
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    own = f"Host: a\r\nAuthorization: Bearer {door.key}\r\nContent-Length: {len(body)}\r\n"
    sent = f"POST /v1/chat/completions HTTP/1.1\r\n{own}{head}\r\n".encode()

    async def run() -> list[Answer]:
        async with await Conversation.open(door.product.port) as conversation:
            await conversation.send([sent + body])
            return await conversation.wait(1)

    door.upstream.forget()
    assert [answer.status for answer in asyncio.run(run())] == [200]
    (call,) = door.upstream.calls
    assert b"canary" not in bytes(call.raw).lower()
    assert bytes(call.body) == upstream_body(body)


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])
@pytest.mark.parametrize("include_usage", [True, False])
def test_a_stream_is_valid_http_and_the_upstreams_bytes(door: Door, version: str, include_usage: bool) -> None:
    """h11 reads the whole stream; it is what the upstream sent, but for the usage event that nobody asked for."""
    options = b',"stream_options":{"include_usage":true}' if include_usage else b""
    body = b'{"model":"up/echo-model","messages":[],"stream":true' + options + b"}"
    own = f"Host: a\r\nAuthorization: Bearer {door.key}\r\nContent-Length: {len(body)}\r\n\r\n"
    reply = Reply.stream("one two three", usage=(7, 3))

    async def run() -> tuple[list[Answer], bool]:
        async with await Conversation.open(door.product.port) as conversation:
            await conversation.send([f"POST /v1/chat/completions {version}\r\n{own}".encode() + body])
            if version == "HTTP/1.0":
                await conversation.wait_end()
            return await conversation.wait(1), conversation.received.ended

    door.upstream.otherwise = lambda request: reply
    try:
        (answer,), ended = asyncio.run(run())
    finally:
        door.upstream.otherwise = well_behaved
    events = [sse(event) for event in stream_events("one two three", usage=(7, 3))]
    kept = events if include_usage else [event for event in events if b"prompt_tokens" not in event]
    assert answer.status == 200
    assert answer.body == b"".join([*kept, sse("[DONE]")])
    assert ended == (version == "HTTP/1.0")
    assert (answer.header(b"transfer-encoding") is None) == (version == "HTTP/1.0")
