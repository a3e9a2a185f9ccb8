"""Backups over the API: made while the house is in use, put where they are wanted, and good for a new house."""

import stat
from pathlib import Path

from sekisho.storage import backups
from tests.integration.management.house import House
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


def test_a_restored_house_is_the_house_that_was_backed_up(house: House, tmp_path: Path) -> None:
    house.good("POST", "/api/providers", {"name": "up", "kind": "vllm", "api_key": "a-secret-of-some-length", "probe": False})
    key = house.good("POST", "/api/keys", {"label": "kept"})
    record(house, {})
    made = house.good("POST", "/api/backups", {"path": str(tmp_path / "b")})
    house.good("POST", f"/api/keys/{key['id']}/revoke")
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    backups.restore(Path(made["path"]), other / "sekisho.db", house.ring, house.clock)
    with House(other, house.ring) as again:
        assert [each["label"] for each in again.good("GET", "/api/keys")["api_keys"]] == ["kept"]
        assert again.good("GET", "/api/calls/count") == {"count": 1}
        catalog = again.run(again.compiler.catalog())
        assert [each.secret for each in catalog.providers[-1].credentials] == ["a-secret-of-some-length"]
        assert len(again.run(again.compiler.keys())) == 1
        assert again.good("GET", "/api/check")["ok"] is True
    with (tmp_path / "b").open("rb") as sealed:
        assert b"a-secret-of-some-length" not in sealed.read()
