"""The frozen configuration that the hot path reads, as it crosses the link.

Keys travel apart from the rest, in pages and deltas, because there may be a hundred thousand of them.
"""

from typing import Final

import msgspec

PROVIDER_KINDS: Final = ("custom", "openai", "ollama", "llamacpp", "vllm", "lmstudio", "builtin", "sandbox")


class Rate(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Price per token in 1e-10 units of `currency`; `cached` None means that cached input costs as much as other input."""

    input: int
    output: int
    cached: int | None = None
    currency: str = "USD"


class Credential(msgspec.Struct, frozen=True, gc=False):
    """An opened secret of one provider. It exists in the memory of node and workers only."""

    id: str
    secret: str
    weight: int = 100

    def __repr__(self) -> str:
        return f"Credential(id={self.id!r}, weight={self.weight})"


class Timeouts(msgspec.Struct, frozen=True, gc=False):
    """Bounds of one upstream call, in seconds."""

    connect: float = 5.0
    first_byte: float = 600.0
    idle: float = 60.0
    """Longest silence between two pieces of a response."""
    total: float = 1800.0


class Provider(msgspec.Struct, frozen=True, gc=False):
    """Where models are served. `base_url` ends before `/chat/completions`, such as `https://api.openai.com/v1`."""

    name: str
    kind: str
    base_url: str = ""
    credentials: tuple[Credential, ...] = ()
    timeouts: Timeouts = Timeouts()
    ca_bundle: str | None = None
    """PEM text of the authorities to trust instead of the system's."""


class Model(msgspec.Struct, frozen=True, gc=False):
    """One model of one provider; `id` is `provider/model`."""

    id: str
    provider: str
    upstream_model: str
    capabilities: tuple[str, ...] = ("chat", "completions", "embeddings")
    rate: Rate | None = None
    context_length: int | None = None
    created: int = 0
    """Seconds since the epoch, as the model list shows it."""
    base_url: str | None = None
    """Overrides the provider's: each model of the built-in engine has a server of its own, `""` while it sleeps."""
    credential: Credential | None = None
    """Overrides the provider's, likewise."""


class Api(msgspec.Struct, frozen=True, gc=False):
    """What a user publishes: a name of its own for one model, and what is sent along where a caller's body says nothing of it."""

    name: str
    target: str
    """Canonical id; that model may have gone meanwhile."""
    enabled: bool = True
    defaults: tuple[tuple[str, bytes], ...] = ()
    """Members of the request body by name, each value as JSON."""
    system_prompt: bytes = b""
    """A whole message as JSON; empty where there is none."""
    created: int = 0
    """Seconds since the epoch, as the model list shows it."""


class Key(msgspec.Struct, frozen=True, gc=False):
    """What the hot path knows of a client's key. A key under rotation has two entries that differ in digest and expiry."""

    digest: bytes
    """SHA-256 of the whole plain key."""
    id: str
    label: str
    project: str
    models: tuple[str, ...] | None = None
    """Canonical ids, `provider/*`, or names of APIs; None means all."""
    rpm: int | None = None
    tpm: int | None = None
    concurrency: int | None = None
    expires_at: int | None = None
    """Wall time in microseconds."""


class Catalog(msgspec.Struct, frozen=True, gc=False):
    """Everything of a snapshot but the keys."""

    revision: int
    instance: str
    """A random name of this installation, sent upstream in `via`, by which a loop is recognised."""
    providers: tuple[Provider, ...]
    models: tuple[Model, ...]
    apis: tuple[Api, ...] = ()
