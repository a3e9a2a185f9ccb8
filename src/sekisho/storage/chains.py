"""The audit as the database holds it: rows that follow on each other by their hashes, and one head that says which is the last.

The head is sealed with the key ring. Who can write the database and has no ring makes no head that fits: what they edit, remove, add or
cut off at the end is found. What is not found without something noted down elsewhere is a whole older state of both, put back in place;
`anchors` are for that. See core.model.audit for the arithmetic.

Whoever appends holds the turn of the one writer (see `database`), so a chain has no forks, however many nodes there are.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields, replace
from typing import Any, Final

from sqlalchemy import Connection, delete, func, insert, or_, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from sekisho.core.model import audit
from sekisho.core.model.audit import ANONYMOUS, BROKEN, CUT, ERASED, GENESIS, SALT_BYTES, AuditRow, Cut, Erasure, Fault, Verifier
from sekisho.core.model.ids import readable
from sekisho.core.ports import Actor
from sekisho.kit.clock import Clock
from sekisho.kit.crypto import KeyRing, SealError
from sekisho.storage.errors import first_line
from sekisho.storage.records import Entry, entry, legible
from sekisho.storage.tables.audit import audit_heads, audit_rows

SYSTEM: Final = "system"
SYSTEM_NAME: Final = "sekisho"
PLACE: Final = "audit_heads/1/sealed"
BATCH: Final = 100
"""Rows that are read and hashed in a turn: about 2 ms."""

_TYPES: Final = tuple((each.name, each.type) for each in fields(AuditRow))


@dataclass(frozen=True)
class Head:
    """Where a chain ends."""

    seq: int
    hash: bytes

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash.hex()}"

    @classmethod
    def parse(cls, text: str) -> "Head":
        """Read what `str` writes; raises ValueError with a line for people."""
        seq, _, digest = text.partition(":")
        if not seq.isascii() or not seq.isdigit() or len(seq) > 18 or len(digest) != 64:
            raise ValueError(f"{text[:80]!r} is no anchor; write <row>:<hash in 64 hexadecimal digits>, as the node's log has it")
        return cls(int(seq), bytes.fromhex(digest))


_EMPTY: Final = Head(0, GENESIS)


@dataclass(frozen=True)
class Verdict:
    """What looking at a whole chain found."""

    first: int
    """The oldest row that is kept; 0 where there is none."""
    head: Head
    rows: int
    """How many are sound, from the first on."""
    fault: Fault | None


class Chain:
    """Appends, erases and cuts, within the transaction of whoever asks for it."""

    def __init__(self, ring: KeyRing, clock: Clock) -> None:
        self._ring = ring
        self._clock = clock

    def append(self, connection: Connection, entries: Sequence[Entry], actor: Actor | None) -> None:
        """Add rows at the end; without an actor they are the product's own acts."""
        head, broken = self._found(connection)
        now = self._clock.now()
        rows = []
        for each in (*broken, *entries):
            row = _row(head, now, each, None if each in broken else actor)
            rows.append(row)
            head = Head(row.seq, row.hash)
        names = [name for name, _ in _TYPES]
        connection.execute(insert(audit_rows), [dict(zip(names, astuple(row), strict=True)) for row in rows])
        self._set(connection, head)

    def erase(self, connection: Connection, person_id: str, pseudonym: str) -> None:
        """Put a pseudonym in the place of a person's name and address, and forget what was told of that person. A row that says so comes
        before.
        """
        held = audit_rows.c
        theirs = or_(held.actor_id == person_id, (held.person_id == person_id) & (held.actor_kind == ANONYMOUS))
        connection.execute(update(audit_rows).where(theirs).values(actor=pseudonym, address="", actor_salt=b""))
        about = (held.person_id == person_id) & (held.action != ERASED)
        connection.execute(update(audit_rows).where(about).values(before="", after="", detail_salt=b""))

    def cut(self, connection: Connection, before: int, most: int) -> int:
        """Remove the oldest rows, all of them older than a time (microseconds), and append the row that says so; how many they were."""
        held = audit_rows.c
        first = connection.execute(select(func.min(held.seq))).scalar_one()
        # The clock may have been set back: no row goes that is younger, or that stands behind a younger one.
        kept = connection.execute(select(func.min(held.seq)).where(held.at >= before)).scalar_one()
        head, broken = self._found(connection)
        if first is None or broken:
            return 0
        through = min(kept - 1 if kept is not None else head.seq, first + most - 1)
        if through < first:
            return 0
        last = connection.execute(select(held.hash).where(held.seq == through)).scalar_one()
        told = {"first": first, "through": through, "hash": last.hex()}
        self.append(connection, [entry(CUT, "audit", str(through), after=told)], None)
        connection.execute(delete(audit_rows).where(held.seq <= through))
        return int(through - first + 1)

    def _found(self, connection: Connection) -> tuple[Head, Sequence[Entry]]:
        """Where to go on, and what has to be told first: a head that was changed is not made good by going on from it."""
        row = connection.execute(select(audit_heads).with_for_update()).one_or_none()
        stored = _EMPTY if row is None else Head(row.seq, row.hash)
        sealed = None if row is None else _opened(self._ring, row.sealed)
        if row is not None and sealed == stored:
            return stored, ()
        last = connection.execute(select(audit_rows.c.seq, audit_rows.c.hash).order_by(audit_rows.c.seq.desc()).limit(1)).one_or_none()
        if row is None and last is None:
            return _EMPTY, ()
        there = _EMPTY if last is None else Head(last.seq, last.hash)
        told = {"sealed": None if sealed is None else str(sealed), "stored": str(stored), "last": str(there)}
        # Never below a number that was given once.
        going_on = max(each.seq for each in (there, stored, sealed or _EMPTY))
        return Head(going_on, there.hash), [entry(BROKEN, "audit", "head", after=told)]

    def _set(self, connection: Connection, head: Head) -> None:
        values = {"seq": head.seq, "hash": head.hash, "sealed": self._ring.seal(str(head).encode(), PLACE)}
        if not connection.execute(update(audit_heads).values(values)).rowcount:
            connection.execute(insert(audit_heads).values(id=1, **values))


