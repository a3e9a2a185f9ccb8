"""The link's frames: cut anywhere they come back, and bytes of somebody else raise LinkError and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.core.model.snapshot import Catalog, Credential, Key, Model, Provider, Rate
from sekisho.core.wire import link

KEY = Key(b"\x00" * 32, "k1", "label", "default", ("up/m", "up/*"), 60, 1000, 4, 1_800_000_000_000_000)
CATALOG = Catalog(
    5,
    "instance",
    (Provider("up", "custom", "http://127.0.0.1:1/v1", (Credential("c1", "secret", 50),)),),
    (Model("up/m", "up", "m", rate=Rate(1500, 6000)),),
)
TO_WORKER: list[link.ToWorker] = [
    link.CatalogFrame(CATALOG, whole=True),
    link.KeyPage(5, (KEY,), last=True),
    link.KeyDelta(6, (KEY,), (b"\x01" * 32,)),
    link.Shares(5.5, (link.Share("k1", 1.5, 0.25, 2),), whole=True),
    link.Drain(),
    link.WakeFailed("builtin/m", "関所"),
]
TO_NODE: list[link.ToNode] = [
    link.Hello(1, "boot", 2),
    link.Ack(6),
    link.Counts(5.5, (link.Count("k1", 1, -20, 2), link.Count("k2", 0, 0, 0, 30.5, 0.5)), resumed=True),
    link.Wake("builtin/m"),
    link.Pulse(1, 2, 3, 4, 5, 6, 7, 8, 9, 10),
]


@given(st.lists(st.integers(1, 50)))
def test_messages_come_back_however_they_are_cut(sizes: list[int]) -> None:
    """Order and values, whatever the reads."""
    stream = b"".join(link.encode(message) for message in TO_WORKER)
    splitter = link.Splitter()
    payloads: list[bytes] = []
    at = 0
    for size in [*sizes, len(stream)]:
        payloads += splitter.feed(stream[at : at + size])
        at += size
    assert [link.decode_to_worker(payload) for payload in payloads] == TO_WORKER


def test_messages_to_the_node_come_back() -> None:
    """Each of them."""
    stream = b"".join(link.encode(message) for message in TO_NODE)
    assert [link.decode_to_node(payload) for payload in link.Splitter().feed(stream)] == TO_NODE


@pytest.mark.parametrize("message", TO_WORKER)
def test_what_is_for_a_worker_is_nothing_for_the_node(message: link.ToWorker) -> None:
    """Each side takes only what is meant for it."""
    (payload,) = link.Splitter().feed(link.encode(message))
    with pytest.raises(link.LinkError):
        link.decode_to_node(payload)


def test_a_length_beyond_the_bound_is_refused_at_once() -> None:
    """Before its payload comes."""
    with pytest.raises(link.LinkError):
        link.Splitter().feed(link.LENGTH.pack(link.MAX_MESSAGE + 1))
    assert link.Splitter().feed(link.LENGTH.pack(link.MAX_MESSAGE)) == []


@given(st.binary(max_size=200))
def test_garbage_is_a_link_error(payload: bytes) -> None:
    """And nothing else."""
    for decode in (link.decode_to_node, link.decode_to_worker):
        try:
            decode(payload)
        except link.LinkError:
            continue


@given(st.data())
def test_a_spoilt_message_is_a_message_or_a_link_error(data: st.DataObject) -> None:
    """One byte changed in a real one, text included."""
    payload = bytearray(link.encode(data.draw(st.sampled_from(TO_WORKER)))[link.LENGTH.size :])
    place = data.draw(st.integers(0, len(payload) - 1))
    payload[place] = data.draw(st.integers(0, 255))
    try:
        link.decode_to_worker(bytes(payload))
    except link.LinkError:
        return


def test_no_secret_shows_itself() -> None:
    """In the text of a frame that somebody might log."""
    assert "secret" not in repr(link.CatalogFrame(CATALOG))


def test_the_age_of_a_frame_is_what_it_took_longer_than_the_quickest() -> None:
    """Whatever the difference between the clocks."""
    ages = link.Ages()
    assert ages.of(9000.0, 5.0) == 0.0
    assert ages.of(9001.0, 6.5) == 0.5
    assert ages.of(9002.0, 6.75) == 0.0, "a quicker one"
    assert ages.of(9003.0, 37.75) == 30.0
