"""What workers book is added up and handed on: nothing twice, nothing lost, however late it is read."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.bridge import counts as counting
from sekisho.bridge.counts import Counts, Seat
from sekisho.core.model.snapshot import Key
from sekisho.core.policy.limits import WINDOW
from sekisho.core.wire import link

RPM, TPM = 60, 6000


@dataclasses.dataclass
class Table:
    """The node's counts with a clock of the test's, and workers as far as the node sees them."""

    now: float = 1000.0

    def __post_init__(self) -> None:
        self.counts = Counts(lambda: self.now)
        self.counts.learn([key("a", rpm=RPM, tpm=TPM, concurrency=5), key("b", rpm=RPM), key("free")])

    def say(self, seat: Seat, *counts: link.Count, resumed: bool = False, at: float | None = None) -> None:
        """The worker's clock is another one than ours."""
        self.counts.take(seat, link.Counts((self.now if at is None else at) - 500.0, counts, resumed))

    def hear(self, seat: Seat) -> list[link.Shares]:
        """All that a worker is told now."""
        frames = []
        while (frame := self.counts.next_frame(seat)) is not None:
            frames.append(frame)
        assert not seat.waits
        return frames

    def shares(self, seat: Seat) -> dict[str, tuple[float, float, int]]:
        """The same, one frame at most, by key."""
        return {
            share.key: (round(share.requests_s, 6), round(share.tokens_s, 6), share.in_flight)
            for frame in self.hear(seat)
            for share in frame.shares
        }


def key(name: str, rpm: int | None = None, tpm: int | None = None, concurrency: int | None = None) -> Key:
    return Key(name.encode() * 32, name, name, "default", None, rpm, tpm, concurrency)


def test_the_others_hear_of_it_and_oneself_does_not() -> None:
    table = Table()
    first, second, third = (table.counts.join() for _ in range(3))
    table.say(first, link.Count("a", 2, 100, 1))
    table.say(second, link.Count("a", 1, 0, 2))
    assert table.shares(first) == {"a": (1.0, 0.0, 2)}
    assert table.shares(second) == {"a": (2.0, 1.0, 1)}
    assert table.shares(third) == {"a": (3.0, 1.0, 3)}
    assert table.hear(first) == []


def test_what_is_not_fetched_is_added_up() -> None:
    table = Table()
    first, second = table.counts.join(), table.counts.join()
    for _ in range(5):
        table.say(first, link.Count("a", 1, 10, 1))
    table.say(first, link.Count("a", 0, -40, 0))
    assert table.shares(second) == {"a": (5.0, 0.1, 0)}


def test_keys_without_limits_and_unknown_ones_are_nobodys_business() -> None:
    table = Table()
    first, second = table.counts.join(), table.counts.join()
    table.say(first, link.Count("free", 9, 9, 1), link.Count("revoked", 9, 9, 1))
    assert table.hear(second) == []
    assert len(table.counts) == 0


def test_a_key_whose_limits_were_lifted_is_counted_out() -> None:
    table = Table()
    first, second = table.counts.join(), table.counts.join()
    table.say(first, link.Count("a", 1, 0, 1))
    table.counts.learn([key("a")])
    table.say(first, link.Count("a", 0, 0, 0))
    assert table.shares(second)["a"][2] == 0


def test_a_worker_that_comes_goes_on_where_the_dead_one_was() -> None:
    table = Table()
    first, second = table.counts.join(), table.counts.join()
    table.say(first, link.Count("a", 30, 600, 3), link.Count("b", 1, 0, 0))
    table.counts.leave(first)
    # Its calls died with it, what it booked did not.
    assert table.shares(second) == {"a": (30.0, 6.0, 0), "b": (1.0, 0.0, 0)}
    table.now += 2
    new = table.counts.join()
    [frame] = table.hear(new)
    assert frame.whole
    assert frame.shares == (link.Share("a", 28.0, 4.0, 0),)
    table.counts.leave(first)


def test_news_that_come_before_the_state_is_told_are_told_once() -> None:
    table = Table()
    first = table.counts.join()
    table.say(first, link.Count("a", 10, 0, 0))
    new = table.counts.join()
    table.say(first, link.Count("a", 5, 0, 1))
    [frame] = table.hear(new)
    assert (frame.whole, frame.shares) == (True, (link.Share("a", 15.0, 0.0, 1),))


def test_a_node_that_starts_hears_from_all_where_they_stand() -> None:
    """Two workers knew of 20 s together, and booked 3 and 5 while there was no node."""
    table = Table()
    first, second = table.counts.join(), table.counts.join()
    table.say(first, link.Count("a", 3, 0, 1, 23.0, 0.0), resumed=True)
    table.say(second, link.Count("a", 5, 0, 2, 25.0, 0.0), resumed=True)
    assert table.shares(first) == {"a": (5.0, 0.0, 2)}
    new = table.counts.join()
    assert table.shares(new) == {"a": (28.0, 0.0, 3)}


