"""How attempts at passwords are slowed down: pure arithmetic over time, with a bound on what is remembered.

Three things are watched. One account from one address: a few mistakes are free, then each doubles the pause. One account from
everywhere, for a guesser with many addresses: more mistakes are free, and the pause stays short, so that nobody can lock somebody else
out for long. One address over all accounts: it has a budget of failures that fills up again by itself, so an office with one bad
machine waits seconds and loses nobody. Somebody who has logged in from an address before is not slowed down by what others do there.

An attempt counts when it begins, and is taken back when it succeeds: two hundred at once are no way around.
"""

from collections import OrderedDict
from dataclasses import dataclass
from math import ceil
from typing import Final, TypeVar

from sekisho.kit.net import source_group

FREE: Final = 5
"""Attempts at one account from one address before the first pause."""
LONGEST_S: Final = 900.0
FREE_EVERYWHERE: Final = 20
"""The same for one account from all addresses."""
LONGEST_EVERYWHERE_S: Final = 60.0
FORGET_S: Final = 3600.0
"""After so long without an attempt, all is forgotten."""

BUDGET: Final = 60.0
"""Failures of one address at once, over all accounts."""
REFILL_PER_S: Final = 1.0

MOST: Final = 50_000
"""Entries of each kind; the one that was not seen for the longest time goes first."""


K = TypeVar("K")


@dataclass
class _Tries:
    """Attempts that did not succeed so far."""

    count: int
    last: float


@dataclass
class _Budget:
    left: float
    at: float


@dataclass(frozen=True)
class Attempt:
    """One that was let through, to be taken back if it succeeds."""

    pair: tuple[str, str]
    account: str
    address: str
    paid: bool


class Throttle:
    """Remembers attempts. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._pairs: OrderedDict[tuple[str, str], _Tries] = OrderedDict()
        self._accounts: OrderedDict[str, _Tries] = OrderedDict()
        self._addresses: OrderedDict[str, _Budget] = OrderedDict()

    def waiting(self, account: str, address: str, now: float) -> int:
        """The whole seconds for which this account is not let in from this address, whatever else is known of it; 0 where it may be."""
        return max(0, ceil(_pause(self._pairs.get((account, source_group(address))), FREE, LONGEST_S, now)))

    def begin(self, account: str, address: str, now: float, *, known: bool) -> Attempt | int:
        """Let an attempt through, or the whole seconds after which it may be repeated. `known`: this account has a login from there."""
        address = source_group(address)
        pair = (account, address)
        wait = _pause(self._pairs.get(pair), FREE, LONGEST_S, now)
        if not known:
            wait = max(wait, _pause(self._accounts.get(account), FREE_EVERYWHERE, LONGEST_EVERYWHERE_S, now))
        if wait <= 0 and not known:
            wait = self._shortage(address, now)
        if wait > 0:
            return max(1, ceil(wait))
        _count(self._pairs, pair, now)
        if not known:
            _count(self._accounts, account, now)
            self._addresses[address].left -= 1
        return Attempt(pair, account, address, paid=not known)

    def succeeded(self, attempt: Attempt) -> None:
        """It was the right password: the account is forgotten for this address, and the address gets its attempt back."""
        self._pairs.pop(attempt.pair, None)
        self.give_back(attempt)

    def give_back(self, attempt: Attempt) -> None:
        """It was not looked at, or only a second factor is missing: it does not count."""
        _uncount(self._pairs, attempt.pair)
        if attempt.paid:
            _uncount(self._accounts, attempt.account)
            budget = self._addresses.get(attempt.address)
            if budget is not None:
                budget.left = min(BUDGET, budget.left + 1)

    def _shortage(self, address: str, now: float) -> float:
        """Seconds until the address may fail once more."""
        budget = self._addresses.pop(address, None) or _Budget(BUDGET, now)
        self._addresses[address] = budget
        if len(self._addresses) > MOST:
            self._addresses.popitem(last=False)
        budget.left = min(BUDGET, budget.left + (now - budget.at) * REFILL_PER_S)
        budget.at = now
        return 0.0 if budget.left >= 1 else (1 - budget.left) / REFILL_PER_S


def _pause(tries: _Tries | None, free: int, longest: float, now: float) -> float:
    """Seconds until the next attempt is let through."""
    if tries is None or tries.count < free or now - tries.last > FORGET_S:
        return 0.0
    return min(2.0 ** min(tries.count - free, 30), longest) - (now - tries.last)


def _count(remembered: OrderedDict[K, _Tries], key: K, now: float) -> None:
    tries = remembered.pop(key, None)
    if tries is None or now - tries.last > FORGET_S:
        tries = _Tries(0, now)
    remembered[key] = _Tries(tries.count + 1, now)
    if len(remembered) > MOST:
        remembered.popitem(last=False)


def _uncount(remembered: OrderedDict[K, _Tries], key: K) -> None:
    tries = remembered.get(key)
    if tries is not None:
        tries.count = max(0, tries.count - 1)
