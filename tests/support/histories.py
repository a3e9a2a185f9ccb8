"""Fills a database with the calls of a quarter, as the recorder leaves them: for measuring lists and reports, and for their plans.

    python -m tests.support.histories URL [CALLS]

The database has to be one that a node has opened once. Equal numbers of calls give equal rows, whatever the machine.
"""

import asyncio
import random
import sys
from collections.abc import Iterator
from typing import Any, Final

from sekisho.bridge.rows import CALL_COLUMNS
from sekisho.core.model.records import STAGES
from sekisho.kit.clock import SystemClock
from sekisho.storage.database import Database
from sekisho.storage.urls import of_url
from sekisho.usage.reports import repository
from sekisho.usage.reports.settings import DAY, HOUR

DAYS: Final = 90
PROJECTS: Final = 8
KEYS: Final = 60
MODELS: Final = 14
PROVIDERS: Final = 4
BATCH: Final = 5000


def key_id(number: int) -> str:
    return f"key{number:05d}"


def project(number: int) -> str:
    return "default" if number == 0 else f"project-{number}"


def _rows(calls: int, end: int) -> Iterator[tuple[Any, ...]]:
    choose = random.Random(calls)
    step = DAYS * DAY // calls
    popular = [1 / (place + 1) for place in range(KEYS)]
    models = [f"provider-{number % PROVIDERS}/model-{number}" for number in range(MODELS)]
    keys = choose.choices(range(KEYS), popular, k=calls)
    served = choose.choices(range(MODELS), [1 / (place + 1) for place in range(MODELS)], k=calls)
    for seq in range(calls):
        key, model = keys[seq], models[served[seq]]
        fate = choose.random()
        status = 0 if fate < 0.96 else 1 if fate < 0.99 else 2
        ttfb = int(choose.lognormvariate(12.5, 0.8))
        duration = ttfb + int(choose.lognormvariate(14, 1))
        code = ("", choose.choice(("upstream_cut", "upstream_error", "request_timeout")), "client_gone")[status]
        row = {
            "boot": "hist0ry",
            "seq": seq + 1,
            "request_id": f"req_{seq:020d}",
            "started_at": end - DAYS * DAY + seq * step,
            "status": status,
            "http_status": (200, 502, 499)[status],
            "method": "POST",
            "path": "/v1/chat/completions",
            "address": f"10.0.{key}.{seq % 250}",
            "user_agent": "OpenAI/Python 1.60",
            "key_id": key_id(key),
            "key_label": f"key number {key}",
            "project": project(key % PROJECTS),
            "model": model,
            "provider": model.partition("/")[0],
            "upstream_model": model.partition("/")[2],
            "stream": seq % 2 == 0,
            "input_tokens": 200 + seq % 1000,
            "output_tokens": 50 + seq % 400,
            "usage_source": 1,
            "cost": None if served[seq] == MODELS - 1 else 1000 * (50 + seq % 400),
            "currency": "" if served[seq] == MODELS - 1 else "USD",
            "duration_us": duration,
            "ttfb_us": None if status == 1 else ttfb,
            "stages": ",".join(["40", "8", "5", "30", "4", "6", "300", str(ttfb), str(duration - ttfb)][: len(STAGES)]),
            "attempts": 1,
            "upstream_status": 200,
            "error_code": code,
            "error_message": "it was cut" if code else "",
            "finish_reason": "stop",
        }
        yield tuple(row.get(name, 0 if name in _NUMBERS else "") for name in CALL_COLUMNS)


_NUMBERS: Final = ("cached_tokens", "reasoning_tokens", "bytes_in", "bytes_out")


_HOURS: Final = f"""
INSERT INTO rollups_hourly (hour, model, provider, key_id, project, currency, key_label, calls, completed, failed, cancelled, unpriced,
    input_tokens, output_tokens, cached_tokens, reasoning_tokens, cost, duration_us, ttfb_us, ttfb_calls)
SELECT started_at - started_at % {HOUR}, model, provider, key_id, project, CASE WHEN cost IS NULL THEN '' ELSE currency END,
    MAX(key_label), COUNT(*), SUM(CASE WHEN status = 0 THEN 1 ELSE 0 END), SUM(CASE WHEN status = 1 THEN 1 ELSE 0 END),
    SUM(CASE WHEN status = 2 THEN 1 ELSE 0 END), COUNT(*) - COUNT(cost), SUM(input_tokens), SUM(output_tokens), SUM(cached_tokens),
    SUM(reasoning_tokens), COALESCE(SUM(cost), 0), SUM(duration_us), COALESCE(SUM(ttfb_us), 0), COUNT(ttfb_us)
FROM calls GROUP BY 1, 2, 3, 4, 5, 6
"""


async def fill(database: Database, calls: int, *, end: int, folded: bool = True) -> None:
    """Write so many calls of the 90 days before `end`, their sums by the hour, and the sums of long reports where `folded`."""
    columns = ", ".join(CALL_COLUMNS)
    insert = f"INSERT INTO calls ({columns}) VALUES ({', '.join((database.mark,) * len(CALL_COLUMNS))})"
    rows = _rows(calls, end)
    while batch := [row for _, row in zip(range(BATCH), rows, strict=False)]:
        async with database.writer(seconds=600) as connection:
            await connection.exec_driver_sql(insert, batch)
    async with database.writer(seconds=600) as connection:
        await connection.exec_driver_sql(_HOURS if database.kind == "sqlite" else _HOURS.replace("%", "%%"))
    while folded:
        async with database.writer(seconds=600) as connection:
            await repository.fold(connection, 50_000)
            folded = await repository.unfolded(connection) > 0
    if database.kind == "postgresql":
        async with database.writer(seconds=600) as connection:
            await connection.exec_driver_sql("ANALYZE")


async def main(url: str, calls: int) -> None:
    database = of_url(url)
    await database.open()
    try:
        await fill(database, calls, end=SystemClock().now())
    finally:
        await database.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000))
