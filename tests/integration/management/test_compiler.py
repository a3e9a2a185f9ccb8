"""What the workers get: whole at first, then only what is newer, and never a thing that is gone."""

from tests.integration.management.house import House


def test_a_new_house_has_the_sandbox_and_no_keys(house: House) -> None:
    catalog = house.run(house.compiler.catalog())
    assert (catalog.revision, [each.name for each in catalog.providers]) == (1, ["sandbox", "builtin"])
    assert catalog.instance == house.prepared.instance
    assert house.run(house.compiler.keys()) == ()
    assert house.run(house.compiler.revision()) == 1


def test_changes_are_what_is_newer_and_nothing_else(house: House) -> None:
    first = house.good("POST", "/api/keys", {"label": "1"})["revision"]
    house.good("POST", "/api/providers", {"name": "up", "kind": "vllm", "probe": False})
    third = house.good("POST", "/api/keys", {"label": "3"})["revision"]
    everything = house.run(house.compiler.changes(0))
    assert (everything.revision, len(everything.keys)) == (third, 2)
    assert everything.catalog == house.run(house.compiler.catalog())
    since_first = house.run(house.compiler.changes(first))
    assert since_first.catalog is not None
    assert [key.label for key in since_first.keys] == ["3"]
    latest = house.run(house.compiler.changes(third))
    assert (latest.revision, latest.catalog, latest.keys, latest.gone) == (third, None, (), ())


def test_a_missed_publication_is_made_good_by_the_next(house: House) -> None:
    made = [house.good("POST", "/api/keys", {"label": str(n)}) for n in range(4)]
    since = made[-1]["revision"]
    house.good("POST", f"/api/keys/{made[0]['id']}/revoke")
    house.good("POST", f"/api/keys/{made[1]['id']}/rotate")
    house.good("POST", f"/api/keys/{made[2]['id']}/rotate", {"overlap_s": 60})
    changes = house.run(house.compiler.changes(since))
    # One revoked; one with a new secret for its old one; one with both; the fourth did not change.
    assert sorted(key.label for key in changes.keys) == ["1", "2", "2"]
    assert len(changes.gone) == 2
    assert {key.digest for key in changes.keys} | {next(k.digest for k in house.run(house.compiler.keys()) if k.label == "3")} == {
        key.digest for key in house.run(house.compiler.keys())
    }
