"""A chain of audit rows tells of whatever was done to it, down to a single byte."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from sekisho.core.model.audit import AuditRow
from sekisho.kit.crypto import KeyRing, Secret
from sekisho.storage import chains, records
from sekisho.storage.chains import Chain, Head, Verdict
from sekisho.storage.preparation import prepare
from sekisho.storage.sqlite import Sqlite
from tests.unit.storage.homes import Fixed

RING = KeyRing({1: bytes(32)})
DAY = 86_400_000_000

TEXTS: tuple[str, ...] = (
    "actor_kind",
    "actor_id",
    "actor_token",
    "actor",
    "address",
    "request_id",
    "action",
    "object_kind",
    "object_id",
    "project",
)
TEXTS += ("person_id", "before", "after")
BYTES = ("actor_salt", "actor_digest", "detail_salt", "detail_digest", "prev", "hash")


@dataclass
class Moving(Fixed):
    """A clock that is set by hand."""

    at: int = 1_767_225_600_000_000

    def now(self) -> int:
        return self.at


@dataclass(frozen=True)
class Somebody:
    """Who acts."""

    role: str = "admin"
    name: str = "anna@example.com"
    user_id: str | None = "anna"
    token_id: str | None = None
    address: str = "192.0.2.7"
    request_id: str = "req_1"


Work = Callable[[AsyncConnection], Awaitable[None]]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file without rows in the audit."""
    path = tmp_path_factory.mktemp("template") / "sekisho.db"

    async def make() -> None:
        database = Sqlite(path)
        await database.open()
        await prepare(database, RING, Fixed(), path.parent / "backups")
        await database.close()

    asyncio.run(make())
    return path


@pytest.fixture
def inside(template: Path, tmp_path: Path) -> Callable[[Work], None]:
    """Does some work in a transaction on a copy of it."""
    path = tmp_path / "sekisho.db"
    path.write_bytes(template.read_bytes())

    async def run(work: Work) -> None:
        database = Sqlite(path)
        try:
            await database.open()
            async with database.writer() as connection:
                await work(connection)
        finally:
            await database.close()

    return lambda work: asyncio.run(run(work))


async def append(connection: AsyncConnection, *what: records.Entry, by: Somebody | None = Somebody(), clock: Moving | None = None) -> None:
    await connection.run_sync(Chain(RING, clock or Moving()).append, what, by)


def act(name: str = "key.created", thing: str = "k1", kind: str = "key", **more: object) -> records.Entry:
    return records.entry(name, kind, thing, **more)  # type: ignore[arg-type]


async def look(connection: AsyncConnection, *anchors: Head, ring: KeyRing = RING) -> Verdict:
    return await chains.verify(connection, ring, anchors)


async def faulty_row(connection: AsyncConnection) -> int | None:
    found = (await look(connection)).fault
    return None if found is None else found.seq


async def rows_of(connection: AsyncConnection) -> list[AuditRow]:
    found = await connection.execute(text("SELECT * FROM audit_rows ORDER BY seq"))
    return [AuditRow(**row._mapping) for row in found]


async def erase(connection: AsyncConnection, person: str, by: Somebody | None = Somebody()) -> str:
    chain = Chain(RING, Moving())
    pseudonym = await connection.run_sync(chains.pseudonym_of, person)
    await append(connection, act("person.erased", person, "user", after={"pseudonym": pseudonym}), by=by)
    await connection.run_sync(chain.erase, person, pseudonym)
    return pseudonym


async def varied(connection: AsyncConnection) -> None:
    """A chain that begins behind a cut, and tells of a person who was erased and of one who was not."""
    old, new = Moving(), Moving(Moving().at + 10 * DAY)
    await append(connection, act(), act("key.revoked"), clock=old)
    await append(connection, act("user.changed", "berta", "user", before={"role": "user"}, after={"role": "admin"}), clock=new)
    await append(connection, act("key.created", "k2", project="default", after={"label": "Schlüssel 鍵"}), by=None, clock=new)
    assert await connection.run_sync(Chain(RING, new).cut, new.at, 100) == 2
    await append(connection, act("provider.created", "p1", "provider"), by=Somebody("user", "berta@example.com", "berta"), clock=new)
    await erase(connection, "berta")
    await append(connection, act("model.added", "m1", "model"), by=Somebody(token_id="t1"))


def blamed(seq: int) -> set[int]:
    """The rows of such a chain that damage to one of them may show at. Where the row that tells of the cut or of the erasure is not what
    it was, the first row that needs it is the first that is not right.
    """
    return {seq, *({1, 3} if seq == 5 else ()), *({3, 6} if seq == 7 else ())}


