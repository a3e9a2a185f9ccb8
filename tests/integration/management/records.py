"""Writes calls as the recorder does: raw rows in `calls` and their sums in `rollups_hourly`, in one statement each."""

from typing import Any

from sekisho.core.model.records import STAGES
from tests.integration.management.house import START, House

HOUR = 3_600_000_000

BASE: dict[str, Any] = {
    "boot": "b00t",
    "seq": 0,
    "request_id": "req",
    "client_request_id": "",
    "started_at": START,
    "status": 0,
    "http_status": 200,
    "method": "POST",
    "path": "/v1/chat/completions",
    "address": "127.0.0.1",
    "user_agent": "tests",
    "key_id": "k1",
    "key_label": "one",
    "project": "default",
    "model": "up/m",
    "provider": "up",
    "upstream_model": "m",
    "credential_id": "c1",
    "stream": True,
    "input_tokens": 10,
    "output_tokens": 5,
    "cached_tokens": 2,
    "reasoning_tokens": 1,
    "usage_source": 1,
    "cost": 1234,
    "currency": "USD",
    "duration_us": 1500,
    "ttfb_us": 700,
    "stages": ",".join(str(number) for number, _ in enumerate(STAGES, 1)),
    "attempts": 1,
    "upstream_status": 200,
    "error_code": "",
    "error_message": "",
    "finish_reason": "stop",
    "bytes_in": 100,
    "bytes_out": 200,
    "api": "",
}

SUMS = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "duration_us")


def record(house: House, *calls: dict[str, Any]) -> None:
    """Write calls; each is `BASE` with the given changes and a number of its own."""
    rows = [BASE | {"seq": house.clock.now(), "request_id": f"req-{number}"} | call for number, call in enumerate(calls)]
    columns = ", ".join(BASE)
    house.execute(f"INSERT INTO calls ({columns}) VALUES ({', '.join('?' * len(BASE))})", [tuple(row.values()) for row in rows])
    for row in rows:
        _roll_up(house, row)


def _roll_up(house: House, row: dict[str, Any]) -> None:
    priced = row["cost"] is not None
    values: dict[str, Any] = {
        "hour": row["started_at"] - row["started_at"] % HOUR,
        "model": row["model"],
        "provider": row["provider"],
        "key_id": row["key_id"],
        "project": row["project"],
        "currency": row["currency"] if priced else "",
        "key_label": row["key_label"],
        "calls": 1,
        "completed": int(row["status"] == 0),
        "failed": int(row["status"] == 1),
        "cancelled": int(row["status"] == 2),
        "unpriced": int(not priced),
        **{name: row[name] for name in SUMS},
        "cost": row["cost"] or 0,
        "ttfb_us": row["ttfb_us"] or 0,
        "ttfb_calls": int(row["ttfb_us"] is not None),
    }
    added = ", ".join(f"{name} = rollups_hourly.{name} + excluded.{name}" for name in list(values)[7:])
    house.execute(
        f"INSERT INTO rollups_hourly ({', '.join(values)}) VALUES ({', '.join('?' * len(values))}) "
        f"ON CONFLICT (hour, model, provider, key_id, project, currency) DO UPDATE SET key_label = excluded.key_label, {added}",
        [tuple(values.values())],
    )
