"""The chain of audit rows: how a row is hashed, and what a chain has to look like. docs/reference/records.md says the same.

Each row's hash commits to the hash of the row before, so that no row can be edited, removed, added or moved without a trace. What a
person may want to have forgotten (name, address, what was changed of a person) is committed to by salted digests: once it is erased
and its salt is gone, nobody can guess it from the digest, and the chain still verifies.
"""

import hashlib
import struct
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from typing import Final

GENESIS: Final = bytes(32)
"""The hash before the first row."""
SALT_BYTES: Final = 16

ERASED: Final = "person.erased"
CUT: Final = "audit.cut"
BROKEN: Final = "audit.broken"
"""Acts that the chain itself knows."""
ANONYMOUS: Final = "anonymous"
"""The kind of an actor without a login."""

_LENGTH: Final = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class AuditRow:
    """Who did what, as it is stored. Texts that do not apply are empty."""

    seq: int
    """Counts from 1, without a gap."""
    at: int
    """Wall time in microseconds."""
    actor_kind: str
    """local (the owner of the home), user, token, anonymous, or system (the product itself)."""
    actor_id: str
    """The user's; a person's name is not in it."""
    actor_token: str
    """The access token's id, where one was used."""
    actor: str
    """The name; a pseudonym once it was erased."""
    address: str
    actor_salt: bytes
    """Empty once actor and address were erased."""
    actor_digest: bytes
    request_id: str
    action: str
    object_kind: str
    object_id: str
    project: str
    person_id: str
    """The user whom `before` and `after` tell something about."""
    before: str
    """JSON, or empty."""
    after: str
    detail_salt: bytes
    """Empty once before and after were erased."""
    detail_digest: bytes
    prev: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class Erasure:
    """What the newest row says that tells of a person's erasure."""

    seq: int
    pseudonym: str


@dataclass(frozen=True, slots=True)
class Cut:
    """What a row says that tells of older ones having been cut away: the last of those."""

    through: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Fault:
    """The first thing that is wrong."""

    seq: int
    reason: str


def packed(fields: Iterable[bytes]) -> bytes:
    """Fields behind each other, each behind its length (u32, big-endian): no two lists of fields give the same bytes."""
    return b"".join(_LENGTH.pack(len(field)) + field for field in fields)


def actor_digest(salt: bytes, actor: str, address: str) -> bytes:
    """What a row's hash knows of a name and an address."""
    return hashlib.sha256(packed((b"sekisho.audit.actor.1", salt, actor.encode(), address.encode()))).digest()


def detail_digest(salt: bytes, before: str, after: str) -> bytes:
    """What a row's hash knows of its details."""
    return hashlib.sha256(packed((b"sekisho.audit.detail.1", salt, before.encode(), after.encode()))).digest()


def row_hash(row: AuditRow) -> bytes:
    """The hash that belongs to a row; what stands in it as such is not looked at."""
    return hashlib.sha256(
        packed(
            (
                b"sekisho.audit.row.1",
                b"%d" % row.seq,
                b"%d" % row.at,
                row.actor_kind.encode(),
                row.actor_id.encode(),
                row.actor_token.encode(),
                row.actor_digest,
                row.request_id.encode(),
                row.action.encode(),
                row.object_kind.encode(),
                row.object_id.encode(),
                row.project.encode(),
                row.person_id.encode(),
                row.detail_digest,
                row.prev,
            )
        )
    ).digest()


class Verifier:
    """Looks at the rows of a chain one after the other, the oldest first, and stops at the first fault.

    `erasures` (by person) and `cut` are what rows further on say; those rows pass through here like all others, so that a forged one is
    found as well. `anchors` are hashes that were noted down elsewhere, by row. `after` begins behind a row whatever that was: what is
    before it is not looked at.
    """

    def __init__(self, erasures: Mapping[str, Erasure], cut: Cut | None, anchors: Mapping[int, Set[bytes]], after: int = 0) -> None:
        self._erasures = erasures
        self._cut = cut
        self._anchors = anchors
        self.rows = 0
        self.first = 0
        self.last = after
        self.hash = GENESIS

    def take(self, row: AuditRow) -> Fault | None:
        """The next row; what is wrong with it, or with there being no other before it."""
        fault = self._begin(row) if self.rows == 0 else self._follow(row)
        fault = fault or self._look_at(row)
        if fault is not None:
            return fault
        self.rows += 1
        self.last, self.hash = row.seq, row.hash
        return None

    def end(self, seq: int, found: bytes) -> Fault | None:
        """Whether the chain ends where its head says."""
        if self.last < seq:
            return Fault(self.last + 1, f"the rows from {self.last + 1} to {seq} are missing at the end")
        if self.last > seq:
            return Fault(seq + 1, f"the head says that row {seq} is the last one")
        if self.hash != found:
            return Fault(seq, "it is not the row that the head tells of")
        return None

    def _begin(self, row: AuditRow) -> Fault | None:
        before = Cut(0, GENESIS) if self._cut is None else self._cut
        self.first = row.seq
        if self.last > before.through:
            before = Cut(self.last, row.prev)
        if row.seq != before.through + 1:
            return Fault(before.through + 1, f"it is missing: the oldest row is {row.seq}")
        return None if row.prev == before.hash else Fault(row.seq, "it does not follow on the rows that were cut away before it")

    def _follow(self, row: AuditRow) -> Fault | None:
        if row.seq != self.last + 1:
            return Fault(self.last + 1, f"it is missing: row {self.last} is followed by {row.seq}")
        return None if row.prev == self.hash else Fault(row.seq, "it does not follow on the row before it")

    def _look_at(self, row: AuditRow) -> Fault | None:
        reason = None
        if not row.actor_salt:
            reason = self._erased_actor(row)
        elif row.actor_digest != actor_digest(row.actor_salt, row.actor, row.address):
            reason = "its actor or address was changed"
        if reason is None and not row.detail_salt:
            reason = self._erased_detail(row)
        elif reason is None and row.detail_digest != detail_digest(row.detail_salt, row.before, row.after):
            reason = "its before or after was changed"
        if reason is None and row.hash != row_hash(row):
            reason = "it was changed"
        if reason is None and self._anchors.get(row.seq, {row.hash}) != {row.hash}:
            reason = "it is not the row that was noted down"
        if reason is None and row.action == BROKEN:
            reason = "it tells that the head was found changed"
        return None if reason is None else Fault(row.seq, reason)

    def _erased_actor(self, row: AuditRow) -> str | None:
        person = row.person_id if row.actor_kind == ANONYMOUS else row.actor_id
        erasure = self._erasures.get(person) if person else None
        if erasure is None or row.seq > erasure.seq:
            return "its actor was erased, and no row tells of it"
        return None if row.actor == erasure.pseudonym and not row.address else "its actor or address was changed"

    def _erased_detail(self, row: AuditRow) -> str | None:
        erasure = self._erasures.get(row.person_id) if row.person_id else None
        if erasure is None or row.seq > erasure.seq:
            return "its before and after were erased, and no row tells of it"
        return None if not row.before and not row.after else "its before or after was changed"