@asynccontextmanager
async def undone(connection: AsyncConnection) -> AsyncIterator[None]:
    """What happens inside is taken back."""
    savepoint = await connection.begin_nested()
    try:
        yield
    finally:
        await savepoint.rollback()


def test_an_empty_chain_is_sound(inside: Callable[[Work], None]) -> None:
    async def work(connection: AsyncConnection) -> None:
        found = await look(connection)
        assert (found.fault, found.rows, found.head.seq) == (None, 0, 0)

    inside(work)


def test_a_row_says_who_did_what_from_where(inside: Callable[[Work], None]) -> None:
    async def work(connection: AsyncConnection) -> None:
        await append(connection, act(project="default", before=None, after={"label": "a"}))
        await append(connection, act("key.revoked"), by=Somebody("owner", "local owner", None, None, "", "req_2"))
        await append(connection, act("login.failed", "x", "login"), by=Somebody("anonymous", "", None))
        await append(connection, act("key.rotated"), by=Somebody(token_id="t1"))
        await append(connection, act("key.created"), by=None)
        rows = await rows_of(connection)
        assert [row.seq for row in rows] == [1, 2, 3, 4, 5]
        assert [row.actor_kind for row in rows] == ["user", "local", "anonymous", "token", "system"]
        first = rows[0]
        assert (first.actor, first.actor_id, first.address, first.request_id) == ("anna@example.com", "anna", "192.0.2.7", "req_1")
        assert (first.action, first.object_kind, first.object_id, first.project) == ("key.created", "key", "k1", "default")
        assert (first.before, json.loads(first.after)) == ("", {"label": "a"})
        assert [row.prev for row in rows[1:]] == [row.hash for row in rows[:-1]]
        found = await look(connection)
        assert (found.fault, found.rows, found.first, str(found.head)) == (None, 5, 1, f"5:{rows[-1].hash.hex()}")

    inside(work)


def test_every_byte_of_every_row_is_watched_over(inside: Callable[[Work], None]) -> None:
    tried = 0

    async def edited(connection: AsyncConnection, seq: int, column: str, value: object) -> None:
        nonlocal tried
        async with undone(connection):
            await connection.execute(text(f"UPDATE audit_rows SET {column} = :value WHERE seq = :seq"), {"value": value, "seq": seq})
            assert await faulty_row(connection) in blamed(seq), (seq, column, value)
        tried += 1

    async def work(connection: AsyncConnection) -> None:
        await varied(connection)
        assert (await look(connection)).fault is None
        rows = await rows_of(connection)
        assert [row.seq for row in rows] == [3, 4, 5, 6, 7, 8]
        for row in rows:
            await edited(connection, row.seq, "at", row.at + 1)
            for column in TEXTS:
                value = str(getattr(row, column))
                await edited(connection, row.seq, column, value + "x")
                # The longest of them byte by byte in two rows of six: a second for each thousand.
                for place in range(len(value) if row.seq in (3, 7) else min(len(value), 3)):
                    await edited(connection, row.seq, column, value[:place] + chr(ord(value[place]) ^ 1) + value[place + 1 :])
                if value:
                    await edited(connection, row.seq, column, "")
                    await edited(connection, row.seq, column, value.encode())
            for column in BYTES:
                digest = bytes(getattr(row, column))
                for place in range(len(digest)):
                    await edited(connection, row.seq, column, digest[:place] + bytes((digest[place] ^ 1,)) + digest[place + 1 :])
                await edited(connection, row.seq, column, digest[:-1] if digest else b"x")
                if digest and column.endswith("salt"):
                    await edited(connection, row.seq, column, b"")

    inside(work)
    assert tried > 1000


def test_a_text_that_is_none_is_told_with_its_row(inside: Callable[[Work], None]) -> None:
    async def work(connection: AsyncConnection) -> None:
        await varied(connection)
        await connection.execute(text("UPDATE audit_rows SET object_id = CAST(x'ff' AS TEXT) WHERE seq = 6"))
        found = await look(connection)
        assert found.fault is not None
        assert (found.fault.seq, found.rows) == (6, 3)
        assert found.fault.reason.startswith("it cannot be read: ")

    inside(work)


@pytest.mark.parametrize("seq", [3, 4, 5, 6, 7, 8])
def test_a_row_that_is_gone_is_missed(inside: Callable[[Work], None], seq: int) -> None:
    async def work(connection: AsyncConnection) -> None:
        await varied(connection)
        await connection.execute(text("DELETE FROM audit_rows WHERE seq = :seq"), {"seq": seq})
        found = (await look(connection)).fault
        assert found is not None
        assert found.seq in blamed(seq)

    inside(work)


