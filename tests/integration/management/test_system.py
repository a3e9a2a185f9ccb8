"""The routes of the running product, and its doctor."""

from typing import Any

from tests.integration.management.house import House

OPEN = "INSERT INTO calls_open (boot, seq, payload) VALUES (?, ?, ?)"
PLACE = 'INSERT INTO journal_positions (segment, "offset") VALUES (?, ?)'


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
