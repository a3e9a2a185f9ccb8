"""`api-keys`."""

import pytest

from tests.unit.cli.conftest import Type
from tests.unit.cli.simulators import PLAIN_KEY, Node


def test_a_key_made_without_flags_asks_for_no_limits(type_: Type, node: Node) -> None:
    data = type_("api-keys", "create", "--label", "my app").data
    assert node.bodies("POST", "/api/keys") == [{"label": "my app"}]
    assert (data["id"], data["label"], data["plain_key"]) == ("k1", "my app", PLAIN_KEY)


def test_every_flag_has_its_field(type_: Type, node: Node) -> None:
    flags = ("--rpm", "60", "--tpm", "100000", "--concurrency", "4", "--models", "up/gpt-x, sandbox/*,", "--expires", "30d")
    type_("api-keys", "create", "--label", "a", *flags)
    expected = {"rpm": 60, "tpm": 100_000, "concurrency": 4, "models": ["up/gpt-x", "sandbox/*"], "expires_in_s": 2_592_000}
    assert node.bodies("POST", "/api/keys") == [{"label": "a", **expected}]


def test_the_key_is_shown_once_and_whole(type_: Type, node: Node) -> None:
    outcome = type_("api-keys", "create", "--label", "a", "--expires", "30d", "--format", "text")
    assert PLAIN_KEY in outcome.out
    assert "it is not shown again" in outcome.out
    assert "2099-01-01 00:00:00 UTC" in outcome.out
    assert PLAIN_KEY not in type_("api-keys", "list").out
    assert PLAIN_KEY not in type_("api-keys", "show", "k1").out


def test_all_keys_are_listed_page_by_page(type_: Type, node: Node) -> None:
    for number in range(2500):
        node.keys[f"k{number}"] = {"id": f"k{number}", "label": "x", "created_at": "2026-01-31T09:00:00Z"}
    data = type_("api-keys", "list").data
    assert len(data["api_keys"]) == 2500
    assert data["next_cursor"] is None
    assert [query["limit"] for _, _, query, _ in node.requests] == ["1000", "1000", "1000"]


def test_a_limited_list_goes_on_at_its_cursor(type_: Type, node: Node) -> None:
    for number in range(5):
        node.keys[f"k{number}"] = {"id": f"k{number}", "label": "x", "created_at": "2026-01-31T09:00:00Z"}
    first = type_("api-keys", "list", "--limit", "3").data
    assert [key["id"] for key in first["api_keys"]] == ["k0", "k1", "k2"]
    rest = type_("api-keys", "list", "--limit", "3", "--cursor", first["next_cursor"]).data
    assert [key["id"] for key in rest["api_keys"]] == ["k3", "k4"]
    assert rest["next_cursor"] is None
    assert f"--cursor {first['next_cursor']}" in type_("api-keys", "list", "--limit", "3", "--format", "text").err


def test_the_table_tells_the_state_of_each_key(type_: Type, node: Node) -> None:
    moment = "2026-01-31T09:00:00Z"
    node.keys["k1"] = {"id": "k1", "label": "live", "created_at": moment, "rpm": 60, "models": ["up/x"], "state": "active"}
    node.keys["k2"] = {"id": "k2", "label": "dead", "created_at": moment, "revoked_at": moment, "state": "revoked"}
    node.keys["k3"] = {"id": "k3", "label": "old", "created_at": moment, "expires_at": moment, "state": "expired"}
    lines = {
        line.split()[0]: line.split() for line in type_("api-keys", "list", "--format", "text").out.splitlines() if line.startswith("k")
    }
    assert lines["k1"][1:6] == ["live", "active", "up/x", "60", "∞"]
    assert lines["k2"][1:4] == ["dead", "revoked", "all"]
    assert lines["k3"][1:4] == ["old", "expired", "all"]


def test_an_empty_list_tells_the_next_step(type_: Type, node: Node) -> None:
    assert "sekisho api-keys create --label my-app" in type_("api-keys", "list", "--format", "text").out
    assert type_("api-keys", "list").data == {"api_keys": [], "next_cursor": None}


def test_revoke_ends_a_key_and_passes_warnings_on(type_: Type, node: Node) -> None:
    type_("api-keys", "create", "--label", "a")
    data = type_("api-keys", "revoke", "k1").data
    assert (data["id"], data["revoked"]) == ("k1", True)
    outcome = type_("api-keys", "revoke", "k1", "--format", "text")
    assert outcome.out == "revoked k1; calls with it are refused from now on\n"
    assert outcome.err == "warning: worker 2 has not acknowledged yet\n"


@pytest.mark.parametrize(("flags", "body"), [((), {}), (("--overlap", "24h", "--label", "b"), {"overlap_s": 86_400, "label": "b"})])
def test_rotate_gives_a_new_secret(type_: Type, node: Node, flags: tuple[str, ...], body: dict[str, object]) -> None:
    type_("api-keys", "create", "--label", "a")
    data = type_("api-keys", "rotate", "k1", *flags).data
    assert (data["id"], data["old_key_id"], data["plain_key"]) == ("k1", "k1", PLAIN_KEY)
    assert node.bodies("POST", "/api/keys/k1/rotate") == [body]


def test_an_id_is_one_segment_of_the_path(type_: Type, node: Node) -> None:
    assert type_("api-keys", "show", "../providers").error[:2] == (1, "ROUTE_NOT_FOUND")
