"""Projects over the API: the five routes, what cannot be put away, and a name that is nobody else's for ever."""

import pytest

from tests.integration.management.house import House
from tests.integration.management.people import claimed, person


def create(house: House, name: str = "alpha", **fields: object) -> dict[str, object]:
    made: dict[str, object] = house.good("POST", "/api/projects", {"name": name, **fields})
    return made


def test_a_project_is_made_shown_changed_and_ended(house: House) -> None:
    made = create(house, description="the first")
    assert made == {
        "id": made["id"],
        "name": "alpha",
        "title": "alpha",
        "description": "the first",
        "owner_id": None,
        "archived": False,
        "archived_at": None,
        "created_at": made["created_at"],
        "updated_at": made["created_at"],
        "members": 0,
        "live_keys": 0,
        "role": None,
    }
    assert house.good("GET", f"/api/projects/{made['id']}") == made == house.good("GET", "/api/projects/alpha")
    changed = house.good("PUT", "/api/projects/alpha", {"title": "Alpha team"})
    assert (changed["name"], changed["title"], changed["description"]) == ("alpha", "Alpha team", "")
    assert changed["updated_at"] > made["updated_at"]
    assert house.good("DELETE", "/api/projects/alpha") == {"id": made["id"], "deleted": True}
    assert house.refused(404, "GET", "/api/projects/alpha")["code"] == "project_not_found"
    assert house.refused(404, "PUT", f"/api/projects/{made['id']}", {"title": "x"})["code"] == "project_not_found"
    assert house.refused(404, "DELETE", f"/api/projects/{made['id']}")["code"] == "project_not_found"


def test_projects_are_listed_by_name_and_page_by_page(house: House) -> None:
    for name in ("gamma", "beta", "alpha"):
        create(house, name)
    first = house.good("GET", "/api/projects?limit=3")
    assert [each["name"] for each in first["projects"]] == ["alpha", "beta", "default"]
    second = house.good("GET", f"/api/projects?limit=3&cursor={first['next_cursor']}")
    assert [each["name"] for each in second["projects"]] == ["gamma"]
    assert second["next_cursor"] is None


def test_projects_are_found_by_words_and_by_their_place(house: House) -> None:
    create(house, "alpha", title="Payments 100%")
    create(house, "beta")
    house.good("PUT", "/api/projects/beta", {"title": "Beta", "archived": True})

    def names(query: str) -> list[str]:
        return [each["name"] for each in house.good("GET", f"/api/projects?{query}")["projects"]]

    assert names("q=payments") == names("q=0%25") == ["alpha"]
    assert names("q=PHA") == ["alpha"]
    assert names("q=_") == []
    assert names("archived=true") == ["beta"]
    assert names("archived=false") == ["alpha", "default"]


def test_a_project_with_live_keys_is_not_put_away_and_the_reason_says_how_many(house: House) -> None:
    create(house)
    keys = [house.good("POST", "/api/keys", {"label": "k", "project": "alpha"})["id"] for _ in range(2)]
    expiring = house.good("POST", "/api/keys", {"label": "k", "project": "alpha", "expires_in_s": 1})
    house.clock.at += 2_000_000
    assert house.good("GET", "/api/projects/alpha")["live_keys"] == 2
    refused = house.refused(409, "DELETE", "/api/projects/alpha")
    assert (refused["code"], "2 live keys" in refused["message"]) == ("project_in_use", True)
    house.good("POST", f"/api/keys/{keys[0]}/revoke")
    archived = house.refused(409, "PUT", "/api/projects/alpha", {"title": "a", "archived": True})
    assert "1 live key;" in archived["message"]
    house.good("POST", f"/api/keys/{keys[1]}/revoke")
    house.good("DELETE", "/api/projects/alpha")
    # What is dead stays readable, for the records that name it.
    assert house.good("GET", f"/api/keys/{expiring['id']}")["project"] == "alpha"


