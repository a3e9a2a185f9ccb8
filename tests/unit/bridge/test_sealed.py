"""The sealed copy on a real disk: what is read is what was kept, to the last revision, or it is refused."""

import asyncio
import contextlib
import os
import resource
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest

from sekisho.bridge import copies, sealed
from sekisho.bridge.copies import SealedCopy
from sekisho.bridge.publisher import Publisher
from sekisho.bridge.sealed import HEAD_BYTES, Change, CopyError, Held, SealedFile, is_of, origin_of, read
from sekisho.core.model.snapshot import Catalog, Credential, Model, Provider
from sekisho.core.wire import link
from sekisho.kit.crypto import KeyRing
from sekisho.kit.files import identity_at
from sekisho.storage.errors import UnavailableError
from tests.support.virtual_time import EPOCH, VirtualClock
from tests.unit.bridge.test_publisher import Book, some_key, staged

RING = KeyRing.generate()
ORIGIN = origin_of("a database")
SECRET = "sk-secret-of-the-provider"


def catalog(name: str = "up", revision: int = 1) -> Catalog:
    provider = Provider(name, "custom", "http://127.0.0.1:1/v1", (Credential("c1", SECRET),))
    return Catalog(revision, "an installation", (provider,), (Model(f"{name}/m", name, "m"),))


def whole(keys: int = 3, revision: int = 1) -> Held:
    return Held(revision, catalog(), tuple(some_key(number) for number in range(keys)))


def never() -> Held:
    raise AssertionError("a change is enough")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "snapshot.sealed"


@contextlib.asynccontextmanager
async def _kept(path: Path, held: Held | None = None) -> AsyncIterator[SealedCopy]:
    copy = SealedCopy(path, RING, ORIGIN)
    try:
        if held is not None:
            await copy.renew(held)
        yield copy
    finally:
        await copy.close()


def opened(path: Path) -> Held:
    held = read(path, RING, ORIGIN)
    assert held is not None
    return held


def ids(held: Held) -> set[str]:
    return {key.id for key in held.keys}


def make(path: Path, *changes: Change, keys: int = 3) -> None:
    async def scene() -> None:
        async with _kept(path, whole(keys)) as copy:
            for change in changes:
                await copy.keep(change, never)

    asyncio.run(scene())


def test_where_nothing_was_kept_nothing_is_read(path: Path) -> None:
    assert read(path, RING, ORIGIN) is None
    assert not is_of(path, ORIGIN)


def test_what_was_kept_is_read(path: Path) -> None:
    make(path)
    held = opened(path)
    assert held.written_at > 0
    assert msgspec.structs.replace(held, written_at=0) == whole()
    assert is_of(path, ORIGIN)


def test_every_change_is_a_part_of_what_is_read(path: Path) -> None:
    make(
        path,
        Change(2, keys=(some_key(9),)),
        Change(3, gone=(some_key(0).digest, some_key(77).digest)),
        Change(4, catalog=catalog("other", 4), keys=(msgspec.structs.replace(some_key(1), label="renamed"),)),
    )
    held = opened(path)
    assert (held.revision, held.catalog.providers[0].name) == (4, "other")
    assert ids(held) == {"key1", "key2", "key9"}
    assert {key.label for key in held.keys} == {"a key", "renamed"}


def test_it_is_private_and_says_nothing_to_who_has_no_key(path: Path) -> None:
    make(path, Change(2, catalog=catalog()))
    assert path.stat().st_mode & 0o777 == 0o600
    assert SECRET.encode() not in path.read_bytes()
    assert b"key1" not in path.read_bytes()


def test_any_byte_that_is_another_makes_it_worthless(path: Path) -> None:
    make(path, Change(2, gone=(some_key(0).digest,)), Change(3, gone=(some_key(1).digest,)))
    good = path.read_bytes()
    for at in range(0, len(good), 7):
        path.write_bytes(good[:at] + bytes([good[at] ^ 0x01]) + good[at + 1 :])
        try:
            held = read(path, RING, ORIGIN)
        except CopyError:
            continue
        # A length that says too much makes a part look cut off, and nothing else may.
        assert held is not None
        assert held.revision < 3
        assert _is_in_a_length(good, at), f"byte {at} was changed, and nobody noticed"


def _is_in_a_length(data: bytes, at: int) -> bool:
    place = HEAD_BYTES
    while place < len(data):
        if place <= at < place + sealed.LENGTH.size:
            return True
        place += sealed.LENGTH.size + sealed.LENGTH.unpack_from(data, place)[0]
    return False