def pseudonym_of(connection: Connection, person_id: str) -> str:
    """The pseudonym that a person has already, or a new one."""
    told = _told(ERASED).where(audit_rows.c.person_id == person_id)
    for row in connection.execute(told):
        return str(json.loads(row.after)["pseudonym"])
    return f"erased-{readable(os.urandom(5))}"


async def head_of(connection: AsyncConnection) -> Head:
    """Where the chain ends, as its head says."""
    row = (await connection.execute(select(audit_heads.c.seq, audit_heads.c.hash))).one_or_none()
    return _EMPTY if row is None else Head(row.seq, row.hash)


async def verify(connection: AsyncConnection, ring: KeyRing, anchors: Sequence[Head] = (), newest: int | None = None) -> Verdict:
    """Look at every row, or at the newest only; takes about 30 µs for each. The loop has its turn every few milliseconds."""
    head = await head_of(connection)
    erasures, cut = await connection.run_sync(_hints)
    noted: dict[int, set[bytes]] = {}
    for each in anchors:
        noted.setdefault(each.seq, set()).add(each.hash)
    verifier = Verifier(erasures, cut, noted, 0 if newest is None else max(0, head.seq - newest))
    fault = await _look_through(connection, verifier) or await _look_at_head(connection, ring, verifier)
    for each in anchors:
        if fault is None and each.seq > head.seq:
            fault = Fault(each.seq, "it was noted down, and the chain ends before it")
    return Verdict(verifier.first, head, verifier.rows, fault)


async def _look_through(connection: AsyncConnection, verifier: Verifier) -> Fault | None:
    while True:
        rows = await connection.run_sync(_page, verifier.last)
        for row in rows:
            fault = row if isinstance(row, Fault) else verifier.take(row)
            if fault is not None:
                return fault
        if len(rows) < BATCH:
            return None