def test_a_name_is_given_once_and_never_again(house: House) -> None:
    made = create(house)
    for name in ("alpha", made["id"], "default"):
        assert house.refused(409, "POST", "/api/projects", {"name": name})["code"] == "name_taken"
    house.good("DELETE", "/api/projects/alpha")
    assert house.refused(409, "POST", "/api/projects", {"name": "alpha"})["code"] == "name_taken"


def test_the_default_project_stays(house: House) -> None:
    for answer in (
        house.refused(409, "DELETE", "/api/projects/default"),
        house.refused(409, "PUT", "/api/projects/default", {"title": "d", "archived": True}),
    ):
        assert answer["code"] == "project_is_default"


def test_a_dead_project_takes_no_key(house: House) -> None:
    create(house)
    house.good("PUT", "/api/projects/alpha", {"title": "a", "archived": True})
    assert house.refused(404, "POST", "/api/keys", {"label": "k", "project": "alpha"})["code"] == "project_not_found"
    house.good("PUT", "/api/projects/alpha", {"title": "a"})
    house.good("POST", "/api/keys", {"label": "k", "project": "alpha"})
    create(house, "beta")
    house.good("DELETE", "/api/projects/beta")
    assert house.refused(404, "POST", "/api/keys", {"label": "k", "project": "beta"})["code"] == "project_not_found"


def test_a_change_that_was_made_from_another_version_is_refused(house: House) -> None:
    create(house)
    etag = house.ask("GET", "/api/projects/alpha").headers["etag"]
    changed = house.ask("PUT", "/api/projects/alpha", {"title": "first"}, headers={"if-match": etag})
    assert changed.headers["etag"] != etag
    stale = house.ask("PUT", "/api/projects/alpha", {"title": "second"}, headers={"if-match": etag})
    assert (stale.status_code, stale.json()["error"]["code"]) == (412, "version_mismatch")
    assert house.good("GET", "/api/projects/alpha")["title"] == "first"