def test_a_part_that_was_cut_off_was_never_acknowledged(path: Path) -> None:
    """A process that is killed while it writes leaves such a part."""
    make(path)
    one = path.stat().st_size
    make(path, Change(2, gone=(some_key(0).digest,)))
    two = path.read_bytes()
    for length in (one + 1, one + 5, len(two) - 1):
        path.write_bytes(two[:length])
        assert (opened(path).revision, len(opened(path).keys)) == (1, 3)
    for length in (0, 5, HEAD_BYTES, HEAD_BYTES + 2, one - 1):
        path.write_bytes(two[:length])
        with pytest.raises(CopyError, match="damaged"):
            read(path, RING, ORIGIN)


def test_parts_of_two_copies_cannot_be_mixed(path: Path, tmp_path: Path) -> None:
    """An old part that is put in the place of a revocation would open a door again."""
    other = tmp_path / "other"
    make(path)
    one = path.stat().st_size
    make(path, Change(2, gone=(some_key(0).digest,)))
    make(other, Change(2, keys=(some_key(5),)))
    path.write_bytes(path.read_bytes()[:one] + other.read_bytes()[one:])
    with pytest.raises(CopyError, match="damaged"):
        read(path, RING, ORIGIN)


def test_parts_cannot_change_places(path: Path) -> None:
    make(path)
    one = path.stat().st_size
    make(path, Change(2, gone=(some_key(0).digest,)), Change(3, keys=(some_key(0),)))
    data = path.read_bytes()
    second = sealed.LENGTH.unpack_from(data, one)[0] + sealed.LENGTH.size
    path.write_bytes(data[:one] + data[one + second :] + data[one : one + second])
    with pytest.raises(CopyError, match="damaged"):
        read(path, RING, ORIGIN)


def test_another_key_and_another_database_are_refused(path: Path) -> None:
    make(path)
    with pytest.raises(CopyError, match="another secret key"):
        read(path, KeyRing.generate(), ORIGIN)
    with pytest.raises(CopyError, match="another database"):
        read(path, RING, origin_of("another database"))
    assert not is_of(path, origin_of("another database"))
    path.write_bytes(b"x")
    assert is_of(path, ORIGIN), "one that cannot be told is not taken for none"


def test_a_revocation_is_one_short_part_however_many_keys_there_are(path: Path) -> None:
    async def scene() -> None:
        async with _kept(path, whole(20_000)) as copy:
            before = os.stat(path)
            await copy.keep(Change(2, gone=(some_key(0).digest,)), never)
            after = os.stat(path)
            assert after.st_ino == before.st_ino
            assert after.st_size - before.st_size < 300

    asyncio.run(scene())
    assert len(opened(path).keys) == 19_999


def test_what_grew_too_long_is_written_anew_and_loses_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Changes go on while the new whole is prepared; each is on the disk when it is told to be."""
    monkeypatch.setattr(copies, "LEAST_CHANGES", 2_000)

    async def scene() -> None:
        keys = {key.digest: key for key in whole().keys}
        files = set()

        def held() -> Held:
            return Held(revision, catalog(), tuple(keys.values()))

        async with _kept(path, whole()) as copy:
            for revision in range(2, 400):
                keys[some_key(revision).digest] = some_key(revision)
                gone = some_key(max(revision - 3, 0)).digest
                keys.pop(gone, None)
                await copy.keep(Change(revision, None, (some_key(revision),), (gone,)), held)
                found = opened(path)
                assert (found.revision, ids(found)) == (revision, {key.id for key in keys.values()})
                files.add(os.stat(path).st_ino)
        assert len(files) > 1, "it was never written anew"
        assert os.stat(path).st_size < 20_000

    asyncio.run(scene())


def test_a_new_process_begins_with_a_whole(path: Path) -> None:
    make(path, Change(2))

    async def scene() -> None:
        async with _kept(path) as copy:
            await copy.keep(Change(7, gone=(b"x",)), lambda: whole(2, 7))
            assert copy.revision == 7

    asyncio.run(scene())
    assert (opened(path).revision, len(opened(path).keys)) == (7, 2)


def test_changes_that_are_asked_for_before_the_whole_is_written_come_after_it(path: Path) -> None:
    async def scene() -> None:
        async with _kept(path) as copy:
            first = copy.renew(whole(20_000))
            await copy.keep(Change(2, gone=(some_key(0).digest,)), never)
            await first

    asyncio.run(scene())
    assert (opened(path).revision, len(opened(path).keys)) == (2, 19_999)


@contextlib.contextmanager
def no_file_longer_than(size: int) -> Iterator[None]:
    """Every longer write of this process fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_copy_that_cannot_be_written_is_withdrawn_and_comes_back(path: Path, tmp_path: Path) -> None:
    """An old copy would open again what the change closed."""

    async def scene() -> None:
        async with _kept(path, whole()) as copy:
            with no_file_longer_than(100):
                await copy.keep(Change(2, gone=(some_key(0).digest,)), lambda: whole(2, 2))
                assert os.listdir(tmp_path) == []
                assert copy.trouble is not None
                assert "cannot be written" in copy.trouble
                assert copy.warnings == (), "none at all is no danger"
            await copy.keep(Change(3), lambda: whole(2, 3))
            assert (copy.revision, opened(path).revision) == (3, 3)
            assert not copy.trouble
            assert os.listdir(tmp_path) == [path.name]

    asyncio.run(scene())


