"""The check finds each kind of damage, planted one at a time, and nothing in a house that is sound."""

import contextlib
import sqlite3
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sekisho.core.model.records import CallBegan, Frame
from sekisho.core.wire import journal
from sekisho.kit.crypto import KeyRing
from tests.integration.management.house import START, House
from tests.integration.management.records import record
from tests.integration.management.test_reports import fold_all

SEGMENT = "b00t-0-000001.log"
OPEN = "INSERT INTO calls_open (boot, seq, payload) VALUES (?, ?, ?)"


def failed(house: House) -> dict[str, str]:
    answer = house.good("GET", "/api/check")
    bad = {each["name"]: each["detail"] for each in answer["checks"] if not each["ok"]}
    assert answer["ok"] is (not bad)
    return bad


def frame(seq: int) -> Frame:
    return CallBegan(
        seq=seq, request_id=f"r{seq}", started_at=START, method="POST", path="/", address="", key_id="k", key_label="k", project="default",
        model="m", provider="p", upstream_model="m", credential_id="c", stream=False,
    )  # fmt: skip


def segment(house: House, *, frames: int = 3, name: str = SEGMENT, more: bytes = b"\0" * 500) -> list[int]:
    """Write a journal; the offsets of its frames and of their end."""
    boot, worker, number = journal.parse_segment_name(name) or ("", 0, 0)
    data = journal.segment_header(boot, worker, number)
    offsets = [len(data)]
    for seq in range(frames):
        data += journal.encode(frame(seq + 1))
        offsets.append(len(data))
    (house.home / "journal").mkdir(exist_ok=True)
    (house.home / "journal" / name).write_bytes(data + more)
    return offsets


def position(house: House, offset: int, name: str = SEGMENT) -> None:
    house.execute("DELETE FROM journal_positions")
    house.execute(f"INSERT INTO journal_positions (segment, \"offset\") VALUES ('{name}', {offset})")


def spoil(path: Path, at: int, data: bytes = b"\xee") -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:at] + data + whole[at + len(data) :])


def furnished(house: House) -> str:
    """One of everything; returns the id of the key."""
    house.good("POST", "/api/providers", {"name": "up", "kind": "vllm", "api_key": "a-secret-of-some-length", "probe": False})
    house.good("POST", "/api/models", {"id": "up/m", "input_price": "1", "output_price": "1"})
    key = house.good("POST", "/api/keys", {"label": "one"})
    record(house, {}, {"status": 1, "cost": None, "ttfb_us": None}, {"status": 2, "currency": "EUR"}, {"started_at": START + 10**10})
    segment(house)
    house.execute(OPEN, ("b00t", 1, b"\0"))
    house.good("POST", "/api/backups")
    return str(key["id"])


def test_a_sound_house_passes_every_check(house: House) -> None:
    furnished(house)
    for offset in segment(house):
        position(house, offset)
        assert failed(house) == {}
    names = [each["name"] for each in house.good("GET", "/api/check")["checks"]]
    assert names == [
        *("schema", "integrity", "references", "keys", "credentials", "rollups", "long sums", "open calls", "audit"),
        *("journal", "journal positions", "journal lag", "backups"),
    ]


def test_an_empty_house_passes_every_check(house: House) -> None:
    assert failed(house) == {}


def test_a_table_that_is_missing_is_found(house: House) -> None:
    house.execute("DROP TABLE refusals")
    assert failed(house) == {"schema": "the tables refusals are missing"}
    house.execute("DROP TABLE calls")
    assert set(failed(house)) == {"schema", "rollups", "long sums", "open calls"}


def test_a_damaged_page_is_found(sqlite_house: House) -> None:
    house = sqlite_house
    record(house, *({} for _ in range(300)))
    # An index that its table disagrees with, as a torn write leaves it.
    house.execute("PRAGMA writable_schema=ON")
    house.execute(
        "UPDATE sqlite_master SET sql = replace(sql, 'key_id, started_at', 'started_at, key_id') WHERE name = 'ix_calls_key_id_started_at'"
    )
    house.run(house.database.close())
    bad = failed(house)
    assert "integrity" in bad
    assert "ix_calls_key_id_started_at" in bad["integrity"]


