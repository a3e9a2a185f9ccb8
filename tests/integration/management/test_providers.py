"""Providers over the API, in front of a real server: a good one is saved with its models, a bad one is refused with its reason."""

import re
from typing import Any

import pytest

from sekisho.core.model.snapshot import Timeouts
from tests.integration.management.house import House
from tests.support.authorities import Authority
from tests.support.upstream import Reply, Upstream

SECRET = "upstream-secret-0123456789"


def add(house: House, upstream: Upstream, **fields: Any) -> Any:
    return house.good("POST", "/api/providers", {"name": "up", "kind": "custom", "base_url": upstream.base_url, **fields})


def listing(*names: str) -> Reply:
    return Reply.json({"object": "list", "data": [{"id": name, "object": "model"} for name in names]})


@pytest.fixture
def lister(upstream: Upstream) -> Upstream:
    """An upstream whose model list is scripted; without a script it lists one, two and org/three:4b."""
    upstream.scripts_models = True
    upstream.otherwise = lambda _: listing("one", "two", "org/three:4b")
    return upstream


def test_a_probed_provider_is_saved_with_its_models(house: House, lister: Upstream) -> None:
    made = add(house, lister, api_key=SECRET)
    assert (made["name"], made["kind"], made["base_url"], made["enabled"], made["state"]) == (
        "up",
        "custom",
        lister.base_url,
        True,
        "ready",
    )
    assert made["models"] == ["up/one", "up/org/three:4b", "up/two"]
    (credential,) = made["credentials"]
    assert (credential["last4"], credential["weight"], credential["state"]) == ("6789", 100, "active")
    (request,) = lister.requests
    assert (request.method, request.target) == ("GET", "/v1/models")
    assert request.header("authorization") == f"Bearer {SECRET}"
    assert request.header("accept-encoding") == "identity"


def test_the_workers_get_the_provider_with_its_secret_opened(house: House, lister: Upstream) -> None:
    made = add(house, lister, api_key=SECRET, timeouts={"first_byte": 7.5})
    catalog = house.workers.publications[-1].catalog
    assert catalog.revision == made["revision"]
    provider = next(each for each in catalog.providers if each.name == "up")
    assert [(each.id, each.secret, each.weight) for each in provider.credentials] == [(made["credentials"][0]["id"], SECRET, 100)]
    assert provider.timeouts == Timeouts(first_byte=7.5)
    model = next(each for each in catalog.models if each.id == "up/org/three:4b")
    assert (model.upstream_model, model.provider, model.rate) == ("org/three:4b", "up", None)


def test_a_secret_is_never_told_again(house: House, lister: Upstream) -> None:
    answers = [str(add(house, lister, api_key=SECRET))]
    for method, path, body in [
        ("GET", "/api/providers", None),
        ("GET", "/api/providers/up", None),
        ("POST", "/api/providers/up/test", None),
        ("POST", "/api/providers/up/refresh", None),
        ("PATCH", "/api/providers/up", {"enabled": False}),
        ("DELETE", "/api/providers/up", None),
    ]:
        answers.append(house.ask(method, path, body).text)
    assert all(SECRET not in answer for answer in answers)
    assert SECRET.encode() not in b"".join(path.read_bytes() for path in house.home.rglob("*") if path.is_file())


def test_a_refused_secret_is_not_echoed(house: House) -> None:
    answer = house.ask(
        "POST", "/api/providers", {"name": "up", "kind": "custom", "base_url": "http://127.0.0.1:1/v1", "api_key": "has blanks " + SECRET}
    )
    assert answer.status_code == 422
    assert answer.json()["error"]["param"] == "api_key"
    assert SECRET not in answer.text