def test_a_copy_that_can_be_neither_written_nor_removed_is_told_to_whoever_made_the_change(path: Path) -> None:
    async def scene() -> None:
        async with _kept(path, whole()) as copy:
            os.unlink(path)
            os.mkdir(path)
            await copy.keep(Change(2), lambda: whole(2, 2))
            assert "delete" in copy.warnings[0]
            assert str(path) in copy.warnings[0]
            os.rmdir(path)
            await copy.keep(Change(3), lambda: whole(2, 3))
            assert copy.warnings == ()
            assert opened(path).revision == 3

    asyncio.run(scene())


def test_a_copy_that_was_taken_away_is_written_anew_with_the_next_change(path: Path) -> None:
    async def scene() -> None:
        async with _kept(path, whole()) as copy:
            os.unlink(path)
            await copy.keep(Change(2), lambda: whole(2, 2))
            assert copy.trouble is None

    asyncio.run(scene())
    assert opened(path).revision == 2


def test_what_publish_returned_for_is_in_the_copy(path: Path) -> None:
    async def scene() -> None:
        book = Book()
        book.entries = {key.digest: key for key in whole().keys}
        async with _kept(path) as copy:
            publisher = Publisher(book, copy=copy)
            await publisher.load()
            await copy.renew(publisher.held())
            book.change(gone=(some_key(0).digest,))
            await publisher.publish()
            assert (opened(path).revision, ids(opened(path))) == (2, {"key1", "key2"})
            book.change(catalog=True, keys=(some_key(7),))
            await publisher.publish()
            assert (opened(path).revision, ids(opened(path))) == (3, {"key1", "key2", "key7"})
            await publisher.publish()
            assert opened(path).revision == 3
            await publisher.close()

    asyncio.run(scene())


def test_a_write_that_is_repeated_brings_a_copy_that_is_behind_up_to_date(path: Path) -> None:
    async def scene() -> None:
        book = Book()
        async with _kept(path) as copy:
            publisher = Publisher(book, copy=copy)
            await publisher.load()
            await publisher.publish()
            assert opened(path).revision == 1
            os.unlink(path)
            os.mkdir(path)
            book.change(keys=(some_key(1),))
            assert "delete" in (await publisher.publish()).warnings[0]
            os.rmdir(path)
            assert (await publisher.publish()).warnings == ()
            assert opened(path).revision == 2
            await publisher.close()

    asyncio.run(scene())


def test_the_engines_of_another_life_are_not_taken_over() -> None:
    def builtin(base_url: str) -> Model:
        return Model("builtin/tiny", "builtin", "tiny", base_url=base_url)

    old = msgspec.structs.replace(catalog(), models=(*catalog().models, builtin("http://127.0.0.1:5/v1")))
    assert sealed.with_engines(old, (builtin(""),)).models == (*catalog().models, builtin(""))


def test_it_says_of_when_it_is(path: Path) -> None:
    async def scene() -> None:
        copy = SealedCopy(path, RING, ORIGIN, VirtualClock())
        await copy.renew(whole())
        await copy.close()

    asyncio.run(scene())
    assert opened(path).written_at == EPOCH