def test_an_index_that_the_server_gave_up_is_found(postgres_house: House) -> None:
    postgres_house.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_calls_started_at'::regclass")
    assert failed(postgres_house) == {"integrity": "the index ix_calls_started_at is unusable; rebuild it with REINDEX"}


def without_references(house: House, sql: str) -> None:
    """A change that the database itself would refuse, as another program makes it."""

    async def change() -> None:
        if house.database.kind == "postgresql":
            async with house.database.writer() as connection:
                await connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
                assert (await connection.exec_driver_sql(sql)).rowcount > 0
            return
        with contextlib.closing(sqlite3.connect(house.home / "sekisho.db", isolation_level=None)) as other:
            assert other.execute(sql).rowcount > 0

    house.run(change())


@pytest.mark.parametrize(
    ("gone", "told"),
    [
        ("projects", "1 rows of keys refer to projects that are gone"),
        ("keys", "1 rows of key_secrets refer to keys that are gone"),
        ("models", "1 rows of rates refer to models that are gone"),
        ("providers", "1 rows of credentials refer to providers that are gone; 1 rows of models refer to providers that are gone"),
    ],
)
def test_what_has_lost_its_owner_is_found(house: House, gone: str, told: str) -> None:
    furnished(house)
    without_references(house, f"DELETE FROM {gone}")
    assert failed(house) == {"references": told}


def test_a_key_that_opens_nothing_is_found(house: House) -> None:
    key = furnished(house)
    house.execute("DELETE FROM key_secrets")
    assert failed(house) == {"keys": f"1 keys have no secret: {key}"}
    house.good("POST", f"/api/keys/{key}/revoke")
    assert failed(house) == {}


def test_a_key_from_the_future_is_found(house: House) -> None:
    key = furnished(house)
    house.execute("UPDATE keys SET revision = revision + 100")
    assert failed(house) == {"keys": f"1 keys are of a revision that has not been: {key}"}


def _flip(house: House) -> None:
    async def sealed() -> bytes:
        async with house.database.reader() as connection:
            return bytes((await connection.exec_driver_sql("SELECT sealed FROM credentials")).scalar_one())

    data = house.run(sealed())
    house.execute("UPDATE credentials SET sealed = ?", (data[:20] + bytes([data[20] ^ 1]) + data[21:],))


def _move(house: House) -> None:
    without_references(house, "UPDATE credentials SET id = 'elsewhere'")


@pytest.mark.parametrize("damage", [_flip, _move])
def test_a_secret_that_does_not_open_is_found(house: House, damage: Callable[[House], None]) -> None:
    furnished(house)
    damage(house)
    bad = failed(house)
    assert set(bad) == {"credentials"}
    assert bad["credentials"].startswith("1 of 1 secrets do not open with the secret key")


def test_another_secret_key_is_found(house: House) -> None:
    furnished(house)
    house.execute("UPDATE revisions SET ring_fingerprint = 'another'")
    assert failed(house) == {"credentials": "the database belongs to the secret key another, which is not ours"}


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE rollups_hourly SET input_tokens = input_tokens + 1",
        "UPDATE calls SET cost = 1 WHERE number = 1",
        "UPDATE calls SET cost = NULL WHERE number = 1",
        "DELETE FROM calls WHERE number = 2",
        "DELETE FROM rollups_hourly",
    ],
)
def test_sums_that_differ_from_the_calls_are_found(house: House, sql: str) -> None:
    furnished(house)
    house.execute(sql)
    assert set(failed(house)) == {"rollups"}


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE rollups_project SET calls = calls + 1",
        "UPDATE rollups_daily SET cost = cost + 1",
        "DELETE FROM rollups_daily",
        "UPDATE rollups_folded SET number = 1",
    ],
)
def test_sums_of_long_reports_that_differ_are_found(house: House, sql: str) -> None:
    furnished(house)
    fold_all(house)
    assert failed(house) == {}
    house.execute(sql)
    assert set(failed(house)) == {"long sums"}