def test_a_repeated_creation_creates_once(house: House) -> None:
    body, once = {"name": "alpha"}, {"idempotency-key": "a-word"}
    first, again = (house.ask("POST", "/api/projects", body, headers=once) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert house.refused(422, "POST", "/api/projects", {"name": "beta"}, headers=once)["code"] == "idempotency_key_reused"


@pytest.mark.parametrize("name", ["", "Alpha", "a b", "-a", "ä", "a" * 64, "a/b"])
def test_a_bad_name_is_refused_by_its_field(house: House, name: str) -> None:
    refused = house.refused(422, "POST", "/api/projects", {"name": name})
    assert refused["param"] == "name"
    assert "use 1 to 63 of the characters" in refused["message"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", "other"), ("id", "x"), ("owner_id", "x"), ("created_at", "2026-01-01T00:00:00Z"), ("members", 5), ("live_keys", 1)],
)
def test_what_nobody_may_write_is_not_a_field(house: House, field: str, value: object) -> None:
    create(house)
    before = house.good("GET", "/api/projects/alpha")
    assert house.refused(422, "PUT", "/api/projects/alpha", {"title": "t", field: value})["param"] == field
    assert house.good("GET", "/api/projects/alpha") == before


# Members


def test_members_come_change_and_go(house: House) -> None:
    claimed(house)
    maker, other = person(house, "user"), person(house, "user", "other@example.org")
    other_id = other.good("GET", "/api/auth/me")["user"]["id"]
    maker.good("POST", "/api/projects", {"name": "alpha"})
    assert other.refused(404, "GET", "/api/projects/alpha")["code"] == "project_not_found"
    added = maker.good("POST", "/api/projects/alpha/members", {"email": "OTHER@example.org", "role": "viewer"})
    assert (added["user_id"], added["email"], added["role"]) == (other_id, "other@example.org", "viewer")
    assert (
        maker.refused(409, "POST", "/api/projects/alpha/members", {"email": "other@example.org", "role": "editor"})["code"]
        == "already_member"
    )
    assert other.good("GET", "/api/projects/alpha")["role"] == "viewer"
    assert other.refused(403, "POST", "/api/keys", {"label": "k", "project": "alpha"})["code"] == "permission_denied"
    assert other.refused(403, "PUT", f"/api/projects/alpha/members/{other_id}", {"role": "maintainer"})["code"] == "maintainer_required"
    maker.good("PUT", f"/api/projects/alpha/members/{other_id}", {"role": "editor"})
    other.good("POST", "/api/keys", {"label": "k", "project": "alpha"})
    page = maker.good("GET", "/api/projects/alpha/members?limit=1")
    assert [each["email"] for each in page["members"]] == ["other@example.org"]
    rest = maker.good("GET", f"/api/projects/alpha/members?limit=1&cursor={page['next_cursor']}")
    assert ([each["email"] for each in rest["members"]], rest["next_cursor"]) == (["user@example.org"], None)
    maker.good("DELETE", f"/api/projects/alpha/members/{other_id}")
    assert other.refused(404, "GET", "/api/projects/alpha")["code"] == "project_not_found"
    assert maker.refused(404, "DELETE", f"/api/projects/alpha/members/{other_id}")["code"] == "member_not_found"
    assert (
        maker.refused(404, "POST", "/api/projects/alpha/members", {"email": "nobody@example.org", "role": "viewer"})["code"]
        == "user_not_found"
    )


def test_a_project_is_not_left_without_a_maintainer_but_by_who_looks_after_everything(house: House) -> None:
    owner = claimed(house)
    maker = person(house, "user")
    maker_id = maker.good("GET", "/api/auth/me")["user"]["id"]
    maker.good("POST", "/api/projects", {"name": "alpha"})
    path = f"/api/projects/alpha/members/{maker_id}"
    assert maker.refused(409, "DELETE", path)["code"] == "last_maintainer"
    assert maker.refused(409, "PUT", path, {"role": "editor"})["code"] == "last_maintainer"
    owner.good("PUT", path, {"role": "editor"})
    assert maker.refused(403, "DELETE", "/api/projects/alpha")["code"] == "maintainer_required"
    maker.good("DELETE", path)
    assert maker.good("GET", "/api/projects")["projects"] == []


def test_an_archived_project_takes_no_members_and_a_deactivated_person_is_nobody(house: House) -> None:
    owner = claimed(house)
    user = person(house, "user")
    user_id = user.good("GET", "/api/auth/me")["user"]["id"]
    owner.good("POST", "/api/projects", {"name": "alpha"})
    owner.good("PUT", "/api/projects/alpha", {"title": "a", "archived": True})
    body = {"email": "user@example.org", "role": "viewer"}
    assert owner.refused(422, "POST", "/api/projects/alpha/members", body)["code"] == "project_archived"
    owner.good("PUT", "/api/projects/alpha", {"title": "a"})
    owner.good("PATCH", f"/api/users/{user_id}", {"active": False})
    assert owner.refused(404, "POST", "/api/projects/alpha/members", body)["code"] == "user_not_found"


def test_each_change_is_a_row_that_names_the_project(house: House) -> None:
    owner = claimed(house)
    user_id = person(house, "user").good("GET", "/api/auth/me")["user"]["id"]
    owner.good("POST", "/api/projects", {"name": "alpha"})
    owner.good("PUT", "/api/projects/alpha", {"title": "A", "description": "about"})
    owner.good("PUT", "/api/projects/alpha", {"title": "A", "description": "about"})
    owner.good("POST", "/api/projects/alpha/members", {"email": "user@example.org", "role": "viewer"})
    owner.good("PUT", f"/api/projects/alpha/members/{user_id}", {"role": "editor"})
    owner.good("DELETE", f"/api/projects/alpha/members/{user_id}")
    owner.good("DELETE", f"/api/projects/alpha/members/{owner.good('GET', '/api/auth/me')['user']['id']}")
    owner.good("DELETE", "/api/projects/alpha")
    rows = house.good("GET", "/api/audit?project=alpha")["rows"]
    assert [each["action"] for each in reversed(rows)] == [
        "project.created",
        "member.added",
        "project.changed",
        "member.added",
        "member.changed",
        "member.removed",
        "member.removed",
        "project.deleted",
    ]
