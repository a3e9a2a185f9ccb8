"""The bodies of `/api/providers` and `/api/models`."""

import math
import re
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, field_validator, model_validator

from sekisho.catalog.model import ModelFacts, ProviderFacts
from sekisho.catalog.service import Changes, Refreshed
from sekisho.catalog.settings import CAPABILITIES, DEAREST
from sekisho.core.model.snapshot import Rate
from sekisho.kit.crypto import Secret
from sekisho.kit.money import format_price_per_million, parse_price_per_million
from sekisho.rest.schemas import SHORT, SHORT_WORDS, Asked, OneLine, Time, Told, Written, joined, spelled

_DECIMAL: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,20})?")

Kind = Literal["custom", "openai", "ollama", "llamacpp", "vllm", "lmstudio"]


Name = Annotated[str, spelled(SHORT, SHORT_WORDS)]


def _price(value: object) -> str:
    """A price as exact text, from a decimal string or a JSON number."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("write the price in USD per million tokens, such as 0.15")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("write the price in USD per million tokens, such as 0.15")
    text = value if isinstance(value, str) else f"{Decimal(repr(value)):f}"
    if _DECIMAL.fullmatch(text) is None:
        raise ValueError("write the price as a decimal from 0 in units per million tokens, such as 0.15")
    if Decimal(text) > DEAREST:
        raise ValueError(f"{text} per million tokens is beyond {DEAREST}; prices are per million tokens, not per token or per thousand")
    parse_price_per_million(text)
    return text


Price = Annotated[str, BeforeValidator(_price), Field(json_schema_extra={"example": "0.15"})]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
Seconds = Annotated[float, Field(gt=0, le=86400)]
Url = Annotated[str, Field(min_length=1, max_length=2000), OneLine]
Bundle = Annotated[str, Field(min_length=1, max_length=500_000)]
ModelId = Annotated[str, Field(min_length=3, max_length=400), OneLine]
ModelName = Annotated[str, Field(min_length=1, max_length=300), OneLine]


def _credential(value: SecretStr | None) -> SecretStr | None:
    text = None if value is None else value.get_secret_value()
    if text is not None and (not text.isascii() or not text.isprintable() or " " in text or not 0 < len(text) <= 4096):
        raise ValueError("an api_key is 1 to 4096 printable ASCII characters without blanks; check what was pasted")
    return value


Credential = Annotated[SecretStr, AfterValidator(_credential)]
"""A provider's secret, where it does not stand in a field of its own."""


class TimeoutsAsked(Asked):
    """Bounds of one upstream call in seconds; what is left out has its default."""

    connect: Seconds | None = None
    first_byte: Seconds | None = None
    idle: Seconds | None = None
    total: Seconds | None = None

    def given(self) -> dict[str, float]:
        return {name: value for name, value in self.model_dump().items() if value is not None}


class CreateProvider(Asked):
    name: Name
    kind: Kind
    base_url: Url | None = Field(default=None, description="Ends before /chat/completions; the kinds but custom have one of their own.")
    api_key: SecretStr | None = None
    probe: Annotated[bool, Field(strict=True)] = Field(default=True, description="Ask the provider for its models before it is saved.")
    ca_bundle: Bundle | None = Field(default=None, description="PEM text of the authorities to trust instead of the system's.")
    timeouts: TimeoutsAsked | None = None

    check_api_key = field_validator("api_key")(_credential)

    @field_validator("ca_bundle")
    @classmethod
    def check_bundle(cls, value: str | None) -> str | None:
        return _bundle(value)


class ChangeProvider(Asked):
    name: Name | None = None
    base_url: Url | None = None
    api_key: SecretStr | None = Field(default=None, description="Replaces the credentials; null removes them.")
    enabled: Annotated[bool, Field(strict=True)] | None = None
    ca_bundle: Bundle | None = Field(default=None, description="Null means the system's authorities.")
    timeouts: TimeoutsAsked | None = Field(default=None, description="Replaces all of them; null means the defaults.")

    check_api_key = field_validator("api_key")(_credential)

    @field_validator("ca_bundle")
    @classmethod
    def check_bundle(cls, value: str | None) -> str | None:
        return _bundle(value)

    @field_validator("name", "base_url", "enabled")
    @classmethod
    def refuse_null(cls, value: Any) -> Any:
        if value is None:
            raise ValueError("null is no value here; leave the field out to keep what is there")
        return value

    def changes(self) -> Changes:
        return Changes(
            given=frozenset(self.model_fields_set),
            name=self.name or "",
            base_url=self.base_url or "",
            api_key=opened(self.api_key),
            enabled=self.enabled is not False,
            ca_bundle=self.ca_bundle,
            timeouts=None if self.timeouts is None else self.timeouts.given(),
        )


def _bundle(value: str | None) -> str | None:
    if value is not None and ("-----BEGIN CERTIFICATE-----" not in value or not value.isascii()):
        raise ValueError("give the authorities' certificates as PEM text, beginning with -----BEGIN CERTIFICATE-----")
    return value


PemBundle = Annotated[Bundle, AfterValidator(_bundle)]


def opened(secret: SecretStr | None) -> Secret | None:
    """The same secret in the form that the services take."""
    return None if secret is None else Secret(secret.get_secret_value())


class CredentialTold(Told):
    id: str
    last4: str
    fingerprint: str
    weight: int
    state: str
    created_at: Time


