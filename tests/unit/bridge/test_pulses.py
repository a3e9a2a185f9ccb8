"""Totals of workers that come and go become totals of the node."""

from typing import Any

from sekisho.bridge.pulses import Pulses, Totals
from sekisho.core.wire.link import Pulse


def pulse(**told: Any) -> Pulse:
    nothing = dict.fromkeys(Pulse.__struct_fields__, 0)
    return Pulse(**{**nothing, "journal_full": False, **told})


def test_what_was_before_is_not_counted() -> None:
    pulses = Pulses()
    pulses.heard("a", pulse(calls=100, refused=7, requests=120))
    assert pulses.totals == Totals()
    pulses.heard("a", pulse(calls=103, refused=8, requests=125, failed=1, dropped=2))
    assert pulses.totals == Totals(requests=5, calls=3, refused=1, failed=1, dropped=2)


def test_a_worker_that_is_gone_leaves_what_it_did_and_its_successor_begins_at_nothing() -> None:
    pulses = Pulses()
    pulses.heard("a", pulse())
    pulses.heard("a", pulse(calls=5, journal_full=True))
    assert pulses.journals_full == 1
    pulses.parted("a")
    assert pulses.journals_full == 0
    pulses.heard("b", pulse())
    pulses.heard("b", pulse(calls=2))
    assert pulses.totals.calls == 7


def test_several_workers_are_added() -> None:
    pulses = Pulses()
    for boot in ("a", "b"):
        pulses.heard(boot, pulse())
        pulses.heard(boot, pulse(requests=4, calls=3))
        pulses.heard(boot, pulse(requests=6, calls=5))
    assert pulses.totals == Totals(requests=12, calls=10)


def test_one_who_parts_unknown_changes_nothing() -> None:
    pulses = Pulses()
    pulses.parted("x")
    assert pulses.totals == Totals()
