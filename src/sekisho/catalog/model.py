"""What the catalog is to people, and to the compiler. Secrets are not in here: a credential shows its last characters only."""

from dataclasses import dataclass
from typing import Any

from sekisho.core.model.snapshot import Rate
from sekisho.kit.crypto import digest_of
from sekisho.kit.money import format_price_per_million


def credential_place(credential_id: str) -> str:
    """The place that a credential's secret is sealed for; see kit.crypto."""
    return f"credentials/{credential_id}/sealed"


@dataclass(frozen=True)
class CredentialFacts:
    """An encrypted secret that opens one provider."""

    id: str
    last4: str
    fingerprint: str
    weight: int
    state: str
    created_at: int


@dataclass(frozen=True)
class ProviderFacts:
    """A place that serves models. Times are wall times in microseconds."""

    id: str
    name: str
    kind: str
    base_url: str
    enabled: bool
    state: str
    """unprobed, ready or failing: what the last look at it found. `builtin` where it is a part of the program."""
    ca_bundle: str | None
    timeouts: dict[str, float] | None
    credentials: tuple[CredentialFacts, ...]
    models: tuple[str, ...]
    """Canonical ids."""
    created_at: int
    updated_at: int


@dataclass(frozen=True)
class RateFacts:
    """What a token costs since when, and who said so."""

    rate: Rate
    source: str
    from_at: int


@dataclass(frozen=True)
class ModelFacts:
    """One model of one provider."""

    id: str
    provider: str
    upstream_model: str
    capabilities: tuple[str, ...]
    context_length: int | None
    origin: str
    """listed (found at the provider), added (by a person) or builtin (a part of the program)."""
    created_at: int
    rate: RateFacts | None


@dataclass(frozen=True)
class Listing:
    """What a provider answered to the question for its models."""

    models: tuple[str, ...]
    latency_us: int


def told_provider(provider: ProviderFacts) -> dict[str, Any]:
    """A provider as the audit tells of it: of a credential, what people see of it."""
    return {
        "name": provider.name,
        "kind": provider.kind,
        "base_url": provider.base_url,
        "enabled": provider.enabled,
        "ca_bundle": digest_of(provider.ca_bundle),
        "timeouts": provider.timeouts,
        "credentials": [{"id": each.id, "last4": each.last4, "fingerprint": each.fingerprint} for each in provider.credentials],
        "models": len(provider.models),
    }


def told_model(model: ModelFacts) -> dict[str, Any]:
    """A model as the audit tells of it; prices per million tokens."""
    rate = None
    if model.rate is not None:
        price = model.rate.rate
        rate = {
            "input_price": format_price_per_million(price.input),
            "output_price": format_price_per_million(price.output),
            "cached_input_price": None if price.cached is None else format_price_per_million(price.cached),
            "currency": price.currency,
        }
    return {
        "upstream_model": model.upstream_model,
        "capabilities": list(model.capabilities),
        "context_length": model.context_length,
        "origin": model.origin,
        "rate": rate,
    }
