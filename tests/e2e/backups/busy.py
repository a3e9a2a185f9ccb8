"""Work that goes on while a backup is made: calls through the gateway, keys through the API."""

import itertools
import json
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx

from sekisho.bridge.rows import CALL_COLUMNS, ROLLUP_KEY, ROLLUP_SUMS
from tests.e2e.faults.arena import Management
from tests.support.product import Product

MODEL: Final = "sandbox/echo"
MANY: Final = 100_000


def call(client: httpx.Client, product: Product, key: str) -> str:
    """One call; the id of its record."""
    body = {"model": MODEL, "messages": [{"role": "user", "content": "hello"}]}
    headers = {"authorization": f"Bearer {key}"}
    answer = client.post(product.base_url + "/chat/completions", headers=headers, json=body, timeout=30)
    assert answer.status_code == 200, answer.text
    return str(answer.headers["x-request-id"])


class Busy:
    """Calls and new keys, without a pause, until the block ends; what fell is raised there."""

    def __init__(self, product: Product, clients: int = 2) -> None:
        self._product = product
        self._key = product.key
        self.calls: list[str] = []
        """Ids of the calls that were answered whole."""
        self.keys: list[str] = []
        """Ids of the keys that were made."""
        self._stop = threading.Event()
        self._errors: list[BaseException] = []
        threads = [threading.Thread(target=self._guarded, args=(self._call,)) for _ in range(clients)]
        self._threads = [*threads, threading.Thread(target=self._guarded, args=(self._make_keys,))]

    def _guarded(self, work: Any) -> None:
        try:
            work()
        except BaseException as error:
            self._errors.append(error)

    def _call(self) -> None:
        with httpx.Client(trust_env=False) as client:
            while not self._stop.wait(0.002):
                self.calls.append(call(client, self._product, self._key))

    def _make_keys(self) -> None:
        management = Management(self._product.home / "run" / "node.sock")
        try:
            for number in itertools.count():
                if self._stop.wait(0.01):
                    return
                self.keys.append(str(management.create_key(f"made {number}")["id"]))
        finally:
            management.close()

    def has(self, calls: int, keys: int) -> bool:
        """Whether so much was done since the beginning; raises what fell."""
        if self._errors:
            raise self._errors[0]
        return len(self.calls) >= calls and len(self.keys) >= keys

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def stop(self) -> None:
        """End the work; what was begun is finished."""
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
        if error is None and self._errors:
            raise self._errors[0]


def fill(database: Path, calls: int = MANY) -> None:
    """Put calls into the database of a home that is not in use, with the sums that belong to them."""
    hour = 1_767_225_600_000_000
    texts = dict.fromkeys(("api", "client_request_id", "user_agent", "error_code", "error_message", "upstream_model", "stages"), "")
    same: dict[str, object] = {
        **texts, "boot": "filled", "started_at": hour, "status": 0, "http_status": 200, "method": "POST", "path": "/v1/chat/completions",
        "address": "127.0.0.1", "key_id": "k", "key_label": "k", "project": "default", "model": "up/m", "provider": "up",
        "credential_id": "c", "stream": 0, "input_tokens": 10, "output_tokens": 5, "cached_tokens": 0, "reasoning_tokens": 0,
        "usage_source": 1, "cost": 7, "currency": "USD", "duration_us": 1000, "ttfb_us": 100, "attempts": 1, "upstream_status": 200,
        "finish_reason": "stop", "bytes_in": 100, "bytes_out": 200,
    }  # fmt: skip
    rows = ({**same, "seq": number, "request_id": f"filled-{number}"} for number in range(calls))
    sums = dict.fromkeys(ROLLUP_SUMS, 0) | {
        "calls": calls, "completed": calls, "input_tokens": 10 * calls, "output_tokens": 5 * calls, "cost": 7 * calls,
        "duration_us": 1000 * calls, "ttfb_us": 100 * calls, "ttfb_calls": calls,
    }  # fmt: skip
    total = {**{name: same.get(name, hour) for name in ROLLUP_KEY}, **sums, "key_label": "k"}
    connection = sqlite3.connect(database)
    try:
        with connection:
            connection.executemany(_insert("calls", CALL_COLUMNS), rows)
            connection.execute(_insert("rollups_hourly", tuple(total)), total)
    finally:
        connection.close()


def _insert(table: str, columns: tuple[str, ...]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(f':{name}' for name in columns)})"


def started(product: Product, *arguments: str) -> subprocess.Popen[str]:
    """A command that runs beside the test."""
    return subprocess.Popen(
        [sys.executable, "-m", "sekisho", "--format", "json", *arguments],
        env=product.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def failure(done: subprocess.CompletedProcess[str]) -> tuple[int, str, str]:
    """The exit code, and the code and the message of the one line that a command ended with."""
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    error = json.loads(lines[0])["error"]
    return done.returncode, error["code"], error["message"]
