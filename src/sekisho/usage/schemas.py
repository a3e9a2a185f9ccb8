"""The bodies of `/api/calls`."""

from typing import Any, Final, Literal

from pydantic import Field

from sekisho.core.ports import Price
from sekisho.kit.money import format_amount
from sekisho.rest.schemas import Time, Told
from sekisho.usage.model import Call, Explained

Status = Literal["completed", "failed", "cancelled"]

OWN: Final = ("screen", "authenticate", "route", "admit")
"""The stages whose time is ours alone: the others wait for the client or for the provider."""

PROVIDERS: Final = ("connect", "first_byte", "relay")

CSV_FIELDS: Final = (
    *("id", "request_id", "started_at", "status", "http_status", "model", "provider", "key_id", "key_label", "project", "address"),
    *("stream", "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "usage_source", "cost", "currency"),
    *("duration_ms", "ttfb_ms", "attempts", "finish_reason"),
)
"""The columns of an export; the error's code stands behind them."""


class CallErrorTold(Told):
    code: str
    message: str


class CallTold(Told):
    id: str
    request_id: str
    client_request_id: str | None
    started_at: Time
    status: str
    http_status: int = Field(description="What the client was told; 499 where it left before an answer.")
    method: str
    path: str
    api: str | None = Field(description="The API that the request named; null where it named a model.")
    model: str = Field(description="The one that served.")
    provider: str
    upstream_model: str
    credential_id: str | None
    key_id: str
    key_label: str
    project: str
    address: str
    user_agent: str | None
    stream: bool
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    usage_source: str = Field(description="provider, estimated or unknown.")
    cost: str | None = Field(description="Null where the model had no rate.")
    currency: str | None
    duration_ms: float
    ttfb_ms: float | None
    stages: dict[str, int] = Field(description="Microseconds spent in each stage, as <stage>_us.")
    attempts: int
    error: CallErrorTold | None
    finish_reason: str | None
    upstream_status: int | None
    bytes_in: int
    bytes_out: int

    @classmethod
    def of(cls, call: Call) -> "CallTold":
        values: dict[str, Any] = vars(call) | {
            "client_request_id": call.client_request_id or None,
            "api": call.api or None,
            "credential_id": call.credential_id or None,
            "user_agent": call.user_agent or None,
            "cost": None if call.cost is None else format_amount(call.cost),
            "currency": None if call.cost is None else call.currency,
            "duration_ms": call.duration_us / 1000,
            "ttfb_ms": None if call.ttfb_us is None else call.ttfb_us / 1000,
            "stages": {f"{name}_us": spent for name, spent in call.stages.items()},
            "error": CallErrorTold(code=call.error_code, message=call.error_message) if call.error_code else None,
            "finish_reason": call.finish_reason or None,
            "upstream_status": call.upstream_status or None,
        }
        return cls(**{name: values[name] for name in cls.model_fields})


class CallPage(Told):
    calls: list[CallTold]
    next_cursor: str | None
    previous_cursor: str | None = Field(default=None, description="The page of newer calls; null where this one is the newest.")


class PriceTold(Told):
    """Per million tokens."""

    input_price: str
    output_price: str
    cached_input_price: str | None
    currency: str
    source: str = Field(description="Who set it: user, or a price list.")
    since: Time


class ChargeTold(Told):
    """One line of the sum that a cost is."""

    tokens: int
    kind: Literal["input", "cached", "output"]
    cost: str


class CallExplained(CallTold):
    """A call, and what makes its numbers."""

    rule: Literal["model", "api"] = Field(description="How the target was chosen: the request named the model, or an API that has it.")
    own_ms: float = Field(description="Our own time in it: screening, the key, the route, the limits.")
    provider_ms: float = Field(description="Waiting for the provider, from connecting to its last byte.")
    client_ms: float = Field(description="Waiting for the client's request.")
    tokens_per_second: float | None = Field(description="Output after the first byte; null where nothing can be said.")
    price: PriceTold | None = Field(description="The rate in force when the call began; null where there was none, or the model is gone.")
    charges: list[ChargeTold] = Field(description="What the cost is made of; empty where the price above does not give it.")

    @classmethod
    def of_explained(cls, explained: Explained) -> "CallExplained":
        call, price = explained.call, explained.price
        own = sum(call.stages.get(name, 0) for name in OWN)
        theirs = sum(call.stages.get(name, 0) for name in PROVIDERS)
        relay = call.stages.get("relay", 0)
        known = call.output_tokens > 0 and relay > 0 and call.stream
        return cls(
            **vars(CallTold.of(call)),
            rule="api" if call.api else "model",
            own_ms=own / 1000,
            provider_ms=theirs / 1000,
            client_ms=(sum(call.stages.values()) - own - theirs) / 1000,
            tokens_per_second=round(call.output_tokens / (relay / 1e6), 1) if known else None,
            price=None if price is None else _price(price),
            charges=_charges(explained),
        )


class Count(Told):
    count: int
    exact: bool = Field(description="Whether all were looked at; else there are at least so many.")


def _price(price: Price) -> PriceTold:
    def per_million(rate: int) -> str:
        return format_amount(rate * 1_000_000)

    return PriceTold(
        input_price=per_million(price.input),
        output_price=per_million(price.output),
        cached_input_price=None if price.cached is None else per_million(price.cached),
        currency=price.currency,
        source=price.source,
        since=price.since,
    )


def _charges(explained: Explained) -> list[ChargeTold]:
    call, price = explained.call, explained.price
    if price is None or call.cost is None or call.currency != price.currency:
        return []
    lines: list[tuple[Literal["input", "cached", "output"], int, int]] = [
        ("input", call.input_tokens - call.cached_tokens, price.input),
        ("cached", call.cached_tokens, price.input if price.cached is None else price.cached),
        ("output", call.output_tokens, price.output),
    ]
    if sum(tokens * rate for _, tokens, rate in lines) != call.cost:
        return []
    return [ChargeTold(kind=kind, tokens=tokens, cost=format_amount(tokens * rate)) for kind, tokens, rate in lines if tokens]


def csv_row(call: Call) -> list[object]:
    """The fields of `CSV_FIELDS` and the error's code."""
    told = CallTold.of(call).model_dump(mode="json")
    return [*(told[name] for name in CSV_FIELDS), call.error_code or None]
