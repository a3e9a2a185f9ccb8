"""Names lead to models, scopes let some of them be seen, and keys are found by digest alone."""

import pytest

from sekisho.core.model.snapshot import Api, Catalog, Key, Model, Provider
from sekisho.core.policy.access import Directory, Keys, may_use

UP, OTHER = Provider("up", "custom"), Provider("other", "custom")
MODELS = (
    Model("up/gpt", "up", "gpt"),
    Model("other/gpt", "other", "gpt"),
    Model("up/org/llama:8b q4", "up", "org/llama:8b q4"),
    Model("other/up/gpt", "other", "up/gpt"),
    Model("other/a%2Fb", "other", "a%2Fb"),
    Model("gone/m", "gone", "m"),
)
DIRECTORY = Directory(Catalog(1, "i", (UP, OTHER), MODELS))


def key(models: tuple[str, ...] | None = None, digest: bytes = b"d", **more: object) -> Key:
    return Key(digest, "k1", "label", "default", models, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("up/gpt", "up/gpt"),
        ("other/gpt", "other/gpt"),
        ("gpt", "up/gpt"),
        ("flm://other/gpt", "other/gpt"),
        ("flm://gpt", "up/gpt"),
        ("org/llama:8b q4", "up/org/llama:8b q4"),
        ("other/up/gpt", "other/up/gpt"),
        ("", None),
        ("flm://", None),
        ("UP/GPT", None),
        ("up/gpt ", None),
        ("up", None),
        ("gone/m", None),
        ("m", None),
        ("flm://flm://up/gpt", None),
        ("up%2Fgpt", None),
    ],
)
def test_a_model_answers_to_its_names(name: str, found: str | None) -> None:
    model = DIRECTORY.find(name)
    assert (model.id if model is not None else None) == found


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("up/gpt", "up/gpt"),
        ("up%2Fgpt", "up/gpt"),
        ("up%2fgpt", "up/gpt"),
        ("up/org%2Fllama%3A8b%20q4", "up/org/llama:8b q4"),
        ("up%252Fgpt", None),
        ("other/a%2Fb", "other/a%2Fb"),
        ("other/a%252Fb", "other/a%2Fb"),
        ("%zz", None),
        ("%ff", None),
    ],
)
def test_a_name_out_of_a_path_is_decoded_once(name: str, found: str | None) -> None:
    model = DIRECTORY.find_escaped(name)
    assert (model.id if model is not None else None) == found


def test_a_canonical_id_wins_over_a_bare_name() -> None:
    """`up/gpt` is a model of `up`, and what `other` calls one of its own."""
    model = DIRECTORY.find("up/gpt")
    assert model is not None
    assert model.provider == "up"


@pytest.mark.parametrize(
    ("scope", "seen"),
    [
        (None, {"up/gpt", "other/gpt", "up/org/llama:8b q4", "other/up/gpt", "other/a%2Fb"}),
        ((), set()),
        (("up/gpt",), {"up/gpt"}),
        (("up/*",), {"up/gpt", "up/org/llama:8b q4"}),
        (("gpt", "*", "u/*", "up"), set()),
        (("up/gpt", "other/*"), {"up/gpt", "other/gpt", "other/up/gpt", "other/a%2Fb"}),
        (("gone/*", "up/none"), set()),
    ],
)
def test_a_key_sees_exactly_its_scope(scope: tuple[str, ...] | None, seen: set[str]) -> None:
    scoped = key(scope)
    visible = DIRECTORY.visible(scoped)
    assert {model.id for model in visible} == seen
    assert visible == [model for model in MODELS if model.provider != "gone" and may_use(scoped, model)]


def test_keys_are_replaced_patched_and_found_by_digest() -> None:
    keys = Keys([key(digest=b"1"), key(digest=b"2")])
    assert len(keys) == 2
    changed = key(("up/*",), digest=b"2")
    keys.patch([changed, key(digest=b"3")], [b"1", b"unknown"])
    assert keys.find(b"1") is None
    assert keys.find(b"2") is changed
    assert keys.find(b"3") is not None
    keys.extend([key(digest=b"4")])
    assert len(keys) == 3


def test_a_secret_that_comes_and_goes_in_one_delta_stays() -> None:
    """What a delta gives is newer than what it takes."""
    keys = Keys([key(digest=b"1")])
    renewed = key(digest=b"1", rpm=5)
    keys.patch([renewed], [b"1"])
    assert keys.find(b"1") is renewed


# APIs

PUBLISHED = Directory(
    Catalog(
        1,
        "i",
        (UP, OTHER),
        MODELS,
        (Api("helper", "up/gpt", created=7), Api("gpt", "other/gpt"), Api("off", "up/gpt", enabled=False), Api("broken", "gone/m")),
    )
)


@pytest.mark.parametrize("name", ["helper", "flm://helper", "gpt", "off", "broken"])
def test_an_api_answers_to_its_name_before_any_model(name: str) -> None:
    found = PUBLISHED.find(name)
    assert found is not None
    assert (found.id, found.provider, found.capabilities) == (name.removeprefix("flm://"), "", ())
    assert PUBLISHED.apis[found.id].name == found.id


def test_models_keep_their_ids_beside_apis() -> None:
    for model in MODELS[:-1]:
        assert PUBLISHED.find(model.id) is model


def test_a_scope_covers_an_api_by_its_name_and_no_other() -> None:
    helper, target = PUBLISHED.find("helper"), PUBLISHED.find("up/gpt")
    assert helper is not None
    assert target is not None
    assert may_use(key(), helper)
    assert may_use(key(("helper",)), helper)
    assert not may_use(key(("helper",)), target)
    for scope in (("up/gpt",), ("up/*",), ("gpt",), ("*",), ()):
        assert not may_use(key(scope), helper)
    assert may_use(key(("up/gpt",)), target)


def test_only_apis_that_can_be_called_are_listed() -> None:
    assert [each.id for each in PUBLISHED.visible(key(("helper", "gpt", "off", "broken")))] == ["helper", "gpt"]
    assert [each.id for each in PUBLISHED.visible(key())] == [*(model.id for model in MODELS[:-1]), "helper", "gpt"]
