"""Backups over the API: made while the house is in use, put where they are wanted, and good for a new house."""

import asyncio
import stat
from pathlib import Path

import pytest

from sekisho.api.maintenance import Maintenance
from sekisho.storage import backups, restores
from sekisho.storage.errors import StorageError
from sekisho.storage.urls import of_url
from tests.integration.management.house import START, House
from tests.integration.management.people import claimed
from tests.integration.management.records import record


def test_a_backup_lies_in_the_home_and_is_told(house: House) -> None:
    house.good("POST", "/api/keys", {"label": "a"})
    record(house, {}, {})
    made = house.good("POST", "/api/backups")
    path = Path(made["path"])
    assert path.parent == house.home / "backups"
    assert path.suffix == backups.SUFFIX
    assert (made["calls"], made["keys"], made["bytes"]) == (2, 1, path.stat().st_size)
    assert (stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode)) == (0o600, 0o700)
    second = house.good("POST", "/api/backups", {})
    (house.home / "backups" / f"other{backups.SUFFIX}").write_text("no backup")
    assert house.good("GET", "/api/backups") == {"backups": [second, made], "next_cursor": None}


def test_a_path_is_a_new_file_or_a_directory(house: House, tmp_path: Path) -> None:
    place = tmp_path / "elsewhere"
    place.mkdir()
    assert Path(house.good("POST", "/api/backups", {"path": str(place)})["path"]).parent == place
    assert house.good("POST", "/api/backups", {"path": str(place / "mine")})["path"] == str(place / "mine")
    assert house.refused(409, "POST", "/api/backups", {"path": str(place / "mine")})["param"] == "path"
    for bad in ("mine", "../mine", str(tmp_path / "none" / "mine"), ""):
        assert house.refused(422, "POST", "/api/backups", {"path": bad})["param"] == "path"
    assert len(list(place.iterdir())) == 2


