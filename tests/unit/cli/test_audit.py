"""`audit`, and `check --audit`."""

from pathlib import Path
from typing import Any

from tests.unit.cli.conftest import Type
from tests.unit.cli.simulators import CREATED, Node, refusal

ROW: dict[str, Any] = {
    "seq": 12,
    "at": CREATED,
    "actor": "anna@example.com",
    "actor_kind": "user",
    "actor_id": "u1",
    "token_id": None,
    "address": "192.0.2.7",
    "request_id": "req_1",
    "action": "provider.changed",
    "object_kind": "provider",
    "object_id": "p1",
    "project": None,
    "before": {"enabled": True},
    "after": {"enabled": False, "name": "a\x1b[31m"},
    "erased": False,
    "hash": "0" * 64,
}
SOUND: dict[str, Any] = {"ok": True, "rows": 1200, "first": 1, "last": 1200, "anchor": f"1200:{'a' * 64}", "fault": None}


def test_rows_are_listed_with_what_was_before_and_after(type_: Type, node: Node) -> None:
    node.scripted["GET", "/api/audit"] = (200, {"rows": [ROW], "next_cursor": "more"})
    assert type_("audit", "list", "--limit", "1").data == {"rows": [ROW], "next_cursor": "more"}
    outcome = type_("audit", "list", "--limit", "1", "--format", "text")
    for word in ("12", "anna@example.com", "192.0.2.7", "provider.changed", "provider p1", "enabled: true", "enabled: false"):
        assert word in outcome.out
    assert "\x1b[31m" not in outcome.out
    assert "--cursor more" in outcome.err


def test_filters_are_asked_for(type_: Type, node: Node) -> None:
    node.scripted["GET", "/api/audit"] = (200, {"rows": [], "next_cursor": None})
    words = ("--actor", "anna", "--action", "key", "--kind", "key", "--object", "k1", "--project", "shop", "--since", CREATED)
    assert "no rows match" in type_("audit", "list", *words, "--format", "text").out
    query = node.requests[-1][2]
    wanted = {"actor": "anna", "action": "key", "object_kind": "key", "object_id": "k1", "project": "shop", "since": CREATED}
    assert {name: query[name] for name in wanted} == wanted
    assert type_("audit", "list", "--format", "text").out == "nothing was changed yet\n"
    assert type_("audit", "list", "--since", "yesterday").error[1] == "USAGE"


def test_a_sound_chain_is_told_with_its_anchor(type_: Type, node: Node) -> None:
    node.scripted["GET", "/api/audit/check"] = (200, SOUND)
    assert type_("check", "--audit").data == SOUND
    lines = type_("check", "--audit", "--format", "text").out.splitlines()
    assert lines == ["✓ 1,200 rows, each as it was written", f"anchor: {SOUND['anchor']}"]


def test_the_first_bad_row_is_told_and_the_exit_code_says_so(type_: Type, node: Node) -> None:
    node.scripted["GET", "/api/audit/check"] = (200, {**SOUND, "ok": False, "rows": 6, "fault": {"seq": 7, "reason": "it was changed"}})
    outcome = type_("check", "--audit")
    assert (outcome.exit_code, outcome.err) == (1, "")
    lines = type_("check", "--anchor", SOUND["anchor"], "--format", "text").out.splitlines()
    assert lines[:2] == ["✗ row 7: it was changed", "the 6 rows before it are as they were written"]
    assert [path for _, path, _, _ in node.requests[-1:]] == ["/api/audit/check"]


def test_an_export_that_is_refused_leaves_no_file(type_: Type, node: Node, tmp_path: Path) -> None:
    node.scripted["GET", "/api/audit/export"] = refusal(503, "database_unavailable", "it is away")
    target = tmp_path / "audit.csv"
    assert type_("audit", "export", "--output", str(target)).error[1] == "DATABASE_UNAVAILABLE"
    assert not target.exists()
    target.write_text("mine")
    assert type_("audit", "export", "--output", str(target)).error[1] == "FILE_EXISTS"
    assert type_("audit", "export", "--output", str(tmp_path / "none" / "x")).error[1] == "FILE_UNUSABLE"
    assert target.read_text() == "mine"