@pytest.mark.parametrize(("one", "other"), [(3, 4), (3, 8), (6, 7), (7, 8)])
def test_rows_that_change_places_are_found(inside: Callable[[Work], None], one: int, other: int) -> None:
    async def work(connection: AsyncConnection) -> None:
        await varied(connection)
        for old, new in ((one, 1000), (other, one), (1000, other)):
            await connection.execute(text("UPDATE audit_rows SET seq = :new WHERE seq = :old"), {"old": old, "new": new})
        assert await faulty_row(connection) is not None

    inside(work)


async def _without_end(connection: AsyncConnection) -> None:
    await connection.execute(text("DELETE FROM audit_rows WHERE seq >= 7"))


async def _without_end_and_head(connection: AsyncConnection) -> None:
    await _without_end(connection)
    await connection.execute(text("UPDATE audit_heads SET seq = 6, hash = (SELECT hash FROM audit_rows WHERE seq = 6)"))


async def _without_head(connection: AsyncConnection) -> None:
    await connection.execute(text("DELETE FROM audit_heads"))


async def _with_a_head_of_another_ring(connection: AsyncConnection) -> None:
    sealed = KeyRing.generate().seal(str(await chains.head_of(connection)).encode(), chains.PLACE)
    await connection.execute(text("UPDATE audit_heads SET sealed = :sealed"), {"sealed": sealed})


@pytest.mark.parametrize("damage", [_without_end, _without_end_and_head, _without_head, _with_a_head_of_another_ring])
def test_what_is_cut_off_at_the_end_is_found_and_stays_found(inside: Callable[[Work], None], damage: Work) -> None:
    async def work(connection: AsyncConnection) -> None:
        await varied(connection)
        await damage(connection)
        assert (await look(connection)).fault is not None
        # Going on does not make it good.
        await append(connection, act("key.created", "later"))
        await append(connection, act("key.created", "later still"))
        assert (await look(connection)).fault is not None

    inside(work)


def test_a_chain_that_was_put_back_is_found_by_an_anchor_alone(inside: Callable[[Work], None]) -> None:
    async def work(connection: AsyncConnection) -> None:
        await append(connection, act(), act())
        early = await chains.head_of(connection)
        async with undone(connection):
            await append(connection, act())
            noted = await chains.head_of(connection)
            assert (await look(connection, early, noted)).fault is None
        assert (await look(connection)).fault is None, "an older state of both tables is whole by itself"
        gone = (await look(connection, early, noted)).fault
        assert gone is not None
        assert (gone.seq, gone.reason) == (3, "it was noted down, and the chain ends before it")
        await append(connection, act("key.revoked"))
        other = (await look(connection, early, noted)).fault
        assert other is not None
        assert (other.seq, other.reason) == (3, "it is not the row that was noted down")

    inside(work)


def test_the_newest_rows_can_be_looked_at_alone(inside: Callable[[Work], None]) -> None:
    async def work(connection: AsyncConnection) -> None:
        await append(connection, *(act(thing=f"k{n}") for n in range(20)))
        found = await chains.verify(connection, RING, newest=5)
        assert (found.fault, found.first, found.rows) == (None, 16, 5)
        assert (await chains.verify(connection, RING, newest=50)).rows == 20
        for seq, seen in ((16, 16), (15, None), (20, 20)):
            async with undone(connection):
                await connection.execute(text("UPDATE audit_rows SET object_id = 'x' WHERE seq = :seq"), {"seq": seq})
                fault = (await chains.verify(connection, RING, newest=5)).fault
                assert (fault and fault.seq) == seen
        async with undone(connection):
            await connection.execute(text("DELETE FROM audit_rows WHERE seq = 16"))
            assert (await chains.verify(connection, RING, newest=5)).fault is not None

    inside(work)


def test_an_anchor_is_what_it_says() -> None:
    head = Head(12, bytes(range(32)))
    assert Head.parse(str(head)) == head
    for bad in ("", "12", "12:", "x:" + "0" * 64, "1:" + "0" * 63, "1:" + "g" * 64, "-1:" + "0" * 64):
        with pytest.raises(ValueError, match=r"anchor|hexadecimal"):
            Head.parse(bad)