def test_a_call_both_open_and_ended_is_found(house: House) -> None:
    furnished(house)
    record(house, {"seq": 1})
    assert failed(house) == {"open calls": "1 calls are both open and ended"}


def test_an_open_call_without_a_journal_is_found(house: House) -> None:
    furnished(house)
    house.execute(OPEN, ("other", 1, b"\0"))
    assert failed(house) == {"journal positions": "the calls of other are open, but its journal is gone"}


@pytest.mark.parametrize("read", [False, True])
def test_a_damaged_record_is_found(house: House, read: bool) -> None:
    """Wherever it stands, recorded already or not."""
    furnished(house)
    offsets = segment(house)
    if read:
        position(house, offsets[-1])
    path = house.home / "journal" / SEGMENT
    spoil(path, offsets[1] + 20)
    assert set(failed(house)) == {"journal positions" if read else "journal"}
    assert SEGMENT in "".join(failed(house).values())


def test_a_record_that_a_kill_has_cut_is_no_damage(house: House) -> None:
    furnished(house)
    offsets = segment(house)
    path = house.home / "journal" / SEGMENT
    spoil(path, offsets[2] + 30, b"\0" * (offsets[3] - offsets[2] - 30))
    assert failed(house) == {}


def test_a_whole_record_that_nobody_can_read_is_found(house: House) -> None:
    furnished(house)
    offsets = segment(house)
    payload = b"\xc1not ours"
    spoil(house.home / "journal" / SEGMENT, offsets[-1], journal.FRAME.pack(len(payload), zlib.crc32(payload)) + payload)
    assert failed(house) == {"journal": f"{SEGMENT}: damaged at {offsets[-1]}"}


@pytest.mark.parametrize("content", [b"", b"x" * 100, journal.segment_header("other", 0, 1)])
def test_a_file_that_is_no_segment_is_found(house: House, content: bytes) -> None:
    furnished(house)
    (house.home / "journal" / "b00t-0-000002.log").write_bytes(content)
    bad = failed(house)
    assert set(bad) == {"journal"}
    assert bad["journal"].startswith("b00t-0-000002.log: ")


def test_what_was_set_aside_is_found(house: House) -> None:
    furnished(house)
    (house.home / "journal" / f"{SEGMENT}.64.damaged").write_bytes(b"x")
    assert failed(house) == {"journal": f"{SEGMENT}.64.damaged was set aside"}


def test_a_position_that_cannot_be_is_found(house: House) -> None:
    furnished(house)
    offsets = segment(house)
    position(house, offsets[1] + 1)
    assert "no frame's beginning" in failed(house)["journal positions"]
    position(house, 10**6)
    assert failed(house) == {"journal positions": f"{SEGMENT}: the position 1000000 is beyond its end"}
    position(house, 5, name="gone-0-000001.log")  # read to its end and deleted: nothing is wrong with that
    assert failed(house) == {}


def test_records_that_wait_too_long_are_found(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    furnished(house)
    offsets = segment(house)
    position(house, offsets[1])

    async def status(lag: float) -> dict[str, Any]:
        return {"journal_lag_s": lag}

    monkeypatch.setattr(house.product, "status", lambda: status(29.0))
    assert failed(house) == {}
    monkeypatch.setattr(house.product, "status", lambda: status(31.0))
    assert failed(house) == {"journal lag": "2 records wait, the oldest for 31 s; see the node's log"}


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _of_another(path: Path) -> None:
    with House(path.parent / "other", KeyRing.generate()) as other:
        made = other.good("POST", "/api/backups", {"path": str(path.parent / "x")})
    Path(made["path"]).replace(path)


@pytest.mark.parametrize("damage", [_cut, _empty, lambda path: spoil(path, 2000), _of_another])
def test_a_backup_that_does_not_open_is_found(house: House, tmp_path: Path, damage: Callable[[Path], None]) -> None:
    furnished(house)
    made = Path(house.good("POST", "/api/backups", {"path": str(tmp_path / "b")})["path"])
    damage(made)
    made.replace(house.home / "backups" / "bad.sekisho-backup")
    bad = failed(house)
    assert set(bad) == {"backups"}
    assert "bad.sekisho-backup" in bad["backups"]
