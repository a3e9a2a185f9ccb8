"""`check` and `doctor`."""

from tests.unit.cli.conftest import Type
from tests.unit.cli.simulators import Node


def test_a_sound_installation(type_: Type, node: Node) -> None:
    assert type_("check").data["ok"] is True
    assert type_("check", "--format", "text").out.endswith("all is well\n")
    assert type_("doctor").data == {"ok": True, "findings": []}
    assert type_("doctor", "--format", "text").out == "nothing stands in the way\n"


def test_what_is_wrong_is_the_result_and_the_exit_code(type_: Type, node: Node) -> None:
    node.scripted["GET", "/api/check"] = (200, {"ok": False, "checks": [{"name": "tables", "ok": False, "detail": "calls is missing"}]})
    outcome = type_("check")
    assert (outcome.exit_code, outcome.err) == (1, "")
    assert '"calls is missing"' in outcome.out
    assert "✗" in type_("check", "--format", "text").out


def test_findings_come_with_their_remedy(type_: Type, node: Node) -> None:
    finding = {"level": "warning", "name": "disk", "message": "2 GB are left", "remedy": "remove old backups"}
    node.scripted["GET", "/api/doctor"] = (200, {"ok": True, "findings": [finding]})
    outcome = type_("doctor", "--format", "text")
    assert (outcome.exit_code, outcome.out.splitlines()[:2]) == (0, ["warning disk: 2 GB are left", "        remove old backups"])
    node.scripted["GET", "/api/doctor"] = (200, {"ok": False, "findings": [{**finding, "level": "error"}]})
    assert type_("doctor").exit_code == 1