async def _look_at_head(connection: AsyncConnection, ring: KeyRing, verifier: Verifier) -> Fault | None:
    row = (await connection.execute(select(audit_heads))).one_or_none()
    if row is None:
        return None if verifier.rows == 0 else Fault(verifier.last, "the head that says which row is the last is gone")
    stored = Head(row.seq, row.hash)
    fault = verifier.end(stored.seq, stored.hash)
    if fault is None and _opened(ring, row.sealed) != stored:
        return Fault(verifier.last, "the head that says which row is the last was changed")
    return fault


def _page(connection: Connection, after: int) -> list[AuditRow | Fault]:
    statement = select(audit_rows).where(audit_rows.c.seq > after).order_by(audit_rows.c.seq).limit(BATCH)
    try:
        with connection.begin_nested():
            return [_read(row) for row in connection.execute(statement)]
    except DBAPIError:
        # SQLite keeps any bytes as a text, and finds out when it is read.
        return list(_one_by_one(connection, after))


def _one_by_one(connection: Connection, after: int) -> Iterator[AuditRow | Fault]:
    """The same rows up to the one that cannot be read."""
    numbers = select(audit_rows.c.seq).where(audit_rows.c.seq > after).order_by(audit_rows.c.seq).limit(BATCH)
    for seq in connection.execute(numbers).scalars().all():
        try:
            yield _read(connection.execute(select(audit_rows).where(audit_rows.c.seq == seq)).one())
        except DBAPIError as error:
            yield Fault(seq, f"it cannot be read: {first_line(error)}")
            return


def _read(row: Any) -> AuditRow | Fault:
    """A row as it is stored; SQLite keeps values of any type in any column."""
    if any(type(getattr(row, name)) is not kind for name, kind in _TYPES):
        return Fault(row.seq, "it was changed")
    return AuditRow(**row._mapping)


def _hints(connection: Connection) -> tuple[dict[str, Erasure], Cut | None]:
    """What rows say of others. What is said wrongly is no hint: its row is found out when its turn comes."""
    erasures: dict[str, Erasure] = {}
    cut: Cut | None = None
    for row in connection.execute(_told(ERASED, CUT)):
        try:
            after: Mapping[str, Any] = json.loads(row.after)
            if row.action == ERASED:
                erasures.setdefault(row.person_id, Erasure(row.seq, str(after["pseudonym"])))
            elif cut is None:
                cut = Cut(int(after["through"]), bytes.fromhex(after["hash"]))
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    return erasures, cut


def _told(*actions: str) -> Any:
    held = audit_rows.c
    return select(held.seq, held.action, held.person_id, held.after).where(held.action.in_(actions)).order_by(held.seq.desc())


def _opened(ring: KeyRing, sealed: bytes) -> Head | None:
    """The head that a seal tells of; None where it is not of our ring."""
    try:
        return Head.parse(ring.open(sealed, PLACE).decode())
    except (SealError, ValueError, TypeError):
        return None


def _row(head: Head, now: int, what: Entry, actor: Actor | None) -> AuditRow:
    kind, name, address = SYSTEM, SYSTEM_NAME, ""
    user = token = request = ""
    if actor is not None:
        user, token, request = actor.user_id or "", actor.token_id or "", actor.request_id
        name, address = legible(actor.name), legible(actor.address)
        kind = "token" if token else "user" if user else ANONYMOUS if actor.role == ANONYMOUS else "local"
    actor_salt, detail_salt = os.urandom(SALT_BYTES), os.urandom(SALT_BYTES)
    row = AuditRow(
        seq=head.seq + 1,
        at=now,
        actor_kind=kind,
        actor_id=user,
        actor_token=token,
        actor=name,
        address=address,
        actor_salt=actor_salt,
        actor_digest=audit.actor_digest(actor_salt, name, address),
        request_id=legible(request),
        action=what.action,
        object_kind=what.object_kind,
        object_id=what.object_id,
        project=what.project,
        person_id=what.person_id,
        before=what.before,
        after=what.after,
        detail_salt=detail_salt,
        detail_digest=audit.detail_digest(detail_salt, what.before, what.after),
        prev=head.hash,
        hash=b"",
    )
    return replace(row, hash=audit.row_hash(row))
