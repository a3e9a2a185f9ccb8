"""The audit over the API: rows come with their changes and are read, filtered, exported, checked, cut by age and restored."""

import asyncio
import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute

from sekisho.api.app import ROUTERS
from sekisho.audit.service import DAY, AuditService
from sekisho.rest.permissions import Caller, ProjectRole, Role
from sekisho.storage import checks, restores
from sekisho.storage.chains import Chain
from sekisho.storage.session import Session, Sessions
from sekisho.storage.urls import of_url
from tests.integration.management.house import START, House


def told(house: House, query: str = "") -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = house.good("GET", f"/api/audit{query}")["rows"]
    return rows


def acts(house: House, query: str = "") -> list[str]:
    return [row["action"] for row in told(house, query)]


def test_a_change_that_does_not_happen_leaves_no_row(house: House) -> None:
    before = house.good("GET", "/api/audit/count")["count"]
    house.refused(422, "POST", "/api/models", {"id": "none/such"})
    house.refused(404, "DELETE", "/api/providers/none")
    house.refused(409, "POST", "/api/providers", {"name": "sandbox", "kind": "custom", "base_url": "http://127.0.0.1:9/v1"})
    assert house.good("GET", "/api/audit/count")["count"] == before


def test_a_change_whose_row_cannot_be_written_does_not_happen(house: House) -> None:
    house.execute("ALTER TABLE audit_heads RENAME TO audit_heads_gone")
    answer = house.ask("POST", "/api/providers", {"name": "up", "kind": "custom", "base_url": "http://127.0.0.1:9/v1", "probe": False})
    assert answer.status_code >= 500
    house.execute("ALTER TABLE audit_heads_gone RENAME TO audit_heads")
    assert "up" not in [each["name"] for each in house.good("GET", "/api/providers")["providers"]]
    assert house.good("GET", "/api/audit/check")["ok"]


def add(house: House, *names: str) -> None:
    for name in names:
        house.good("POST", "/api/providers", {"name": name, "kind": "custom", "base_url": "http://127.0.0.1:9/v1", "probe": False})


def test_a_row_is_told_with_what_was_before_and_after(house: House) -> None:
    add(house, "up")
    answer = house.ask("PATCH", "/api/providers/up", {"enabled": False})
    row = told(house)[0]
    assert row.pop("hash") != told(house)[1]["hash"]
    assert row == {
        "seq": 2,
        "at": row["at"],
        "actor": "local owner",
        "actor_kind": "local",
        "actor_id": None,
        "token_id": None,
        "address": None,
        "request_id": answer.headers["x-request-id"],
        "action": "provider.changed",
        "object_kind": "provider",
        "object_id": answer.json()["id"],
        "project": None,
        "before": {"name": "up", "enabled": True},
        "after": {"name": "up", "enabled": False},
        "erased": False,
    }


def test_rows_are_paged_and_filtered(house: House) -> None:
    add(house, *(f"p{n}" for n in range(7)))
    house.good("DELETE", "/api/providers/p3")
    first = house.good("GET", "/api/audit?limit=5")
    second = house.good("GET", f"/api/audit?limit=5&cursor={first['next_cursor']}")
    assert [row["seq"] for row in first["rows"] + second["rows"]] == [8, 7, 6, 5, 4, 3, 2, 1]
    assert second["next_cursor"] is None
    gone = told(house, "?action=provider.removed")[0]
    assert acts(house, f"?object_id={gone['object_id']}") == ["provider.removed", "provider.created"]
    assert len(acts(house, "?action=provider")) == 8
    assert acts(house, "?action=prov") == []
    assert len(acts(house, "?actor=local+owner&object_kind=provider")) == 8
    assert acts(house, "?actor=local_owner") == []
    assert acts(house, "?project=default") == []
    at = gone["at"].replace("+", "%2B")
    assert acts(house, f"?since={at}") == ["provider.removed"]
    assert len(acts(house, f"?until={at}")) == 7
    assert house.good("GET", f"/api/audit/count?until={at}") == {"count": 7}
    assert house.refused(422, "GET", "/api/audit?cursor=nonsense")["code"] == "invalid_cursor"
    assert house.refused(422, "GET", "/api/audit?since=yesterday")["param"] == "since"


def test_no_route_changes_a_row() -> None:
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute) and route.path.startswith("/api/audit")]
    assert {method for route in routes for method in route.methods or ()} == {"GET"}


def exported(house: House, form: str, query: str = "") -> tuple[int, str]:
    answer = house.ask("GET", f"/api/audit/export?format={form}{query}")
    assert answer.is_success
    assert answer.headers["content-disposition"] == f'attachment; filename="audit.{form}"'
    return int(answer.headers["x-total-count"]), answer.text