class ProviderTold(Told):
    id: str
    name: str
    kind: str
    base_url: str
    enabled: bool
    state: str = Field(description="unprobed, ready or failing: what the last look at it found.")
    ca_bundle: str | None
    timeouts: dict[str, float] | None
    credentials: list[CredentialTold]
    models: list[str]
    created_at: Time | None = Field(description="Null for what is a part of the program.")
    updated_at: Time | None

    @classmethod
    def of(cls, provider: ProviderFacts) -> "ProviderTold":
        return cls(**facts(provider))


class ProviderWritten(ProviderTold, Written):
    pass


class ProviderRefreshed(ProviderWritten):
    added: list[str]
    removed: list[str]


class ProviderRemoved(Written):
    id: str
    name: str
    deleted: bool


class ProviderTested(Told):
    ok: bool
    latency_ms: float | None
    models: int
    error: str | None


class ProviderPage(Told):
    providers: list[ProviderTold]
    next_cursor: str | None


def facts(provider: ProviderFacts) -> dict[str, Any]:
    """The fields of `ProviderTold`."""
    credentials = [CredentialTold(**vars(each)) for each in provider.credentials]
    times = {"created_at": provider.created_at or None, "updated_at": provider.updated_at or None}
    return {**vars(provider), **times, "credentials": credentials, "models": list(provider.models)}


def written(provider: ProviderFacts, revision: int, warnings: tuple[str, ...]) -> ProviderWritten:
    return ProviderWritten(**facts(provider), revision=revision, warnings=list(warnings))


def refreshed(done: Refreshed, revision: int, warnings: tuple[str, ...]) -> ProviderRefreshed:
    return ProviderRefreshed(
        **facts(done.provider), added=list(done.added), removed=list(done.removed), revision=revision, warnings=list(warnings)
    )


class SetRate(Asked):
    input_price: Price = Field(description="Per million input tokens, as a decimal string or a number.")
    output_price: Price
    cached_input_price: Price | None = Field(default=None, description="None means that cached input costs as much as other input.")
    currency: Currency = "USD"

    def rate(self) -> Rate:
        return _rate(self.input_price, self.output_price, self.cached_input_price, self.currency)


class AddModel(Asked):
    id: ModelId = Field(description="provider/model, as clients will name it.")
    upstream_model: ModelName | None = Field(default=None, description="What the provider calls it; the name behind provider/ otherwise.")
    input_price: Price | None = None
    output_price: Price | None = None
    cached_input_price: Price | None = None
    currency: Currency = "USD"
    capabilities: Annotated[list[str], Field(min_length=1, max_length=len(CAPABILITIES))] | None = None
    context_length: Annotated[int, Field(ge=1, le=1_000_000_000, strict=True)] | None = None

    @field_validator("capabilities")
    @classmethod
    def check_capabilities(cls, value: list[str] | None) -> list[str] | None:
        for each in value or ():
            if each not in CAPABILITIES:
                raise ValueError(f"{each!r} is no capability; there are {joined(CAPABILITIES)}")
        return value

    @model_validator(mode="after")
    def check_prices(self) -> "AddModel":
        if (self.input_price is None) != (self.output_price is None):
            missing = "input_price" if self.input_price is None else "output_price"
            raise ValueError(f"{missing} is missing; give both prices, 0 where there is nothing to pay")
        if self.cached_input_price is not None and self.input_price is None:
            raise ValueError("cached_input_price needs input_price and output_price as well")
        return self

    def rate(self) -> Rate | None:
        if self.input_price is None or self.output_price is None:
            return None
        return _rate(self.input_price, self.output_price, self.cached_input_price, self.currency)


def _rate(input_price: str, output_price: str, cached: str | None, currency: str) -> Rate:
    return Rate(
        input=parse_price_per_million(input_price),
        output=parse_price_per_million(output_price),
        cached=None if cached is None else parse_price_per_million(cached),
        currency=currency,
    )


class RateTold(Told):
    input_price: str = Field(description="Per million tokens.")
    output_price: str
    cached_input_price: str | None
    currency: str
    source: str
    since: Time | None


class ModelTold(Told):
    id: str
    provider: str
    upstream_model: str
    capabilities: list[str]
    context_length: int | None
    origin: str = Field(description="listed by its provider, added by a person, or builtin.")
    created_at: Time | None
    rate: RateTold | None = Field(description="Null means that calls are recorded without a cost.")

    @classmethod
    def of(cls, model: ModelFacts) -> "ModelTold":
        return cls(**model_facts(model))


class ModelWritten(ModelTold, Written):
    pass


class ModelRemoved(Written):
    id: str
    deleted: bool


class ModelPage(Told):
    models: list[ModelTold]
    next_cursor: str | None


def model_facts(model: ModelFacts) -> dict[str, Any]:
    """The fields of `ModelTold`."""
    rate = None
    if model.rate is not None:
        price = model.rate.rate
        rate = RateTold(
            input_price=format_price_per_million(price.input),
            output_price=format_price_per_million(price.output),
            cached_input_price=None if price.cached is None else format_price_per_million(price.cached),
            currency=price.currency,
            source=model.rate.source,
            since=model.rate.from_at or None,
        )
    return {**vars(model), "created_at": model.created_at or None, "capabilities": list(model.capabilities), "rate": rate}


def model_written(model: ModelFacts, revision: int, warnings: tuple[str, ...]) -> ModelWritten:
    return ModelWritten(**model_facts(model), revision=revision, warnings=list(warnings))