@pytest.mark.parametrize(
    ("reply", "param", "says"),
    [
        (Reply.json({"error": "no"}, status=401), "api_key", "refused the api_key"),
        (Reply.json({"error": "no"}, status=404), "base_url", "/v1"),
        (Reply.json({"error": "no"}, status=500), "base_url", "HTTP 500"),
        (Reply.json({}), "base_url", "OpenAI's form"),
        (Reply.of(b"<html>", content_type="text/html"), "base_url", "OpenAI's form"),
        (Reply.of(b"[" * 100_000), "base_url", "OpenAI's form"),
        (Reply.of(b"", 302, [("location", "http://127.0.0.1:1/")]), "base_url", "redirects"),
        (Reply.of(b"x", headers=[("content-encoding", "gzip")]), "base_url", "compressed"),
        (Reply.of(b"x" * (5 * 1024 * 1024)), "base_url", "larger than"),
        (Reply.garbage(), "base_url", "no HTTP response"),
        (Reply.closed(), "base_url", "no HTTP response"),
        (listing("x").cut(60), "base_url", "no HTTP response"),
        (listing(*(f"m{number}" for number in range(10_001))), "base_url", "more than 10000"),
    ],
)
def test_a_probe_that_fails_saves_nothing(house: House, lister: Upstream, reply: Reply, param: str, says: str) -> None:
    lister.script(reply)
    error = house.refused(422, "POST", "/api/providers", {"name": "up", "kind": "custom", "base_url": lister.base_url, "api_key": SECRET})
    assert error["param"] == param
    assert says in error["message"]
    house.refused(404, "GET", "/api/providers/up")
    assert house.workers.publications == []


def test_an_unreachable_provider_is_refused_unless_it_is_not_probed(house: House) -> None:
    body = {"name": "up", "kind": "custom", "base_url": "http://127.0.0.1:1/v1"}
    error = house.refused(422, "POST", "/api/providers", body)
    assert error["code"] == "provider_unreachable"
    made = house.good("POST", "/api/providers", {**body, "probe": False})
    assert (made["state"], made["models"]) == ("unprobed", [])


def test_a_private_authority_is_trusted_where_it_is_given(house: House, tls_upstream: Upstream, authority: Authority) -> None:
    body = {"name": "up", "kind": "custom", "base_url": tls_upstream.base_url}
    assert "TLS" in house.refused(422, "POST", "/api/providers", body)["message"]
    made = house.good("POST", "/api/providers", {**body, "ca_bundle": authority.pem})
    assert made["state"] == "ready"
    assert house.run(house.compiler.catalog()).providers[-1].ca_bundle == authority.pem


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"name": "Up"}, 422, "name"),
        ({"name": "-up"}, 422, "name"),
        ({"name": "u" * 64}, 422, "name"),
        ({"name": "a/b"}, 422, "name"),
        ({"name": "up\n"}, 422, "name"),
        ({"name": "sandbox"}, 409, "name"),
        ({"name": "builtin"}, 409, "name"),
        ({"kind": "sandbox"}, 422, "kind"),
        ({"base_url": None}, 422, "base_url"),
        ({"base_url": "ftp://h/v1"}, 422, "base_url"),
        ({"base_url": "127.0.0.1:8080"}, 422, "base_url"),
        ({"base_url": "http://u:p@127.0.0.1/v1"}, 422, "base_url"),
        ({"base_url": "http://127.0.0.1/v1?a=b"}, 422, "base_url"),
        ({"base_url": "http://127.0.0.1/v1#f"}, 422, "base_url"),
        ({"base_url": "http://127.0.0.1/v1/../admin"}, 422, "base_url"),
        ({"base_url": "http://127.0.0.1/v1/chat/completions"}, 422, "base_url"),
        ({"base_url": "http://127.0.0.1:99999/v1"}, 422, "base_url"),
        ({"base_url": "http://"}, 422, "base_url"),
        ({"api_key": ""}, 422, "api_key"),
        ({"api_key": "a\nb"}, 422, "api_key"),
        ({"probe": "no"}, 422, "probe"),
        ({"ca_bundle": "not pem"}, 422, "ca_bundle"),
        ({"timeouts": {"total": 0}}, 422, "timeouts.total"),
        ({"timeouts": {"totl": 1}}, 422, "timeouts.totl"),
        ({"colour": "red"}, 422, "colour"),
    ],
)
def test_bad_fields_are_refused_by_name(house: House, fields: Any, status: int, param: str) -> None:
    body = {"name": "up", "kind": "custom", "base_url": "http://127.0.0.1:1/v1", "probe": False, **fields}
    assert house.refused(status, "POST", "/api/providers", body)["param"] == param
    assert [each["name"] for each in house.good("GET", "/api/providers")["providers"]] == ["builtin", "sandbox"]