def test_an_export_has_every_row_once_in_the_order_of_the_chain(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sekisho.audit.service.PAGE", 3)
    add(house, *(f"p{n}" for n in range(7)))
    rows = told(house)[::-1]
    total, text = exported(house, "jsonl")
    assert total == 7
    assert [json.loads(line) for line in text.splitlines()] == rows
    total, text = exported(house, "csv", "&action=provider.created")
    lines = list(csv.DictReader(io.StringIO(text)))
    assert (total, [int(line["seq"]) for line in lines]) == (7, [1, 2, 3, 4, 5, 6, 7])
    assert json.loads(lines[0]["after"]) == rows[0]["after"]
    assert list(lines[0]) == list(rows[0])
    assert exported(house, "csv", "&action=none")[0] == 0


def test_a_spreadsheet_computes_nothing_of_an_export(house: House) -> None:
    async def work(session: Session) -> None:
        for start in "=+-@\t\r\n":
            session.record("thing.made", "thing", f"{start}1+1", project=f"{start}cmd|' /C calc'!A0")
        session.record("thing.made", "thing", "plain = text")

    async def transact() -> None:

        sessions = house.app.state.provided[Sessions]
        await sessions.transact(work)

    house.run(transact())
    lines = list(csv.DictReader(io.StringIO(exported(house, "csv")[1], newline="")))
    assert len(lines) == 8
    cells = [line[name] for line in lines for name in ("object_id", "project") if line[name]]
    assert [cell for cell in cells if cell[0] in "=+-@\t\r\n"] == []
    assert lines[0]["object_id"] == "'=1+1"
    assert lines[-1]["object_id"] == "plain = text"


def test_an_edit_is_found_by_both_checks(house: House) -> None:
    add(house, "a", "b", "c")
    good = house.good("GET", "/api/audit/check")
    assert (good["ok"], good["rows"], good["first"], good["last"], good["fault"]) == (True, 3, 1, 3, None)
    noted = good["anchor"]
    house.execute("UPDATE audit_rows SET object_id = 'x' WHERE seq = 2")
    bad = house.good("GET", f"/api/audit/check?anchor={noted}")
    assert (bad["ok"], bad["rows"], bad["fault"]) == (False, 1, {"seq": 2, "reason": "it was changed"})
    found = {each["name"]: each for each in house.good("GET", "/api/check")["checks"]}["audit"]
    assert found == {"name": "audit", "ok": False, "detail": "row 2: it was changed"}
    assert house.refused(422, "GET", "/api/audit/check?anchor=1")["param"] == "anchor"
    told = {each["name"]: each for each in house.good("GET", "/api/doctor")["findings"]}["audit"]
    assert (told["level"], told["message"]) == ("error", "row 2: it was changed")


def test_an_anchor_that_the_chain_does_not_pass_is_a_fault(house: House) -> None:
    add(house, "a", "b")
    good = house.good("GET", "/api/audit/check")["anchor"]
    other = f"1:{'0' * 64}"
    assert house.good("GET", f"/api/audit/check?anchor={good}")["ok"]
    fault = house.good("GET", f"/api/audit/check?anchor={good}&anchor={other}")["fault"]
    assert fault == {"seq": 1, "reason": "it is not the row that was noted down"}


def test_what_is_old_is_let_go_and_the_rest_verifies(house: House) -> None:

    service: AuditService = house.app.state.provided[AuditService]
    rows = [(START + n * DAY, "r", "GET", "/", "a", "", 401, "c", "", 0) for n in range(40)]
    house.execute(
        "INSERT INTO refusals (at, request_id, method, path, address, key_id, http_status, code, detail, suppressed) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        rows,
    )
    for day in range(40):
        house.clock.at = START + day * DAY
        add(house, f"p{day}")
    assert house.run(service.forget(None, None)) == (0, 0)
    # A bit more than 39 days have passed: rows of day 0 to 9 are older than 30 days, and refusals of day 0 to 29 than 10.
    assert house.run(service.forget(30, 10)) == (10, 30)
    assert house.run(service.forget(30, 10)) == (0, 0), "at most once a day"
    found = house.good("GET", "/api/audit/check")
    assert (found["ok"], found["first"], found["rows"], found["last"]) == (True, 11, 31, 41)
    assert told(house)[0]["after"]["through"] == 10
    house.execute("DELETE FROM audit_rows WHERE seq = 11")
    assert house.good("GET", "/api/audit/check")["fault"]["seq"] == 11


def test_two_nodes_on_one_database_make_one_chain(postgres_house: House, tmp_path: Path) -> None:

    house = postgres_house

    async def both() -> None:
        second = of_url(house._url)
        try:
            await second.open()
            nodes = [Sessions(database, house.workers, Chain(house.ring, house.clock)) for database in (house.database, second)]

            async def act(node: int, turn: int) -> None:
                async def work(session: Session) -> None:
                    session.record("thing.made", "thing", f"{node}-{turn}")

                await nodes[node].transact(work)

            await asyncio.gather(*(act(node, turn) for turn in range(25) for node in (0, 1)))
        finally:
            await second.close()

    house.run(both())
    found = house.good("GET", "/api/audit/check")
    assert (found["ok"], found["rows"]) == (True, 50)
    assert len({row["object_id"] for row in told(house)}) == 50


def test_a_backup_holds_the_chain_and_a_restored_house_goes_on(house: House, tmp_path: Path) -> None:
    add(house, "a", "b")
    noted = house.good("GET", "/api/audit/check")["anchor"]
    made = house.good("POST", "/api/backups", {"path": str(tmp_path / "b")})
    add(house, "later")
    url = f"sqlite:///{tmp_path / 'new' / 'sekisho.db'}"
    (tmp_path / "new").mkdir()

    async def restore() -> None:

        around = restores.Home(tmp_path / "new" / "backups", tmp_path / "new" / "journal")
        await restores.restore(Path(made["path"]), of_url(url), house.ring, house.clock, around)

    house.run(restore())
    with House(tmp_path / "new", house.ring, url) as again:
        found = again.good("GET", f"/api/audit/check?anchor={noted}")
        assert found["ok"], found
        before = found["rows"]
        restored = told(again)[0]
        assert (restored["action"], restored["object_id"], restored["actor_kind"]) == ("backup.restored", "b", "system")
        add(again, "other")
        found = again.good("GET", f"/api/audit/check?anchor={noted}")
        assert (found["ok"], found["rows"]) == (True, before + 1)


def test_rows_of_one_transaction_come_and_go_with_it(house: House) -> None:
    async def fails(session: Session) -> None:
        session.record("thing.made", "thing", "1")
        raise RuntimeError("no")

    async def run() -> None:

        with pytest.raises(RuntimeError):
            await house.app.state.provided[Sessions].transact(fails)

    house.run(run())
    assert told(house) == []


def test_refusals_are_bound_to_the_keys_of_ones_projects(house: House) -> None:

    mine = house.good("POST", "/api/keys", {"label": "mine"})["id"]
    rows = [(START + n, f"req-{n}", "POST", "/v1", "a", key, 401, "c", "", 0) for n, key in enumerate((mine, "other", "", mine))]
    house.execute(
        "INSERT INTO refusals (at, request_id, method, path, address, key_id, http_status, code, detail, suppressed) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        rows,
    )

    projects_of: dict[str, ProjectRole] = {}

    async def identifies(_: Any, stranger: Caller) -> Caller:
        return Caller(Role.USER, "u@example.com", "u", projects=projects_of)

    house.app.state.identifies = identifies
    for role, seen in ((None, []), (ProjectRole.VIEWER, ["req-3", "req-0"])):
        projects_of |= {"default": role} if role else {}
        assert [each["request_id"] for each in house.good("GET", "/api/refusals", through="tunnel")["refusals"]] == seen
    assert len(house.good("GET", "/api/refusals")["refusals"]) == 4
    assert house.refused(403, "GET", "/api/audit", through="tunnel")["code"] == "permission_denied"


def test_a_check_reads_everything(house: House) -> None:
    add(house, "a")
    found = house.run(
        checks.run(house.database, checks.Surroundings(house.ring, house.home / "journal", house.home / "backups", lambda each: each))
    )
    assert {each.name: each.detail for each in found}["audit"] == "1 rows, each as it was written"


def test_orders_that_must_be_possible_are_without_a_row_while_the_database_is_away(house: House) -> None:
    house.database.freeze("it takes no changes")
    assert house.refused(503, "POST", "/api/proxy/listeners", {"port": 4711})["code"] == "migration_failed"
    for path in ("/api/system/stop", "/api/system/reload", "/api/proxy/reload", "/api/backups"):
        house.good("POST", path)
    assert house.product.asked == ["stop", "reload", "reload certificates"]
    assert told(house) == []


def test_a_stop_waits_for_its_row_for_a_moment_only(house: House) -> None:
    async def stop() -> None:
        async with house.database.writer():
            assert (await house._ask("POST", "/api/system/stop", "local", {})).status_code == 202

    house.run(stop())
    assert house.product.asked == ["stop"]
    add(house, "later")
    assert acts(house) == ["provider.created", "system.stop"], "the row comes when it can"
