"""The limits of all workers together: each one's counts are added up here and handed on to the others.

What the workers send are amounts, what they get are times: only the node knows every key's limits by its id. The state is kept as long as
a limit is busy, so a worker that starts goes on where the dead one was. A node that starts knows nothing; the workers tell it where they
stand when they connect, and what each of them booked alone is added up then.
"""

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Final

import msgspec

from sekisho.core.model.snapshot import Key
from sekisho.core.policy.limits import WINDOW, book, span
from sekisho.core.wire import link
from sekisho.kit import clock

SWEEP_AT_LEAST: Final = 4096
"""Keys with a state before those whose limits rest are looked for."""


LATE_S: Final = 1.0
"""News that waited so long are told as a state: amounts alone would not say when they were booked."""


class Standing(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """For how many seconds the limits of a key are busy."""

    key: str
    requests_s: float
    tokens_s: float


class Seat:
    """One worker's place at the table."""

    __slots__ = ("ages", "in_flight", "news", "since", "standing")

    def __init__(self, standing: Iterable[str]) -> None:
        self.ages = link.Ages()
        self.in_flight: dict[str, int] = {}
        """Its calls under way by key id."""
        self.news: dict[str, tuple[float, float]] = {}
        """What it has not been told yet: seconds of requests and of tokens that others booked. As many as there are keys, at most."""
        self.standing: dict[str, None] = dict.fromkeys(standing)
        """Keys whose state it has not been told yet."""
        self.since = 0.0
        """When the oldest of its news came."""

    @property
    def waits(self) -> bool:
        """Whether there is something to tell it."""
        return bool(self.standing or self.news)


class _State:
    __slots__ = ("in_flight", "requests_at", "tokens_at")

    def __init__(self) -> None:
        self.in_flight = 0
        self.requests_at = 0.0
        self.tokens_at = 0.0


class Counts:
    """What is booked of every key's limits."""

    def __init__(self, now: Callable[[], float] = clock.monotonic) -> None:
        self._now = now
        self._limits: dict[str, tuple[int | None, int | None]] = {}
        self._states: dict[str, _State] = {}
        self._seats: list[Seat] = []
        self._sweep_at = SWEEP_AT_LEAST

    def __len__(self) -> int:
        return len(self._states)

    def learn(self, keys: Iterable[Key]) -> None:
        """Know the limits of keys that came or changed. One that is gone stays known by its id: nobody can book on it any more."""
        for key in keys:
            if key.rpm is not None or key.tpm is not None or key.concurrency is not None:
                self._limits[key.id] = (key.rpm, key.tpm)
            else:
                self._limits.pop(key.id, None)

    def standings(self) -> tuple[Standing, ...]:
        """Of all keys whose limits are busy."""
        now = self._now()
        return tuple(
            Standing(key_id, max(state.requests_at - now, 0.0), max(state.tokens_at - now, 0.0))
            for key_id, state in self._states.items()
            if state.requests_at > now or state.tokens_at > now
        )

    def restore(self, standings: Iterable[Standing], age: float) -> None:
        """Begin where it stood so many seconds ago, before any worker comes."""
        now = self._now()
        for each in standings:
            state = self._states[each.key] = _State()
            state.requests_at = now + each.requests_s - age
            state.tokens_at = now + each.tokens_s - age
        self._sweep(now)

    def join(self) -> Seat:
        """A worker comes: it is to be told where every limit stands."""
        self._sweep(self._now())
        seat = Seat(self._states)
        self._seats.append(seat)
        return seat

    def leave(self, seat: Seat) -> None:
        """A worker is gone, and its calls with it; what it booked stays."""
        if seat not in self._seats:
            return
        self._seats.remove(seat)
        for key_id, count in seat.in_flight.items():
            self._states[key_id].in_flight -= count
            self._spread(seat, key_id, 0.0, 0.0)
        seat.in_flight = {}

    def take(self, seat: Seat, message: link.Counts) -> None:
        """Add up what a worker booked, and have it told to the others. Keys without limits are nobody's business."""
        read = self._now()
        age = seat.ages.of(message.at, read)
        now = read - age
        for count in message.counts:
            limits = self._limits.get(count.key)
            if limits is None:
                if count.key not in seat.in_flight:
                    continue
                limits = (None, None)
            state = self._states.get(count.key)
            if state is None:
                state = self._states[count.key] = _State()
            requests_s, tokens_s = span(limits[0], count.requests), span(limits[1], count.tokens)
            if message.resumed:
                requests_s = _resumed(state.requests_at, now, requests_s, count.requests_s)
                tokens_s = _resumed(state.tokens_at, now, tokens_s, count.tokens_s)
            state.requests_at = book(state.requests_at, now, requests_s)
            state.tokens_at = book(state.tokens_at, now, tokens_s)
            change = count.in_flight - seat.in_flight.get(count.key, 0)
            if change:
                state.in_flight += change
                if count.in_flight:
                    seat.in_flight[count.key] = count.in_flight
                else:
                    del seat.in_flight[count.key]
            if age > LATE_S:
                self._restate(seat, count.key)
            elif change or requests_s or tokens_s:
                self._spread(seat, count.key, requests_s, tokens_s)
        if len(self._states) > self._sweep_at:
            self._sweep(read)

    def _spread(self, source: Seat, key_id: str, requests_s: float, tokens_s: float) -> None:
        for seat in self._seats:
            if seat is not source:
                if not seat.news:
                    seat.since = self._now()
                before = seat.news.get(key_id)
                seat.news[key_id] = (before[0] + requests_s, before[1] + tokens_s) if before else (requests_s, tokens_s)

    def _restate(self, source: Seat, key_id: str) -> None:
        for seat in self._seats:
            if seat is not source:
                seat.standing[key_id] = None

    def next_frame(self, seat: Seat) -> link.Shares | None:
        """The next page of what a worker is to be told; None where it knows all."""
        now = self._now()
        if seat.news and now - seat.since > LATE_S:
            seat.standing |= dict.fromkeys(seat.news)
        if seat.standing:
            page = list(islice(seat.standing, link.PAGE_KEYS))
            for key_id in page:
                del seat.standing[key_id]
                # Where a key stands says all that has happened to it.
                seat.news.pop(key_id, None)
            return link.Shares(now, tuple(self._standing(seat, page, now)), whole=True)
        if seat.news:
            told = list(islice(seat.news.items(), link.PAGE_KEYS))
            for key_id, _ in told:
                del seat.news[key_id]
            seat.since = now
            return link.Shares(now, tuple(link.Share(key_id, *spans, self._elsewhere(seat, key_id)) for key_id, spans in told))
        return None

    def _standing(self, seat: Seat, key_ids: Iterable[str], now: float) -> Iterable[link.Share]:
        for key_id in key_ids:
            state = self._states.get(key_id)
            busy = max(state.requests_at - now, 0.0) if state is not None else 0.0
            tokens_busy = max(state.tokens_at - now, 0.0) if state is not None else 0.0
            yield link.Share(key_id, busy, tokens_busy, self._elsewhere(seat, key_id))

    def _elsewhere(self, seat: Seat, key_id: str) -> int:
        state = self._states.get(key_id)
        return state.in_flight - seat.in_flight.get(key_id, 0) if state is not None else 0

    def _sweep(self, now: float) -> None:
        """Forget keys whose limits rest."""
        self._states = {
            key_id: state for key_id, state in self._states.items() if state.in_flight or state.requests_at > now or state.tokens_at > now
        }
        self._sweep_at = max(SWEEP_AT_LEAST, 2 * len(self._states))


def _resumed(arrival: float, now: float, alone: float, busy: float) -> float:
    """What has to be booked for a worker that comes back, in seconds: `busy` from now with all it knows, of which `alone` was booked alone.

    What it had in common with others is known already where one of them was here before. Workers that counted apart for long let more
    through than the limit; of that no more is held against the key than fills the limit, or it would be locked out for our own fault.
    """
    own = min(max(alone, 0.0), busy)
    before = max(arrival, now)
    after = max(before, now + busy - own) + own
    return max(min(after, now + max(WINDOW, busy)) - before, 0.0)
