"""Guessing becomes slow; nobody else is kept out by it, and nothing of it grows without end."""

from hypothesis import given
from hypothesis import strategies as st

from sekisho.identity.logins import throttles
from sekisho.identity.logins.throttles import BUDGET, FREE, FREE_EVERYWHERE, Attempt, Throttle

OFFICE, HOME = "203.0.113.9", "198.51.100.1"


def fail(throttle: Throttle, account: str, address: str, now: float, *, known: bool = False) -> int:
    """One wrong password: 0 where it was looked at, else the seconds to wait."""
    attempt = throttle.begin(account, address, now, known=known)
    return attempt if isinstance(attempt, int) else 0


def test_a_few_mistakes_are_free_and_each_one_after_doubles_the_pause() -> None:
    throttle, now, pauses = Throttle(), 0.0, []
    for _ in range(FREE):
        assert fail(throttle, "a", HOME, now) == 0
    for _ in range(8):
        wait = fail(throttle, "a", HOME, now)
        assert fail(throttle, "a", HOME, now + wait - 0.01) > 0, "too early"
        now += wait
        assert fail(throttle, "a", HOME, now) == 0
        pauses.append(wait)
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128]
    for _ in range(10):
        now += fail(throttle, "a", HOME, now)
        fail(throttle, "a", HOME, now)
    assert fail(throttle, "a", HOME, now) == throttles.LONGEST_S


def test_whoever_has_to_wait_is_told_without_another_look() -> None:
    throttle = Throttle()
    assert throttle.waiting("a", HOME, 0) == 0
    for _ in range(FREE):
        fail(throttle, "a", HOME, 0)
    assert throttle.waiting("a", HOME, 0) == fail(throttle, "a", HOME, 0) == 1
    assert throttle.waiting("a", HOME, 0.5) == 1
    assert throttle.waiting("a", HOME, 1) == throttle.waiting("b", HOME, 0) == throttle.waiting("a", OFFICE, 0) == 0


def test_the_right_password_ends_the_pause_for_that_address() -> None:
    throttle = Throttle()
    for _ in range(FREE - 1):
        fail(throttle, "a", HOME, 0)
    attempt = throttle.begin("a", HOME, 0, known=False)
    assert isinstance(attempt, Attempt)
    throttle.succeeded(attempt)
    assert [fail(throttle, "a", HOME, 0) for _ in range(FREE)] == [0] * FREE


def test_attempts_at_once_are_counted_when_they_begin() -> None:
    throttle = Throttle()
    outcomes = [fail(throttle, "a", HOME, 0) for _ in range(200)]
    assert outcomes.count(0) == FREE


def test_many_addresses_are_no_way_around_but_lock_nobody_out_for_long() -> None:
    throttle = Throttle()
    outcomes = [fail(throttle, "a", f"10.{n // 250}.0.{n % 250}", 0) for n in range(200)]
    assert outcomes.count(0) == FREE_EVERYWHERE
    now = 0.0
    for n in range(40):
        now += fail(throttle, "a", f"10.9.9.{n}", now)
        fail(throttle, "a", f"10.9.9.{n}", now)
    assert 0 < fail(throttle, "a", "10.8.8.8", now) <= throttles.LONGEST_EVERYWHERE_S
    # Whose login is known from an address is not concerned.
    assert fail(throttle, "a", HOME, now, known=True) == 0


def test_one_bad_machine_of_an_office_costs_the_others_seconds_at_most() -> None:
    throttle = Throttle()
    outcomes = [fail(throttle, f"guess-{n}", OFFICE, 0) for n in range(200)]
    assert outcomes.count(0) == BUDGET
    assert set(outcomes) == {0, 1}
    assert fail(throttle, "colleague", OFFICE, 0) == 1
    assert fail(throttle, "colleague", OFFICE, 1.0) == 0, "after a second"
    assert fail(throttle, "regular", OFFICE, 0, known=True) == 0, "at once, where somebody logs in there usually"


def test_a_success_costs_the_address_nothing() -> None:
    throttle = Throttle()
    for n in range(10 * int(BUDGET)):
        attempt = throttle.begin(f"person-{n}", OFFICE, 0, known=False)
        assert isinstance(attempt, Attempt)
        throttle.succeeded(attempt)


def test_a_house_is_one_address_and_its_neighbour_another() -> None:
    throttle = Throttle()
    outcomes = [fail(throttle, "a", f"2001:db8:1:1::{n:x}", 0) for n in range(20)]
    assert outcomes.count(0) == FREE
    assert fail(throttle, "a", "2001:db8:1:2::1", 0) == 0


def test_what_is_remembered_is_bounded_and_forgotten() -> None:
    throttle = Throttle()
    before, throttles_most = throttles.MOST, 50
    try:
        throttles.MOST = throttles_most  # type: ignore[misc]
        for n in range(500):
            fail(throttle, f"a{n}", f"10.0.{n // 250}.{n % 250}", 0)
        sizes = [len(each) for each in (throttle._pairs, throttle._accounts, throttle._addresses)]
    finally:
        throttles.MOST = before  # type: ignore[misc]
    assert sizes == [throttles_most] * 3
    for _ in range(FREE):
        fail(throttle, "b", HOME, 0)
    assert fail(throttle, "b", HOME, 0) > 0
    assert fail(throttle, "b", HOME, throttles.FORGET_S + 1) == 0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([OFFICE, HOME]), st.floats(0, 100), st.booleans()), max_size=80))
def test_whoever_waits_as_told_is_let_through(steps: list[tuple[str, str, float, bool]]) -> None:
    throttle, now = Throttle(), 0.0
    for account, address, pause, known in steps:
        now += pause
        wait = fail(throttle, account, address, now, known=known)
        if wait:
            now += wait
            assert fail(throttle, account, address, now, known=known) == 0
