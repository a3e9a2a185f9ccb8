"""Who changed what, as people have it: no change without its row wherever the node dies, an export, and a check that finds an edit."""

import contextlib
import csv
import json
import re
import socket
import sqlite3
import stat
import threading
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest

from tests.support.product import CommandError, Product, eventually

pytestmark = pytest.mark.e2e

KILLS = 3


def rows_of(product: Product, sql: str) -> list[tuple[Any, ...]]:
    """What stands in the database of a product that does not run."""
    with contextlib.closing(sqlite3.connect(product.home / "sekisho.db")) as connection:
        return connection.execute(sql).fetchall()


def anchor_in(log: str) -> str:
    """What the node noted down when it started last."""
    found = re.findall(r'"anchor": ?"(\d+:[0-9a-f]{64})"', log)
    return found[-1] if found else ""


class Writer(threading.Thread):
    """Makes providers one after the other, whatever becomes of each request."""

    def __init__(self, product: Product) -> None:
        super().__init__(daemon=True)
        self._socket = str(product.home / "run" / "node.sock")
        self.acknowledged: set[str] = set()
        self.ended = threading.Event()

    def run(self) -> None:
        number = 0
        while not self.ended.is_set():
            number += 1
            body = {"name": f"p{number}", "kind": "custom", "base_url": "http://127.0.0.1:9/v1", "probe": False}
            with contextlib.suppress(OSError, HTTPException):
                status, answer = self._post("/api/providers", body)
                if status == 201:
                    self.acknowledged.add(answer["id"])

    def _post(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        connection = HTTPConnection("sekisho", timeout=20)
        with socket.socket(socket.AF_UNIX) as line, contextlib.closing(connection):
            line.settimeout(20)
            line.connect(self._socket)
            connection.sock = line
            connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
            with connection.getresponse() as response:
                return response.status, json.loads(response.read())


def _wait_for_changes(writer: Writer, more_than: int) -> None:
    eventually(lambda: len(writer.acknowledged) > more_than, f"more than {more_than} changes", 60)


def _wait_for_node(product: Product, other_than: int) -> None:
    eventually(lambda: _node(product) not in (None, other_than), "a new node", 60, explain=lambda: product.output)


def _node(product: Product) -> int | None:
    """Its pid; None where it does not answer just now."""
    try:
        pid: int | None = product.status()["node"]
    except CommandError:
        return None
    return pid


def test_no_change_is_without_its_row_wherever_the_node_is_killed() -> None:
    with Product() as product:
        writer = Writer(product)
        writer.start()
        for number in range(KILLS):
            _wait_for_changes(writer, len(writer.acknowledged) + 3 * number)
            killed = product.kill_node()
            _wait_for_node(product, killed)
        writer.ended.set()
        writer.join(60)
        assert product.cli("check", "--audit")["ok"]
        product.stop()
        providers = {identity for (identity,) in rows_of(product, "SELECT id FROM providers")}
        recorded = [identity for (identity,) in rows_of(product, "SELECT object_id FROM audit_rows WHERE action = 'provider.created'")]
        assert len(writer.acknowledged) > KILLS
        assert writer.acknowledged <= providers
        assert sorted(recorded) == sorted(providers)


def test_what_the_command_line_did_is_listed_exported_checked_and_kept_for_its_time(tmp_path: Path) -> None:
    with Product(settings="[audit]\nretention_days = 1\nrefusal_days = 1\n") as product:
        started = eventually(lambda: anchor_in(product.stderr), "the head in the log", 30, explain=lambda: product.output)
        key = product.create_key("=1+1")
        product.cli("api-keys", "revoke", key["id"])
        product.add_provider("up", "http://127.0.0.1:9/v1", "--no-probe", api_key="sk-planted-secret-of-the-upstream")
        rows = product.cli("audit", "list")["rows"]
        assert rows[0]["action"] == "provider.created"
        assert {row["actor"] for row in rows} <= {"local owner", "sekisho"}
        assert [row["action"] for row in product.cli("audit", "list", "--kind", "key", "--object", key["id"])["rows"]] == [
            "key.revoked",
            "key.created",
        ]
        assert product.cli("audit", "list", "--action", "none")["rows"] == []

        file = tmp_path / "audit.csv"
        assert product.cli("audit", "export", "--output", str(file)) == {"path": str(file), "rows": len(rows)}
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        with file.open(newline="", encoding="utf-8") as lines:
            exported = list(csv.DictReader(lines))
        assert [line["action"] for line in exported] == [row["action"] for row in rows[::-1]]
        with pytest.raises(CommandError, match="replaces no file"):
            product.cli("audit", "export", "--output", str(file))
        printed = product.run("audit", "export", "--as", "jsonl")
        assert [json.loads(line)["seq"] for line in printed.stdout.splitlines()] == [row["seq"] for row in rows[::-1]]
        everything = file.read_text() + printed.stdout
        assert "sk-planted-secret" not in everything
        assert key["plain_key"] not in everything

        noted = product.cli("check", "--audit")["anchor"]
        for anchors in ((started,), (started, noted)):
            assert product.cli("check", *(word for each in anchors for word in ("--anchor", each)))["ok"]
        assert any(each["name"] == "audit" and each["ok"] for each in product.cli("check")["checks"])
        product.stop()
        _add_refusal(product, time.time() - 2 * 86400)
        product.start()
        eventually(lambda: not _refusals(product), "the old refusal to go", 60)
        assert product.cli("check", "--audit", "--anchor", noted)["ok"], "young rows stay"
        product.stop()

        with contextlib.closing(sqlite3.connect(product.home / "sekisho.db")) as connection, connection:
            connection.execute("UPDATE audit_rows SET actor = 'somebody else' WHERE seq = 2")
        done = product.run("check", "--audit", "--anchor", noted)
        fault = json.loads(done.stdout)["data"]["fault"]
        assert (done.returncode, fault) == (1, {"seq": 2, "reason": "its actor or address was changed"})


def _add_refusal(product: Product, at: float) -> None:
    with contextlib.closing(sqlite3.connect(product.home / "sekisho.db")) as connection, connection:
        connection.execute(
            "INSERT INTO refusals (at, request_id, method, path, address, key_id, http_status, code, detail, suppressed) "
            "VALUES (?, 'old', 'GET', '/', 'a', '', 401, 'c', '', 0)",
            (int(at * 1_000_000),),
        )


def _refusals(product: Product) -> list[Any]:
    with contextlib.closing(sqlite3.connect(f"file:{product.home / 'sekisho.db'}?mode=ro", uri=True)) as connection:
        return connection.execute("SELECT 1 FROM refusals WHERE request_id = 'old'").fetchall()
