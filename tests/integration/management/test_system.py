"""The routes of the running product, its check and its doctor."""

import contextlib
import sqlite3
from typing import Any

from tests.integration.management.house import START, House
from tests.integration.management.records import record


def failed(house: House) -> dict[str, str]:
    answer = house.good("GET", "/api/check")
    bad = {each["name"]: each["detail"] for each in answer["checks"] if not each["ok"]}
    assert answer["ok"] is (not bad)
    return bad


def findings(house: House) -> set[tuple[str, str]]:
    return {(each["level"], each["name"]) for each in house.good("GET", "/api/doctor")["findings"]}


def test_health_and_status(house: House) -> None:
    assert house.good("GET", "/health") == {"status": "ok"}
    assert house.good("GET", "/api/status") == {"version": "0", "workers": [11, 12], "revision": 1}
    house.good("POST", "/api/keys", {"label": "a"})
    assert house.good("GET", "/api/status")["revision"] == 2


def test_settings_are_told_with_their_source(house: House) -> None:
    assert house.good("GET", "/api/settings") == {"settings": [{"name": "gateway.port", "value": 4000, "source": "default"}]}


def test_reload_and_stop_are_accepted_and_passed_on(house: House) -> None:
    for what in ("reload", "stop"):
        answer = house.ask("POST", f"/api/system/{what}")
        assert (answer.status_code, answer.json()) == (202, {"accepted": True})
    assert house.product.asked == ["reload", "stop"]


def test_a_reload_with_bad_settings_is_refused_with_their_line(house: House) -> None:
    house.product.reason = "sekisho.toml: there is no setting gateway.prot; did you mean gateway.port?"
    error = house.refused(422, "POST", "/api/system/reload")
    assert (error["code"], error["message"]) == ("invalid_settings", house.product.reason)
    assert house.product.asked == []


def test_a_sound_house_passes_every_check(house: House) -> None:
    record(house, {}, {"status": 1, "cost": None, "ttfb_us": None}, {"status": 2, "currency": "EUR"}, {"started_at": START + 10**10})
    (house.home / "journal").mkdir()
    (house.home / "journal" / "b-0-000001.log").write_bytes(b"x" * 100)
    house.execute("INSERT INTO journal_positions VALUES ('b-0-000001.log', 100), ('gone-0-000001.log', 5)")
    house.execute("INSERT INTO calls_open VALUES ('b', 1, x'00')")
    assert failed(house) == {}
    assert len(house.good("GET", "/api/check")["checks"]) == 5


def test_sums_that_differ_from_the_calls_are_found(house: House) -> None:
    record(house, {}, {})
    house.execute("UPDATE rollups_hourly SET input_tokens = input_tokens + 1")
    assert set(failed(house)) == {"rollups"}
    house.execute("UPDATE rollups_hourly SET input_tokens = input_tokens - 1")
    assert failed(house) == {}
    house.execute("UPDATE calls SET cost = NULL WHERE number = 1")
    assert set(failed(house)) == {"rollups"}
    house.execute("DELETE FROM rollups_hourly")
    assert set(failed(house)) == {"rollups"}


def test_a_damaged_page_is_found(house: House) -> None:
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


def test_a_reference_to_nothing_is_found(house: House) -> None:
    house.good("POST", "/api/keys", {"label": "a"})

    async def cut() -> None:
        with contextlib.closing(sqlite3.connect(house.database.path, isolation_level=None)) as other:
            other.execute("DELETE FROM keys")

    house.run(cut())
    assert failed(house) == {"references": "1 rows refer to nothing, in key_secrets"}


def test_a_call_both_open_and_ended_is_found(house: House) -> None:
    record(house, {"seq": 4})
    house.execute("INSERT INTO calls_open VALUES ('b00t', 4, x'00')")
    assert set(failed(house)) == {"open calls"}


def test_a_position_beyond_its_segment_is_found(house: House) -> None:
    (house.home / "journal").mkdir()
    (house.home / "journal" / "b-0-000001.log").write_bytes(b"x" * 100)
    house.execute("INSERT INTO journal_positions VALUES ('b-0-000001.log', 101)")
    assert set(failed(house)) == {"journal positions"}


def test_the_doctor_of_a_well_kept_house_has_no_more_than_hints(house: House) -> None:
    house.good("POST", "/api/backups")
    house.good("POST", "/api/keys", {"label": "bounded", "rpm": 5, "expires_in_s": 60})
    answer = house.good("GET", "/api/doctor")
    assert {each["name"] for each in answer["findings"]} <= {"sqlite version", "disk space"}


def test_the_doctor_finds_what_others_can_open(house: House) -> None:
    ring = house.home / "secret.key"
    ring.write_text("x")
    ring.chmod(0o644)
    answer: Any = house.good("GET", "/api/doctor")
    assert answer["ok"] is False
    first = answer["findings"][0]
    assert (first["level"], first["name"], first["remedy"]) == ("error", "file modes", f"chmod 0600 {ring}")
    ring.chmod(0o600)
    assert ("error", "file modes") not in findings(house)
    house.home.chmod(0o755)
    assert ("error", "file modes") in findings(house)


def test_the_doctor_finds_loose_keys_and_open_wires(house: House) -> None:
    assert ("hint", "backups") in findings(house)
    house.good("POST", "/api/keys", {"label": "for ever"})
    house.good("POST", "/api/providers", {"name": "far", "kind": "custom", "base_url": "http://192.0.2.1:8080/v1", "probe": False})
    house.good("POST", "/api/providers", {"name": "near", "kind": "custom", "base_url": "http://[::1]:8080/v1", "probe": False})
    told = [each for each in house.good("GET", "/api/doctor")["findings"] if each["name"] in ("keys", "provider address")]
    assert [each["level"] for each in told] == ["warning", "hint", "hint"]
    assert "provider far" in told[0]["message"]
    assert all("for ever" in each["message"] for each in told[1:])


def test_the_doctor_finds_a_provider_that_failed_its_test(house: House) -> None:
    house.good("POST", "/api/providers", {"name": "near", "kind": "custom", "base_url": "http://127.0.0.1:1/v1", "probe": False})
    house.good("POST", "/api/providers/near/test")
    assert ("warning", "provider state") in findings(house)
    assert house.good("GET", "/api/doctor")["ok"] is True, "a warning alone is no error"