def test_a_link_that_was_cut_doubles_nothing() -> None:
    """The node knew of it all; the worker says it again when it is back."""
    table = Table()
    first = table.counts.join()
    table.say(first, link.Count("a", 20, 0, 2))
    table.counts.leave(first)
    again = table.counts.join()
    table.say(again, link.Count("a", 1, 0, 2, 21.0, 0.0), resumed=True)
    assert table.shares(table.counts.join()) == {"a": (21.0, 0.0, 2)}


def test_workers_that_were_long_alone_do_not_lock_a_key_out() -> None:
    """Four let the whole limit through, each for itself: the bucket is full then, and no fuller."""
    table = Table()
    for _ in range(4):
        table.say(table.counts.join(), link.Count("a", 600, 0, 0, 60.0, 0.0), resumed=True)
    assert table.shares(table.counts.join()) == {"a": (60.0, 0.0, 0)}


def test_tokens_that_went_over_are_not_forgiven_by_a_reconnection() -> None:
    table = Table()
    table.say(table.counts.join(), link.Count("a", 0, 0, 0, 0.0, 200.0), resumed=True)
    assert table.shares(table.counts.join()) == {"a": (0.0, 200.0, 0)}


def test_what_is_read_late_was_booked_early() -> None:
    """The node was stopped for 30 s: what the worker told each second has gone by since, but for the last."""
    table = Table()
    first, second = table.counts.join(), table.counts.join()
    table.say(first, link.Count("a", 1, 0, 1))
    assert table.shares(second) == {"a": (1.0, 0.0, 1)}
    started = table.now
    table.now += 30
    for second_of in range(1, 31):
        table.say(first, link.Count("a", 1, 0, 1), at=started + second_of)
    assert table.shares(second) == {"a": (1.0, 0.0, 1)}


def test_news_for_a_worker_that_does_not_read_become_a_state() -> None:
    """It was stopped for 30 s: what the other told each second has gone by since, but for the last."""
    table = Table()
    first, second = table.counts.join(), table.counts.join()
    for _ in range(30):
        table.now += 1
        table.say(first, link.Count("a", 1, 0, 0))
    [frame] = table.hear(second)
    assert (frame.whole, frame.shares) == (True, (link.Share("a", 1.0, 0.0, 0),))


def test_frames_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table()
    names = [f"k{number}" for number in range(2 * link.PAGE_KEYS + 1)]
    table.counts.learn([key(name, rpm=RPM) for name in names])
    first, second = table.counts.join(), table.counts.join()
    table.say(first, *(link.Count(name, 1, 0, 0) for name in names))
    for seat in (second, table.counts.join()):
        frames = table.hear(seat)
        assert [len(frame.shares) for frame in frames] == [link.PAGE_KEYS, link.PAGE_KEYS, 1]
        assert {share.key for frame in frames for share in frame.shares} == set(names)


def test_limits_at_rest_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "SWEEP_AT_LEAST", 10)
    table = Table()
    table.counts = Counts(lambda: table.now)
    table.counts.learn([key(f"k{number}", rpm=RPM) for number in range(100)])
    seat = table.counts.join()
    for number in range(100):
        table.now += 1
        table.say(seat, link.Count(f"k{number}", 1, 0, 0))
    assert len(table.counts) <= 12
    table.now += 2
    assert not table.counts.join().waits


bookings = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.sampled_from([0, 0, 0.05, 0.5])), max_size=60)


@given(bookings)
def test_all_know_the_same_once_all_is_told(steps: list[tuple[int, int, float]]) -> None:
    """Seconds told to each and booked by each make up all that was booked, whatever the order; calls under way add up."""
    table = Table()
    seats = [table.counts.join() for _ in range(4)]
    own, heard, under_way, elsewhere = [0] * 4, [0.0] * 4, [0] * 4, [0] * 4

    def fetch(which: int) -> None:
        for frame in table.hear(seats[which]):
            assert not frame.whole
            heard[which] += sum(share.requests_s for share in frame.shares)
            elsewhere[which] = frame.shares[-1].in_flight

    for which, amount, pause in steps:
        table.now += pause
        own[which] += amount
        under_way[which] = amount
        table.say(seats[which], link.Count("a", amount, 0, amount))
        fetch((which + amount) % 4)
        if pause:
            for each in range(4):
                fetch(each)
    for each in range(4):
        fetch(each)
        assert own[each] * WINDOW / RPM + heard[each] == pytest.approx(sum(own) * WINDOW / RPM)
        assert under_way[each] + elsewhere[each] == sum(under_way)