def test_a_database_that_went_back_is_sent_whole_and_waited_for(tmp_path: Path) -> None:
    """A backup of an older revision was put in place: what workers acknowledged before says nothing of it."""

    async def scene() -> None:
        async with staged(tmp_path / "link.sock") as stage:
            worker = await stage.worker()
            for number in (7, 8):
                stage.book.change(keys=(some_key(number),))
                writing = asyncio.ensure_future(stage.publisher.publish())
                await worker.next()
                worker.send(link.Ack(stage.book.revision))
                await writing
            stage.book.revision, stage.book.changed = 2, []
            del stage.book.entries[some_key(8).digest]
            writing = asyncio.ensure_future(stage.publisher.publish())
            _, keys, revision = await worker.whole()
            assert (revision, {key.id for key in keys}) == (2, {"key0", "key1", "key2", "key7"})
            assert not writing.done()
            worker.send(link.Ack(2))
            assert (await writing).warnings == ()

    asyncio.run(scene())


def test_what_stands_in_goes_to_workers_that_are_connected_and_to_those_that_come(tmp_path: Path) -> None:
    async def scene() -> None:
        async with staged(tmp_path / "link.sock") as stage:
            there = await stage.worker(1)
            stage.publisher.adopt(whole(2, 40))
            comes = await stage.connect()
            comes.send(link.Hello(2, "comes", 2))
            for worker in (there, comes):
                found, keys, revision = await worker.whole()
                assert (found.providers[0].name, len(keys), revision) == ("up", 2, 40)

    asyncio.run(scene())


def test_an_engine_that_woke_is_told_without_a_database(tmp_path: Path) -> None:
    class Gone(Book):
        async def catalog(self) -> Catalog:
            raise UnavailableError("it is away")

    async def scene() -> None:
        publisher = Publisher(Gone(), refresh=lambda known: msgspec.structs.replace(known, instance="refreshed"))
        with pytest.raises(UnavailableError):
            await publisher.republish()
        publisher.adopt(whole())
        await publisher.republish()
        held = publisher.held()
        assert (held.revision, held.catalog.instance, len(held.keys)) == (1, "refreshed", 3)
        await publisher.close()

    asyncio.run(scene())


def begun(path: Path, held: Held, *changes: Change) -> None:
    """The start of a node, with changes that come before the new whole can be there; all of it is on the disk at the end."""

    async def scene() -> None:
        async with _kept(path) as copy:
            beginning = copy.begin(held)
            for change in changes:
                await copy.keep(change, never)
                assert opened(path).revision == change.revision
            await beginning
            assert copy.trouble is None

    asyncio.run(scene())


def test_a_start_goes_on_with_the_copy_of_its_own_state(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(path, Change(2, gone=(some_key(0).digest,)))
    first = identity_at(path)
    released = threading.Event()
    create = SealedFile.create

    def create_late(self: SealedFile, whole: Held) -> None:
        released.wait(10)
        create(self, whole)

    monkeypatch.setattr(SealedFile, "create", create_late)

    async def scene() -> None:
        async with _kept(path) as copy:
            beginning = copy.begin(opened(path))
            await copy.keep(Change(3, gone=(some_key(1).digest,)), never)
            assert identity_at(path) == first, "it waited for no whole"
            assert (opened(path).revision, ids(opened(path))) == (3, {"key2"})
            released.set()
            await beginning
            assert identity_at(path) != first, "in the end there is a new one"
            await copy.keep(Change(4, keys=(some_key(9),)), never)

    asyncio.run(scene())
    assert (opened(path).revision, ids(opened(path))) == (4, {"key2", "key9"})


def test_a_start_behind_a_cut_change_writes_over_it(path: Path) -> None:
    make(path, Change(2, gone=(some_key(0).digest,)))
    with path.open("ab") as file:
        file.write(sealed.LENGTH.pack(500) + b"cut")
    begun(path, opened(path), Change(3, gone=(some_key(1).digest,)))
    assert (opened(path).revision, ids(opened(path))) == (3, {"key2"})


@pytest.mark.parametrize("state", ["none", "older", "another installation", "damaged", "no copy", "another database"])
def test_a_start_begins_anew_beside_what_does_not_fit(path: Path, state: str) -> None:
    held = whole(5, revision=7)
    if state == "another database":
        path.write_bytes(sealed.MAGIC + bytes(200))
    elif state != "none":
        make(path, Change(6 if state == "older" else 7), keys=2)
    if state == "another installation":
        held = msgspec.structs.replace(held, catalog=msgspec.structs.replace(held.catalog, instance="another"))
    if state == "damaged":
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
    if state == "no copy":
        path.write_bytes(b"x")
    begun(path, held, Change(8, gone=(some_key(4).digest,)))
    assert (opened(path).revision, ids(opened(path))) == (8, {"key0", "key1", "key2", "key3"})
    assert opened(path).catalog.instance == held.catalog.instance