def test_a_name_is_taken_once(house: House, lister: Upstream) -> None:
    add(house, lister)
    error = house.refused(409, "POST", "/api/providers", {"name": "up", "kind": "custom", "base_url": lister.base_url})
    assert (error["code"], error["param"]) == ("name_taken", "name")
    assert len(lister.requests) == 1


def test_kinds_have_addresses_of_their_own(house: House) -> None:
    for kind, url in [
        ("openai", "https://api.openai.com/v1"),
        ("ollama", "http://127.0.0.1:11434/v1"),
        ("vllm", "http://127.0.0.1:8000/v1"),
    ]:
        assert house.good("POST", "/api/providers", {"name": kind, "kind": kind, "probe": False})["base_url"] == url


def test_a_provider_is_found_by_name_and_by_id(house: House, lister: Upstream) -> None:
    made = add(house, lister)
    assert house.good("GET", f"/api/providers/{made['id']}") == house.good("GET", "/api/providers/up")


def test_those_of_the_program_are_there_and_stay(house: House) -> None:
    sandbox = house.good("GET", "/api/providers/sandbox")
    assert (sandbox["created_at"], sandbox["updated_at"]) == (None, None)
    assert {"sandbox/echo", "sandbox/lorem", "sandbox/slow", "sandbox/error-429", "sandbox/cut", "sandbox/embed"} <= set(sandbox["models"])
    for name in ("sandbox", "builtin"):
        assert house.refused(409, "DELETE", f"/api/providers/{name}")["code"] == "built_in"
        assert house.refused(409, "PATCH", f"/api/providers/{name}", {"enabled": False})["code"] == "built_in"
        assert house.refused(409, "POST", f"/api/providers/{name}/refresh")["code"] == "built_in"
    assert house.good("POST", "/api/providers/sandbox/test")["ok"] is True


def test_a_provider_that_is_off_is_not_in_the_snapshot(house: House, lister: Upstream) -> None:
    add(house, lister)
    house.good("PATCH", "/api/providers/up", {"enabled": False})
    catalog = house.workers.publications[-1].catalog
    assert [each.name for each in catalog.providers] == ["sandbox", "builtin"]
    assert not [each for each in catalog.models if each.provider == "up"]
    house.good("PATCH", "/api/providers/up", {"enabled": True})
    assert "up" in [each.name for each in house.workers.publications[-1].catalog.providers]


def test_a_new_secret_replaces_the_old_one_and_null_removes_it(house: House, lister: Upstream) -> None:
    old = add(house, lister, api_key=SECRET)["credentials"][0]
    new = house.good("PATCH", "/api/providers/up", {"api_key": "another-secret-abcdef"})["credentials"]
    assert [each["last4"] for each in new] == ["cdef"]
    assert new[0]["fingerprint"] != old["fingerprint"]
    assert house.good("PATCH", "/api/providers/up", {"api_key": None})["credentials"] == []


def test_a_credential_does_not_follow_to_another_origin(house: House, lister: Upstream) -> None:
    add(house, lister, api_key=SECRET)
    elsewhere = "http://127.0.0.1:1/v1"
    error = house.refused(422, "PATCH", "/api/providers/up", {"base_url": elsewhere})
    assert (error["code"], error["param"]) == ("credential_bound", "api_key")
    assert house.good("GET", "/api/providers/up")["base_url"] == lister.base_url
    moved = house.good("PATCH", "/api/providers/up", {"base_url": f"{lister.origin}/other/v1"})
    assert moved["base_url"] == f"{lister.origin}/other/v1"
    assert house.good("PATCH", "/api/providers/up", {"base_url": elsewhere, "api_key": "a-key-for-there"})["base_url"] == elsewhere


def test_a_renamed_provider_takes_its_models_and_the_keys_scopes_along(house: House, lister: Upstream) -> None:
    add(house, lister)
    key = house.good("POST", "/api/keys", {"label": "k", "models": ["up/one", "up/*", "sandbox/echo"]})
    renamed = house.good("PATCH", "/api/providers/up", {"name": "upper"})
    assert renamed["models"] == ["upper/one", "upper/org/three:4b", "upper/two"]
    assert house.good("GET", f"/api/keys/{key['id']}")["models"] == ["upper/one", "upper/*", "sandbox/echo"]
    last = house.workers.publications[-1]
    assert last.catalog is not None
    assert [each.models for each in last.keys] == [("upper/one", "upper/*", "sandbox/echo")]
    house.refused(409, "PATCH", "/api/providers/upper", {"name": "sandbox"})