def test_how_far_a_backup_is_can_be_asked(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    record(house, *({} for _ in range(700)))
    asked: list[tuple[int, int] | None] = []
    hear = Maintenance._hear

    def ask(self: Maintenance, done: int, total: int) -> None:
        hear(self, done, total)
        asked.append(self.progress)

    assert house.good("GET", "/api/backups/progress") == {"rows": None, "of": None}
    monkeypatch.setattr(Maintenance, "_hear", ask)
    house.good("POST", "/api/backups")
    # With the hour's sum, the project, the first row, the audit's row and head.
    assert asked[-1] is not None
    done, of = asked[-1]
    assert done == of >= 700 + 1 + 2 + 2
    assert house.good("GET", "/api/backups/progress") == {"rows": None, "of": None}


def around(home: Path, node: str = "") -> restores.Home:
    return restores.Home(home / "backups", home / "journal", node=node)


def in_all(house: House, sql: str) -> list[tuple[object, ...]]:
    async def ask() -> list[tuple[object, ...]]:
        async with house.database.reader() as connection:
            return [tuple(row) for row in await connection.exec_driver_sql(sql)]

    return house.run(ask())


@pytest.mark.parametrize("into", ["sqlite", "postgresql"])
def test_a_restored_house_is_the_house_that_was_backed_up(house: House, tmp_path: Path, into: str, request: pytest.FixtureRequest) -> None:
    """Whichever database it came from, and whichever it goes into."""
    house.good("POST", "/api/providers", {"name": "up", "kind": "vllm", "api_key": "a-secret-of-some-length", "probe": False})
    house.good("POST", "/api/models", {"id": "up/m", "input_price": "0.15", "output_price": "3", "capabilities": ["chat"]})
    key = house.good("POST", "/api/keys", {"label": "kept \U0001f511", "rpm": 7, "models": ["up/m"]})
    record(
        house, {"started_at": START}, {"cost": None, "ttfb_us": None, "started_at": START}, {"stream": False, "error_message": "line\nline"}
    )
    house.execute("INSERT INTO calls_open (boot, seq, payload) VALUES (?, ?, ?)", ("b00t", 2**62, b"\0\xff"))
    house.execute("DELETE FROM calls_open")
    told = {path: house.good("GET", path) for path in ("/api/calls", "/api/providers", "/api/models", "/api/keys")}
    totals = house.good("GET", "/api/usage?period=all")["totals"]
    made = house.good("POST", "/api/backups", {"path": str(tmp_path / "b")})
    house.good("POST", f"/api/keys/{key['id']}/revoke")
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    cluster = request.getfixturevalue("postgres_cluster") if into == "postgresql" else None
    url = f"sqlite:///{other / 'sekisho.db'}" if cluster is None else cluster.url(cluster.create())
    done = asyncio.run(restores.restore(Path(made["path"]), of_url(url), house.ring, house.clock, around(other)))
    assert (done.safety_copy, done.calls, done.keys) == (None, 3, 1)
    with House(other, house.ring, url) as again:
        assert {path: again.good("GET", path) for path in told} == told
        assert again.good("GET", "/api/usage?period=all")["totals"] == totals
        catalog = again.run(again.compiler.catalog())
        assert [each.secret for each in catalog.providers[-1].credentials] == ["a-secret-of-some-length"]
        assert catalog.instance != house.prepared.instance
        assert len(again.run(again.compiler.keys())) == 1
        assert again.good("GET", "/api/check")["ok"] is True
        # Counted numbers go on behind those that came along.
        record(again, {})
        assert again.good("GET", "/api/calls/count") == {"count": 4, "exact": True}
    with (tmp_path / "b").open("rb") as sealed:
        assert b"a-secret-of-some-length" not in sealed.read()


def test_on_a_server_a_restore_replaces_all_or_nothing(postgres_house: House, tmp_path: Path) -> None:
    house = postgres_house
    house.good("POST", "/api/keys", {"label": "old"})
    made = Path(house.good("POST", "/api/backups", {"path": str(tmp_path / "b")})["path"])
    house.good("POST", "/api/keys", {"label": "new"})
    home = around(house.home)
    damaged = tmp_path / "damaged"
    damaged.write_bytes(made.read_bytes()[:-1])

    def labels() -> set[str]:
        return {each["label"] for each in house.good("GET", "/api/keys")["api_keys"]}

    house.run(house.database.close())
    with pytest.raises(StorageError, match="cut or damaged"):
        asyncio.run(restores.restore(damaged, of_url(house._url), house.ring, house.clock, home))
    assert labels() == {"old", "new"}
    house.run(house.database.close())
    done = asyncio.run(restores.restore(made, of_url(house._url), house.ring, house.clock, home))
    assert labels() == {"old"}
    assert done.safety_copy is not None
    house.run(house.database.close())
    asyncio.run(restores.restore(done.safety_copy, of_url(house._url), house.ring, house.clock, home))
    assert labels() == {"old", "new"}
    assert house.good("GET", "/api/check")["ok"] is True


def test_on_a_server_a_node_that_runs_is_in_the_way(postgres_house: House, tmp_path: Path) -> None:
    house = postgres_house
    made = Path(house.good("POST", "/api/backups", {"path": str(tmp_path / "b")})["path"])

    async def attempt() -> None:
        listening = house.database.announcements()
        await anext(aiter(listening))
        try:
            await restores.restore(made, of_url(house._url), house.ring, house.clock, around(house.home))
        finally:
            await listening.aclose()

    with pytest.raises(StorageError, match=r"runs on the database .*; stop it first: sekisho stop"):
        house.run(attempt())


def test_on_a_server_open_calls_and_places_become_the_new_nodes(house: House, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    house.execute("INSERT INTO calls_open (boot, seq, payload) VALUES ('b00t', 1, ?)", (b"x",))
    house.execute("INSERT INTO calls_open (boot, seq, payload, node) VALUES ('c00t', 1, ?, 'other')", (b"x",))
    house.execute("INSERT INTO journal_positions (segment, \"offset\") VALUES ('b00t-0-000001.log', 64)")
    made = Path(house.good("POST", "/api/backups", {"path": str(tmp_path / "b")})["path"])
    cluster = request.getfixturevalue("postgres_cluster")
    for url, nodes in ((cluster.url(cluster.create()), {"me", "other"}), (f"sqlite:///{tmp_path / 'sekisho.db'}", {""})):
        asyncio.run(restores.restore(made, of_url(url), house.ring, house.clock, around(tmp_path, "me" if len(nodes) > 1 else "")))
        with House(tmp_path, house.ring, url) as again:
            assert {node for (node,) in in_all(again, "SELECT node FROM calls_open")} == nodes
            assert in_all(again, "SELECT node FROM journal_positions") == [("me" if len(nodes) > 1 else "",)]


def test_a_zero_character_does_not_stop_a_move_to_a_server(sqlite_house: House, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    record(sqlite_house, {"error_message": "a\0b"})
    made = Path(sqlite_house.good("POST", "/api/backups", {"path": str(tmp_path / "b")})["path"])
    cluster = request.getfixturevalue("postgres_cluster")
    url = cluster.url(cluster.create())
    asyncio.run(restores.restore(made, of_url(url), sqlite_house.ring, sqlite_house.clock, around(tmp_path)))
    with House(tmp_path, sqlite_house.ring, url) as again:
        assert in_all(again, "SELECT error_message FROM calls") == [("a\ufffdb",)]


def test_a_server_with_somebody_elses_tables_is_left_alone(sqlite_house: House, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    made = Path(sqlite_house.good("POST", "/api/backups", {"path": str(tmp_path / "b")})["path"])
    cluster = request.getfixturevalue("postgres_cluster")
    url = cluster.url(cluster.create())

    async def occupy() -> None:
        database = of_url(url)
        async with database.writer() as connection:
            await connection.exec_driver_sql("CREATE TABLE theirs (x integer)")
        await database.close()

    asyncio.run(occupy())
    with pytest.raises(StorageError, match="belongs to another program; nothing was changed"):
        asyncio.run(restores.restore(made, of_url(url), sqlite_house.ring, sqlite_house.clock, around(tmp_path)))


def test_who_comes_over_the_network_chooses_no_place_on_the_host(house: House, tmp_path: Path) -> None:
    owner = claimed(house)
    for path in (tmp_path / "b", tmp_path / "nowhere" / "b", house.home / "secret.key"):
        error = owner.refused(403, "POST", "/api/backups", {"path": str(path)})
        assert (error["code"], error["param"]) == ("local_only", "path"), "whatever is there, or is not"
    assert not (tmp_path / "b").exists()
    assert Path(owner.good("POST", "/api/backups")["path"]).parent == house.home / "backups"
