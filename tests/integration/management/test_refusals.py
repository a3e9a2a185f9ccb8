"""Refusals over the API."""

from tests.integration.management.house import START, House


def test_refusals_are_told_newest_first_in_pages(house: House) -> None:
    rows = [
        (START + n, f"req-{n}", "POST", "/v1/chat/completions", "127.0.0.1", "", 401, "invalid_api_key", "no such key", n) for n in range(5)
    ]
    house.execute(
        "INSERT INTO refusals (at, request_id, method, path, address, key_id, http_status, code, detail, suppressed) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        rows,
    )
    first = house.good("GET", "/api/refusals?limit=3")
    second = house.good("GET", f"/api/refusals?limit=3&cursor={first['next_cursor']}")
    assert [each["request_id"] for each in first["refusals"] + second["refusals"]] == [f"req-{n}" for n in (4, 3, 2, 1, 0)]
    assert second["next_cursor"] is None
    assert first["refusals"][0] == {
        "at": "2026-01-01T00:00:00.000004Z",
        "request_id": "req-4",
        "method": "POST",
        "path": "/v1/chat/completions",
        "address": "127.0.0.1",
        "key_id": None,
        "http_status": 401,
        "code": "invalid_api_key",
        "detail": "no such key",
        "suppressed": 4,
    }
