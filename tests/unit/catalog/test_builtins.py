"""The sandbox is there from the first second, and free."""

import pytest

from sekisho.catalog import builtins
from sekisho.catalog.settings import BASE_URLS, CAPABILITIES, KINDS
from sekisho.core.model.snapshot import PROVIDER_KINDS, Rate


def test_the_sandboxs_models_are_free_and_well_named() -> None:
    models = builtins.sandbox_models()
    names = {model.id for model in models}
    assert {f"sandbox/{name}" for name in ("echo", "lorem", "slow", "cut", "embed", "error-429", "error-500", "error-503")} == names
    assert all(model.rate == Rate(0, 0, 0) and model.id == f"{model.provider}/{model.upstream_model}" for model in models)
    assert all(set(model.capabilities) <= set(CAPABILITIES) for model in models)


@pytest.mark.parametrize("name", ["echo", "error-400", "error-418", "error-599"])
def test_names_that_the_sandbox_answers_to(name: str) -> None:
    assert builtins.is_sandbox_model(name)


@pytest.mark.parametrize("name", ["", "Echo", "error-399", "error-600", "error-4", "error-4000", "error-400 ", "xerror-400", "error-４00"])
def test_names_that_it_does_not_know(name: str) -> None:
    assert not builtins.is_sandbox_model(name)


def test_the_kinds_are_those_of_the_hot_path() -> None:
    assert {*KINDS, *builtins.RESERVED} == set(PROVIDER_KINDS)
    assert [provider.name for provider in builtins.providers()] == ["sandbox", "builtin"]
    assert all(not url.endswith("/") and url.endswith("/v1") for url in BASE_URLS.values())
