"""What is prepared per snapshot: heads that carry a credential to its origin only, turns by weight, origins that outlive snapshots."""

from collections import Counter

import pytest

from sekisho import __version__
from sekisho.core.model.snapshot import Catalog, Credential, Model, Provider
from sekisho.dataplane.upstream.targets import Target, Targets

HEAVY, LIGHT, BROKEN = Credential("c1", "secret-1", 200), Credential("c2", "secret-2", 100), Credential("c3", "secret-3", 100)


def provider(base_url: str = "http://127.0.0.1:1/v1", *credentials: Credential, kind: str = "custom", name: str = "up") -> Provider:
    return Provider(name, kind, base_url, credentials)


def targets_of(*providers: Provider, models: tuple[Model, ...] = (Model("up/m", "up", "m"),)) -> Targets:
    targets = Targets()
    targets.install(Catalog(1, "house", providers, models))
    return targets


def target_of(*providers: Provider, **more: tuple[Model, ...]) -> Target:
    target = targets_of(*providers, **more).find("up/m")
    assert target is not None
    return target


@pytest.mark.parametrize(
    ("base_url", "origin", "line", "host"),
    [
        ("http://127.0.0.1:8080/v1", "http://127.0.0.1:8080", b"/v1/embeddings", b"127.0.0.1:8080"),
        ("http://a.example", "http://a.example:80", b"/embeddings", b"a.example"),
        ("https://a.example/", "https://a.example:443", b"/embeddings", b"a.example"),
        ("https://a.example:8443/x/y/", "https://a.example:8443", b"/x/y/embeddings", b"a.example:8443"),
        ("http://[::1]:9/v1", "http://[::1]:9", b"/v1/embeddings", b"[::1]:9"),
    ],
)
def test_a_head_is_made_for_its_origin(base_url: str, origin: str, line: bytes, host: bytes) -> None:
    target = target_of(provider(base_url, HEAVY))
    assert target.origin is not None
    assert target.origin.name == origin
    assert (target.origin.tls is not None) == base_url.startswith("https")
    assert target.head("/embeddings", HEAVY) == (
        b"POST %b HTTP/1.1\r\nhost: %b\r\nauthorization: Bearer secret-1\r\nuser-agent: sekisho/%b\r\n"
        b"accept-encoding: identity\r\ncontent-type: application/json\r\nvia: 1.1 sekisho-house\r\n" % (line, host, __version__.encode())
    )


def test_without_a_credential_there_is_no_authorization() -> None:
    target = target_of(provider())
    assert target.pick(()) is None
    assert target.credentials == 0
    assert b"authorization" not in target.head("/embeddings", None)


def test_turns_go_by_weight_and_interleave() -> None:
    target = target_of(provider("http://a", HEAVY, LIGHT))
    picks = [target.pick(()) for _ in range(300)]
    assert Counter(pick.id for pick in picks if pick is not None) == {"c1": 200, "c2": 100}
    for at in range(0, 300, 3):
        assert Counter(pick.id for pick in picks[at : at + 3] if pick is not None) == {"c1": 2, "c2": 1}


def test_what_was_tried_is_passed_over_until_none_is_left() -> None:
    target = target_of(provider("http://a", HEAVY, LIGHT, BROKEN))
    tried: tuple[str, ...] = ()
    for _ in range(3):
        pick = target.pick(tried)
        assert pick is not None
        assert pick.id not in tried
        tried = (*tried, pick.id)
    assert target.pick(tried) is None


def test_a_single_credential_has_every_turn_once() -> None:
    target = target_of(provider("http://a", HEAVY))
    assert target.pick(()) is HEAVY
    assert target.pick(()) is HEAVY
    assert target.pick(("c1",)) is None


def test_a_models_own_place_and_credential_go_before_its_providers() -> None:
    model = Model("up/m", "up", "m", base_url="http://127.0.0.1:7/v1", credential=LIGHT)
    target = target_of(provider("http://a", HEAVY), models=(model,))
    assert target.origin is not None
    assert target.origin.port == 7
    assert target.pick(()) is LIGHT


def test_who_sleeps_and_who_pretends() -> None:
    sleeping = target_of(provider("", kind="builtin"), models=(Model("up/m", "up", "m", base_url=""),))
    assert sleeping.asleep
    assert sleeping.origin is None
    pretending = target_of(provider("", kind="sandbox"))
    assert pretending.sandbox
    assert not pretending.asleep


def test_an_origin_outlives_its_snapshot() -> None:
    """Its connections are kept: the pool knows them by the object."""
    targets = targets_of(provider("http://a:1/v1", HEAVY))
    before = targets.find("up/m")
    targets.install(Catalog(2, "house", (provider("http://a:1/v1", LIGHT),), (Model("up/m", "up", "renamed"), Model("up/n", "up", "n"))))
    after, other = targets.find("up/m"), targets.find("up/n")
    assert before is not None
    assert after is not None
    assert other is not None
    assert after is not before
    assert after.origin is before.origin is other.origin
    assert after.quoted_model == b'"renamed"'
    assert b"secret-2" in after.head("/x", after.pick(()))
    targets.install(Catalog(3, "house", (), (Model("up/m", "up", "m"),)))
    assert targets.find("up/m") is None


@pytest.mark.parametrize(("name", "written"), [("m", b"m"), ("関", b"%E9%96%A2"), ("a\r\nx: y", b"a%0D%0Ax: y"), ("50%", b"50%25")])
def test_no_name_breaks_a_line_of_the_answer(name: str, written: bytes) -> None:
    target = targets_of(provider(), models=(Model(f"up/{name}", "up", name),)).find(f"up/{name}")
    assert target is not None
    assert target.reply_fields == b"x-sekisho-provider: up\r\nx-sekisho-model: up/%b\r\n" % written
