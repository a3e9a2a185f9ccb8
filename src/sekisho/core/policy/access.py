"""Names to models, and keys to what they may use. Built once per snapshot, read on every call."""

from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote

from sekisho.core.model.snapshot import Api, Catalog, Key, Model, Provider

ALIAS: Final = "flm://"
"""An older system's spelling of a model id, still accepted in front of ours."""


class Directory:
    """The models of one snapshot by every name they answer to."""

    __slots__ = ("_names", "_published", "apis", "catalog", "models", "providers")

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.providers: dict[str, Provider] = {provider.name: provider for provider in catalog.providers}
        self.models: dict[str, Model] = {model.id: model for model in catalog.models if model.provider in self.providers}
        names: dict[str, Model] = {}
        for model in self.models.values():
            # The first of two providers of the same model keeps the bare name: order is the operator's.
            names.setdefault(model.upstream_model, model)
        names.update(self.models)
        self.apis: dict[str, Api] = {api.name: api for api in catalog.apis}
        entries = [entry_of(api) for api in catalog.apis]
        # A name that was published stays what it is, whatever models come later.
        names.update((entry.id, entry) for entry in entries)
        self._published = [entry for api, entry in zip(catalog.apis, entries, strict=True) if api.enabled and api.target in self.models]
        self._names = names

    def find(self, name: str) -> Model | None:
        """The model of a canonical id, an `flm://` id or a bare model name, or the entry of an API; None where there is none."""
        model = self._names.get(name)
        if model is None and name.startswith(ALIAS):
            model = self._names.get(name[len(ALIAS) :])
        return model

    def find_escaped(self, name: str) -> Model | None:
        """Like `find`, for a name out of a path, where clients escape slashes, colons and blanks, or do not. Decoded once."""
        return self.find(name) or self.find(unquote(name))

    def visible(self, key: Key) -> list[Model]:
        """Exactly the models that a key may call, and the entries of the APIs."""
        return [model for model in (*self.models.values(), *self._published) if may_use(key, model)]


def entry_of(api: Api) -> Model:
    """How an API stands among the models: of no provider, and serving nothing by itself.

    So a scope covers it by its own name only, and a call that names it comes to where a call is refused that asks too much of a model:
    those that name none pay nothing for it.
    """
    return Model(id=api.name, provider="", upstream_model=api.name, capabilities=(), created=api.created)


def may_use(key: Key, model: Model) -> bool:
    """Whether a key's scope covers a model, or the entry of an API."""
    scope = key.models
    return scope is None or model.id in scope or f"{model.provider}/*" in scope


class Keys:
    """Keys by digest; replaced whole or patched."""

    __slots__ = ("_by_digest",)

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self._by_digest: dict[bytes, Key] = {key.digest: key for key in keys}

    def find(self, digest: bytes) -> Key | None:
        return self._by_digest.get(digest)

    def patch(self, keys: Iterable[Key], gone: Iterable[bytes]) -> None:
        """Apply a delta; it touches only what it names."""
        for digest in gone:
            self._by_digest.pop(digest, None)
        for key in keys:
            self._by_digest[key.digest] = key

    def extend(self, keys: Iterable[Key]) -> None:
        for key in keys:
            self._by_digest[key.digest] = key

    def __len__(self) -> int:
        return len(self._by_digest)
