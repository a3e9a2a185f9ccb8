"""What the catalog is to people, and to the compiler. Secrets are not in here: a credential shows its last characters only."""

from dataclasses import dataclass

from sekisho.core.model.snapshot import Rate


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
