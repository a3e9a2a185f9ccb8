"""Adds, changes, probes and removes providers and their models.

Whatever asks a provider happens before the transaction: a slow provider never keeps others from writing.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sekisho.catalog import builtins, repository
from sekisho.catalog.model import Listing, ModelFacts, ProviderFacts, RateFacts, credential_place, told_model, told_provider
from sekisho.catalog.settings import BASE_URLS, MOST_MODELS, WEIGHT
from sekisho.core.model.ids import BUILTIN, SANDBOX, canonical_model, readable
from sekisho.core.model.snapshot import Rate
from sekisho.egress.client import Egress, EgressError, origin_of
from sekisho.identity.service import KeyService
from sekisho.kit.clock import Clock, monotonic
from sekisho.kit.crypto import KeyRing, SealError, Secret, fingerprint
from sekisho.rest.errors import ApiError, conflict, invalid, not_found
from sekisho.rest.versions import require_current
from sekisho.storage.session import Session, Sessions

ADDED: Final = "added"
LISTED: Final = "listed"
BUILT_IN: Final = "builtin"
UNPROBED: Final = "unprobed"
READY: Final = "ready"
FAILING: Final = "failing"


@dataclass(frozen=True)
class Draft:
    """A provider as it is to be, checked as far as that goes without asking it."""

    name: str
    kind: str
    base_url: str
    api_key: Secret | None = None
    ca_bundle: str | None = None
    timeouts: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Changes:
    """What a person changes of a provider; `given` names the fields that count, None among them clears."""

    given: frozenset[str]
    name: str = ""
    base_url: str = ""
    api_key: Secret | None = None
    enabled: bool = True
    ca_bundle: str | None = None
    timeouts: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Refreshed:
    """What asking for the models again changed."""

    provider: ProviderFacts
    added: tuple[str, ...]
    removed: tuple[str, ...]


class Directory:
    """Knows what exists; fills `core.ports.ModelDirectory`."""

    def __init__(self, sessions: Sessions, builtin_models: builtins.BuiltinModels) -> None:
        self._sessions = sessions
        self._builtin_models = builtin_models

    async def first_unknown(self, entries: Sequence[str]) -> str | None:
        """The first entry that names neither a model nor, as `provider/*`, a provider, nor by a plain name an API."""
        async with self._sessions.read() as session:
            for entry in entries:
                provider, slash, name = entry.partition("/")
                known = self._knows(session, provider, None if name == "*" else name) if slash else self._publishes(session, entry)
                if not await known:
                    return entry
        return None

    async def _publishes(self, session: Session, name: str) -> bool:
        return await repository.has_api(session.connection, name)

    async def _knows(self, session: Session, provider: str, name: str | None) -> bool:
        if provider == SANDBOX:
            return name is None or builtins.is_sandbox_model(name)
        if provider == BUILTIN:
            return name is None or any(model.id == canonical_model(BUILTIN, name) for model in self._builtin_models())
        return await repository.existing(session.connection, provider, name)


class CatalogService:
    """What can be done with providers and models."""

    def __init__(self, clock: Clock, ring: KeyRing, egress: Egress, keys: KeyService, builtin_models: builtins.BuiltinModels) -> None:
        self._clock = clock
        self._ring = ring
        self._egress = egress
        self._keys = keys
        self._builtin_models = builtin_models

    # Providers

    def draft(self, name: str, kind: str, base_url: str | None, **rest: Any) -> Draft:
        """Check what is known of a new provider; raises ApiError."""
        if name in builtins.RESERVED:
            raise conflict(f"the name {name!r} belongs to a provider that is always there; take another one", "name", "name_taken")
        url = base_url or BASE_URLS.get(kind)
        if url is None:
            raise invalid(
                "base_url is missing: a custom provider has no address of its own; give one such as http://127.0.0.1:8080/v1", "base_url"
            )
        return Draft(name=name, kind=kind, base_url=_base_url(url), **rest)

    async def require_free(self, session: Session, name: str) -> None:
        """Raise ApiError 409 where a provider of this name exists."""
        if name in builtins.RESERVED or await repository.existing(session.connection, name, None):
            raise conflict(f"there is a provider {name!r} already; change it, or take another name", "name", "name_taken")

    async def ask(self, draft: Draft) -> Listing:
        """Fetch the models that a provider lists; raises ApiError 422 with the reason where it does not."""
        headers = {"accept": "application/json"}
        if draft.api_key is not None:
            headers["authorization"] = f"Bearer {draft.api_key.reveal()}"
        began = monotonic()
        try:
            answer = await self._egress.get(
                f"{draft.base_url}/models", headers=headers, registered=origin_of(draft.base_url), ca_bundle=draft.ca_bundle
            )
        except EgressError as error:
            raise invalid(f"the provider cannot be reached: {error}", "base_url", "provider_unreachable") from None
        return Listing(_listed(answer.status, answer.body), round((monotonic() - began) * 1_000_000))

    async def add_provider(self, session: Session, draft: Draft, listing: Listing | None) -> ProviderFacts:
        """Save a provider with the models that it listed; None where it was not asked."""
        await self.require_free(session, draft.name)
        now = self._clock.now()
        provider_id = readable(os.urandom(10))
        await session.change_catalog()
        await repository.add_provider(
            session.connection,
            id=provider_id,
            name=draft.name,
            kind=draft.kind,
            base_url=draft.base_url,
            enabled=True,
            state=UNPROBED if listing is None else READY,
            ca_bundle=draft.ca_bundle,
            timeouts=None if draft.timeouts is None else dict(draft.timeouts),
            created_at=now,
            updated_at=now,
        )
        if draft.api_key is not None:
            await self._add_credential(session, provider_id, draft.api_key)
        if listing is not None:
            await repository.add_models(session.connection, [self._row(provider_id, name, LISTED) for name in listing.models])
        added = await self.provider(session, draft.name)
        session.record("provider.created", "provider", provider_id, after=told_provider(added))
        return added

    async def provider(self, session: Session, name_or_id: str) -> ProviderFacts:
        """One provider; raises ApiError 404."""
        for each in self._code_providers():
            if each.name == name_or_id:
                return each
        found = await repository.find_provider(session.connection, name_or_id)
        if found is None:
            raise not_found("provider", name_or_id)
        return found

    async def providers(self, session: Session, limit: int, after: str) -> list[ProviderFacts]:
        """By name, those that are a part of the program included."""
        rows = await repository.provider_page(session.connection, limit, after)
        mixed = [*rows, *(each for each in self._code_providers() if each.name > after)]
        return sorted(mixed, key=lambda each: each.name)[:limit]

    async def change_provider(self, session: Session, name: str, changes: Changes, version: str | None = None) -> ProviderFacts:
        """Change what is given; `version` is the If-Match of the request. Raises ApiError."""
        provider = await self._own(session, name)
        require_current(version, provider.updated_at, "provider")
        values: dict[str, object] = {}
        if "base_url" in changes.given:
            values["base_url"] = url = _base_url(changes.base_url)
            if provider.credentials and "api_key" not in changes.given and origin_of(url) != origin_of(provider.base_url):
                raise invalid(
                    f"a credential belongs to one origin: give the api_key for {origin_of(url)} as well, or null to have none",
                    "api_key",
                    "credential_bound",
                )
        if "name" in changes.given and changes.name != provider.name:
            await self.require_free(session, changes.name)
            await self._keys.rename_provider(session, provider.name, changes.name)
            await repository.rename_targets(session.connection, provider.name, changes.name)
            values["name"] = changes.name
        if "enabled" in changes.given:
            values["enabled"] = changes.enabled
        if "ca_bundle" in changes.given:
            values["ca_bundle"] = changes.ca_bundle
        if "timeouts" in changes.given:
            values["timeouts"] = None if changes.timeouts is None else dict(changes.timeouts)
        await session.change_catalog()
        await repository.change_provider(session.connection, provider.id, **values, updated_at=self._clock.now())
        if "api_key" in changes.given:
            await repository.remove_credentials(session.connection, provider.id)
            if changes.api_key is not None:
                await self._add_credential(session, provider.id, changes.api_key)
        changed = await self.provider(session, provider.id)
        session.record("provider.changed", "provider", provider.id, before=told_provider(provider), after=told_provider(changed))
        return changed

    async def remove_provider(self, session: Session, name: str) -> ProviderFacts:
        """Remove a provider with its credentials and models; what was called stays recorded."""
        provider = await self._own(session, name)
        await session.change_catalog()
        await repository.remove_provider(session.connection, provider.id)
        session.record("provider.removed", "provider", provider.id, before=told_provider(provider))
        return provider

    async def drafted(self, session: Session, name: str) -> Draft:
        """A saved provider in the form that `ask` takes, its credential opened."""
        provider = await self._own(session, name)
        api_key = None
        sealed = await repository.sealed_secret(session.connection, provider.id)
        if sealed is not None:
            try:
                api_key = Secret(self._ring.open(sealed[1], credential_place(sealed[0])).decode())
            except SealError:
                raise invalid(
                    f"the credential of {name!r} does not open with this secret key; give it again", "api_key", "credential_sealed"
                ) from None
        return Draft(provider.name, provider.kind, provider.base_url, api_key, provider.ca_bundle, provider.timeouts)

    async def note_state(self, session: Session, name: str, state: str) -> None:
        """Keep what a look at the provider found; the hot path does not read it."""
        provider = await self._own(session, name)
        await self._note_state(session, provider, state)
        session.record("provider.tested", "provider", provider.id, before={"state": provider.state}, after={"state": state})

    async def _note_state(self, session: Session, provider: ProviderFacts, state: str) -> None:
        if provider.state != state:
            await repository.change_provider(session.connection, provider.id, state=state)

    async def refresh(self, session: Session, name: str, listing: Listing) -> Refreshed:
        """Bring the listed models up to date; what a person added stays."""
        provider = await self._own(session, name)
        held = await repository.names_by_origin(session.connection, provider.id)
        new = [each for each in listing.models if each not in held]
        gone = [each for each, (_, origin) in held.items() if origin == LISTED and each not in set(listing.models)]
        if new or gone:
            await session.change_catalog()
            await repository.add_models(session.connection, [self._row(provider.id, each, LISTED) for each in new])
            await repository.remove_models(session.connection, [held[each][0] for each in gone])
        await self._note_state(session, provider, READY)
        session.record("provider.refreshed", "provider", provider.id, after={"name": provider.name, "added": new, "removed": gone})

        def canonical(names: list[str]) -> tuple[str, ...]:
            return tuple(canonical_model(provider.name, each) for each in names)

        return Refreshed(await self.provider(session, provider.id), canonical(new), canonical(gone))

    # Models

    async def add_model(
        self,
        session: Session,
        model_id: str,
        *,
        upstream_model: str | None = None,
        rate: Rate | None = None,
        capabilities: Sequence[str] | None = None,
        context_length: int | None = None,
    ) -> ModelFacts:
        """Add a model by hand. One that its provider listed already is taken over with what is given here."""
        provider, name = await self._split(session, model_id)
        found = await repository.find_model(session.connection, provider.name, name)
        if found is not None and found[1].origin == ADDED:
            raise conflict(f"there is a model {model_id!r} already; set its rate, or remove it first", "id", "model_exists")
        if found is None and len(provider.models) >= MOST_MODELS:
            raise invalid(f"the provider {provider.name!r} has {MOST_MODELS} models, the most there may be", "id")
        values = {
            "upstream_model": upstream_model or name,
            "capabilities": None if capabilities is None else list(capabilities),
            "context_length": context_length,
            "origin": ADDED,
        }
        await session.change_catalog()
        if found is None:
            row = self._row(provider.id, name, ADDED) | values
            await repository.add_models(session.connection, [row])
        else:
            await repository.change_model(session.connection, found[0], **values)
        if rate is not None:
            await self._rate(session, provider.name, name, rate)
        model = await self.model(session, model_id)
        session.record("model.added", "model", model_id, before=None if found is None else told_model(found[1]), after=told_model(model))
        return model

    async def model(self, session: Session, model_id: str) -> ModelFacts:
        """One model; raises ApiError 404."""
        for each in self._code_models():
            if each.id == model_id:
                return each
        provider, _, name = model_id.partition("/")
        found = await repository.find_model(session.connection, provider, name)
        if found is None:
            raise not_found("model", model_id)
        return found[1]

    async def models(self, session: Session, limit: int, after: str, provider: str | None) -> list[ModelFacts]:
        """By canonical id, those that are a part of the program included."""
        rows = await repository.model_page(session.connection, limit, after, provider)
        code = (each for each in self._code_models() if each.id > after and provider in (None, each.provider))
        return sorted([*rows, *code], key=lambda each: each.id)[:limit]

    async def remove_model(self, session: Session, model_id: str) -> ModelFacts:
        """Remove a model; a provider that lists it brings it back at the next refresh."""
        model = await self.model(session, model_id)
        provider, name = await self._split(session, model_id)
        found = await repository.find_model(session.connection, provider.name, name)
        assert found is not None
        await session.change_catalog()
        await repository.remove_model(session.connection, found[0])
        session.record("model.removed", "model", model_id, before=told_model(model))
        return model

    async def set_rate(self, session: Session, model_id: str, rate: Rate) -> ModelFacts:
        """Put a rate in force from now on; calls keep the cost that they were recorded with."""
        before = await self.model(session, model_id)
        provider, name = await self._split(session, model_id)
        await session.change_catalog()
        await self._rate(session, provider.name, name, rate)
        after = await self.model(session, model_id)
        session.record("model.rate_set", "model", model_id, before=told_model(before), after=told_model(after))
        return after

    async def _rate(self, session: Session, provider: str, name: str, rate: Rate) -> None:
        found = await repository.find_model(session.connection, provider, name)
        assert found is not None
        now = self._clock.now()
        # Rates are history and stay in order even where the clock was set back.
        from_at = now if found[1].rate is None else max(now, found[1].rate.from_at + 1)
        await repository.add_rate(session.connection, found[0], rate, "user", from_at)

    async def _split(self, session: Session, model_id: str) -> tuple[ProviderFacts, str]:
        """The provider that a model of this id has or would have, and the name behind it."""
        provider, _, name = model_id.partition("/")
        if not provider or not name or name == "*":
            raise invalid(f"{model_id!r} is not a model's id; write provider/model", "id")
        try:
            return await self._own(session, provider), name
        except ApiError as error:
            if error.refusal.status == 404:
                raise invalid(
                    f"there is no provider {provider!r}; add it first, or check its spelling", "id", "provider_not_found"
                ) from None
            raise

    async def _own(self, session: Session, name: str) -> ProviderFacts:
        """A provider that can be changed; raises ApiError."""
        if name in builtins.RESERVED:
            raise conflict(f"{name!r} is a part of the program and cannot be changed", None, "built_in")
        return await self.provider(session, name)

    async def _add_credential(self, session: Session, provider_id: str, secret: Secret) -> None:
        credential_id = readable(os.urandom(10))
        plain = secret.reveal()
        await repository.add_credential(
            session.connection,
            id=credential_id,
            provider_id=provider_id,
            sealed=self._ring.seal(plain.encode(), credential_place(credential_id)),
            # Of a short secret the last characters would be too much of it.
            last4=plain[-4:] if len(plain) >= 16 else "",
            fingerprint=fingerprint(plain),
            weight=WEIGHT,
            state="active",
            created_at=self._clock.now(),
        )

    def _row(self, provider_id: str, name: str, origin: str) -> dict[str, object]:
        return {
            "id": readable(os.urandom(10)),
            "provider_id": provider_id,
            "name": name,
            "upstream_model": name,
            "capabilities": None,
            "context_length": None,
            "origin": origin,
            "created_at": self._clock.now(),
        }

    def _code_models(self) -> list[ModelFacts]:
        return [
            ModelFacts(
                id=model.id,
                provider=model.provider,
                upstream_model=model.upstream_model,
                capabilities=model.capabilities,
                context_length=model.context_length,
                origin=BUILT_IN,
                created_at=model.created * 1_000_000,
                rate=None if model.rate is None else RateFacts(model.rate, BUILT_IN, 0),
            )
            for model in (*builtins.sandbox_models(), *self._builtin_models())
        ]

    def _code_providers(self) -> list[ProviderFacts]:
        models = self._code_models()
        bare = ProviderFacts("", "", "", "", True, READY, None, None, (), (), 0, 0)
        return [
            replace(bare, id=name, name=name, kind=name, models=tuple(model.id for model in models if model.provider == name))
            for name in sorted(builtins.RESERVED)
        ]


def _base_url(text: str) -> str:
    """The URL in its one spelling; raises ApiError."""
    url = text.rstrip("/")
    try:
        origin_of(url)
    except EgressError as error:
        raise invalid(f"base_url: {error}", "base_url") from None
    path = url.split("://", 1)[1].partition("/")[2]
    if any(part in ("", ".", "..") or "%" in part for part in path.split("/") if path):
        raise invalid("base_url: write the path plainly, without empty, dotted or escaped parts", "base_url")
    for ending in ("/chat/completions", "/completions", "/embeddings", "/models"):
        if url.endswith(ending):
            raise invalid(f"base_url ends before {ending}: give {url.removesuffix(ending)}", "base_url")
    return url


def _listed(status: int, body: bytes) -> tuple[str, ...]:
    """The model names of a provider's answer; raises ApiError where it gave none."""
    if status in (401, 403):
        raise invalid(f"the provider refused the api_key (HTTP {status}); check it", "api_key", "credential_refused")
    if status == 404:
        raise invalid("the provider has no /models there (HTTP 404); most base URLs end with /v1", "base_url", "provider_failed")
    if 300 <= status < 400:
        raise invalid(
            f"the provider redirects (HTTP {status}), which is not followed; give the address that it leads to",
            "base_url",
            "provider_failed",
        )
    if status != 200:
        raise invalid(
            f"the provider answered HTTP {status} to the question for its models; try again, or add it without a probe",
            "base_url",
            "provider_failed",
        )
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    entries = document.get("data") if isinstance(document, dict) else document
    if not isinstance(entries, list):
        raise invalid(
            "the provider's answer is no list of models in OpenAI's form; check the base_url, or add it without a probe",
            "base_url",
            "provider_failed",
        )
    names = [entry.get("id") for entry in entries[: MOST_MODELS + 1] if isinstance(entry, dict)]
    good = [name for name in names if isinstance(name, str) and 0 < len(name) <= 300 and name.isprintable() and name != "*"]
    if len(good) > MOST_MODELS:
        raise invalid(
            f"the provider lists more than {MOST_MODELS} models; add it without a probe, and the models by hand",
            "base_url",
            "provider_failed",
        )
    return tuple(dict.fromkeys(good))
