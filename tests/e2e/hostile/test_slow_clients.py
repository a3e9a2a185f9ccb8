"""2,000 slow clients at once, with the deadlines as shipped: each is let go by its own, and a good client does not notice.

Silent ones and heads byte by byte have 10 s, bodies that stop or come below 100 bytes a second 15 s, an answer that nobody reads 30 s.
"""

import resource
from collections.abc import Iterator

import pytest

from tests.e2e.door.conftest import errors_in
from tests.e2e.hostile.crowds import Kind
from tests.e2e.hostile.sieges import DEADLINES, SLOW_TEXT, Outcome, describe, gateway, lay
from tests.support import requires

pytestmark = pytest.mark.e2e

SOCKETS = 2000
DESCRIPTORS = 8192
"""The worker needs two for each client that does not read and one for the others, and keeps half of all for upstreams."""
SLACK_S = 5.0
"""By how much a deadline may be late on a machine that does nothing else; on a crowded one by so many times more."""
GOOD_P99_S = 0.1
"""The same."""
MOST_BYTES = 450_000_000
"""500 clients that do not read may hold 256 KB each and what was read in one go beyond it, 256 KB more; the allocator has its share."""


@pytest.fixture(scope="module")
def siege() -> Iterator[tuple[Outcome, str]]:
    """One siege for all tests of the file, and what the product logged meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = hard == resource.RLIM_INFINITY or hard >= DESCRIPTORS
    requires.need("room for 8,192 descriptors", present=enough, remedy="raise the hard limit of open files (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, DESCRIPTORS), hard))
    try:
        with gateway() as besieged:
            outcome = lay(besieged, SOCKETS, slack=SLACK_S)
            print(describe(outcome))
            yield outcome, besieged.product.stderr
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.value)
def test_each_is_let_go_by_its_deadline(siege: tuple[Outcome, str], kind: Kind) -> None:
    """Not before, for a slow line is no crime; and not much after."""
    found = siege[0].crowd.of(kind)
    assert len(found) >= SOCKETS // 8
    lasted = sorted(stranger.lasted for stranger in found)
    assert lasted[0] >= DEADLINES[kind] - 0.5
    assert lasted[-1] <= DEADLINES[kind] + SLACK_S * siege[0].crowding


@pytest.mark.parametrize(("kind", "status"), [(Kind.SILENT, 0), (Kind.HEAD, 408), (Kind.BODY, 408), (Kind.STALLED, 408)])
def test_who_asked_for_something_is_told_why(siege: tuple[Outcome, str], kind: Kind, status: int) -> None:
    """408 for a request that did not come in time; nothing for a connection that never spoke."""
    assert {stranger.status for stranger in siege[0].crowd.of(kind)} == {status}


def test_a_good_client_does_not_notice(siege: tuple[Outcome, str]) -> None:
    """Every call is answered, 99 of 100 within 100 ms."""
    outcome = siege[0]
    assert outcome.guest.failures == []
    assert len(outcome.guest.latencies) >= 300
    assert outcome.guest.p99() < max(GOOD_P99_S * outcome.crowding, 3 * outcome.calm.p99())


def test_a_slow_answer_is_no_slow_client(siege: tuple[Outcome, str]) -> None:
    """A stream of 20 s arrives whole: deadlines are for what the client has to do."""
    received = siege[0].slow_stream
    assert received.count(b'"content":') == len(SLOW_TEXT.split()) + 1
    assert b"data: [DONE]" in received
    assert received.endswith(b"0\r\n\r\n")


def test_nothing_of_them_is_left(siege: tuple[Outcome, str]) -> None:
    """Descriptors go back to what they were, memory stays bounded, and nothing fell over."""
    outcome, log = siege
    assert outcome.open_after <= outcome.open_before + 8
    assert outcome.resident_most < MOST_BYTES
    assert errors_in(log) == []