def test_a_person_is_forgotten_and_the_chain_still_verifies(inside: Callable[[Work], None]) -> None:
    async def work(connection: AsyncConnection) -> None:
        await append(connection, act("user.created", "berta", "user", after={"email": "berta@example.com"}))
        await append(
            connection, act("login.failed", "berta", "user"), by=Somebody("anonymous", "berta@example.com", None, None, "192.0.2.99")
        )
        await append(connection, act("key.created"), by=Somebody("user", "berta@example.com", "berta", None, "192.0.2.99"))
        await append(connection, act("invitation.made", "i1", "invitation", after={"to": "berta@example.com"}, person="berta"))
        pseudonym = await erase(connection, "berta", by=Somebody("user", "berta@example.com", "berta", None, "192.0.2.99"))
        rows = await rows_of(connection)
        assert "berta@example.com" not in repr(rows)
        assert "192.0.2.99" not in repr(rows)
        assert [row.actor for row in rows] == ["anna@example.com", pseudonym, pseudonym, "anna@example.com", pseudonym]
        assert [(row.before, row.after) for row in rows[:4]] == [("", "")] * 4
        assert (await look(connection)).fault is None
        assert await erase(connection, "berta") == pseudonym, "a second time changes nothing"
        assert (await look(connection)).fault is None

    inside(work)


def test_nobody_else_can_forget_a_person(inside: Callable[[Work], None]) -> None:
    async def work(connection: AsyncConnection) -> None:
        await append(connection, act(), act("user.changed", "carl", "user", after={"role": "owner"}))
        for values in ("actor = 'erased-1', address = '', actor_salt = x''", "before = '', after = '', detail_salt = x''"):
            async with undone(connection):
                await connection.execute(text(f"UPDATE audit_rows SET {values} WHERE seq = 2"))
                assert await faulty_row(connection) == 2
        # Nor once somebody was: what came after the erasure stays.
        await erase(connection, "anna")
        await append(connection, act())
        async with undone(connection):
            told = "SELECT actor FROM audit_rows WHERE seq = 1"
            await connection.execute(text(f"UPDATE audit_rows SET actor = ({told}), address = '', actor_salt = x'' WHERE seq = 4"))
            assert await faulty_row(connection) == 4

    inside(work)


def test_old_rows_are_cut_behind_one_that_says_so(inside: Callable[[Work], None]) -> None:
    async def work(connection: AsyncConnection) -> None:
        clock = Moving()
        for day in range(10):
            await append(connection, act(thing=f"k{day}"), clock=Moving(clock.at + day * DAY))
        late = Chain(RING, Moving(clock.at + 9 * DAY))
        assert await connection.run_sync(late.cut, clock.at, 100) == 0
        assert await connection.run_sync(late.cut, clock.at + 3 * DAY, 2) == 2, "no more at once than is asked for"
        assert await connection.run_sync(late.cut, clock.at + 3 * DAY, 2) == 1
        found = await look(connection)
        assert (found.fault, found.first, found.rows, found.head.seq) == (None, 4, 9, 12)
        # Everything but what was just written.
        assert await connection.run_sync(late.cut, clock.at + 400 * DAY, 100) == 9
        found = await look(connection)
        assert (found.fault, found.first, found.rows, found.head.seq) == (None, 13, 1, 13)
        await append(connection, act())
        assert (await look(connection)).rows == 2

    inside(work)


def test_a_row_older_than_its_elders_keeps_them(inside: Callable[[Work], None]) -> None:
    async def work(connection: AsyncConnection) -> None:
        clock = Moving()
        for day in (5, 0, 6):
            await append(connection, act(), clock=Moving(clock.at + day * DAY))
        assert await connection.run_sync(Chain(RING, clock).cut, clock.at + 3 * DAY, 100) == 0

    inside(work)


def test_a_state_is_json_without_secrets_and_holds_what_differs() -> None:
    found = records.entry("x.changed", "x", "1", before={"a": 1, "b": [1], "c": None}, after={"a": 1, "b": [1, 2], "d": "\ud800"})
    assert (json.loads(found.before), json.loads(found.after)) == ({"b": [1], "c": None}, {"b": [1, 2], "d": "\ud800"})
    for kind, told in (("key", {"label": "mine"}), ("user", {})):
        same = records.entry("x.changed", kind, "1", before={"label": "mine", "a": 1}, after={"label": "mine", "a": 1})
        assert (json.loads(same.before), json.loads(same.after)) == (told, told)
    with pytest.raises(TypeError, match="a Secret does not go into the audit"):
        records.entry("x.changed", "x", "1", after={"deep": [{"key": Secret("s")}]})
    with pytest.raises(TypeError, match="bytes"):
        records.entry("x.changed", "x", "1", after={"digest": b"x"})
    long = json.loads(records.entry("x.changed", "x", "1", after={"text": "a" * 5000, "list": list(range(5000))}).after)
    assert long["text"] == "a" * 1000 + "... (5000 letters)"
    assert long["list"][99:] == [99, "... (5000 entries)"]
    assert records.entry("x", "y", "a\0b\ud800").object_id == "a\ufffdb?"