def test_null_where_it_means_nothing_is_refused(house: House, lister: Upstream) -> None:
    add(house, lister)
    for name in ("name", "base_url", "enabled"):
        assert house.refused(422, "PATCH", "/api/providers/up", {name: None})["param"] == name


def test_a_test_says_how_it_went_and_keeps_it(house: House, lister: Upstream) -> None:
    add(house, lister)
    good = house.good("POST", "/api/providers/up/test")
    assert (good["ok"], good["models"], good["error"]) == (True, 3, None)
    assert good["latency_ms"] > 0
    lister.script(Reply.json({}, status=500))
    bad = house.good("POST", "/api/providers/up/test")
    assert (bad["ok"], bad["latency_ms"], bad["models"]) == (False, None, 0)
    assert "HTTP 500" in bad["error"]
    assert house.good("GET", "/api/providers/up")["state"] == "failing"
    revision = house.good("GET", "/api/status")["revision"]
    house.good("POST", "/api/providers/up/test")
    assert house.good("GET", "/api/providers/up")["state"] == "ready"
    assert house.good("GET", "/api/status")["revision"] == revision


def test_a_refresh_brings_new_models_drops_gone_ones_and_keeps_added_ones(house: House, lister: Upstream) -> None:
    add(house, lister)
    house.good("POST", "/api/models", {"id": "up/mine", "input_price": "1", "output_price": "2"})
    lister.script(listing("two", "five", "", "bad\nname", "*", "two"))
    done = house.good("POST", "/api/providers/up/refresh")
    assert (done["added"], sorted(done["removed"])) == (["up/five"], ["up/one", "up/org/three:4b"])
    assert done["models"] == ["up/five", "up/mine", "up/two"]
    lister.script(listing("two", "five"))
    again = house.good("POST", "/api/providers/up/refresh")
    assert (again["added"], again["removed"], again["revision"]) == ([], [], done["revision"])


def test_a_removed_provider_takes_everything_along(house: House, lister: Upstream) -> None:
    made = add(house, lister, api_key=SECRET)
    gone = house.good("DELETE", "/api/providers/up")
    assert (gone["id"], gone["name"], gone["deleted"]) == (made["id"], "up", True)
    house.refused(404, "GET", "/api/providers/up")
    house.refused(404, "GET", "/api/models/up/one")
    assert [each.name for each in house.workers.publications[-1].catalog.providers] == ["sandbox", "builtin"]


def test_providers_are_paged_by_name(house: House) -> None:
    for name in ("zeta", "alpha", "middle"):
        house.good("POST", "/api/providers", {"name": name, "kind": "vllm", "probe": False})
    first = house.good("GET", "/api/providers?limit=3")
    second = house.good("GET", f"/api/providers?limit=3&cursor={first['next_cursor']}")
    assert [each["name"] for each in first["providers"]] == ["alpha", "builtin", "middle"]
    assert [each["name"] for each in second["providers"]] == ["sandbox", "zeta"]
    assert second["next_cursor"] is None


def test_a_sealed_secret_that_was_moved_does_not_open(house: House, lister: Upstream, caplog: pytest.LogCaptureFixture) -> None:
    add(house, lister, api_key=SECRET)
    house.good("POST", "/api/providers", {"name": "down", "kind": "vllm", "api_key": "another-secret-abcdef", "probe": False})
    house.execute(
        "UPDATE credentials SET sealed = (SELECT c.sealed FROM credentials c JOIN providers p ON p.id = c.provider_id WHERE p.name = 'up') "
        "WHERE provider_id = (SELECT id FROM providers WHERE name = 'down')"
    )
    catalog = house.run(house.compiler.catalog())
    opened = {each.name: [one.secret for one in each.credentials] for each in catalog.providers}
    assert (opened["up"], opened["down"]) == ([SECRET], [])
    assert re.search(r"the credential \w+ of provider \w+ is left out", caplog.text)
    assert house.refused(422, "POST", "/api/providers/down/test")["code"] == "credential_sealed"
